// Bodies that are used as they come: what the connection hands on, when it answers, and how long it
// waits.
#include "http/upload.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>

#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "tests/unit/http/loop_client.h"

using namespace rivulet;

namespace {

struct Taken {
  std::string bytes;
  bool finished = false;
  bool destroyed = false;
  std::uint64_t mark = 0;  // what the answer is held for
};

// Takes lines; a line "bad" is refused.
class LineUpload final : public Upload {
 public:
  explicit LineUpload(Taken* taken) : taken_(taken) {}
  ~LineUpload() override { taken_->destroyed = true; }
  Status Receive(std::string_view bytes) override {
    taken_->bytes += bytes;
    if (taken_->bytes.ends_with("bad\n")) return InvalidArgument("a bad line");
    if (taken_->bytes.ends_with("full\n")) return {StatusCode::kExhausted, "the disk is full"};
    if (taken_->bytes.ends_with("large\n")) return {StatusCode::kTooLarge, "a large line"};
    if (taken_->bytes.ends_with("down\n")) return {StatusCode::kUnavailable, "down"};
    return Status::Ok();
  }
  bool between_messages() const override {
    return taken_->bytes.empty() || taken_->bytes.back() == '\n';
  }
  void Finish(Reply& reply) override {
    taken_->finished = true;
    reply.HoldUntil(taken_->mark);
    reply.Text(200, "took " + std::to_string(taken_->bytes.size()) + ".");
  }

 private:
  Taken* taken_;
};

struct Fixture {
  FakeClock clock;
  EventLoop loop;
  MetricRegistry metrics;
  Router router{&metrics};
  Taken taken;
  int opened = 0;
  std::string gathered;
  std::unique_ptr<Server> server;

  explicit Fixture(ServerConfig config = {}) {
    router.Add(kActs | Bit(Method::kPut), "/up", [this](const Request& request, Reply& reply) {
      gathered = request.body();
      reply.Text(200, "gathered.");
    });
    router.AddUpload("/up",
                     [this](const Request& request, Reply& reply) -> std::unique_ptr<Upload> {
                       ++opened;
                       if (request.Param("gather")) return nullptr;
                       if (request.Param("refuse")) {
                         reply.Error(409, "not now");
                         return nullptr;
                       }
                       return std::make_unique<LineUpload>(&taken);
                     });
    router.Add(kLooks, "/now", [](const Request&, Reply& reply) { reply.Text(200, "now."); });
    server = std::make_unique<Server>(loop, clock, std::move(config), router, metrics);
    ListenAddress address;
    address.port = 0;
    REQUIRE(server->Listen(address).ok());
  }
  void RunUntil(const std::function<bool()>& reached) {
    for (int i = 0; i < 5000 && !reached(); ++i) loop.RunOnce(std::chrono::milliseconds(1));
    REQUIRE(reached());
  }
  void RunSweeps() {
    for (int i = 0; i < 3; ++i) loop.RunOnce(std::chrono::milliseconds(300));
  }
};

std::string Head(const std::string& target = "/up", const std::string& extra = {}) {
  return "PUT " + target + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + extra +
         "\r\n";
}

std::string Chunk(const std::string& bytes) {
  char size[20];
  snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

const std::string kEnd = "0\r\n\r\n";

}  // namespace

TEST_CASE("upload: a chunked body is handed on as it comes, and answered at its end") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head());
  f.RunUntil([&f] { return f.opened == 1; });
  client.Send("6\r\none\nt");
  f.RunUntil([&f] { return f.taken.bytes == "one\nt"; });
  client.Send("w\r\n" + Chunk("o\n"));
  f.RunUntil([&f] { return f.taken.bytes == "one\ntwo\n"; });
  CHECK(client.ReadNow().empty());
  client.Send(kEnd + Get("/now"));
  const std::string answers = client.ReadUntil("now.");
  CHECK(answers.find("\r\n\r\ntook 8.HTTP/1.1 200 ") != std::string::npos);
  CHECK(f.taken.destroyed);
}

TEST_CASE("upload: cut anywhere, with a request behind it, it comes to the same") {
  const std::string bytes = Head() + Chunk("one\n") + Chunk("two\nthr") + Chunk("ee") +
                            "0\r\nTrailer: x\r\n\r\n" + Get("/now");
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    Fixture f;
    LoopClient client(f.loop, f.server->bound());
    client.Send(bytes.substr(0, cut));
    client.Send(bytes.substr(cut));
    const std::string answers = client.ReadUntil("now.");
    CHECK(answers.find("\r\n\r\ntook 13.HTTP/1.1 200 ") != std::string::npos);
    CHECK(f.taken.bytes == "one\ntwo\nthree");
  }
}

TEST_CASE("upload: a body with a length, and one that its opener leaves, are gathered") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send("PUT /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  CHECK(client.ReadUntil("gathered.").ends_with("gathered."));
  CHECK(f.gathered == "body");
  CHECK(f.opened == 0);
  client.Send(Head("/up?gather=1") + Chunk("ga") + Chunk("ther") + kEnd);
  CHECK(client.ReadUntil("gathered.").ends_with("gathered."));
  CHECK(f.gathered == "gather");
  CHECK(f.opened == 1);
}

TEST_CASE("upload: the whole may be larger than the largest body, a gathered one may not") {
  ServerConfig config;
  config.max_body_bytes = 1000;
  Fixture f(config);
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head());
  for (int i = 0; i < 10; ++i) client.Send(Chunk(std::string(2000, 'x') + "\n"));
  client.Send(kEnd);
  CHECK(client.ReadUntil("took 20010.").ends_with("took 20010."));
  client.Send(Head("/up?gather=1") + Chunk(std::string(2000, 'x')) + kEnd);
  CHECK(client.ReadToClose().starts_with("HTTP/1.1 413 "));
}

TEST_CASE("upload: 100 Continue is said once it is opened, not when it is refused") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head("/up", "Expect: 100-continue\r\n"));
  CHECK(client.ReadUntil("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(Chunk("x\n") + kEnd);
  CHECK(client.ReadUntil("took 2.").ends_with("took 2."));
  client.Send(Head("/up?refuse=1", "Expect: 100-continue\r\n"));
  CHECK(client.ReadToClose().starts_with("HTTP/1.1 409 "));
  CHECK(client.closed());
}

TEST_CASE("upload: who may not, or asks wrongly, is told at the head, and the body is not read") {
  ServerConfig config;
  config.token = "secret";
  Fixture f(config);
  LoopClient stranger(f.loop, f.server->bound());
  stranger.Send(Head());
  CHECK(stranger.ReadToClose().starts_with("HTTP/1.1 401 "));
  LoopClient wrong(f.loop, f.server->bound());
  wrong.Send("DELETE /up?token=secret HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string answer = wrong.ReadToClose();
  CHECK(answer.starts_with("HTTP/1.1 405 "));
  CHECK(answer.find("Allow: GET, POST, PUT, OPTIONS\r\n") != std::string::npos);
  CHECK(f.opened == 0);
  LoopClient known(f.loop, f.server->bound());
  known.Send(Head("/up?token=secret") + Chunk("x\n") + kEnd);
  CHECK(known.ReadUntil("took 2.").ends_with("took 2."));
}

TEST_CASE("upload: what it refuses is answered with the status that fits, and the end") {
  const auto status = [](const std::string& line) {
    Fixture f;
    LoopClient client(f.loop, f.server->bound());
    client.Send(Head() + Chunk("good\n") + Chunk(line));
    const std::string answer = client.ReadToClose();
    CHECK(client.closed());
    CHECK(f.taken.destroyed);
    CHECK_FALSE(f.taken.finished);
    CHECK(answer.find("Connection: close\r\n") != std::string::npos);
    return answer.substr(9, 3);
  };
  CHECK(status("bad\n") == "400");
  CHECK(status("large\n") == "413");
  CHECK(status("full\n") == "507");
  CHECK(status("down\n") == "503");
}

TEST_CASE("upload: broken chunks end it behind what came whole") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head() + Chunk("one\n") + "x\r\n");
  CHECK(client.ReadToClose().starts_with("HTTP/1.1 400 "));
  CHECK(f.taken.bytes == "one\n");
  CHECK_FALSE(f.taken.finished);
}

TEST_CASE("upload: a client that goes before the end is never finished") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head() + Chunk("one\n"));
  f.RunUntil([&f] { return !f.taken.bytes.empty(); });
  client.Close();
  f.RunUntil([&f] { return f.taken.destroyed; });
  CHECK_FALSE(f.taken.finished);
  CHECK(f.server->connections() == 0);
}

TEST_CASE("upload: its answer may be held, and what is behind it waits") {
  Fixture f;
  f.taken.mark = 1;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head() + Chunk("one\n") + kEnd + Get("/now"));
  f.RunUntil([&f] { return f.taken.finished; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  CHECK(client.ReadUntil("now.").find("took 4.HTTP/1.1 200 ") != std::string::npos);
}

TEST_CASE("upload: between messages a client may be silent, within one it may not") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head() + Chunk("one\n"));
  f.RunUntil([&f] { return !f.taken.bytes.empty(); });
  f.clock.Advance(std::chrono::hours(10));
  f.RunSweeps();
  client.Send(Chunk("tw"));
  f.RunUntil([&f] { return f.taken.bytes.ends_with("tw"); });
  f.clock.Advance(std::chrono::seconds(9));
  f.RunSweeps();
  CHECK(client.ReadNow().empty());
  client.Send(Chunk("o"));  // too little to count
  f.RunUntil([&f] { return f.taken.bytes.ends_with("two"); });
  f.clock.Advance(std::chrono::seconds(2));
  CHECK(client.ReadToClose().starts_with("HTTP/1.1 408 "));
}

TEST_CASE("upload: a fast beginning earns no long silence") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head());
  for (int i = 0; i < 20; ++i) client.Send(Chunk(std::string(50'000, 'x')));
  f.RunUntil([&f] { return f.taken.bytes.size() == 1'000'000; });
  f.clock.Advance(std::chrono::seconds(21));
  CHECK(client.ReadToClose().starts_with("HTTP/1.1 408 "));
}

TEST_CASE("upload: at 1 KiB/s a message may take as long as it takes") {
  Fixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Head() + Chunk("x"));
  for (int i = 0; i < 7; ++i) {
    f.clock.Advance(std::chrono::seconds(9));
    client.Send(Chunk(std::string(9900, 'x')));
    f.loop.RunOnce(std::chrono::milliseconds(300));
  }
  client.Send(kEnd);
  CHECK(client.ReadUntil("took 69301.").ends_with("took 69301."));
}

TEST_CASE("upload: the drain ends it between two messages, and not within one") {
  Fixture f;
  LoopClient between(f.loop, f.server->bound());
  between.Send(Head() + Chunk("one\n"));
  f.RunUntil([&f] { return f.taken.bytes == "one\n"; });
  bool done = false;
  SUBCASE("between") {
    f.server->Drain([&done] { done = true; });
    CHECK(between.ReadToClose().starts_with("HTTP/1.1 503 "));
  }
  SUBCASE("within") {
    between.Send(Chunk("tw"));
    f.RunUntil([&f] { return f.taken.bytes.ends_with("tw"); });
    f.server->Drain([&done] { done = true; });
    CHECK(between.ReadNow().empty());
    between.Send(Chunk("o\n"));
    CHECK(between.ReadToClose().starts_with("HTTP/1.1 503 "));
    CHECK(f.taken.bytes == "one\ntwo\n");
  }
  SUBCASE("at its end") {
    between.Send(Chunk("tw"));
    f.RunUntil([&f] { return f.taken.bytes.ends_with("tw"); });
    f.server->Drain([&done] { done = true; });
    between.Send(kEnd);
    const std::string answer = between.ReadToClose();
    CHECK(answer.ends_with("took 6."));
    CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  }
  between.Close();
  f.RunUntil([&done] { return done; });
}

TEST_CASE("upload: pages of allowed origins may send it, and read what the answer says") {
  ServerConfig config;
  config.allow_origins = {"http://page.example"};
  Fixture f(config);
  LoopClient client(f.loop, f.server->bound());
  client.Send(
      "OPTIONS /up HTTP/1.1\r\nHost: h\r\nOrigin: http://page.example\r\n"
      "Access-Control-Request-Method: PUT\r\n\r\n");
  const std::string preflight = client.ReadUntil("\r\n\r\n");
  CHECK(preflight.find("Access-Control-Allow-Methods: GET, POST, PUT, OPTIONS\r\n") !=
        std::string::npos);
  CHECK(preflight.find("Idempotency-Key") != std::string::npos);
  client.Send(Head("/up", "Origin: http://page.example\r\n") + Chunk("x\n") + kEnd);
  const std::string answer = client.ReadUntil("took 2.");
  CHECK(answer.find("Access-Control-Allow-Origin: http://page.example\r\n") != std::string::npos);
  const std::size_t exposed = answer.find("Access-Control-Expose-Headers: ");
  REQUIRE(exposed != std::string::npos);
  const std::string names = answer.substr(exposed, answer.find("\r\n", exposed) - exposed);
  CHECK(names.find("X-Offset") != std::string::npos);
  CHECK(names.find("X-Gap") != std::string::npos);
}
