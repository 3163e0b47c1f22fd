// Held answers when something ends: the client, the disk, the daemon, the client's patience.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "tests/unit/http/hold_fixture.h"

using namespace rivulet;

TEST_CASE("held: what cannot be parsed is told behind held answers") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a") + "NONSENSE\r\n\r\n");
  f.RunUntil([&f] { return f.served == 1; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  const std::string all = client.ReadToClose();
  CHECK(all.find("a.HTTP/1.1 400 ") != std::string::npos);
}

TEST_CASE("held: a client that closes while its answer is held is forgotten") {
  HoldFixture f;
  auto gone = std::make_unique<LoopClient>(f.loop, f.server->bound());
  LoopClient stays(f.loop, f.server->bound());
  gone->Send(Say("/hold", "a"));
  stays.Send(Say("/hold", "b"));
  f.RunUntil([&f] { return f.served == 2; });
  // A reset, not only an end: nothing can be sent to it any more.
  const linger at_once{1, 0};
  setsockopt(gone->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  gone.reset();
  f.RunUntil([&f] { return f.server->connections() == 1; });
  f.server->Release(1);
  CHECK(Bodies(stays.ReadUntil("b.")) == "b.");
}

TEST_CASE("held: a client that only ends its sending gets what is held, then the end") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a") + Say("/hold", "b"));
  client.EndSending();
  f.RunUntil([&f] { return f.served == 2; });
  f.RunSome();
  CHECK(f.server->connections() == 1);
  f.server->Release(1);
  CHECK(Bodies(client.ReadToClose()) == "a.b.");
  CHECK(client.closed());
  f.RunUntil([&f] { return f.server->connections() == 0; });
}

TEST_CASE("held: a failure takes the place of the first held answer, and ends the connection") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  LoopClient other(f.loop, f.server->bound());
  client.Send(Say("/plain", "a") + Say("/hold", "b") + Say("/plain", "c") + Say("/hold", "d"));
  other.Send(Get("/plain"));
  f.RunUntil([&f] { return f.served == 5; });
  f.server->FailHeld(507, "the disk is full");
  const std::string all = client.ReadToClose();
  const std::size_t failed = all.find("HTTP/1.1 507 ");
  REQUIRE(failed != std::string::npos);
  CHECK(Bodies(all.substr(0, failed)) == "a.");
  CHECK(all.find("Retry-After: 1\r\n", failed) != std::string::npos);
  CHECK(all.find("Connection: close\r\n", failed) != std::string::npos);
  CHECK(all.ends_with("\r\n\r\nthe disk is full\n"));
  CHECK(client.closed());
  CHECK(Bodies(other.ReadUntil("plain.")) == "plain.");
  CHECK_FALSE(other.closed());
}

TEST_CASE("held: after a release the failure takes the place of the first that is still held") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a"));
  f.RunUntil([&f] { return f.served == 1; });
  f.mark = 2;
  client.Send("GET /hold?say=b HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n");
  f.RunUntil([&f] { return f.served == 2; });
  f.server->Release(1);
  CHECK(Bodies(client.ReadUntil("a.")) == "a.");
  f.server->FailHeld(503, "the disk \"sda\" failed");
  const std::string failed = client.ReadToClose();
  CHECK(failed.starts_with("HTTP/1.1 503 "));
  CHECK(failed.ends_with("{\"status\":503,\"error\":\"the disk \\\"sda\\\" failed\"}\n"));
}

TEST_CASE("held: a failure drops what was owed or streamed behind held answers") {
  HoldFixture f;
  LoopClient owed(f.loop, f.server->bound());
  LoopClient stream(f.loop, f.server->bound());
  LoopClient head(f.loop, f.server->bound());
  owed.Send(Say("/hold", "a") + Get("/later"));
  stream.Send(Say("/hold", "b") + Get("/stream"));
  head.Send("HEAD /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  f.RunUntil([&f] { return f.served == 3 && f.owed.alive(); });
  f.RunSome();
  f.server->FailHeld(503, "no");
  CHECK_FALSE(f.owed.alive());
  f.owed.Send(200, kTextPlain, "to nobody");
  CHECK(owed.ReadToClose().ends_with("\r\n\r\nno\n"));
  CHECK(stream.ReadToClose().ends_with("\r\n\r\nno\n"));
  CHECK(head.ReadToClose().ends_with("Connection: close\r\n\r\n"));
  f.clock.Advance(std::chrono::seconds(3));  // the time of lingering
  f.RunUntil([&f] { return f.server->connections() == 0; });
}

TEST_CASE("held: the drain waits for held answers, and no longer") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a"));
  f.RunUntil([&f] { return f.served == 1; });
  bool done = false;
  f.server->Drain([&done] { done = true; });
  f.RunSome();
  CHECK_FALSE(done);
  f.server->Release(1);
  CHECK(Bodies(client.ReadToClose()) == "a.");
  f.RunUntil([&done] { return done; });
}

TEST_CASE("held: no deadline runs for a client whose answer is held, and again after it") {
  HoldFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Say("/hold", "a"));
  f.RunUntil([&f] { return f.served == 1; });
  f.clock.Advance(std::chrono::seconds(300));
  f.RunSweeps();
  REQUIRE(f.server->connections() == 1);
  f.server->Release(1);
  CHECK(Bodies(client.ReadUntil("a.")) == "a.");
  f.clock.Advance(std::chrono::seconds(80));
  CHECK(client.ReadToClose().empty());
  CHECK(client.closed());
}
