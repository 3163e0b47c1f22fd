#include "pubsub/replay.h"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/pubsub/subscriber_support.h"

namespace rivulet {
namespace {

using test::PlainTopics;
using Kind = ReplayStart::Kind;

constexpr std::uint64_t kNever = UINT64_MAX;

ReplayStart From(std::uint64_t position) { return {.kind = Kind::kPosition, .position = position}; }
constexpr ReplayStart kEarliest{.kind = Kind::kEarliest};

// Gathers and takes all there is now, in lines.
std::string ReadOn(Replay* replay) {
  std::string got;
  while (true) {
    iovec piece[1];
    const auto gathered = replay->Gather(piece, kMaxGatherBytes);
    REQUIRE(gathered.ok());
    if (gathered->pieces == 0) return got;
    got.append(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
    replay->Consume(piece[0].iov_len);
  }
}

struct ReplayCase {
  explicit ReplayCase(std::string_view selection, std::uint64_t until = kNever,
                      std::shared_ptr<Filter> filter = nullptr)
      : feed(topics.FeedOf(selection, std::move(filter))), end(until) {}
  // What a replay from there gives, to now.
  std::string Get(const ReplayStart& start) {
    Replay replay(&topics.set, feed, Framing::kLines, end, &buffer);
    REQUIRE(replay.Start(start).ok());
    gap = replay.gap();
    position = replay.position();
    replay.ClearGap();
    const std::string got = ReadOn(&replay);
    CHECK((replay.caught_up() || replay.at_end()));
    return got;
  }

  PlainTopics topics;
  ReplayBuffer buffer;
  Feed* feed;
  std::uint64_t end;
  std::optional<Gap> gap;
  std::uint64_t position = 0;
};

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

TEST_CASE("replay: promised bytes come although their messages were let go meanwhile") {
  ReplayCase c("t1");
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string body = "message number " + std::to_string(i);
    c.topics.Publish("t1", body);
    expected += body + "\n";
  }
  Replay one(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(one.Start(kEarliest).ok());
  iovec piece[1];
  REQUIRE(one.Gather(piece, kMaxGatherBytes).ok());
  const std::size_t promised = piece[0].iov_len;
  CHECK(promised > kMaxGatherBytes - 30);
  const std::uint64_t ended = one.Consume(1000);
  CHECK(one.mid_message());
  c.topics.past("t1").LetGo(5000);
  {
    Replay other(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
    c.topics.Publish("t1", "m5000");
    REQUIRE(other.Start(kEarliest).ok());
    CHECK(ReadOn(&other) == "m5000\n");
  }
  CHECK(c.buffer.held_bytes() >= promised - 1000);
  CHECK(c.buffer.held_bytes() < promised - 1000 + 30);
  REQUIRE(one.Gather(piece, promised - 1000).ok());
  REQUIRE(piece[0].iov_len == promised - 1000);
  CHECK(std::string(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len) ==
        expected.substr(1000, promised - 1000));
  const auto lines =
      std::count(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(promised), '\n');
  CHECK(ended + one.Consume(promised - 1000) == static_cast<std::uint64_t>(lines));
  CHECK_FALSE(one.mid_message());
  CHECK(c.buffer.held_bytes() == 0);
  CHECK(one.lag_messages() == 5001 - static_cast<std::uint64_t>(lines));
}

TEST_CASE("replay: a message larger than the buffer is sent in parts that say so") {
  ReplayCase c("t1");
  const std::string large(150'000, 'm');
  c.topics.Publish("t1", "m0");
  c.topics.Publish("t1", large);
  c.topics.Publish("t1", "m2");
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  std::string got;
  std::vector<bool> splits;
  iovec piece[1];
  for (auto g = replay.Gather(piece, kMaxGatherBytes); g.ok() && g->pieces > 0;
       g = replay.Gather(piece, kMaxGatherBytes)) {
    got.append(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
    splits.push_back(g->splits_message);
    replay.Consume(piece[0].iov_len);
    CHECK(replay.mid_message() == g->splits_message);
  }
  CHECK(got == "m0\n" + large + "\nm2\n");
  CHECK(splits == std::vector<bool>{false, true, true, false, false});
}

// Takes a large message to its end, and checks that it is the one expected.
void TakeLarge(Replay* replay, const std::string& expected) {
  std::string got;
  iovec piece[1];
  do {
    const auto gathered = replay->Gather(piece, kMaxGatherBytes);
    REQUIRE(gathered.ok());
    REQUIRE(gathered->pieces == 1);
    got.append(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
    replay->Consume(piece[0].iov_len);
  } while (replay->mid_message());
  CHECK(got == expected);
}

TEST_CASE("replay: all who are at a large message share its bytes, until the last has sent it") {
  ReplayCase c("t1");
  const std::string large(1'000'000, 'm');
  c.topics.Publish("t1", large);
  c.topics.Publish("t1", "m1");
  std::vector<std::unique_ptr<Replay>> replays;
  const void* bytes = nullptr;
  iovec piece[1];
  for (std::size_t i = 0; i < 20; ++i) {
    replays.push_back(
        std::make_unique<Replay>(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer));
    REQUIRE(replays.back()->Start(kEarliest).ok());
    REQUIRE(replays.back()->Gather(piece, kMaxGatherBytes).ok());
    if (i == 0) bytes = piece[0].iov_base;
    CHECK(piece[0].iov_base == bytes);
    replays.back()->Consume(i);  // each at a place of its own
    CHECK(c.buffer.held_bytes() == 1'000'001);
  }
  c.topics.past("t1").LetGo(2);
  for (std::size_t i = 0; i < 18; ++i) TakeLarge(replays[i].get(), (large + "\n").substr(i));
  CHECK(c.buffer.held_bytes() == 1'000'001);
  replays.erase(replays.begin() + 18);  // a subscriber that went away
  CHECK(c.buffer.held_bytes() == 1'000'001);
  TakeLarge(replays.back().get(), (large + "\n").substr(19));
  CHECK(c.buffer.held_bytes() == 0);
}

TEST_CASE("replay: a large message is shared only where it looks the same") {
  ReplayCase c("t1");
  const std::string large(100'000, 'm');
  c.topics.Publish("other", "m");
  c.topics.Publish("t1", large);
  c.topics.Publish("t1", large);
  Feed* const several = c.topics.FeedOf("t1,t2", nullptr);
  std::vector<std::unique_ptr<Replay>> replays;
  // The bytes that are held once this one is at its message, too, and what it sends.
  const auto add = [&](Feed* feed, Framing framing, std::uint64_t position) {
    replays.push_back(std::make_unique<Replay>(&c.topics.set, feed, framing, kNever, &c.buffer));
    REQUIRE(replays.back()->Start(From(position)).ok());
    iovec piece[1];
    REQUIRE(replays.back()->Gather(piece, kMaxGatherBytes).ok());
    return c.buffer.held_bytes();
  };
  CHECK(add(c.feed, Framing::kLines, 0) == 100'001);
  CHECK(add(several, Framing::kLines, 1) == 100'001);
  CHECK(add(c.feed, Framing::kLines, 1) == 200'002);
  CHECK(add(c.feed, Framing::kLinesAt, 0) == 300'005);
  CHECK(add(several, Framing::kLinesAt, 1) == 400'013);
  CHECK(add(several, Framing::kLinesAt, 1) == 400'013);
  const char* const before[] = {"", "", "", "0 ", "1 t1 0 ", "1 t1 0 "};
  for (std::size_t i = 0; i < replays.size(); ++i) {
    TakeLarge(replays[i].get(), before[i] + large + "\n");
  }
  CHECK(c.buffer.held_bytes() == 0);
  // What is no longer held is encoded anew, and forgotten in the end.
  CHECK(add(c.feed, Framing::kFramed, 0) == 100'008);
  CHECK(c.buffer.large.size() == 1);
}

TEST_CASE("replay: a message that the buffer holds, but not this gather, is sent in parts") {
  ReplayCase c("t1");
  c.topics.Publish("t1", "message 0");
  c.topics.Publish("t1", "m");
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  std::vector<std::string> got;
  iovec piece[1];
  for (auto g = replay.Gather(piece, 4); g.ok() && g->pieces > 0; g = replay.Gather(piece, 4)) {
    got.emplace_back(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
    replay.Consume(piece[0].iov_len);
    CHECK(replay.mid_message() == g->splits_message);
  }
  CHECK(got == std::vector<std::string>{"mess", "age ", "0\n", "m\n"});
}

TEST_CASE("replay: a filter that keeps nothing is asked about a piece of the past at a time") {
  ReplayCase c("t1", kNever, std::make_shared<test::NoX>());
  for (int i = 0; i < 30; ++i) c.topics.Publish("t1", std::string(100'000, 'x'));
  c.topics.Publish("t1", "m30");
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  int calls = 0;
  std::string got;
  while (!replay.caught_up() && calls < 100) {
    got += ReadOn(&replay);
    ++calls;
  }
  CHECK(got == "m30\n");
  CHECK(calls == 16);  // two of 100'000 pass 128 KiB
  CHECK(replay.position() == 31);
}

TEST_CASE("replay: what was read before the disk failed goes out first") {
  ReplayCase c("t1,t2");
  c.topics.Publish("t1", "m0");
  c.topics.Publish("t2", "m1");
  Replay replay(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  REQUIRE(replay.Start(kEarliest).ok());
  c.topics.past("t2").failing = true;
  iovec piece[1];
  auto gathered = replay.Gather(piece, kMaxGatherBytes);
  REQUIRE(gathered.ok());
  CHECK(piece[0].iov_len == 3);
  replay.Consume(3);
  gathered = replay.Gather(piece, kMaxGatherBytes);
  CHECK(gathered.status().code() == StatusCode::kIoError);
  Replay late(&c.topics.set, c.feed, Framing::kLines, kNever, &c.buffer);
  CHECK(late.Start(kEarliest).code() == StatusCode::kIoError);
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
