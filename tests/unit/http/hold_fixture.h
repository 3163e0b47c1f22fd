// What tests of held answers share: a server whose /hold answers wait for `mark`.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>

#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "tests/unit/http/loop_client.h"

namespace rivulet {

// Has its two words ready at once.
class TwoWords final : public StreamSource {
 public:
  void Attached(Stream* stream) override { stream->Wake(); }
  Gathered Gather(std::span<iovec> pieces, std::size_t) override {
    if (sent_ == text_.size()) return {0, true};
    pieces[0] = {text_.data() + sent_, text_.size() - sent_};
    return {1, true};
  }
  void Consume(std::size_t bytes) override { sent_ += bytes; }
  void Drain() override {}

 private:
  std::string text_ = "two words";
  std::size_t sent_ = 0;
};

struct HoldFixture {
  FakeClock clock;
  EventLoop loop;
  MetricRegistry metrics;
  Router router{&metrics};
  std::uint64_t mark = 1;  // what /hold holds for
  int served = 0;
  PendingReply owed;
  std::unique_ptr<Server> server;

  HoldFixture() {
    router.Add(kActsOrLooks, "/hold", [this](const Request& request, Reply& reply) {
      ++served;
      reply.HoldUntil(mark);
      reply.Text(200, request.Param("say").value_or(std::string(request.body())) + ".");
    });
    router.Add(kActsOrLooks, "/plain", [this](const Request& request, Reply& reply) {
      ++served;
      reply.Text(200, request.Param("say").value_or("plain") + ".");
    });
    router.Add(kActs, "/later", [this](const Request&, Reply& reply) { owed = reply.Defer(); });
    router.Add(kActs, "/at-once", [this](const Request&, Reply& reply) {
      PendingReply pending = reply.Defer();
      pending.HoldUntil(mark);
      pending.Send(200, kTextPlain, "at once.");
    });
    router.Add(kLooks, "/stream", [](const Request&, Reply& reply) {
      reply.Stream(kTextPlain, std::make_unique<TwoWords>());
    });
    server = std::make_unique<Server>(loop, clock, ServerConfig{}, router, metrics);
    ListenAddress address;
    address.port = 0;
    REQUIRE(server->Listen(address).ok());
  }

  void RunSome() {
    for (int i = 0; i < 10; ++i) loop.RunOnce(std::chrono::milliseconds(1));
  }
  // Until deadlines have been looked at twice.
  void RunSweeps() {
    for (int i = 0; i < 3; ++i) loop.RunOnce(std::chrono::milliseconds(300));
  }
  void RunUntil(const std::function<bool()>& reached) {
    for (int i = 0; i < 5000 && !reached(); ++i) loop.RunOnce(std::chrono::milliseconds(1));
    REQUIRE(reached());
  }
};

inline std::string Say(const std::string& path, const std::string& word) {
  return Get(path + "?say=" + word);
}

// The bodies of answers that end in a full stop, in order; the heads' statuses must be 200.
inline std::string Bodies(const std::string& answers) {
  std::string bodies;
  std::size_t at = 0;
  while (at < answers.size()) {
    REQUIRE(answers.compare(at, 12, "HTTP/1.1 200") == 0);
    const std::size_t body = answers.find("\r\n\r\n", at) + 4;
    at = answers.find('.', body) + 1;
    bodies += answers.substr(body, at - body);
  }
  return bodies;
}

}  // namespace rivulet
