#include "http/server.h"

#include <doctest/doctest.h>

#include <string>

#include "http/reply.h"
#include "http/request.h"
#include "tests/unit/http/loop_client.h"

using namespace rivulet;

namespace {

// A stream of a text that the test adds to and ends.
struct Script {
  std::string text;
  bool ended = false;
  bool drained = false;
  bool destroyed = false;
  Stream* stream = nullptr;
};

class ScriptSource final : public StreamSource {
 public:
  explicit ScriptSource(Script* script) : script_(script) {}
  ~ScriptSource() override { script_->destroyed = true; }
  void Attached(Stream* stream) override { script_->stream = stream; }
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override {
    // In pieces of three bytes, so that chunks are made of many.
    std::size_t at = sent_;
    std::size_t count = 0;
    while (count < pieces.size() && at < script_->text.size() && at - sent_ < max_bytes) {
      const std::size_t size =
          std::min({std::size_t{3}, script_->text.size() - at, max_bytes - (at - sent_)});
      pieces[count++] = {script_->text.data() + at, size};
      at += size;
    }
    return {count, script_->ended && at == script_->text.size()};
  }
  void Consume(std::size_t bytes) override { sent_ += bytes; }
  void Drain() override {
    script_->drained = true;
    script_->text += "bye";
    script_->ended = true;
  }

 private:
  Script* script_;
  std::size_t sent_ = 0;
};

// The body of a chunked answer, checked as it is read.
std::string Dechunk(const std::string& answer) {
  std::size_t at = answer.find("\r\n\r\n") + 4;
  std::string body;
  while (true) {
    const std::size_t line = answer.find("\r\n", at);
    REQUIRE(line != std::string::npos);
    const std::size_t size = std::stoul(answer.substr(at, line - at), nullptr, 16);
    body += answer.substr(line + 2, size);
    at = line + 2 + size;
    REQUIRE(answer.substr(at, 2) == "\r\n");
    at += 2;
    if (size == 0) return body;
  }
}

struct Fixture {
  FakeClock clock;
  EventLoop loop;
  MetricRegistry metrics;
  Router router{&metrics};
  Script script;
  PendingReply owed;
  std::unique_ptr<Server> server;

  explicit Fixture(ServerConfig config = {}) {
    router.Add(kLooks, "/now", [](const Request&, Reply& reply) { reply.Text(200, "now"); });
    router.Add(kActs, "/later", [this](const Request&, Reply& reply) { owed = reply.Defer(); });
    router.Add(kActs, "/at-once", [](const Request&, Reply& reply) {
      reply.Defer().Send(200, kTextPlain, "at once");
    });
    router.Add(kLooks, "/stream", [this](const Request&, Reply& reply) {
      reply.Stream(kTextPlain, std::make_unique<ScriptSource>(&script));
    });
    router.Add(kLooks, "/big", [](const Request&, Reply& reply) {
      reply.Text(200, std::string(16'000'000, 'b') + "end");
    });
    router.Add(kLooks, "/nothing", [](const Request&, Reply&) {});
    server = std::make_unique<Server>(loop, clock, std::move(config), router, metrics);
    ListenAddress address;
    address.port = 0;
    REQUIRE(server->Listen(address).ok());
  }

  void RunSome() {
    for (int i = 0; i < 10; ++i) loop.RunOnce(std::chrono::milliseconds(1));
  }
};

}  // namespace

TEST_CASE("server: an owed answer comes when it is given, and the next request waits for it") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/later") + Get("/now"));
  f.RunSome();
  REQUIRE(f.owed.alive());
  CHECK(client.ReadNow().empty());
  f.owed.Send(200, kTextPlain, "later", "X-Extra: 1\r\n");
  CHECK_FALSE(f.owed.alive());
  const std::string answers = client.ReadUntil("now");
  REQUIRE(answers.ends_with("\r\n\r\nnow"));
  CHECK(answers.find("X-Extra: 1\r\n\r\nlater") < answers.find("\r\n\r\nnow"));
}

TEST_CASE("server: an owed answer given inside the handler keeps its place among the others") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/now") + Get("/at-once") + Get("/now"));
  std::string all = client.ReadUntil("at once");
  if (!all.ends_with("now")) all += client.ReadUntil("now");
  const std::size_t first = all.find("\r\n\r\nnow");
  const std::size_t owed = all.find("\r\n\r\nat once");
  CHECK(first < owed);
  CHECK(owed < all.rfind("\r\n\r\nnow"));
}

TEST_CASE("server: a client that goes away is known to whoever owes it an answer") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/later"));
  f.RunSome();
  REQUIRE(f.owed.alive());
  client.Close();
  f.RunSome();
  CHECK_FALSE(f.owed.alive());
  f.owed.Send(200, kTextPlain, "to nobody");
}

TEST_CASE("server: an owed answer that is dropped is a 503, no answer at all a 500") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/later"));
  f.RunSome();
  f.owed = PendingReply();
  CHECK(client.ReadUntil("request\n").starts_with("HTTP/1.1 503 "));
  client.Send(Get("/nothing"));
  CHECK(client.ReadUntil("answer\n").starts_with("HTTP/1.1 500 "));
}

TEST_CASE("server: a stream sends what its source has, as it comes, and ends with it") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  f.script.text = "hello ";
  client.Send(Get("/stream") + Get("/now"));
  const std::string first = client.ReadUntil("6\r\nhello \r\n");
  CHECK(first.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  f.script.text += "world";
  f.script.stream->Wake();
  CHECK(client.ReadUntil("5\r\nworld\r\n") == "5\r\nworld\r\n");
  f.script.ended = true;
  f.script.stream->Wake();
  const std::string rest = client.ReadUntil("now");
  CHECK(rest.starts_with("0\r\n\r\nHTTP/1.1 200 OK\r\n"));
  CHECK(f.script.destroyed);
}

TEST_CASE("server: on HTTP/1.0 a stream is not chunked and ends with the connection") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  f.script.text = "hello";
  f.script.ended = true;
  client.Send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string answer = client.ReadToClose();
  CHECK(answer.find("chunked") == std::string::npos);
  CHECK(answer.ends_with("\r\n\r\nhello"));
  CHECK(client.closed());
}

TEST_CASE("server: HEAD of a stream has the head alone and starts nothing") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/now"));
  const std::string answers = client.ReadUntil("now");
  CHECK(answers.find("chunked\r\n") != std::string::npos);
  CHECK(f.script.stream == nullptr);
  CHECK(f.script.destroyed);
}

TEST_CASE("server: a stream to a slow client waits, promises and loses no byte") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  for (int i = 0; i < 3'000'000; ++i) f.script.text.push_back(static_cast<char>('a' + i % 26));
  f.script.ended = true;
  client.Send(Get("/stream"));
  f.RunSome();
  for (int i = 0; i < 2000 && !f.script.stream->blocked(); ++i) f.RunSome();
  REQUIRE(f.script.stream->blocked());
  CHECK(f.script.stream->promised_bytes() <= kMaxGatherBytes);
  CHECK(Dechunk(client.ReadUntil("\r\n0\r\n\r\n")) == f.script.text);
}

TEST_CASE("server: a stream that is aborted is cut without an end, its source destroyed later") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  f.script.text = "x";
  client.Send(Get("/stream"));
  client.ReadUntil("1\r\nx\r\n");
  f.script.stream->Abort();
  CHECK_FALSE(f.script.destroyed);
  CHECK(client.ReadToClose().empty());
  CHECK(client.closed());
  CHECK(f.script.destroyed);
}

TEST_CASE("server: the drain ends streams with their last word, then tells that it is done") {
  Fixture f;
  LoopClient idle(f.loop, f.server->bound());
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/stream"));
  client.ReadUntil("\r\n\r\n");
  bool done = false;
  f.server->Drain([&done] { done = true; });
  CHECK(client.ReadToClose() == "3\r\nbye\r\n0\r\n\r\n");
  CHECK(idle.ReadToClose().empty());
  client.Close();
  for (int i = 0; i < 1000 && !done; ++i) f.RunSome();
  CHECK(done);
  CHECK(f.script.drained);
}

TEST_CASE("server: the drain waits for an answer that is still being read, and no longer") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/big"));
  f.RunSome();
  bool done = false;
  f.server->Drain([&done] { done = true; });
  f.RunSome();
  CHECK_FALSE(done);
  CHECK(client.ReadUntil("bend").size() > 16'000'000);
  for (int i = 0; i < 100 && !done; ++i) f.RunSome();
  CHECK(done);
}

TEST_CASE("server: deadlines are absolute, by the injected clock") {
  Fixture f;
  LoopClient head(f.loop, f.server->bound());
  LoopClient idle(f.loop, f.server->bound());
  idle.Send(Get("/now"));
  idle.ReadUntil("now");
  head.Send("GET /no");
  f.RunSome();
  f.clock.Advance(std::chrono::seconds(9));
  head.Send("w");  // a trickle does not move the deadline
  f.RunSome();
  CHECK(head.ReadNow().empty());
  f.clock.Advance(std::chrono::seconds(2));
  CHECK(head.ReadToClose().starts_with("HTTP/1.1 408 "));
  f.clock.Advance(std::chrono::seconds(65));
  CHECK(idle.ReadToClose().empty());
  CHECK(idle.closed());
}

TEST_CASE("server: a body slower than 1 KiB/s is cut, a faster one is not") {
  Fixture f;
  LoopClient slow(f.loop, f.server->bound());
  LoopClient fast(f.loop, f.server->bound());
  const std::string head = "POST /at-once HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
  slow.Send(head);
  fast.Send(head + std::string(60'000, 'x'));
  f.RunSome();
  f.clock.Advance(std::chrono::seconds(11));
  CHECK(slow.ReadToClose().starts_with("HTTP/1.1 408 "));
  fast.Send(std::string(40'000, 'x'));
  CHECK(fast.ReadUntil("at once").starts_with("HTTP/1.1 200 "));
}

TEST_CASE(
    "server: a compressed body is refused with 415 whatever the method, and no handler sees it") {
  for (const std::string method : {"POST", "PUT", "GET", "PATCH", "DELETE", "OPTIONS"}) {
    CAPTURE(method);
    Fixture f;
    LoopClient client(f.loop, f.server->bound());
    client.Send(method +
                " /later HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n"
                "Content-Length: 5\r\n\r\nhello" +
                Get("/now"));
    const std::string answer = client.ReadToClose();
    CHECK(answer.starts_with("HTTP/1.1 415 Unsupported Media Type\r\n"));
    CHECK(answer.find("\r\nAccept-Encoding: identity\r\n") != std::string::npos);
    CHECK(answer.ends_with(
        "\r\n\r\nContent-Encoding must be identity: bodies are taken as they are\n"));
    CHECK_FALSE(f.owed.alive());
    CHECK(f.server->stats().answers[4] == 1);
  }
}
