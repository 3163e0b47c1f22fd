#include "simplequeue/segment_contents.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace rivulet;

namespace {

bool Holds(const std::vector<IdRun>& ranges, std::uint64_t id) {
  for (const IdRun& range : ranges) {
    if (id >= range.first_id && id - range.first_id < range.count) return true;
  }
  return false;
}

std::uint64_t Ids(const std::vector<IdRun>& ranges) {
  std::uint64_t sum = 0;
  for (const IdRun& range : ranges) sum += range.count;
  return sum;
}

}  // namespace

TEST_CASE("segment contents: a million fresh puts are one range") {
  SegmentContents contents;
  for (std::uint64_t id = 1; id <= 1'000'000; ++id) contents.Add(3, 1, id);
  CHECK(contents.ranges() == 1);
  const auto parts = contents.Take(3);
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].queue == 1);
  CHECK(parts[0].ids.first_id == 1);
  CHECK(parts[0].ids.count == 1'000'000);
}

TEST_CASE("segment contents: queues that take turns have a range each") {
  SegmentContents contents;
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    contents.Add(1, 1, id);
    contents.Add(1, 2, id);
  }
  CHECK(contents.ranges() == 2);
}

TEST_CASE("segment contents: what is taken is that of the segments up to one, and is gone then") {
  SegmentContents contents;
  contents.Add(1, 1, 10);
  contents.Add(2, 1, 11);
  contents.Add(3, 1, 12);
  CHECK(contents.Take(2).size() == 2);
  CHECK(contents.Take(2).empty());
  contents.Add(3, 1, 13);
  const auto parts = contents.Take(9);
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].ids.first_id == 12);
  CHECK(parts[0].ids.count == 2);
}

TEST_CASE("id ranges: ids in any order are all held, and no others while they are few") {
  std::mt19937_64 random(20261121);
  IdRanges ranges;
  std::set<std::uint64_t> added;
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t id = 1 + random() % 20'000;
    ranges.Add(id);
    added.insert(id);
  }
  std::vector<bool> held(20'001);
  for (const IdRun& range : ranges.ranges()) {
    for (std::uint64_t i = 0; i < range.count; ++i) held[range.first_id + i] = true;
  }
  for (std::uint64_t id = 1; id <= 20'000; ++id) {
    if (held[id] != added.contains(id)) FAIL_CHECK("id ", id);
  }
}

TEST_CASE("id ranges: a million ids far apart cost a bounded number of ranges") {
  std::mt19937_64 random(20261121);
  IdRanges scattered;
  IdRanges moved;
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) {
    scattered.Add(1 + random() % 100'000'000'000);
    moved.AddMoved(i * 1000, 1000);
  }
  CHECK(scattered.ranges().size() <= IdRanges::kMaxRanges);
  // The gaps are 1000: they are bridged once there are as many ranges.
  CHECK(moved.ranges().size() <= 1001);
  CHECK(Holds(moved.ranges(), 1000));
  CHECK(Holds(moved.ranges(), 1'000'000'000));
}

TEST_CASE("id ranges: what was moved bridges small gaps, but not to another range's ids") {
  IdRanges ranges;
  ranges.AddMoved(10, 10);
  ranges.AddMoved(20, 10);
  CHECK(Ids(ranges.ranges()) == 11);
  ranges.AddMoved(30, 30);  // the first of another range
  CHECK(ranges.ranges().size() == 2);
  CHECK_FALSE(Holds(ranges.ranges(), 25));
  ranges.Add(40);
  CHECK(ranges.ranges().size() == 3);
}

TEST_CASE("id ranges: an id that is told again costs nothing") {
  IdRanges ranges;
  for (int i = 0; i < 1000; ++i) ranges.Add(7);
  CHECK(ranges.ranges().size() == 1);
}
