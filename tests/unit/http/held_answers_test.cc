#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/tcp.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/http/hold_fixture.h"

using namespace rivulet;

namespace {

unsigned DataSegmentsReceived(const LoopClient& client) {
  tcp_info info{};
  socklen_t size = sizeof info;
  REQUIRE(getsockopt(client.fd(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  return info.tcpi_data_segs_in;
}

}  // namespace

TEST_CASE("held: an answer leaves when its mark is released, and not before") {
  HoldFixture f;
  f.mark = 2;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a"));
  f.RunUntil([&f] { return f.served == 1; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  CHECK(client.ReadNow().empty());
  f.server->Release(2);
  CHECK(Bodies(client.ReadUntil("a.")) == "a.");
}

TEST_CASE("held: a mark that has been released already holds nothing") {
  HoldFixture f;
  f.server->Release(7);
  f.mark = 7;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a"));
  CHECK(Bodies(client.ReadUntil("a.")) == "a.");
}

TEST_CASE("held: plain answers keep their place among held ones") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a") + Say("/plain", "b") + Say("/hold", "c") + Say("/plain", "d"));
  f.RunUntil([&f] { return f.served == 4; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  CHECK(Bodies(client.ReadUntil("d.")) == "a.b.c.d.");
}

TEST_CASE("held: answers of an earlier commit leave while those of later ones stay") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  for (int i = 1; i <= 3; ++i) {
    f.mark = static_cast<std::uint64_t>(i);
    client.Send(Say("/hold", std::to_string(i)) + Say("/plain", "p" + std::to_string(i)));
    f.RunUntil([&f, i] { return f.served == 2 * i; });
  }
  f.server->Release(1);
  CHECK(Bodies(client.ReadUntil("p1.")) == "1.p1.");
  f.server->Release(2);
  CHECK(client.ReadNow().empty());  // those behind the first group leave together
  f.server->Release(3);
  CHECK(Bodies(client.ReadUntil("p3.")) == "2.p2.3.p3.");
}

TEST_CASE("held: a hundred pipelined requests are answered in order, 64 held at a time") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  std::string requests;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    requests += Say("/hold", std::to_string(i));
    expected += std::to_string(i) + ".";
  }
  client.Send(requests);
  f.RunUntil([&f] { return f.served == 64; });
  f.RunSome();
  CHECK(f.served == 64);
  f.mark = 2;
  f.server->Release(1);
  f.RunUntil([&f] { return f.served == 100; });
  std::string answers = client.ReadUntil("63.");
  f.server->Release(2);
  answers += client.ReadUntil("99.");
  CHECK(Bodies(answers) == expected);
}

TEST_CASE("held: no more than 256 KiB of answers are held, and one more") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  const std::string body(100'000, 'q');
  const std::string post = fmt::format(
      "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  for (int i = 0; i < 4; ++i) client.Send(post);
  f.RunUntil([&f] { return f.served == 3; });
  f.RunSome();
  CHECK(f.served == 3);
  f.server->Release(1);
  f.RunUntil([&f] { return f.served == 4; });
  std::string bodies;
  while (bodies.size() < 4 * (body.size() + 1) && !client.closed()) {
    bodies += client.ReadNow();
    if (bodies.size() > 4 * body.size()) break;
  }
  CHECK(std::count(bodies.begin(), bodies.end(), 'q') == 400'000);
}

TEST_CASE("held: an owed answer can be held, and one behind held answers waits for them") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/later"));
  f.RunUntil([&f] { return f.owed.alive(); });
  f.owed.HoldUntil(1);
  PendingReply moved = std::move(f.owed);
  moved.Send(200, kTextPlain, "later.");
  CHECK(client.ReadNow().empty());
  client.Send(Say("/hold", "b") + Get("/later") + Say("/plain", "d"));
  f.RunUntil([&f] { return f.owed.alive(); });
  f.owed.Send(200, kTextPlain, "owed.");
  f.RunUntil([&f] { return f.served == 2; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  CHECK(Bodies(client.ReadUntil("d.")) == "later.b.owed.d.");
}

TEST_CASE("held: an owed answer given inside the handler is held too") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/plain", "a") + Get("/at-once"));
  f.RunUntil([&f] { return f.served == 1; });
  CHECK(client.ReadNow().find("at once.") == std::string::npos);
  f.server->Release(1);
  CHECK(client.ReadUntil("at once.").ends_with("at once."));
}

TEST_CASE("held: an answer owed at a release of what is before it still comes") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a") + Get("/later"));
  f.RunUntil([&f] { return f.owed.alive(); });
  f.server->Release(1);
  CHECK(Bodies(client.ReadUntil("a.")) == "a.");
  f.owed.Send(200, kTextPlain, "later.");
  CHECK(Bodies(client.ReadUntil("later.")) == "later.");
}

TEST_CASE("held: a stream behind a held answer waits for it, and what is behind the stream too") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a") + Get("/stream") + Say("/plain", "z"));
  f.RunUntil([&f] { return f.served == 1; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  const std::string all = client.ReadUntil("z.");
  CHECK(all.find("a.HTTP/1.1 200 OK") != std::string::npos);
  CHECK(all.find("\r\n\r\n9\r\ntwo words\r\n0\r\n\r\nHTTP/1.1 200 OK") != std::string::npos);
}

TEST_CASE("held: HEAD, HTTP/1.0 and the last answer of a connection are held like others") {
  HoldFixture f;
  LoopClient head(f.loop, f.server->bound());
  LoopClient old(f.loop, f.server->bound());
  LoopClient last(f.loop, f.server->bound());
  head.Send("HEAD /hold?say=a HTTP/1.1\r\nHost: h\r\n\r\n" + Say("/hold", "b"));
  old.Send("GET /hold?say=old HTTP/1.0\r\n\r\n");
  last.Send("GET /hold?say=last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  f.RunUntil([&f] { return f.served == 4; });
  CHECK(head.ReadNow().empty());
  f.clock.Advance(std::chrono::seconds(5));  // beyond the time of lingering
  f.RunSweeps();
  CHECK(old.ReadNow().empty());
  CHECK(last.ReadNow().empty());
  CHECK_FALSE(last.closed());
  f.server->Release(1);
  const std::string heads = head.ReadUntil("b.");
  CHECK(heads.find("a.") == std::string::npos);
  CHECK(heads.find("Content-Length: 2\r\n") != std::string::npos);
  CHECK(old.ReadToClose().ends_with("\r\n\r\nold."));
  CHECK(last.ReadToClose().ends_with("Connection: close\r\n\r\nlast."));
}

TEST_CASE("held: many connections are let go at once, each with one send") {
  HoldFixture f;
  std::vector<std::unique_ptr<LoopClient>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<LoopClient>(f.loop, f.server->bound()));
    for (int j = 0; j < 3; ++j) {
      clients.back()->Send(Say("/hold", fmt::format("{}-{}", i, j)));
      f.RunUntil([&f, i, j] { return f.served == 3 * i + j + 1; });
    }
  }
  f.server->Release(1);
  for (int i = 0; i < 64; ++i) {
    LoopClient& client = *clients[static_cast<std::size_t>(i)];
    CHECK(Bodies(client.ReadUntil(fmt::format("{}-2.", i))) ==
          fmt::format("{0}-0.{0}-1.{0}-2.", i));
    CHECK(DataSegmentsReceived(client) == 1);
  }
}

TEST_CASE(
    "held: big answers that a slow client takes in parts come whole, behind a partial release") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  const std::string body(16'000'000, 'q');
  const std::string post = fmt::format(
      "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  client.Send(post);
  f.RunUntil([&f] { return f.served == 1; });
  f.server->Release(1);
  f.mark = 2;
  client.Send(Say("/hold", "b"));  // not served before the first is read
  CHECK(f.served == 1);
  std::string all = client.ReadUntil("q.");
  CHECK(std::count(all.begin(), all.end(), 'q') == 16'000'000);
  f.RunUntil([&f] { return f.served == 2; });
  CHECK(client.ReadNow().empty());
  f.server->Release(2);
  CHECK(Bodies(client.ReadUntil("b.")) == "b.");
}

TEST_CASE(
    "reachable: an owed answer knows of a client that has just closed, or only ended sending") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Get("/later") + Get("/plain"));
  f.RunUntil([&f] { return f.owed.alive(); });
  CHECK(f.owed.Reachable());
  SUBCASE("closed") { client.Close(); }
  SUBCASE("ended") { client.EndSending(); }
  CHECK(f.owed.alive());  // the loop has not run
  CHECK_FALSE(f.owed.Reachable());
  CHECK_FALSE(PendingReply().Reachable());
}
