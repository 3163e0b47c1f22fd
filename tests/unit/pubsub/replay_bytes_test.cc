// In which pieces a replay's bytes are gathered, and who holds them until they are sent.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/pubsub/replay_case.h"

namespace rivulet {
namespace {

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

}  // namespace
}  // namespace rivulet
