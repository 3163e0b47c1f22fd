#include "simplequeue/message_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

using rivulet::Arena;
using rivulet::MessageState;
using rivulet::MessageTable;

namespace {

std::vector<std::uint64_t> Ids(const MessageTable& table) {
  std::vector<std::uint64_t> ids;
  table.ForEach([&ids](std::uint64_t id, Arena::Location, const MessageTable::Extra*) {
    ids.push_back(id);
    return true;
  });
  return ids;
}

}  // namespace

TEST_CASE("message table: ids are dense, and found until they are removed") {
  MessageTable table;
  for (std::uint32_t i = 1; i <= 40'000; ++i) REQUIRE(table.Add({1, i}) == i);
  CHECK(table.next_id() == 40'001);
  CHECK(table.Find(20'000).offset == 20'000);
  CHECK_FALSE(table.Find(0).valid());
  CHECK_FALSE(table.Find(40'001).valid());
  CHECK_FALSE(table.Find(UINT64_MAX).valid());
  for (std::uint64_t id = 16'384; id < 32'768; ++id) table.Remove(id, 1);  // one whole segment
  CHECK_FALSE(table.Find(20'000).valid());
  CHECK(table.Find(16'383).valid());
  CHECK(table.Find(32'768).valid());
  CHECK(table.FindFrom(20'000, 100).places == nullptr);
  CHECK(Ids(table).size() == 40'000 - 16'384);
}

TEST_CASE("message table: a slice ends with its segment") {
  MessageTable table;
  for (std::uint32_t i = 1; i <= 20'000; ++i) table.Add({1, i});
  CHECK(table.FindFrom(1, 100).count == 100);
  CHECK(table.FindFrom(16'380, 100).count == 4);
  CHECK(table.FindFrom(16'384, 100).places[99].offset == 16'384 + 99);
  CHECK(table.WithinSegment(16'380, 3) == 3);
}

TEST_CASE("message table: extras are zero until they are made, and for a message put in anew") {
  MessageTable table;
  table.Add({1, 0});
  CHECK(table.FindExtra(1) == nullptr);
  MessageTable::Extra* extra = table.MakeExtras(1);
  CHECK(extra->state() == MessageState::kReady);
  CHECK(extra->attempts() == 0);
  extra->Set(MessageState::kDead, UINT32_MAX);
  CHECK(table.FindExtra(1)->state() == MessageState::kDead);
  CHECK(table.FindExtra(1)->attempts() == MessageTable::Extra::kMaxAttempts);
  table.Remove(1, 1);
  table.Insert(1, {1, 5});
  CHECK(table.FindExtra(1)->attempts() == 0);
  CHECK(table.Find(1).offset == 5);
}

TEST_CASE("message table: ids put in in any order, far apart, agree with a map") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  MessageTable table;
  std::map<std::uint64_t, std::uint32_t> model;
  for (std::uint32_t step = 1; step <= 20'000; ++step) {
    // In 64 clusters, so that segments come between others and go again.
    const std::uint64_t id = 1 + (random() % 64) * 30'000 + random() % 40;
    if (random() % 2 == 0) {
      table.Insert(id, {1, step});
      model[id] = step;
    } else {
      table.Remove(id, 1);
      model.erase(id);
    }
    const std::uint64_t other = 1 + (random() % 64) * 30'000 + random() % 40;
    const auto found = model.find(other);
    REQUIRE(table.Find(other).valid() == (found != model.end()));
    if (found != model.end()) REQUIRE(table.Find(other).offset == found->second);
  }
  std::vector<std::uint64_t> ids;
  for (const auto& [id, offset] : model) ids.push_back(id);
  CHECK(Ids(table) == ids);
  const std::uint64_t next = table.next_id();
  CHECK(table.Add({1, 1}) == next);
  CHECK(table.Find(next).valid());
}
