#include "bridge/position_tracker.h"

#include <doctest/doctest.h>

#include <iterator>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace rivulet {
namespace {

using Told = std::vector<std::pair<std::size_t, std::uint64_t>>;

Told Done(PositionTracker* tracker, std::uint64_t number) {
  Told told;
  tracker->Done(number, [&told](const SourcePosition& position) {
    told.emplace_back(position.url, position.next.value());
  });
  return told;
}

TEST_CASE("position tracker: a position is told once all messages before it are done with") {
  PositionTracker tracker;
  tracker.Note(3, {0, 103});
  tracker.Note(7, {0, 109});
  CHECK(Done(&tracker, 2).empty());
  CHECK(Done(&tracker, 3) == Told{{0, 103}});
  CHECK(Done(&tracker, 6).empty());
  CHECK(Done(&tracker, 9) == Told{{0, 109}});
  CHECK(Done(&tracker, 9).empty());
}

TEST_CASE("position tracker: of several positions that are due the latest is told") {
  PositionTracker tracker;
  tracker.Note(1, {0, 11});
  tracker.Note(2, {0, 12});
  tracker.Note(3, {0, 13});
  CHECK(Done(&tracker, 2) == Told{{0, 12}});
}

TEST_CASE("position tracker: filtered messages move the position on") {
  PositionTracker tracker;
  tracker.Note(0, {0, 50});  // nothing was appended at all
  CHECK(Done(&tracker, 0) == Told{{0, 50}});
  tracker.Note(4, {0, 60});
  tracker.Note(4, {0, 90});
  CHECK(Done(&tracker, 3).empty());
  CHECK(Done(&tracker, 4) == Told{{0, 90}});
}

TEST_CASE("position tracker: each source has its own, the one followed last comes last") {
  PositionTracker tracker;
  tracker.Note(2, {0, 10});
  tracker.Note(2, {1, 77});
  tracker.Note(3, {0, 11});
  CHECK(Done(&tracker, 3) == Told{{1, 77}, {0, 11}});
}

TEST_CASE("position tracker: a source without positions leaves nothing to tell") {
  PositionTracker tracker;
  tracker.Note(2, {0, std::nullopt});
  CHECK(Done(&tracker, 2).empty());
}

TEST_CASE("position tracker: between notes that are as far apart in both, each message has one") {
  PositionTracker tracker;
  tracker.Note(0, {0, 100});
  tracker.Note(10, {0, 110});
  CHECK(Done(&tracker, 0) == Told{{0, 100}});
  CHECK(Done(&tracker, 0).empty());
  CHECK(Done(&tracker, 4) == Told{{0, 104}});
  CHECK(Done(&tracker, 4).empty());
  CHECK(Done(&tracker, 9) == Told{{0, 109}});
  CHECK(Done(&tracker, 10) == Told{{0, 110}});
}

TEST_CASE("position tracker: where a message was filtered away, positions wait for the next note") {
  PositionTracker tracker;
  tracker.Note(0, {0, 100});
  tracker.Note(10, {0, 111});
  CHECK(Done(&tracker, 9) == Told{{0, 100}});
  CHECK(Done(&tracker, 10) == Told{{0, 111}});
}

TEST_CASE("position tracker: what was told is what a note of every message says") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    PositionTracker tracker;
    // After each message: its number and the position behind it, for each source.
    std::map<std::size_t, std::map<std::uint64_t, std::uint64_t>> truth;
    std::map<std::size_t, std::uint64_t> position;
    std::map<std::size_t, std::uint64_t> told;
    std::uint64_t end = 0;
    std::uint64_t done = 0;
    std::size_t url = 0;
    const std::uint64_t gaps = seed % 4;  // none, or one in so many positions has no message
    for (int step = 0; step < 300; ++step) {
      if (random() % 40 == 0) url = random() % 3;
      if (random() % 3 != 0) {
        const bool filtered = gaps > 0 && random() % (gaps * 4) == 0;
        ++position[url];
        if (!filtered) ++end;
        truth[url][end] = position[url];
        tracker.Note(end, {url, position[url]});
        continue;
      }
      done += random() % (end - done + 1);
      for (const auto& [source, next] : Done(&tracker, done)) told[source] = next;
      std::map<std::size_t, std::uint64_t> expected;
      for (const auto& [source, notes] : truth) {
        const auto behind = notes.upper_bound(done);
        if (behind != notes.begin()) expected[source] = std::prev(behind)->second;
      }
      REQUIRE(told == expected);
    }
  }
}

}  // namespace
}  // namespace rivulet
