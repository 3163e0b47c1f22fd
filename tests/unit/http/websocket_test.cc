// Frames and handshakes, the latter over a real loop.
#include "http/websocket.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/json.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "tests/unit/http/loop_client.h"
#include "tests/unit/http/websocket_peer.h"

using namespace rivulet;

namespace {

// Echoes each message to the client as what is streamed.
struct Echo final : StreamSource, WebSocketListener {
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

// Listens for an Echo that somebody else owns.
class Forwarder final : public WebSocketListener {
 public:
  explicit Forwarder(WebSocketListener* to) : to_(to) {}
  std::string OnMessage(std::string_view payload, bool text) override {
    return to_->OnMessage(payload, text);
  }

 private:
  WebSocketListener* to_;
};

struct Fixture {
  FakeClock clock;
  EventLoop loop;
  MetricRegistry metrics;
  Router router{&metrics};
  Recorder::Heard heard;
  Echo* last_echo = nullptr;
  std::uint64_t mark = 0;
  std::unique_ptr<Server> server;

  explicit Fixture(ServerConfig config = {}) {
    router.Add(kLooks, "/echo", [this](const Request&, Reply& reply) {
      auto echo = std::make_unique<Echo>();
      last_echo = echo.get();
      auto forwarder = std::make_unique<Forwarder>(echo.get());
      reply.AddHeader("X-Offset", "7");
      reply.WebSocket(std::move(echo), std::move(forwarder), {});
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
std::string Handshake(const std::string& path, const std::string& extra = {}) {
  return "GET " + path +
         " HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         extra + "\r\n";
}

std::string Without(std::string text, const std::string& part, const std::string& instead = {}) {
  const std::size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), instead);
}

// What is sent after a head, up to its end.
std::string AfterHead(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

}  // namespace

TEST_CASE("websocket: frames are those of RFC 6455 5.7") {
  CHECK(WebSocketFrame(WebSocketOpcode::kText, "Hello") == "\x81\x05Hello");
  CHECK(WebSocketFrame(WebSocketOpcode::kPing, "Hello") == "\x89\x05Hello");
  const std::string b256(256, 'b');
  CHECK(WebSocketFrame(WebSocketOpcode::kBinary, b256) ==
        std::string("\x82\x7e\x01\x00", 4) + b256);
  const std::string b64k(65536, 'b');
  CHECK(WebSocketFrame(WebSocketOpcode::kBinary, b64k) ==
        std::string("\x82\x7f\0\0\0\0\0\1\0\0", 10) + b64k);
  CHECK(WebSocketHeaderBytes(125) == 2);
  CHECK(WebSocketHeaderBytes(126) == 4);
  CHECK(WebSocketHeaderBytes(65535) == 4);
  CHECK(WebSocketHeaderBytes(65536) == 10);
  CHECK(WebSocketFrame(WebSocketOpcode::kText, {}) == std::string("\x81\0", 2));
}

TEST_CASE("websocket: a close frame's reason is cut at a character") {
  CHECK(WebSocketCloseFrame(1000, "done") ==
        "\x88\x06\x03\xe8"
        "done");
  std::string euros;
  for (int i = 0; i < 60; ++i) euros += "\xe2\x82\xac";
  const std::string cut = WebSocketCloseFrame(1008, euros);
  CHECK(cut.size() == 2 + 2 + 123);  // 41 characters of three bytes
  CHECK(IsValidUtf8(std::string_view(cut).substr(4)));
  CHECK(WebSocketCloseFrame(1008, "x" + euros).size() == 2 + 2 + 121);
}

TEST_CASE("websocket: the accept value is that of RFC 6455 1.3") {
  CHECK(WebSocketAccept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("websocket: the handshake is answered with 101, and frames go both ways") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/echo"));
  const std::string head = client.ReadUntil("\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(head.find("\r\nUpgrade: websocket\r\n") != std::string::npos);
  CHECK(head.find("\r\nConnection: Upgrade\r\n") != std::string::npos);
  CHECK(head.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") !=
        std::string::npos);
  CHECK(head.find("\r\nX-Offset: 7\r\n") != std::string::npos);
  CHECK(head.find("chunked") == std::string::npos);
  CHECK(head.find("Content-") == std::string::npos);
  CHECK(head.find("close") == std::string::npos);
  client.Send(ClientFrame(kText, "hello") + ClientFrame(kPing, "p"));
  std::string seen = client.ReadUntil("hello");
  if (seen.find("\x8a\x01p") == std::string::npos) seen += client.ReadUntil("\x8a\x01p");
  CHECK(ReadFrames(seen)->size() == 2);
  client.Send(ClientFrame(kClose, CloseCode(1000)));
  CHECK(client.ReadToClose() == "\x88\x02\x03\xe8");
  CHECK(client.closed());
}

TEST_CASE("websocket: the handshake and frames behind it may be cut anywhere") {
  Fixture f;
  const std::string bytes =
      Handshake("/listen") + ClientFrame(kText, "at once") + ClientFrame(kClose, CloseCode(1000));
  std::string whole;
  const std::size_t head_bytes = Handshake("/listen").size();
  for (std::size_t cut = 0; cut < bytes.size(); cut += cut + 8 < head_bytes ? 5 : 1) {
    f.heard.messages.clear();
    LoopClient client(f.loop, f.server->bound());
    client.Send(bytes.substr(0, cut));
    for (int i = 0; i < 3; ++i) f.loop.RunOnce(std::chrono::milliseconds(1));
    client.Send(bytes.substr(cut));
    const std::string answer = client.ReadToClose();
    CHECK(AfterHead(answer) == "\x88\x02\x03\xe8");
    if (whole.empty()) whole = answer;
    CHECK(answer == whole);
    REQUIRE(f.heard.messages.size() == 1);
    CHECK(f.heard.messages[0].first == "at once");
  }
}

TEST_CASE("websocket: tokens of the handshake are lists, without regard to case") {
  Fixture f;
  for (const std::string& request :
       {Without(Handshake("/echo"), "Connection: Upgrade", "Connection: keep-alive, upgrade"),
        Without(Handshake("/echo"), "Upgrade: websocket", "Upgrade: h2c, WebSocket"),
        Without(Handshake("/echo"), "Connection: Upgrade",
                "Connection: keep-alive\r\nConnection: Upgrade")}) {
    LoopClient client(f.loop, f.server->bound());
    client.Send(request);
    CHECK(client.ReadUntil("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  }
}

TEST_CASE("websocket: what is wrong with a handshake is told, and the connection goes on") {
  Fixture f;
  const std::string good = Handshake("/echo");
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  struct Case {
    std::string request;
    std::string status;
  };
  for (const Case& c : std::vector<Case>{
           {Without(good, key), "400"},
           {Without(good, "dGhlIHNhbXBsZSBub25jZQ==", "short"), "400"},
           {Without(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!=="), "400"},
           {Without(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA"), "400"},
           {Without(good, version), "426"},
           {Without(good, "Version: 13", "Version: 8"), "426"},
           {Without(good, "Upgrade: websocket\r\n"), "426"},
           {Handshake("/echo", "Origin: http://evil.example\r\n"), "403"},
           {Handshake("/echo", "Origin: null\r\n"), "403"},
           {Without(good, "HTTP/1.1", "HTTP/1.0"), "400"}}) {
    CAPTURE(c.request);
    LoopClient client(f.loop, f.server->bound());
    client.Send(c.request);
    const std::string answer = client.ReadUntil("\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 " + c.status + " "));
    if (c.status == "426") {
      CHECK(answer.find("\r\nUpgrade: websocket\r\n") != std::string::npos);
      const bool version_told =
          answer.find("\r\nSec-WebSocket-Version: 13\r\n") != std::string::npos;
      CHECK(version_told == (c.request.find("Upgrade: websocket") != std::string::npos));
    }
    if (c.request.find("HTTP/1.0") != std::string::npos) continue;
    client.Send(Get("/now"));
    CHECK(client.ReadUntil("now").ends_with("now"));
  }
}

TEST_CASE("websocket: an origin is allowed that is the host's own, or that is named") {
  const auto status = [](Fixture& f, const std::string& origin) {
    LoopClient client(f.loop, f.server->bound());
    client.Send(Handshake("/echo", origin.empty() ? "" : "Origin: " + origin + "\r\n"));
    return client.ReadUntil("\r\n\r\n").substr(9, 3);
  };
  Fixture same;
  CHECK(status(same, "") == "101");
  CHECK(status(same, "http://server.example.com") == "101");
  CHECK(status(same, "https://Server.Example.com") == "101");
  CHECK(status(same, "http://server.example.com:8080") == "403");
  CHECK(status(same, "http://server.example.com.evil") == "403");
  CHECK(status(same, "http://xserver.example.com") == "403");
  CHECK(status(same, "server.example.com") == "403");
  ServerConfig named;
  named.allow_origins = {"https://page.example"};
  Fixture listed(named);
  CHECK(status(listed, "https://page.example") == "101");
  CHECK(status(listed, "http://page.example") == "403");
  CHECK(status(listed, "http://server.example.com") == "101");
  named.allow_origins = {"*"};
  Fixture any(named);
  CHECK(status(any, "null") == "101");
  CHECK(status(any, "http://evil.example") == "101");
}

TEST_CASE(
    "websocket: a listener without a source lives as long as its client, not as its patience") {
  Fixture f;
  f.heard.answer = "n";
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/listen"));
  client.ReadUntil("\r\n\r\n");
  f.clock.Advance(std::chrono::hours(1));
  for (int i = 0; i < 3; ++i) f.loop.RunOnce(std::chrono::milliseconds(300));
  client.Send(ClientFrame(kText, "still here"));
  CHECK(client.ReadUntil("n1") == "\x81\x02n1");
  client.Close();
  f.RunUntil([&f] { return f.heard.destroyed; });
  CHECK(f.server->connections() == 0);
}

TEST_CASE("websocket: a message that comes too slowly ends the connection with 1008") {
  ServerConfig config;
  std::string rate = "1KiB/s";
  SUBCASE("of the usual rate") {}
  SUBCASE("of another rate") {
    config.min_body_bytes_per_second = 1500;
    rate = "1500B/s";
  }
  Fixture f(config);
  LoopClient client(f.loop, f.server->bound());
  const std::string half = ClientFrame(kBinary, std::string(1U << 20, 'x')).substr(0, 30'000);
  client.Send(Handshake("/listen") + ClientFrame(kText, "whole") + half);
  client.ReadUntil("\r\n\r\n");
  f.RunUntil([&f] { return f.heard.messages.size() == 1; });
  f.RunSome();
  f.clock.Advance(std::chrono::seconds(9));
  f.RunSweeps();
  CHECK(client.ReadNow().empty());
  f.clock.Advance(std::chrono::seconds(12));  // the last bytes may have earned up to ten
  const std::vector<ServerFrame> told{
      {kClose, CloseCode(1008) + "the message came slower than " + rate}};
  CHECK(*ReadFrames(client.ReadToClose()) == told);
  CHECK(f.heard.destroyed);
  CHECK(f.server->connections() == 1);  // a client that does not go is cut
  f.clock.Advance(std::chrono::milliseconds(2100));
  f.RunUntil([&f] { return f.server->connections() == 0; });
}

TEST_CASE("websocket: at 1 KiB/s a message may take as long as it takes") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/listen") + ClientFrame(kText, "x", NotFinal()));
  for (int i = 0; i < 6; ++i) {
    f.clock.Advance(std::chrono::seconds(10));
    client.Send(ClientFrame(kContinuation, std::string(10'500, 'x'), NotFinal()));
    f.loop.RunOnce(std::chrono::milliseconds(300));
  }
  client.Send(ClientFrame(kContinuation, "y"));
  f.RunUntil([&f] { return f.heard.messages.size() == 1; });
  CHECK(f.heard.messages[0].first.size() == 63'002);
}

TEST_CASE("websocket: a client that is not read may be late with its message") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/echo") + ClientFrame(kText, "pause") +
              ClientFrame(kText, "h", NotFinal()));
  client.ReadUntil("pause");
  client.Send(ClientFrame(kContinuation, "alf"));
  f.clock.Advance(std::chrono::seconds(100));
  f.loop.RunOnce(std::chrono::milliseconds(300));
  REQUIRE(client.ReadNow().empty());
  f.last_echo->stream_->PauseReading(false);
  CHECK(client.ReadUntil("half") == "\x81\x04half");
}

TEST_CASE(
    "websocket: a client that never reads costs the newest answer, and is heard all the same") {
  Fixture f;
  f.heard.answer = std::string(100'000, 'a');
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/listen"));
  for (int i = 0; i < 200; ++i) client.Send(ClientFrame(kText, "m") + ClientFrame(kPing, "p"));
  f.RunUntil([&f] { return f.heard.messages.size() == 200; });
  const std::string tail = "a200";
  const std::string all = AfterHead(client.ReadUntil(tail));
  REQUIRE(all.ends_with(tail));
  REQUIRE(ReadFrames(all));
}

TEST_CASE("websocket: a close that is not answered is cut after two seconds") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/echo"));
  client.ReadUntil("\r\n\r\n");
  bool done = false;
  f.server->Drain([&done] { done = true; });
  CHECK(client.ReadUntil("drained") ==
        "\x88\x09\x03\xe9"
        "drained");
  for (int i = 0; i < 3; ++i) f.loop.RunOnce(std::chrono::milliseconds(300));
  CHECK_FALSE(done);
  f.clock.Advance(std::chrono::milliseconds(2100));
  client.ReadToClose();
  CHECK(client.closed());
  f.RunUntil([&done] { return done; });
}

TEST_CASE("websocket: the drain is over once the client has answered the close") {
  Fixture f;
  LoopClient with_source(f.loop, f.server->bound());
  LoopClient without(f.loop, f.server->bound());
  with_source.Send(Handshake("/echo"));
  without.Send(Handshake("/listen"));
  with_source.ReadUntil("\r\n\r\n");
  without.ReadUntil("\r\n\r\n");
  bool done = false;
  f.server->Drain([&done] { done = true; });
  CHECK(with_source.ReadUntil("drained").ends_with("drained"));
  CHECK(ReadFrames(without.ReadToClose())->at(0).close_code() == 1001);
  without.Close();
  with_source.Send(ClientFrame(kClose, CloseCode(1001)));
  CHECK(with_source.ReadToClose().empty());
  with_source.Close();
  f.RunUntil([&done] { return done; });
}

TEST_CASE("websocket: a handshake behind a held answer waits for it; a failure ends both") {
  Fixture f;
  f.mark = 1;
  LoopClient client(f.loop, f.server->bound());
  LoopClient failed(f.loop, f.server->bound());
  client.Send(Handshake("/listen") + ClientFrame(kText, "early"));
  failed.Send(Handshake("/listen"));
  f.RunUntil([&f] { return f.heard.messages.size() == 1; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  CHECK(client.ReadUntil("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  f.mark = 2;
  LoopClient later(f.loop, f.server->bound());
  later.Send(Handshake("/listen"));
  f.RunSome();
  f.heard.destroyed = false;
  f.server->FailHeld(507, "the disk is full");
  CHECK(later.ReadToClose().starts_with("HTTP/1.1 507 "));
  CHECK(f.heard.destroyed);
}
