#include "bridge/forwarder.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ForwarderConfig Config(std::size_t destinations, WindowConfig window = {}) {
  ForwarderConfig config;
  config.destinations.assign(destinations, window);
  config.seed = 1;
  return config;
}

WindowConfig Batches(std::uint64_t batch, std::uint64_t in_flight = 1) {
  WindowConfig window;
  window.batch = batch;
  window.max_in_flight = in_flight;
  return window;
}

std::string Lines(const std::optional<MessageBatch>& batch) {
  return batch ? std::string(batch->lines) : "nothing";
}

void AppendNumbers(Forwarder* forwarder, int from, int to) {
  for (int i = from; i <= to; ++i) forwarder->Append(std::to_string(i));
}

TEST_CASE("forwarder: one message at a time, the next after the answer") {
  Forwarder forwarder(Config(1));
  const FakeClock clock;
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  AppendNumbers(&forwarder, 1, 2);
  const auto first = forwarder.Next(0, clock.Now());
  CHECK(first->message() == "1");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  forwarder.Delivered(0, *first);
  CHECK(forwarder.Next(0, clock.Now())->message() == "2");
  const auto counts = forwarder.counts();
  CHECK(counts.received == 2);
  CHECK(counts.delivered == 1);
  CHECK(counts.pending == 1);
}

TEST_CASE("forwarder: what waits goes as one batch, never more than its size") {
  Forwarder forwarder(Config(1, Batches(3)));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 1);
  const auto first = forwarder.Next(0, clock.Now());
  CHECK(Lines(first) == "1\n");
  AppendNumbers(&forwarder, 2, 6);
  forwarder.Delivered(0, *first);
  const auto second = forwarder.Next(0, clock.Now());
  CHECK(Lines(second) == "2\n3\n4\n");
  forwarder.Delivered(0, *second);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "5\n6\n");
}

TEST_CASE("forwarder: a batch that is not full waits for the batch delay and no longer") {
  auto window = Batches(3);
  window.batch_delay = milliseconds(5);
  Forwarder forwarder(Config(1, window));
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 2);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  CHECK(forwarder.WakeAt(0) == clock.Now() + milliseconds(5));
  clock.Advance(milliseconds(4));
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  SUBCASE("the delay passes") {
    clock.Advance(milliseconds(1));
    CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n2\n");
  }
  SUBCASE("it fills") {
    AppendNumbers(&forwarder, 3, 4);
    CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n2\n3\n");
  }
}

TEST_CASE("forwarder: a failed batch is sent again before anything new, after the backoff") {
  auto window = Batches(2);
  window.backoff = {milliseconds(100), seconds(1)};
  Forwarder forwarder(Config(1, window));
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 4);
  for (int tries = 0; tries < 20; ++tries) {
    const auto batch = forwarder.Next(0, clock.Now());
    CHECK(Lines(batch) == "1\n2\n");
    forwarder.Failed(0, *batch, clock.Now());
    const auto wake = forwarder.WakeAt(0);
    REQUIRE(wake);
    CHECK(*wake <= clock.Now() + std::min<Duration>(milliseconds(100) * (1 << std::min(tries, 9)),
                                                    seconds(1)));
    if (*wake > clock.Now()) {
      CHECK(Lines(forwarder.Next(0, *wake - Duration(1))) == "nothing");
      clock.Advance(*wake - clock.Now());
    }
  }
  const auto batch = forwarder.Next(0, clock.Now());
  forwarder.Delivered(0, *batch);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "3\n4\n");
  CHECK(forwarder.counts().delivered == 2);
}

TEST_CASE("forwarder: Retry-After is waited for, RetryNow is not") {
  Forwarder forwarder(Config(1));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 1);
  forwarder.Failed(0, *forwarder.Next(0, clock.Now()), clock.Now(), seconds(30));
  CHECK(*forwarder.WakeAt(0) >= clock.Now() + seconds(30));
  CHECK(Lines(forwarder.Next(0, clock.Now() + seconds(29))) == "nothing");
  forwarder.RetryNow();
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n");
}

TEST_CASE("forwarder: while a destination fails, one request at a time probes it, oldest first") {
  Forwarder forwarder(Config(1, Batches(1, 3)));
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 5);
  const auto one = forwarder.Next(0, clock.Now());
  const auto two = forwarder.Next(0, clock.Now());
  const auto three = forwarder.Next(0, clock.Now());
  CHECK(Lines(three) == "3\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  forwarder.Failed(0, *three, clock.Now());
  forwarder.Failed(0, *one, clock.Now());
  forwarder.Failed(0, *two, clock.Now());
  clock.Advance(seconds(60));
  const auto probe = forwarder.Next(0, clock.Now());
  CHECK(Lines(probe) == "1\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  forwarder.Delivered(0, *probe);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "2\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "3\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "4\n");
}

TEST_CASE("forwarder: answers out of order are counted once everything before is answered") {
  Forwarder forwarder(Config(1, Batches(1, 2)));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 2);
  const auto one = forwarder.Next(0, clock.Now());
  const auto two = forwarder.Next(0, clock.Now());
  forwarder.Delivered(0, *two);
  CHECK(forwarder.counts().delivered == 0);
  CHECK(one->message() == "1");  // still held
  forwarder.Delivered(0, *one);
  CHECK(forwarder.counts().delivered == 2);
  CHECK(forwarder.pending_bytes() == 0);
}

TEST_CASE("forwarder: in fan-out every destination gets everything at its own pace") {
  Forwarder forwarder(Config(2));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 3);
  for (const char* expected : {"1", "2", "3"}) {
    const auto batch = forwarder.Next(0, clock.Now());
    CHECK(batch->message() == expected);
    forwarder.Delivered(0, *batch);
  }
  CHECK(forwarder.counts().delivered == 0);
  const auto batch = forwarder.Next(1, clock.Now());
  CHECK(batch->message() == "1");
  forwarder.Delivered(1, *batch);
  CHECK(forwarder.counts().delivered == 1);
  CHECK(forwarder.counts().pending == 2);
}

TEST_CASE("forwarder: a message refused by one of two destinations is lost, once") {
  Forwarder forwarder(Config(2));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 2);
  forwarder.Refused(0, *forwarder.Next(0, clock.Now()), false);
  forwarder.Delivered(0, *forwarder.Next(0, clock.Now()));
  forwarder.Refused(1, *forwarder.Next(1, clock.Now()), false);
  forwarder.Delivered(1, *forwarder.Next(1, clock.Now()));
  const auto counts = forwarder.counts();
  CHECK(counts.received == 2);
  CHECK(counts.delivered == 1);
  CHECK(counts.refused == 1);
  CHECK(counts.pending == 0);
}

TEST_CASE("forwarder: a refused batch is halved until the message that is meant stands alone") {
  Forwarder forwarder(Config(1, Batches(8)));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 8);
  std::string delivered;
  std::string refused;
  while (const auto batch = forwarder.Next(0, clock.Now())) {
    if (batch->lines.find("6\n") != std::string_view::npos) {
      if (batch->count == 1) refused += batch->lines;
      forwarder.Refused(0, *batch, true);
    } else {
      delivered += batch->lines;
      forwarder.Delivered(0, *batch);
    }
  }
  CHECK(delivered == "1\n2\n3\n4\n5\n7\n8\n");
  CHECK(refused == "6\n");
  CHECK(forwarder.counts().refused == 1);
  CHECK(forwarder.counts().delivered == 7);
}

TEST_CASE("forwarder: round robin gives the messages out in turn") {
  auto config = Config(3, Batches(10));
  config.round_robin = true;
  Forwarder forwarder(config);
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 7);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n4\n7\n");
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "2\n5\n");
  CHECK(Lines(forwarder.Next(2, clock.Now())) == "3\n6\n");
}

TEST_CASE("forwarder: round robin passes over a destination that fails, until it answers") {
  auto config = Config(2, Batches(10));
  config.round_robin = true;
  Forwarder forwarder(config);
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 2);
  forwarder.Failed(0, *forwarder.Next(0, clock.Now()), clock.Now());
  AppendNumbers(&forwarder, 3, 5);
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "2\n3\n4\n5\n");
  clock.Advance(seconds(60));
  const auto probe = forwarder.Next(0, clock.Now());
  CHECK(Lines(probe) == "1\n");
  forwarder.Delivered(0, *probe);
  AppendNumbers(&forwarder, 6, 7);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "6\n");
}

TEST_CASE("forwarder: the source must wait when the buffer is full, until half of it is free") {
  auto config = Config(1);
  config.max_pending_bytes = 40;
  Forwarder forwarder(config);
  const FakeClock clock;
  for (int i = 0; i < 9; ++i) forwarder.Append("abc");  // four bytes each, its newline included
  CHECK_FALSE(forwarder.full());
  forwarder.Append("abc");
  CHECK(forwarder.full());
  for (int i = 0; i < 4; ++i) forwarder.Delivered(0, *forwarder.Next(0, clock.Now()));
  CHECK_FALSE(forwarder.has_room());
  forwarder.Delivered(0, *forwarder.Next(0, clock.Now()));
  CHECK(forwarder.has_room());
}

TEST_CASE("forwarder: in round robin a stalled destination fills its share, not the other's") {
  auto config = Config(2);
  config.round_robin = true;
  config.max_pending_bytes = 80;
  Forwarder forwarder(config);
  const FakeClock clock;
  for (int i = 0; i < 100; ++i) {  // the second one answers, the first never does
    CHECK_FALSE(forwarder.full());
    forwarder.Append("abc");
    while (const auto batch = forwarder.Next(1, clock.Now())) forwarder.Delivered(1, *batch);
  }
  CHECK(forwarder.counts().pending == 10);
  CHECK(forwarder.counts().delivered == 90);
}

TEST_CASE("forwarder: received is delivered, refused and pending, whatever happens") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto config = Config(1 + seed % 3, Batches(1 + seed % 7, 1 + seed % 4));
    config.round_robin = seed % 2 == 0;
    Forwarder forwarder(config);
    FakeClock clock;
    const std::size_t n = forwarder.destinations();
    std::vector<std::vector<MessageBatch>> in_flight(n);
    std::vector<std::map<std::string, int>> taken(n);
    int sent = 0;
    std::uint64_t refused = 0;
    for (int step = 0; step < 4000 || forwarder.counts().pending > 0; ++step) {
      REQUIRE(step < 100'000);
      clock.Advance(milliseconds(random() % 50));
      if (step < 3000) forwarder.Append(std::to_string(sent++));
      const std::size_t d = random() % n;
      while (auto batch = forwarder.Next(d, clock.Now())) in_flight[d].push_back(*batch);
      REQUIRE(in_flight[d].size() <= config.destinations[d].max_in_flight);
      if (in_flight[d].empty()) continue;
      const auto at = in_flight[d].begin() + static_cast<long>(random() % in_flight[d].size());
      const MessageBatch batch = *at;
      in_flight[d].erase(at);
      const auto dice = random() % 10;
      if (dice == 0) {
        forwarder.Failed(d, batch, clock.Now());
        continue;
      }
      std::string_view lines = batch.lines;
      const bool refuse = dice == 1;
      if (refuse) ++refused;
      while (!lines.empty()) {
        ++taken[d][std::string(lines.substr(0, lines.find('\n')))];
        lines.remove_prefix(lines.find('\n') + 1);
      }
      refuse ? forwarder.Refused(d, batch, false) : forwarder.Delivered(d, batch);
      const auto counts = forwarder.counts();
      REQUIRE(counts.received == counts.delivered + counts.refused + counts.pending);
    }
    CHECK(forwarder.pending_bytes() == 0);
    // Each destination answered each of its messages exactly once; in fan-out those are all.
    std::map<std::string, int> all;
    for (const auto& one : taken) {
      for (const auto& [message, times] : one) {
        CHECK(times == 1);
        all[message] += times;
      }
    }
    CHECK(all.size() == 3000);
    for (const auto& [message, times] : all) {
      CHECK(times == (config.round_robin ? 1 : static_cast<int>(n)));
    }
  }
}

TEST_CASE("message log: batches keep their bytes, and dropping gives the rest back") {
  MessageLog log;
  const std::string big(700'000, 'b');
  for (int i = 0; i < 3; ++i) log.Append(big);  // a block holds one
  const auto first = log.Slice(0, 10);
  CHECK(first.count == 1);
  CHECK((first.message() == big));
  log.DropBefore(3);
  CHECK(log.held_bytes() == 0);
  log.Append("next");
  CHECK((first.message() == big));
  CHECK(log.Slice(3, 10).message() == "next");
  log.Append(std::string(5'000'000, 'c'));  // longer than a block
  log.Append("");
  CHECK(log.held_bytes() == 5 + 5'000'001 + 1);
  CHECK(log.Slice(4, 1).message().size() == 5'000'000);
  CHECK(log.Slice(5, 10).message().empty());
  log.DropBefore(5);
  CHECK(log.held_bytes() == 1);
}

TEST_CASE("backoff: delays double in their bound up to the cap, and start over") {
  JitterBackoff backoff({milliseconds(100), seconds(1)}, 42);
  const Duration bounds[] = {milliseconds(100), milliseconds(200), milliseconds(400),
                             milliseconds(800), seconds(1),        seconds(1)};
  Duration longest{};
  for (int round = 0; round < 200; ++round) {
    for (const Duration bound : bounds) {
      const Duration delay = backoff.Next();
      CHECK(delay >= Duration::zero());
      CHECK(delay <= bound);
      longest = std::max(longest, delay);
    }
    CHECK(backoff.failures() == 6);
    backoff.Reset();
  }
  CHECK(longest > milliseconds(950));  // 400 even draws from [0, 1 s]: below with chance 0.95^400
}

}  // namespace
}  // namespace rivulet
