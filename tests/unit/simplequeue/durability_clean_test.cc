#include "simplequeue/durability.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/unit/simplequeue/durable_process.h"

using namespace rivulet;
using namespace std::chrono_literals;

namespace {

// All that can be seen of a queue; what is in flight is shown as it is after a restart, ready.
std::string Shown(const Queue& queue, const FakeClock& clock) {
  std::string out =
      fmt::format("{} next {} paused {}\n", queue.name(), queue.next_id(), queue.paused());
  std::vector<std::pair<std::uint64_t, std::string>> ready;  // by position
  for (const MessageState state : {MessageState::kReady, MessageState::kInFlight,
                                   MessageState::kDeferred, MessageState::kDead}) {
    std::vector<MessageInfo> messages;
    queue.Peek(state, UINT64_MAX, &messages);
    for (const MessageInfo& m : messages) {
      std::string line = fmt::format(
          "{} {} attempts {} put {} ttl {} due {}\n", m.id, m.body, m.attempts,
          (m.put_at - clock.Now()).count() / 1'000'000, m.ttl.count(),
          state == MessageState::kDeferred ? (m.due - clock.Now()).count() / 1'000'000 : 0);
      if (state == MessageState::kReady || state == MessageState::kInFlight) {
        ready.emplace_back(m.position, std::move(line));
      } else {
        out += (state == MessageState::kDead ? "dead " : "deferred ") + line;
      }
    }
  }
  std::sort(ready.begin(), ready.end());
  for (const auto& [position, line] : ready) out += "ready " + line;
  queue.ForEachKey(1, queue.next_id(), [&](const Queue::KeyInfo& key) {
    out += fmt::format("key {} {} {}\n", key.key, key.id,
                       (key.until - clock.Now()).count() / 1'000'000);
  });
  return out;
}

std::string Shown(QueueSet& queues, const FakeClock& clock) {
  std::string out;
  for (const auto& [name, queue] : queues.all()) out += Shown(*queue, clock);
  return out;
}

std::uint64_t CountType(const FakeDisk& disk, RecordType type) {
  std::uint64_t count = 0;
  for (const auto& segment : disk.segments) {
    for (const std::string& record : segment.records) {
      count += record[0] == static_cast<char>(type) ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("durability: each segment begins with the names of all queues") {
  FakeDisk disk;
  FakeClock clock;
  DurableProcess process(&disk, &clock, 64 << 10);
  process.queue("a").Put("x", clock.Now());
  process.queue("b").Put("x", clock.Now());
  const std::string body(1000, 'x');
  for (int i = 0; i < 200; ++i) process.queue("a").Put(body, clock.Now());
  REQUIRE(disk.segments.size() > 2);
  for (std::size_t i = 1; i < disk.segments.size(); ++i) {
    std::string names;
    DecodedRecord record;
    for (const std::string& bytes : disk.segments[i].records) {
      REQUIRE(DecodeRecord(bytes, &record).ok());
      if (record.type != RecordType::kQueue) break;
      names += std::string(record.name) + " ";
    }
    CHECK(names == "a b default ");
  }
}

TEST_CASE("durability: ids go on although every message and its segment are gone") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock, 64 << 10);
    const std::string body(1000, 'x');
    for (const char* name : {"default", "other"}) {
      for (int i = 0; i < 500; ++i) {
        before.queue(name).Put(body, clock.Now());
        before.queue(name).TakeFront();
        before.Turn();
      }
    }
    before.Settle();
    CHECK(disk.dropped > 8);
  }
  DurableProcess after(&disk, &clock);
  CHECK(after.queue().depth() == 0);
  CHECK(after.queue().Put("next", clock.Now()) == 501);
}

TEST_CASE("durability: the disk is bounded while one old message stays, and it does") {
  FakeDisk disk;
  FakeClock clock;
  constexpr std::uint64_t kSegment = 64 << 10;
  {
    DurableProcess before(&disk, &clock, kSegment);
    before.queue().Put("old", clock.Now(), {.delay = {}, .ttl = {}, .key = "its key"});
    LeaseOne(before.queue(), clock.Now(), 1h);
    const std::string body(100, 'x');
    for (int i = 0; i < 20'000; ++i) {
      before.queue().Put(body, clock.Now());
      before.queue().TakeFront();
      if (i % 10 == 0) before.Turn();
      const std::uint64_t live = before.queue().held_bytes() + 20 * before.queue().held();
      REQUIRE(disk.bytes() <= 2 * live + 2 * kSegment);
    }
    before.Settle();
    CHECK(disk.dropped > 20);
    CHECK(before.durability.cleaned_messages() >= disk.dropped - 2);
  }
  DurableProcess after(&disk, &clock);
  CHECK(Order(after.queue()) == "1 ");
  MessageInfo message;
  REQUIRE(after.queue().Find(1, &message));
  CHECK(message.body == "old");
  CHECK(message.attempts == 1);
  CHECK(after.queue().FindDuplicate("its key", clock.Now()) == 1);
}

TEST_CASE("durability: a step of cleaning moves 256 KiB, more when more is put meanwhile") {
  FakeDisk disk;
  FakeClock clock;
  DurableProcess process(&disk, &clock, 4 << 20);
  const std::string body(1000, 'x');
  for (int i = 0; i < 16'000; ++i) process.queue().Put(body, clock.Now());
  process.Settle();
  // Two of three are finished: 16 MB on disk, 5.3 MB live.
  std::vector<Queue::Lease> leases;
  process.queue().LeaseFront(16'000, clock.Now(), 1h, &leases);
  std::vector<Queue::Holding> finished;
  for (const auto& lease : leases) {
    if (lease.id % 3 != 0) finished.push_back({lease.id, lease.number});
  }
  std::vector<std::size_t> missed;
  process.queue().Finish(finished, &missed);
  process.journal->Commit();
  process.loop.RunOnce(100ms);  // until it is asked whether to clean
  std::uint64_t steps = 0;
  while (disk.dropped == 0) {
    const std::uint64_t before = disk.bytes();
    process.Turn();
    const std::uint64_t moved = disk.bytes() - std::min(before, disk.bytes());
    CHECK(moved <= (256 << 10) + 1100);
    REQUIRE(++steps < 100);
  }
  // A third of 4 MiB in steps of 256 KiB.
  CHECK(steps >= 5);
  process.Settle();
  CHECK(disk.bytes() <= 2 * process.journal->last_live_bytes() + (4 << 20));
}

TEST_CASE("durability: on a full disk a segment is cleaned when it costs little, else not") {
  FakeDisk disk;
  FakeClock clock;
  DurableProcess process(&disk, &clock, 256 << 10);
  Queue& queue = process.queue();
  const std::string body(1000, 'x');
  for (int i = 0; i < 3000; ++i) queue.Put(body, clock.Now());
  process.journal->Commit();
  process.journal->RefuseGrowth({StatusCode::kExhausted, "no space left"});
  // Of the first thousand one in two hundred stays, of the others one in three: 0.7 of 3 MB is
  // live. A segment has 259 messages, so the first four are left with 5 and 12 live ones, and the
  // fifth has 86, which are more than 64 KiB.
  std::vector<Queue::Lease> leases;
  queue.LeaseFront(3000, clock.Now(), 1h, &leases);
  std::vector<Queue::Holding> finished;
  for (const auto& lease : leases) {
    if (lease.id % (lease.id <= 1000 ? 200 : 3) != 0) finished.push_back({lease.id, lease.number});
  }
  std::vector<std::size_t> missed;
  queue.Finish(finished, &missed);
  process.Settle();
  CHECK(disk.dropped == 4);
  CHECK(process.durability.cleaned_messages() <= 5 + 12 + 65);
  process.journal->RefuseGrowth({});
  queue.Put(body, clock.Now());
  process.loop.RunOnce(1100ms);  // it is tried again each second
  process.Settle();
  CHECK(disk.dropped > 4);
  CHECK(disk.bytes() <= 2 * process.journal->last_live_bytes() + (256 << 10));
}

// Random traffic over few ids and tiny segments, with cleaning at work: at every moment the records
// on disk make the same queues again, whether the oldest segment is just gone or still there.
TEST_CASE("durability: what is replayed is what was there, whatever was moved and dropped") {
  FakeDisk disk;
  FakeClock clock;
  std::mt19937_64 random(20261121);
  DurableProcess process(&disk, &clock, 64 << 10);
  std::vector<Queue::Holding> held;
  std::vector<Queue::Lease> leases;
  std::vector<std::size_t> missed;
  for (int step = 0; step < 30'000; ++step) {
    Queue& queue = process.queue(random() % 4 == 0 ? "other" : "default");
    const MonoTime now = clock.Now();
    const auto some = [&held, &random] {
      const std::size_t at = held.empty() ? 0 : random() % held.size();
      return std::span<const Queue::Holding>(held).subspan(
          at, std::min<std::size_t>(held.size() - at, random() % 3));
    };
    switch (random() % 14) {
      case 0:
      case 1: {
        const std::string key = random() % 4 == 0 ? fmt::format("k{}", step) : "";
        queue.Put(std::string(random() % 300, 'x') + std::to_string(step), now,
                  {.delay = random() % 5 == 0 ? Duration(1s * (random() % 20)) : Duration(),
                   .ttl = random() % 10 == 0 ? Duration(60s) : Duration(),
                   .key = key});
        break;
      }
      case 3:
      case 4:
      case 5:
        leases.clear();
        queue.LeaseFront(1 + random() % 4, now, 1s * (1 + random() % 10), &leases);
        for (const auto& lease : leases) held.push_back({lease.id, lease.number});
        break;
      case 6:
      case 7:
        queue.Finish(some(), &missed);
        break;
      case 8:
        queue.Requeue(some(), now, random() % 2 == 0 ? Duration() : Duration(3s), &missed);
        break;
      case 9:
        if (random() % 3 == 0) queue.Bury(some(), &missed);
        break;
      case 10:
        if (random() % 10 == 0) queue.Kick(random() % 20);
        break;
      case 2:
      case 11:
        if (queue.depth() > 0) queue.TakeFront();
        break;
      case 12:
        if (!held.empty() && random() % 4 == 0) {
          queue.RequeueWith(held[random() % held.size()], "another body", now, Duration());
        }
        break;
      default:
        clock.Advance(std::chrono::milliseconds(random() % 400));
        queue.Advance(clock.Now());
    }
    if (held.size() > 200) held.erase(held.begin(), held.begin() + 100);
    if (step % 5 == 0) process.Turn();
    if (step % 500 == 0) {
      process.journal->Commit();
      FakeDisk copy = disk;
      DurableProcess again(&copy, &clock, 64 << 10);
      REQUIRE_MESSAGE(Shown(again.queues, clock) == Shown(process.queues, clock), "step ", step);
    }
  }
  CHECK(disk.dropped > 10);
  CHECK(process.durability.cleaned_messages() > 100);
  CHECK(CountType(disk, RecordType::kKey) > 0);
}
