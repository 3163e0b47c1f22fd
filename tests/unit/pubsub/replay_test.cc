// Which messages a replay gives: from where, in which order, to where, and what is told of others.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "tests/unit/pubsub/replay_case.h"

namespace rivulet {
namespace {

using Kind = ReplayStart::Kind;

TEST_CASE("replay: begins at the earliest, at a position, at a time, or now") {
  ReplayCase c("t1");
  for (const char* body : {"m0", "m1", "m2", "m3"}) c.topics.Publish("t1", body);
  CHECK(c.Get(kEarliest) == "m0\nm1\nm2\nm3\n");
  CHECK(c.position == 0);
  CHECK(c.Get(From(2)) == "m2\nm3\n");
  CHECK(c.position == 2);
  CHECK(c.Get(From(4)).empty());
  CHECK_FALSE(c.gap.has_value());
  CHECK(c.Get({.kind = Kind::kNow}).empty());
  CHECK(c.position == 4);
  // Published a second apart, the last one now.
  const WallTime second_last = c.topics.now - std::chrono::seconds(1);
  CHECK(c.Get({.kind = Kind::kTime, .time = second_last}) == "m2\nm3\n");
  CHECK(c.Get({.kind = Kind::kTime, .time = second_last + Duration(1)}) == "m3\n");
  CHECK(c.Get({.kind = Kind::kTime, .time = c.topics.now + Duration(1)}).empty());
}

TEST_CASE("replay: what was let go is told, and it goes on at the first message kept") {
  ReplayCase c("t1");
  for (const char* body : {"m0", "m1", "m2", "m3"}) c.topics.Publish("t1", body);
  c.topics.past("t1").LetGo(3);
  CHECK(c.Get(From(1)) == "m3\n");
  REQUIRE(c.gap.has_value());
  CHECK(c.gap->missed == 2);
  CHECK(c.gap->next == 3);
  CHECK(c.Get(kEarliest) == "m3\n");
  CHECK_FALSE(c.gap.has_value());
  c.topics.past("t1").LetGo(4);
  CHECK(c.Get(From(0)).empty());
  REQUIRE(c.gap.has_value());
  CHECK(c.gap->missed == 4);
  CHECK(c.gap->next == 4);
}

TEST_CASE("replay: a position behind the end is of a topic that began anew: all that is kept") {
  ReplayCase c("t1");
  c.topics.Publish("t1", "m0");
  c.topics.Publish("t1", "m1");
  CHECK(c.Get(From(3)) == "m0\nm1\n");
  REQUIRE(c.gap.has_value());
  CHECK_FALSE(c.gap->missed.has_value());
  CHECK(c.gap->next == 0);
}

TEST_CASE("replay: ends before `until`, at once when that is not behind the start") {
  ReplayCase c("t1", 2);
  for (const char* body : {"m0", "m1", "m2"}) c.topics.Publish("t1", body);
  CHECK(c.Get(kEarliest) == "m0\nm1\n");
  CHECK(c.Get(From(2)).empty());
  Replay replay(&c.topics.set, c.feed, Framing::kLines, 3, &c.buffer);
  REQUIRE(replay.Start(From(3)).ok());
  CHECK(replay.at_end());
  Replay longer(&c.topics.set, c.feed, Framing::kLines, 4, &c.buffer);
  REQUIRE(longer.Start(From(2)).ok());
  CHECK(ReadOn(&longer) == "m2\n");
  CHECK_FALSE(longer.at_end());
  c.topics.Publish("t1", "m3");
  CHECK(ReadOn(&longer) == "m3\n");
  CHECK(longer.at_end());
}

TEST_CASE("replay: what is not revealed yet is not sent") {
  ReplayCase c("t1");
  c.topics.Publish("t1", "m0");
  c.topics.Publish("t1", "m1", false);
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  CHECK(ReadOn(&replay) == "m0\n");
  CHECK(replay.caught_up());
  c.topics.RevealAll();
  CHECK_FALSE(replay.caught_up());
  CHECK(ReadOn(&replay) == "m1\n");
}

TEST_CASE("replay: several topics come in the order of publishing, new ones too") {
  ReplayCase c("t*");
  std::string expected;
  std::mt19937 random(4);
  for (int i = 0; i < 300; ++i) {
    const std::string body = "m" + std::to_string(i);
    c.topics.Publish("t" + std::to_string(random() % 5), body);
    if (i >= 40) expected += body + "\n";
    c.topics.Publish("other", "not for us");
  }
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(From(80)).ok());
  CHECK(ReadOn(&replay) == expected);
  CHECK(replay.caught_up());
  c.topics.Publish("tnew", "m300");
  c.topics.Publish("t1", "m301");
  c.topics.Publish("tnew", "m302");
  CHECK_FALSE(replay.caught_up());
  CHECK(replay.lag_messages() >= 1);
  CHECK(ReadOn(&replay) == "m300\nm301\nm302\n");
  CHECK(replay.position() == 603);
}

TEST_CASE("replay: topics read in runs cost no more than two reads a change of topics") {
  ReplayCase c("t1,t2");
  for (int i = 0; i < 1000; ++i) c.topics.Publish(i / 100 % 2 == 0 ? "t1" : "t2", "m");
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  CHECK(ReadOn(&replay).size() == 2000);
  CHECK(c.topics.past("t1").reads + c.topics.past("t2").reads <= 1000 + 2 * 11);
}

TEST_CASE("replay: of several topics a gap is told only where something may be missing") {
  ReplayCase c("t1,t2");
  c.topics.Publish("t1", "m0");
  c.topics.Publish("t2", "m1");
  c.topics.Publish("t1", "m2");
  c.topics.Publish("t2", "m3");
  c.topics.past("t1").LetGo(2);  // both
  CHECK(c.Get(From(3)) == "m3\n");
  CHECK_FALSE(c.gap.has_value());
  CHECK(c.Get(From(1)) == "m1\nm3\n");
  REQUIRE(c.gap.has_value());
  CHECK_FALSE(c.gap->missed.has_value());
  CHECK(c.gap->next == 1);
  CHECK(c.Get(From(4)).empty());
  CHECK_FALSE(c.gap.has_value());
}

TEST_CASE("replay: what falls off the past while it reads is a gap, told before it goes on") {
  ReplayCase c("t1,t2");
  for (int i = 0; i < 10; ++i) c.topics.Publish(i % 2 == 0 ? "t1" : "t2", "m" + std::to_string(i));
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  c.topics.past("t1").LetGo(2);
  c.topics.past("t2").LetGo(1);
  std::string got;
  std::uint64_t missed = 0;
  while (!replay.caught_up()) {
    got += ReadOn(&replay);
    if (!replay.gap().has_value()) continue;
    missed += replay.gap()->missed.value_or(1000);
    got += "next " + std::to_string(replay.gap()->next) + "\n";
    CHECK_FALSE(replay.caught_up());
    replay.ClearGap();
  }
  CHECK(missed == 3);
  CHECK(got.find("m3\nm4\nm5\nm6\nm7\nm8\nm9\n") == got.size() - 21);
  CHECK(got.find("next 3\n") != std::string::npos);
}

TEST_CASE("replay: a topic of which all was let go is passed over, and told") {
  ReplayCase c("t1");
  c.topics.Publish("t1", "m0");
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  c.topics.past("t1").LetGo(1);
  CHECK(ReadOn(&replay).empty());
  REQUIRE(replay.gap().has_value());
  CHECK(replay.gap()->missed == 1);
  CHECK(replay.gap()->next == 1);
  replay.ClearGap();
  CHECK(replay.caught_up());
}

TEST_CASE("replay: topics that keep nothing have nothing to replay, and say so") {
  TopicSet set{TopicSetConfig{}};
  ReplayBuffer buffer;
  const auto feed = set.FeedOf(*Selection::Parse("t1"), nullptr);
  REQUIRE(feed.ok());
  set.Publish(*set.Get("t1"), "m0", {});
  Replay replay(&set, *feed, Framing::kLines, kNever, &buffer);
  REQUIRE(replay.Start(From(0)).ok());
  REQUIRE(replay.gap().has_value());
  CHECK(replay.gap()->missed == 1);
  CHECK(replay.gap()->next == 1);
  replay.ClearGap();
  CHECK(replay.caught_up());
}

}  // namespace
}  // namespace rivulet
