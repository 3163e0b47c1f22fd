#include "bridge/forwarder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/unit/bridge/forwarder_support.h"

namespace rivulet {
namespace {

using namespace rivulet::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("forwarder: one message at a time, the next after the answer") {
  Heart forwarder(Config(1));
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
  Heart forwarder(Config(1, Batches(3)));
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
  Heart forwarder(Config(1, window));
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
  Heart forwarder(Config(1, window));
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

TEST_CASE("forwarder: where nothing more comes no batch waits to be filled") {
  auto window = Batches(3, 2);
  window.batch_delay = seconds(60);
  Heart forwarder(Config(1, window));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 4);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n2\n3\n");
  forwarder.NoMore();  // before the delay of the last one runs
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "4\n");
}

TEST_CASE("forwarder: Retry-After is waited for, RetryNow is not") {
  Heart forwarder(Config(1));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 1);
  forwarder.Failed(0, *forwarder.Next(0, clock.Now()), clock.Now(), seconds(30));
  CHECK(*forwarder.WakeAt(0) >= clock.Now() + seconds(30));
  CHECK(Lines(forwarder.Next(0, clock.Now() + seconds(29))) == "nothing");
  forwarder.RetryNow();
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n");
}

TEST_CASE("forwarder: while a destination fails, one request at a time probes it, oldest first") {
  Heart forwarder(Config(1, Batches(1, 3)));
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

TEST_CASE("forwarder: nobody goes on behind an answer that has not come") {
  Heart forwarder(Config(1, Batches(1, 2)));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 2);
  const auto one = forwarder.Next(0, clock.Now());
  const auto two = forwarder.Next(0, clock.Now());
  forwarder.Delivered(0, *two);
  CHECK(forwarder.counts().delivered == 1);
  CHECK(forwarder.oldest(0) == 0);
  CHECK(forwarder.start() == 0);
  CHECK(one->message() == "1");  // still held
  CHECK(forwarder.held_bytes() == 2);
  forwarder.Delivered(0, *one);
  CHECK(forwarder.counts().delivered == 2);
  CHECK(forwarder.oldest(0) == 2);
  CHECK(forwarder.held_bytes() == 0);
}

TEST_CASE("forwarder: in fan-out every destination gets everything at its own pace") {
  Heart forwarder(Config(2));
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
  Heart forwarder(Config(2));
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
  Heart forwarder(Config(1, Batches(8)));
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

TEST_CASE("forwarder: the source must wait when the backlog is full, until half of it is free") {
  Heart forwarder(Config(1), 40);
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

TEST_CASE("forwarder: a batch is given up after as many tries more as it may have") {
  auto config = Config(1, Batches(2));
  config.retry_max = 2;
  Heart forwarder(config);
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 3);
  for (const bool last : {false, false, true}) {
    clock.Advance(seconds(60));
    const auto batch = forwarder.Next(0, clock.Now());
    CHECK(Lines(batch) == "1\n2\n");
    CHECK(forwarder.OnLastTry(0, *batch) == last);
    CHECK(forwarder.Failed(0, *batch, clock.Now()) == last);
  }
  CHECK(forwarder.counts().refused == 2);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");  // the destination is as bad as before
  clock.Advance(seconds(60));
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "3\n");
}

TEST_CASE("forwarder: what is postponed is tried again without a try counted") {
  auto config = Config(1);
  config.retry_max = 0;
  Heart forwarder(config);
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 1);
  for (int i = 0; i < 5; ++i) {
    clock.Advance(seconds(60));
    const auto batch = forwarder.Next(0, clock.Now());
    REQUIRE(Lines(batch) == "1\n");
    CHECK(forwarder.OnLastTry(0, *batch));
    forwarder.Postponed(0, *batch, clock.Now());
    CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  }
  CHECK(forwarder.counts().pending == 1);
}

TEST_CASE("forwarder: halves of a refused batch begin with no tries") {
  auto config = Config(1, Batches(2));
  config.retry_max = 1;
  Heart forwarder(config);
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 2);
  CHECK_FALSE(forwarder.Failed(0, *forwarder.Next(0, clock.Now()), clock.Now()));
  clock.Advance(seconds(60));
  CHECK_FALSE(forwarder.Refused(0, *forwarder.Next(0, clock.Now()), true));
  CHECK_FALSE(forwarder.OnLastTry(0, *forwarder.Next(0, clock.Now())));
}

}  // namespace
}  // namespace rivulet
