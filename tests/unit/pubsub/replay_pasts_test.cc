// Replays from the pasts that there are, in memory and on disk.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "pubsub/disk_past.h"
#include "pubsub/memory_past.h"
#include "pubsub/replay.h"
#include "tests/unit/journal/support.h"
#include "tests/unit/pubsub/durable_topics.h"

namespace rivulet {
namespace {

// Takes `wanted` messages, and writes them as Kept() does.
struct Taker final : MessageVisitor {
  bool OnMessage(TopicMessage& message) override {
    if (wanted == 0) return false;
    --wanted;
    got += fmt::format("{}:{}:{} ", message.offset, message.sequence, message.body);
    return true;
  }
  std::size_t wanted = 0;
  std::string got;
};

// Any number of messages at a time, from anywhere, is what one by one gives.
void CheckReadOn(Past* past, std::mt19937* random) {
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t from =
        past->first_offset() + (*random)() % (past->end_offset() - past->first_offset() + 1);
    auto place = past->At(from);
    REQUIRE(place.ok());
    Taker taker;
    while (place->offset < past->end_offset()) {
      const std::uint64_t before = place->offset;
      const std::size_t wanted = (*random)() % 100;
      taker.wanted = wanted;
      REQUIRE(past->ReadOn(&*place, &taker).ok());
      CHECK(place->offset == before + wanted - taker.wanted);
    }
    CHECK(taker.got == Kept(past, from));
  }
}

std::string Body(std::mt19937* random) {
  return std::string((*random)() % 50, static_cast<char>('a' + (*random)() % 26));
}

TEST_CASE("replay: messages read on many at a time are those read one by one") {
  std::mt19937 random(3);
  MemoryPast memory({.bytes = 4000, .time = {}});
  journal_test::TempFolder folder;
  FakeClock clock;
  DurableTopics t(folder.path(), &clock, {.retention = {4000, {}}});
  for (std::uint64_t i = 0; i < 1500; ++i) {
    const std::string body = Body(&random);
    memory.Append({{}, memory.end_offset(), 2 * i, WallTime(Duration(i)), body});
    if (random() % 8 == 0) clock.Advance(std::chrono::milliseconds(1));  // a new run
    t.Publish(random() % 4 == 0 ? "other" : "t", body);
    if (random() % 20 == 0) t.Commit();
  }
  t.Commit();
  REQUIRE(memory.first_offset() > 0);
  REQUIRE(t.past()->first_offset() > 0);
  CheckReadOn(&memory, &random);
  CheckReadOn(t.past(), &random);
}

TEST_CASE("replay: from disk several topics come in the order of publishing, to live") {
  journal_test::TempFolder folder;
  FakeClock clock;
  DurableTopics t(folder.path(), &clock);
  const auto selection = Selection::Parse("t*");
  REQUIRE(selection.ok());
  const auto feed = t.topics.FeedOf(*selection, nullptr);
  REQUIRE(feed.ok());
  std::mt19937 random(5);
  std::string expected;
  const auto publish = [&] {
    const std::string body = Body(&random);
    t.Publish("t" + std::to_string(random() % 6), body);
    t.Publish("other", "not for us");
    expected += body + "\n";
  };
  for (int i = 0; i < 500; ++i) publish();
  t.Commit();
  ReplayBuffer buffer;
  Replay replay(&t.topics, *feed, Framing::kLines, UINT64_MAX, &buffer);
  REQUIRE(replay.Start({.kind = ReplayStart::Kind::kEarliest}).ok());
  std::string got;
  for (int i = 0; i < 200; ++i) {
    publish();
    if (random() % 10 == 0) t.Commit();
    if (i == 199) t.Commit();
    iovec piece[1];
    const auto gathered =
        replay.Gather(piece, i == 199 ? ReplayBuffer::kBytes : 100 + random() % 300);
    REQUIRE(gathered.ok());
    if (gathered->pieces == 0) continue;
    got.append(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
    replay.Consume(piece[0].iov_len);
  }
  CHECK(replay.caught_up());
  CHECK(got == expected);
}

TEST_CASE("replay: from disk, a quiet topic whose past is gone tells of no gap that is none") {
  journal_test::TempFolder folder;
  FakeClock clock;
  DurableTopics t(folder.path(), &clock, {.retention = {1 << 20, std::chrono::seconds(60)}});
  const auto feed = t.topics.FeedOf(Selection::Parse("t1,t2").value(), nullptr);
  REQUIRE(feed.ok());
  t.Publish("t1", "m0");
  t.Commit();
  clock.Advance(std::chrono::seconds(100));
  t.Publish("t2", "m1");
  t.Publish("t2", "m2");
  t.Commit();
  t.past("t1")->Trim(clock.WallNow());
  REQUIRE(t.past("t1")->first_offset() == 1);
  ReplayBuffer buffer;
  Replay later(&t.topics, *feed, Framing::kLines, UINT64_MAX, &buffer);
  REQUIRE(later.Start({.kind = ReplayStart::Kind::kPosition, .position = 1}).ok());
  CHECK_FALSE(later.gap().has_value());
  Replay earlier(&t.topics, *feed, Framing::kLines, UINT64_MAX, &buffer);
  REQUIRE(earlier.Start({.kind = ReplayStart::Kind::kPosition, .position = 0}).ok());
  CHECK(earlier.gap().has_value());
}

}  // namespace
}  // namespace rivulet
