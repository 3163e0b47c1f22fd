// Round robin.
#include "bridge/forwarder.h"

#include <doctest/doctest.h>

#include "tests/unit/bridge/forwarder_support.h"

namespace rivulet {
namespace {

using namespace rivulet::test;
using std::chrono::seconds;

TEST_CASE("forwarder: in round robin destinations take turns, a batch each") {
  Heart forwarder(RoundRobin(3, Batches(2, 2)));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 9);
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "nothing");  // not its turn
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n2\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "3\n4\n");
  CHECK(Lines(forwarder.Next(2, clock.Now())) == "5\n6\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "7\n8\n");
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "9\n");
}

TEST_CASE("forwarder: in round robin the turn passes over a window that is full") {
  Heart forwarder(RoundRobin(2));
  const FakeClock clock;
  AppendNumbers(&forwarder, 1, 5);
  const auto one = forwarder.Next(0, clock.Now());
  const auto two = forwarder.Next(1, clock.Now());
  forwarder.Delivered(1, *two);
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "3\n");
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  forwarder.Delivered(0, *one);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "4\n");
}

TEST_CASE("forwarder: in round robin a failed batch goes to the next that is well") {
  Heart forwarder(RoundRobin(2, Batches(2)));
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 6);
  forwarder.Failed(0, *forwarder.Next(0, clock.Now()), clock.Now(), seconds(1));
  for (const char* expected : {"1\n2\n", "3\n4\n"}) {
    CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
    const auto batch = forwarder.Next(1, clock.Now());
    CHECK(Lines(batch) == expected);
    forwarder.Delivered(1, *batch);
  }
  clock.Advance(seconds(60));
  const auto probe = forwarder.Next(0, clock.Now());
  CHECK(Lines(probe) == "5\n6\n");
  AppendNumbers(&forwarder, 7, 9);
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "7\n8\n");
  forwarder.Delivered(0, *probe);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "9\n");
  CHECK(forwarder.counts().delivered == 6);
}

TEST_CASE("forwarder: in round robin each is probed after its backoff when all fail") {
  Heart forwarder(RoundRobin(2));
  FakeClock clock;
  AppendNumbers(&forwarder, 1, 1);
  forwarder.Failed(0, *forwarder.Next(0, clock.Now()), clock.Now(), seconds(20));
  forwarder.Failed(1, *forwarder.Next(1, clock.Now()), clock.Now(), seconds(10));
  clock.Advance(seconds(11));
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  forwarder.Failed(1, *forwarder.Next(1, clock.Now()), clock.Now(), seconds(60));
  CHECK(*forwarder.WakeAt(0) > clock.Now());
  clock.Advance(*forwarder.WakeAt(0) - clock.Now());
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "1\n");
}

TEST_CASE("forwarder: in round robin one that stalls holds its batch and delays no other") {
  Heart forwarder(RoundRobin(2), 80);
  const FakeClock clock;
  forwarder.Append("abc");
  CHECK(forwarder.Next(0, clock.Now()));  // and never answers
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(forwarder.full());
    forwarder.Append("abc");
    while (const auto batch = forwarder.Next(1, clock.Now())) forwarder.Delivered(1, *batch);
  }
  CHECK(forwarder.counts().pending == 1);
  CHECK(forwarder.counts().delivered == 100);
  CHECK(forwarder.oldest(1) == 0);  // of all: a position may not pass it
}

}  // namespace
}  // namespace rivulet
