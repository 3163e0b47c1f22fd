// How much a spool holds, on disk and in memory, and what it does when that is reached.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/bridge/spool_support.h"

using namespace rivulet;
using namespace rivulet::spool_test;

namespace {

constexpr std::uint64_t kMaxBytes = 512 << 10;

struct Bounded : SpoolFixture {
  explicit Bounded(SpoolConfig::WhenFull when_full = SpoolConfig::WhenFull::kWait) {
    config.max_bytes = kMaxBytes;
    config.memory_bytes = 20'000;
    config.when_full = when_full;
    Open();
  }
  /// A message a commit, of 1000 bytes with its newline.
  void AppendOne() {
    Append(fmt::format("{:0>999}", spool->end()));
    Commit();
    most_disk_bytes = std::max(most_disk_bytes, spool->disk_bytes());
    most_memory_bytes = std::max(most_memory_bytes, spool->memory_bytes());
  }
  std::uint64_t most_disk_bytes = 0;
  std::uint64_t most_memory_bytes = 0;
};

}  // namespace

TEST_CASE("spool: with wait it is full before max_bytes, and has room when segments have gone") {
  Bounded f;
  while (!f.spool->full()) f.AppendOne();
  CHECK_FALSE(f.spool->has_room());
  // Four segments at least, of which the open one is seldom full.
  CHECK(f.spool->end() > 400);
  CHECK(f.spool->end() <= kMaxBytes / 1000);
  CHECK(f.most_disk_bytes <= kMaxBytes + kMaxBytes / 4);
  CHECK(f.most_memory_bytes < 20'000 + 1000 + 32 * 20);
  CHECK(f.spool->dropped() == 0);
  CHECK(f.spool->start() == 0);

  const std::uint64_t end = f.spool->end();
  f.Done(10);
  for (int i = 0; i < 10; ++i) f.Turn();
  CHECK(f.spool->full());
  const int told = f.told;
  f.Done(end / 2);
  REQUIRE(f.RunUntil([&] { return f.spool->has_room(); }));
  CHECK(f.told > told);
  CHECK(f.spool->start() == end / 2);
  CHECK(ReadAll(f.spool.get(), end / 2).size() == end - end / 2);
}

TEST_CASE("spool: a reader that keeps up lets it run for ever in the room of few segments") {
  Bounded f;
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(f.RunUntil([&] { return !f.spool->full(); }));
    f.AppendOne();
    f.Done(f.spool->end());
  }
  CHECK(f.spool->dropped() == 0);
  CHECK(f.most_disk_bytes <= kMaxBytes + kMaxBytes / 4);
  CHECK(f.spool->held_bytes() == 0);
}

TEST_CASE("spool: with drop-oldest it never is full for long, and counts what was not delivered") {
  Bounded f(SpoolConfig::WhenFull::kDropOldest);
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(f.RunUntil([&] { return !f.spool->full(); }));
    f.AppendOne();
    if (i == 100) f.Done(50);
  }
  const std::uint64_t start = f.spool->start();
  CHECK(start > 2400);
  CHECK(start < 2900);
  CHECK(f.spool->dropped() == start - 50);
  CHECK(f.most_disk_bytes <= kMaxBytes + kMaxBytes / 4);
  CHECK(f.spool->Slice(start, 1).message() == fmt::format("{:0>999}", start));
  REQUIRE(f.spool->Close().ok());
  f.Open();
  CHECK(f.spool->begin_at()[0] == f.spool->start());
  CHECK(f.spool->start() >= start);
}

TEST_CASE("spool: drop-oldest counts nothing that all readers are done with") {
  Bounded f(SpoolConfig::WhenFull::kDropOldest);
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(f.RunUntil([&] { return !f.spool->full(); }));
    f.AppendOne();
    f.spool->SetDone(0, f.spool->end());  // and does not say that nobody asks for them
  }
  CHECK(f.spool->start() > 0);
  CHECK(f.spool->dropped() == 0);
}

TEST_CASE("spool: one message that is larger than all may go through, and the next one too") {
  Bounded f;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(f.RunUntil([&] { return f.spool->has_room(); }));
    f.Append(std::string(2 * kMaxBytes, 'L'));
    f.Commit();
    CHECK(f.spool->full());
    CHECK(f.spool->Slice(f.spool->start(), 5).lines.size() == 2 * kMaxBytes + 1);
    f.Done(f.spool->end());
  }
  REQUIRE(f.RunUntil([&] { return f.spool->has_room() && f.spool->disk_bytes() < kMaxBytes; }));
}

TEST_CASE("spool: a smaller bound at the next start is kept once its messages are delivered") {
  SpoolFixture f;
  f.config.max_bytes = 8 << 20;
  f.config.segment_bytes = 1 << 20;
  f.Open();
  for (int i = 0; i < 900; ++i) f.Append(std::string(999, 'x'));
  f.Commit();
  f.config.max_bytes = kMaxBytes;
  f.Open();
  CHECK(f.spool->full());
  f.Done(900);
  REQUIRE(f.RunUntil([&] { return f.spool->has_room(); }));
  f.Append("next");
  f.Commit();
  f.Done(901);
  REQUIRE(f.RunUntil([&] { return f.spool->has_room(); }));
}

TEST_CASE("spool: what waits for a slow disk is bounded") {
  SpoolFixture f("always");
  f.config.max_bytes = 64 << 20;
  f.Open();
  {
    const auto held = f.disk.HoldSyncs();
    while (!f.spool->full()) f.Append(std::string(999, 'x'));
    f.Turn();
    CHECK(f.spool->full());
    CHECK(f.spool->end() * 1000 <= 65 << 10);
  }
  REQUIRE(f.RunUntil([&] { return f.spool->has_room(); }));
}

TEST_CASE(
    "spool: readers that are behind cost a stretch each, and nothing when they have caught up") {
  SpoolFixture f;
  f.config.memory_bytes = 10'000;
  f.config.readers = {"a", "b"};
  f.Open();
  for (int i = 0; i < 6000; ++i) f.Append(std::string(999, 'x'));
  f.Commit();
  const auto own = f.spool->memory_bytes();
  std::uint64_t at[] = {0, 3000};
  while (at[1] < 6000) {
    at[0] = f.spool->Slice(at[0], 100).end();
    at[1] = f.spool->Slice(at[1], 100).end();
    CHECK(f.spool->memory_bytes() <= own + 3 * (1 << 20));
  }
  f.Done(6000);
  CHECK(f.spool->memory_bytes() <= own);
}

TEST_CASE("spool: below 64 KiB it is refused") {
  SpoolFixture f;
  f.config.max_bytes = 65'535;
  CHECK(f.TryOpen().code() == StatusCode::kInvalidArgument);
}
