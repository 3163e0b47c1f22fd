// What tests of WebSockets over a real loop share: a server whose /echo has a source, and whose
// /listen has none.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "http/websocket.h"
#include "tests/unit/http/loop_client.h"
#include "tests/unit/http/websocket_peer.h"

namespace rivulet {

// Echoes each message to the client as what is streamed.
struct EchoSource final : StreamSource, WebSocketListener {
  void Attached(Stream* stream) override { stream_ = stream; }
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override {
    if (sent_ == bytes_.size()) return {0, ended_};
    const std::size_t size = std::min(max_bytes, bytes_.size() - sent_);
    pieces[0] = {bytes_.data() + sent_, size};
    return {1, ended_, sent_ + size < bytes_.size()};
  }
  void Consume(std::size_t bytes) override { sent_ += bytes; }
  void Drain() override {
    bytes_ += WebSocketCloseFrame(kCloseGoingAway, "drained");
    ended_ = true;
  }
  std::string OnMessage(std::string_view payload, bool text) override {
    if (payload == "pause") stream_->PauseReading(true);
    bytes_ += WebSocketFrame(text ? WebSocketOpcode::kText : WebSocketOpcode::kBinary, payload);
    stream_->Wake();
    return {};
  }
  Stream* stream_ = nullptr;
  std::string bytes_;
  std::size_t sent_ = 0;
  bool ended_ = false;
};

// Listens for an EchoSource that somebody else owns.
class EchoListener final : public WebSocketListener {
 public:
  explicit EchoListener(WebSocketListener* to) : to_(to) {}
  std::string OnMessage(std::string_view payload, bool text) override {
    return to_->OnMessage(payload, text);
  }

 private:
  WebSocketListener* to_;
};

struct WebSocketFixture {
  FakeClock clock;
  EventLoop loop;
  MetricRegistry metrics;
  Router router{&metrics};
  Recorder::Heard heard;
  EchoSource* last_echo = nullptr;
  std::uint64_t mark = 0;
  std::unique_ptr<Server> server;

  explicit WebSocketFixture(ServerConfig config = {}) {
    router.Add(kLooks, "/echo", [this](const Request&, Reply& reply) {
      auto echo = std::make_unique<EchoSource>();
      last_echo = echo.get();
      auto listener = std::make_unique<EchoListener>(echo.get());
      reply.AddHeader("X-Offset", "7");
      reply.WebSocket(std::move(echo), std::move(listener), {});
    });
    router.Add(kActs, "/listen", [this](const Request&, Reply& reply) {
      reply.HoldUntil(mark);
      reply.WebSocket(nullptr, std::make_unique<Recorder>(&heard), {});
    });
    router.Add(kLooks, "/now", [](const Request&, Reply& reply) { reply.Text(200, "now"); });
    server = std::make_unique<Server>(loop, clock, std::move(config), router, metrics);
    ListenAddress address;
    address.port = 0;
    REQUIRE(server->Listen(address).ok());
  }
  void RunSome() {
    for (int i = 0; i < 10; ++i) loop.RunOnce(std::chrono::milliseconds(1));
  }
  void RunSweeps() {
    for (int i = 0; i < 2; ++i) loop.RunOnce(std::chrono::milliseconds(300));
  }
  void RunUntil(const std::function<bool()>& reached) {
    for (int i = 0; i < 5000 && !reached(); ++i) loop.RunOnce(std::chrono::milliseconds(1));
    REQUIRE(reached());
  }
};

// The handshake of RFC 6455 1.3.
inline std::string Handshake(const std::string& path, const std::string& extra = {}) {
  return "GET " + path +
         " HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         extra + "\r\n";
}

// What is sent after a head, up to its end.
inline std::string AfterHead(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

}  // namespace rivulet
