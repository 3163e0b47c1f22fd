#include "simplequeue/queue_timers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

using rivulet::Duration;
using rivulet::MonoTime;
using rivulet::QueueTimers;

TEST_CASE("timers: they come by time, then by id, an end of lease before an end of life") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  QueueTimers timers;
  std::vector<std::pair<MonoTime, std::pair<std::uint64_t, bool>>> expected;
  for (int i = 0; i < 5'000; ++i) {
    const MonoTime when{Duration(static_cast<int>(random() % 100))};
    const std::uint64_t id = random() % 1'000;
    const bool is_expiry = random() % 2 == 0;
    timers.Add(when, id, is_expiry);
    expected.push_back({when, {id, is_expiry}});
  }
  std::sort(expected.begin(), expected.end());
  for (const auto& [when, what] : expected) {
    REQUIRE(timers.front().when() == when);
    REQUIRE(timers.front().id() == what.first);
    REQUIRE(timers.front().is_expiry() == what.second);
    timers.PopFront();
  }
  CHECK(timers.empty());
}

TEST_CASE("timers: what was left behind is dropped when it is most, and not asked for before") {
  QueueTimers timers;
  for (std::uint64_t id = 0; id < 10'000; ++id) {
    timers.Add(MonoTime(Duration(static_cast<std::int64_t>(10'000 - id))), id, false);
  }
  int asked = 0;
  const auto holds = [&asked](const QueueTimers::Entry& entry) {
    ++asked;
    return entry.id() % 10 == 0;
  };
  timers.MaybeCompact(5'000, holds);
  CHECK(asked == 0);
  timers.MaybeCompact(1'000, holds);
  CHECK(timers.size() == 1'000);
  for (std::uint64_t id = 9'990; timers.size() > 1; id -= 10) {
    REQUIRE(timers.front().id() == id);
    timers.PopFront();
  }
  timers.MaybeCompact(0, holds);
  CHECK(timers.empty());
  CHECK(asked == 10'000);
}
