#include "bridge/delivery.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/unit/bridge/scripted_destination.h"

namespace rivulet {
namespace {

using namespace rivulet::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

WindowConfig Batches(std::uint64_t batch, std::uint64_t in_flight = 1) {
  WindowConfig window;
  window.batch = batch;
  window.max_in_flight = in_flight;
  return window;
}

std::string Bodies(const ScriptedDestination& destination) {
  std::string all;
  for (const auto& taken : destination.taken) all += "[" + taken.body + "]";
  return all;
}

struct LetterFile {
  LetterFile() : fd(mkstemp(path.data())) { REQUIRE(fd >= 0); }
  ~LetterFile() {
    close(fd);
    unlink(path.c_str());
  }
  std::string Content() const {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
  }
  std::string path = "/tmp/rivulet_letters_XXXXXX";
  int fd;
};

TEST_CASE("delivery: what one turn of the loop brings fills batches") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  Bridge bridge(loop, DeliverTo({destination.url()}, Batches(3)));
  bridge.Append({"1", "2", "3", "4"});
  CHECK(destination.taken.empty());
  bridge.RunUntilDone();
  CHECK(Bodies(destination) == "[1\n2\n3\n][4\n]");
  CHECK(bridge.stats().requests == 2);
  CHECK(bridge.stats().delivered == 4);
  CHECK(bridge.progress >= 2);
  CHECK(bridge.delivery.destination(0).latency().count() == 2);
  CHECK(bridge.delivery.destination(0).circuit() == Circuit::kClosed);
  CHECK(bridge.delivery.destination(0).endpoint() == "POST " + destination.url());
}

TEST_CASE("delivery: messages of any bytes arrive as they are, batched or not") {
  const std::vector<std::string> messages = {std::string("\0\xff", 2),   "\r", "", "a\nb", "\n",
                                             std::string(2'000'000, 'm')};
  EventLoop loop;
  ScriptedDestination destination(loop);
  SUBCASE("one a request") {
    Bridge bridge(loop, DeliverTo({destination.url()}));
    bridge.Append(messages);
    bridge.RunUntilDone();
    REQUIRE(destination.taken.size() == messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) {
      CHECK((destination.taken[i].body == messages[i]));
    }
  }
  SUBCASE("in batches, and framed where lines would not do") {
    Bridge bridge(loop, DeliverTo({destination.url()}, Batches(100)));
    bridge.Append(messages);
    bridge.RunUntilDone();
    REQUIRE(destination.taken.size() == 5);
    CHECK(destination.taken[0].query.empty());
    CHECK(destination.taken[0].body == messages[0] + "\n\r\n");
    for (const std::size_t i : {1U, 2U, 3U}) {
      CHECK(destination.taken[i].query == "format=framed");
      const auto& message = messages[i + 1];
      CHECK(destination.taken[i].body == std::to_string(message.size()) + "\n" + message + "\n");
    }
    CHECK((destination.taken[4].body == messages[5] + "\n"));
  }
}

TEST_CASE("delivery: a destination that fails is tried again, and its circuit shows it") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.answer = [&](const auto&) { return destination.taken.size() <= 3 ? 500 : 200; };
  Bridge bridge(loop, DeliverTo({destination.url()}, Batches(2)));
  bridge.Append({"1", "2", "3"});
  RunUntil(loop, [&] { return bridge.stats().requests == 1; });
  CHECK(bridge.delivery.destination(0).circuit() != Circuit::kClosed);
  bridge.RunUntilDone();
  CHECK(Bodies(destination) == "[1\n2\n][1\n2\n][1\n2\n][1\n2\n][3\n]");
  CHECK(bridge.delivery.destination(0).circuit() == Circuit::kClosed);
  CHECK(bridge.stats().retries == 3);
  CHECK(bridge.stats().resent == 0);  // it said that it did not take them
  CHECK(bridge.stats().last_error == "POST " + destination.url() + ": answered 500");
  CHECK(bridge.stats().last_error_time > WallTime{});
}

TEST_CASE("delivery: Retry-After opens the circuit for as long") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.answer = [](const auto&) { return 429; };
  destination.retry_after = "60";
  Bridge bridge(loop, DeliverTo({destination.url()}));
  bridge.Append({"1"});
  RunUntil(loop, [&] { return bridge.stats().requests == 1; });
  CHECK(bridge.delivery.destination(0).circuit() == Circuit::kOpen);
  const auto wake = bridge.delivery.forwarder().WakeAt(0);
  REQUIRE(wake);
  CHECK(*wake > bridge.clock.Now() + seconds(40));
  destination.answer = [](const auto&) { return 200; };
  bridge.delivery.RetryNow();
  bridge.RunUntilDone();
  CHECK(destination.taken.size() == 2);
}

TEST_CASE("delivery: an answer that did not come counts its messages as sent twice") {
  EventLoop loop;
  ScriptedSource peer(loop);
  Bridge bridge(loop, DeliverTo({peer.url() + "/put"}, Batches(9)));
  bridge.Append({"1", "2", "3"});
  peer.Accept().Cut();
  RunUntil(loop, [&] { return bridge.stats().resent > 0; });
  CHECK(bridge.stats().resent == 3);
  auto second = peer.Accept();
  second.Head("");
  second.End();
  bridge.RunUntilDone();
  CHECK(bridge.stats().resent == 3);
  CHECK(bridge.delivery.counts().delivered == 3);
}

TEST_CASE("delivery: where nobody listens, nothing was sent") {
  EventLoop loop;
  std::string url;
  {
    const ScriptedSource gone(loop);
    url = gone.url();
  }
  Bridge bridge(loop, DeliverTo({url + "/put"}));
  bridge.Append({"1"});
  RunUntil(loop, [&] { return bridge.stats().retries > 1; });
  CHECK(bridge.stats().resent == 0);
  CHECK(bridge.delivery.counts().pending == 1);
}

TEST_CASE("delivery: what is refused goes to the dead letters, found by halving") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.answer = [](const auto& taken) {
    return taken.body.find("bad") == std::string::npos ? 200 : 400;
  };
  const LetterFile file;
  const FakeClock clock;
  auto letters = DeadLetters::Open(file.path, clock);
  REQUIRE(letters.ok());
  Bridge bridge(loop, DeliverTo({destination.url()}, Batches(8)), letters->get());
  bridge.Append({"1", "2", "3", "bad", "5", "6", "7", "8"});
  bridge.RunUntilDone();
  CHECK(bridge.delivery.counts().delivered == 7);
  CHECK(bridge.delivery.counts().refused == 1);
  CHECK(bridge.stats().refused == 1);
  CHECK(file.Content() == "{\"time\":\"2012-03-16T18:40:47.000Z\",\"destination\":\"POST " +
                              destination.url() +
                              "\",\"answer\":\"400 because of the test\",\"message\":\"bad\"}\n");
}

TEST_CASE("delivery: every message of a batch that is refused as a whole has its line") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.answer = [](const auto&) { return 401; };
  const LetterFile file;
  const FakeClock clock;
  auto letters = DeadLetters::Open(file.path, clock);
  REQUIRE(letters.ok());
  Bridge bridge(loop, DeliverTo({destination.url()}, Batches(8)), letters->get());
  bridge.Append({"1", "2", "x\ny", ""});
  bridge.RunUntilDone();
  CHECK(bridge.delivery.counts().refused == 4);
  const std::string content = file.Content();
  CHECK(std::ranges::count(content, '\n') == 4);
  for (const char* message : {"\"1\"", "\"2\"", "\"x\\ny\"", "\"\""}) {
    CHECK(content.find(std::string("\"message\":") + message + "}") != std::string::npos);
  }
}

TEST_CASE("delivery: a message that the dead letters do not take is not done with") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.answer = [](const auto&) { return 404; };
  const FakeClock clock;
  auto letters = DeadLetters::Open("/dev/full", clock);
  REQUIRE(letters.ok());
  auto config = DeliverTo({destination.url()});
  SUBCASE("refused") {}
  SUBCASE("given up") {
    destination.answer = [](const auto&) { return 500; };
    config.forwarder.retry_max = 0;
  }
  Bridge bridge(loop, config, letters->get());
  bridge.Append({"1"});
  RunUntil(loop, [&] { return bridge.stats().requests == 3; });
  CHECK(bridge.delivery.counts().pending == 1);
  CHECK(bridge.stats().refused == 0);
  destination.answer = [](const auto&) { return 200; };
  bridge.RunUntilDone();
  CHECK(bridge.delivery.counts().delivered == 1);
}

TEST_CASE("delivery: after the last try the messages go to the dead letters with the last answer") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.answer = [](const auto&) { return 500; };
  const LetterFile file;
  const FakeClock clock;
  auto letters = DeadLetters::Open(file.path, clock);
  REQUIRE(letters.ok());
  auto config = DeliverTo({destination.url()});
  config.forwarder.retry_max = 2;
  Bridge bridge(loop, config, letters->get());
  bridge.Append({"1"});
  bridge.RunUntilDone();
  CHECK(destination.taken.size() == 3);
  CHECK(bridge.delivery.counts().refused == 1);
  CHECK(bridge.stats().retries == 2);
  CHECK(file.Content().find("\"answer\":\"500 because of the test\",\"message\":\"1\"") !=
        std::string::npos);
}

TEST_CASE("delivery: in round robin one that hangs or is down delays no message of the other") {
  EventLoop loop;
  ScriptedDestination well(loop);
  ScriptedDestination other(loop);
  SUBCASE("it hangs") { other.hangs = true; }
  SUBCASE("it is down") {
    other.answer = [](const auto&) { return 500; };
  }
  auto config = DeliverTo({other.url(), well.url()}, Batches(2));
  config.forwarder.round_robin = true;
  Bridge bridge(loop, config);
  std::vector<std::string> messages;
  for (int i = 0; i < 40; ++i) messages.push_back(std::to_string(i));
  bridge.Append(messages);
  const std::uint64_t expected = other.hangs ? 38 : 40;
  RunUntil(loop, [&] { return bridge.delivery.counts().delivered == expected; });
  CHECK(bridge.stats(1).delivered == expected);
}

TEST_CASE("delivery: in round robin all are well and each gets as much") {
  EventLoop loop;
  ScriptedDestination a(loop);
  ScriptedDestination b(loop);
  auto config = DeliverTo({a.url(), b.url()}, Batches(2, 4));
  config.forwarder.round_robin = true;
  Bridge bridge(loop, config);
  std::vector<std::string> messages;
  for (int i = 0; i < 16; ++i) messages.push_back(std::to_string(i));
  bridge.Append(messages);
  bridge.RunUntilDone();
  CHECK(a.taken.size() == 4);
  CHECK(b.taken.size() == 4);
  std::set<std::string> first;
  for (const auto& taken : a.taken) first.insert(taken.body);
  CHECK(first == std::set<std::string>{"0\n1\n", "4\n5\n", "8\n9\n", "12\n13\n"});
}

TEST_CASE("delivery: told to hold, it sends nothing new and still takes answers") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  destination.hangs = true;
  Bridge bridge(loop, DeliverTo({destination.url()}));
  bridge.Append({"1", "2"});
  RunUntil(loop, [&] { return destination.hung.size() == 1; });
  bridge.delivery.Hold();
  destination.hung[0].Send(200, kTextPlain, "");
  RunUntil(loop, [&] { return bridge.delivery.counts().delivered == 1; });
  bridge.delivery.RetryNow();
  for (int i = 0; i < 5; ++i) loop.RunOnce(milliseconds(1));
  CHECK(destination.taken.size() == 1);
  CHECK(bridge.delivery.counts().pending == 1);
}

TEST_CASE("delivery: a dry run sends nothing and counts all as delivered") {
  EventLoop loop;
  ScriptedDestination destination(loop);
  auto config = DeliverTo({destination.url()}, Batches(2));
  config.dry_run = true;
  Bridge bridge(loop, config);
  bridge.Append({"1", "2", "3"});
  bridge.RunUntilDone();
  CHECK(bridge.delivery.counts().delivered == 3);
  CHECK(bridge.progress > 0);
  CHECK(destination.taken.empty());
}

}  // namespace
}  // namespace rivulet
