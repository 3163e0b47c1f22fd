#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "simplequeue/queue.h"
#include "tests/unit/simplequeue/bodies.h"
#include "tests/unit/simplequeue/recording_log.h"

using namespace std::chrono_literals;
using namespace rivulet;
using Told = std::vector<std::string>;

namespace {

constexpr MonoTime kNow{1h};

struct Logged {
  explicit Logged(QueueLimits limits = {}) : queue("q", 1, limits, &arena, &log) {}
  void Put(std::string_view bodies) {
    for (const char c : bodies) queue.Put(std::string(1, c), kNow);
  }
  std::vector<Queue::Holding> Lease(std::uint64_t count, Duration length = 30s) {
    std::vector<Queue::Lease> leases;
    queue.LeaseFront(count, kNow, length, &leases);
    std::vector<Queue::Holding> out;
    for (const Queue::Lease& lease : leases) out.push_back({lease.id, lease.number});
    return out;
  }
  Told TakeTold() { return std::exchange(log.told, {}); }

  RecordingLog log;
  Arena arena;
  Queue queue;
  std::vector<std::size_t> missed;
};

struct Restored {
  explicit Restored(const Logged& from, MonoTime now = kNow)
      : queue("q", 1, from.queue.limits(), &arena) {
    from.log.Replay(&queue, now);
  }
  std::string Ready() const { return ReadyBodies(queue); }
  Arena arena;
  Queue queue;
};

}  // namespace

TEST_CASE("queue log: every change is told once, neighbours together, in order") {
  Logged l({.max_attempts = 2});
  l.Put("abcd");
  CHECK(l.TakeTold() == Told{"put 1", "put 2", "put 3", "put 4"});
  auto held = l.Lease(3);
  CHECK(l.TakeTold() == Told{"lease 1-3"});
  l.queue.Finish({&held[1], 1}, &l.missed);
  CHECK(l.TakeTold() == Told{"forget 2"});
  l.queue.Finish({&held[1], 1}, &l.missed);
  l.queue.Touch(held, kNow, 1s, &l.missed);
  CHECK(l.TakeTold().empty());
  l.queue.Requeue(held, kNow, {}, &l.missed);
  CHECK(l.TakeTold() == Told{"return 1 3"});
  held = l.Lease(3);  // 4, 1, 3: the last two for the last time
  CHECK(l.TakeTold() == Told{"lease 4 1 3"});
  l.queue.Requeue(held, kNow, 5s, &l.missed);
  CHECK(l.TakeTold() == Told{"bury 1 3", "defer 4"});
  l.queue.Advance(kNow + 5s);
  CHECK(l.TakeTold() == Told{"return 4"});
  l.queue.Kick(9);
  CHECK(l.TakeTold() == Told{"kick 1 3"});
  held = l.Lease(1);  // 4 for the last time
  l.queue.Advance(kNow + 1h);
  CHECK(l.TakeTold() == Told{"lease 4", "bury 4"});
  l.queue.SetPaused(true);
  l.queue.SetPaused(true);
  CHECK(l.TakeTold() == Told{"pause"});
  l.queue.Empty(MessageState::kReady);
  CHECK(l.TakeTold() == Told{"forget 1 3"});
}

TEST_CASE("queue log: a body that was replaced is told as one whole message") {
  Logged l;
  l.Put("a");
  const auto held = l.Lease(1);
  l.TakeTold();
  l.queue.RequeueWith(held[0], "new", kNow, 1s);
  CHECK(l.TakeTold() == Told{"put 1"});
  const Restored r(l);
  CHECK(r.queue.deferred() == 1);
}

TEST_CASE("restore: ready messages come back in order, with their ids, times and attempts") {
  Logged l;
  l.Put("abcde");
  auto held = l.Lease(2);
  l.queue.Requeue(held, kNow, {}, &l.missed);
  l.Put("f");
  l.queue.TakeFront();
  Restored r(l, kNow + 1h);
  CHECK(r.Ready() == "deabf");
  CHECK(r.queue.next_id() == 7);
  CHECK(r.queue.bytes() == 5);
  CHECK(r.queue.held() == 5);
  MessageInfo info;
  REQUIRE(r.queue.Find(2, &info));
  CHECK(info.attempts == 1);
  CHECK(info.put_at == kNow);
  CHECK_FALSE(r.queue.Find(3, &info));
}

TEST_CASE("restore: what was in flight is ready in its old place, or dead at its last attempt") {
  Logged l({.max_attempts = 2});
  l.Put("abc");
  auto held = l.Lease(1);
  l.queue.Requeue(held, kNow, {}, &l.missed);  // b c a
  l.Lease(3);
  l.Put("d");
  Restored r(l);
  CHECK(r.Ready() == "bcd");
  CHECK(r.queue.dead() == 1);
  CHECK(r.queue.in_flight() == 0);
  CHECK(r.queue.Kick(1) == 1);
  CHECK(r.Ready() == "bcda");
}

TEST_CASE("restore: what was put after a restart goes behind what returned before it") {
  Logged l;
  l.Put("ab");
  const auto held = l.Lease(2);
  l.queue.Requeue(held, kNow, {}, &l.missed);
  Restored r(l);
  r.queue.Put("c", kNow);
  CHECK(r.Ready() == "abc");
  std::vector<Queue::Lease> leases;
  r.queue.LeaseFront(1, kNow, 1s, &leases);
  r.queue.Advance(kNow + 1s);
  CHECK(r.Ready() == "bca");
}

TEST_CASE("restore: delays, times to live, dead letters and the pause come back") {
  Logged l;
  l.queue.Put("late", kNow, {.delay = 10s, .ttl = {}, .key = {}});
  l.queue.Put("short", kNow, {.delay = {}, .ttl = 5s, .key = {}});
  l.Put("ab");
  auto held = l.Lease(3);
  l.queue.Bury({held.data() + 2, 1}, &l.missed);
  l.queue.Bury({held.data() + 1, 1}, &l.missed);
  l.queue.SetPaused(true);
  Restored r(l, kNow + 1s);
  CHECK(r.queue.paused());
  CHECK(r.queue.deferred() == 1);
  CHECK(r.queue.dead() == 2);
  CHECK(r.Ready() == "short");
  CHECK(r.queue.next_due() == kNow + 5s);
  CHECK_FALSE(r.queue.Advance(kNow + 5s));
  CHECK(r.queue.stats().expired == 1);
  CHECK(r.queue.Advance(kNow + 10s));
  CHECK(r.queue.Kick(9) == 2);
  CHECK(r.Ready() == "lateba");
}

TEST_CASE("restore: keys come back, and a key whose time is over does not") {
  Logged l({.dedupe_window = 60s});
  l.queue.Put("x", kNow, {.delay = {}, .ttl = {}, .key = "old"});
  l.queue.Put("y", kNow + 30s, {.delay = {}, .ttl = {}, .key = "new"});
  std::vector<Queue::Message> front;
  l.queue.Front(2, &front);
  l.queue.Take(front);
  Restored r(l, kNow + 60s);
  CHECK_FALSE(r.queue.FindDuplicate("old", kNow + 60s).has_value());
  CHECK(r.queue.FindDuplicate("new", kNow + 60s) == 2);
  CHECK(r.queue.keys() == 1);
}

TEST_CASE("restore: messages may come in any order and with gaps, and unknown ids are ignored") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  for (const std::uint64_t id : {100'000UL, 5UL, 40'000UL, 3UL, 50'000UL}) {
    MessageInfo message;
    message.id = id;
    message.position = FreshPosition(id);
    message.put_at = kNow;
    message.body = "x";
    queue.RestoreMessage(message, {});
  }
  queue.RestoreLease({1, 10});
  queue.RestoreForget({39'000, 2'000});
  queue.RestoreForget({200'000, 1});
  queue.RestoreDefer(kNow, {7, 3});
  const IdRun unknown[] = {{60'000, 5}};
  queue.RestoreReturn(FreshPosition(100'000) + 1, false, unknown);
  CHECK(queue.in_flight() == 2);
  queue.RestoreNextId(123'456);
  queue.EndRestore(kNow);
  std::vector<Queue::Message> front;
  queue.Front(10, &front);
  std::vector<std::uint64_t> ids;
  for (const Queue::Message& message : front) ids.push_back(message.id);
  CHECK(ids == std::vector<std::uint64_t>{3, 5, 50'000, 100'000});
  CHECK(queue.Put("y", kNow) == 123'456);
}

TEST_CASE("taken: what is taken stays in memory until its commit, and is not there to look at") {
  Logged l;
  l.Put("abc");
  l.log.commit = 7;
  l.queue.TakeFront();
  l.log.commit = 8;
  l.queue.TakeFront();
  MessageInfo info;
  CHECK_FALSE(l.queue.Find(1, &info));
  CHECK(l.queue.depth() == 1);
  CHECK(l.queue.held() == 3);
  CHECK(l.queue.held_bytes() == 3);
  l.queue.Committed(6);
  CHECK(l.queue.held() == 3);
  l.queue.Committed(7);
  CHECK(l.queue.held() == 2);
  l.queue.Committed(9);
  CHECK(l.queue.held() == 1);
}

TEST_CASE("taken: what could not be made safe is the front again, in order, and told anew") {
  Logged l;
  l.Put("abcdef");
  auto held = l.Lease(1);
  l.queue.Requeue(held, kNow, {}, &l.missed);  // b c d e f a
  l.queue.TakeFront();
  l.queue.Committed(l.log.commit);
  ++l.log.commit;
  std::vector<Queue::Message> front;
  l.queue.Front(5, &front);
  l.queue.Take(front);
  CHECK(l.queue.stats().gets == 7);
  l.Put("g");
  l.TakeTold();
  l.queue.Untake();
  CHECK(l.TakeTold() == Told{"put 3", "put 4", "put 5", "put 6", "put 1"});
  CHECK(l.queue.stats().gets == 2);
  CHECK(l.queue.depth() == 6);
  CHECK(l.queue.bytes() == 6);
  std::string order;
  l.queue.Front(9, &front);
  for (const Queue::Message& message : front) order += message.body;
  CHECK(order == "cdefag");
  CHECK(Restored(l).Ready() == "cdefag");
  MessageInfo info;
  REQUIRE(l.queue.Find(1, &info));
  CHECK(info.attempts == 1);
  l.queue.Untake();
  CHECK(l.TakeTold().empty());
}

TEST_CASE("taken: its time to live goes on when it is ready again") {
  Logged l;
  l.queue.Put("x", kNow, {.delay = {}, .ttl = 5s, .key = {}});
  l.queue.TakeFront();
  l.queue.Advance(kNow + 6s);
  l.queue.Untake();
  CHECK(l.queue.depth() == 1);
  l.queue.Advance(kNow + 6s);
  CHECK(l.queue.held() == 0);
}

TEST_CASE("taken: what makes room for others makes it at once, with a log too") {
  Logged l({.max_depth = 2});
  l.Put("ab");
  CHECK_FALSE(l.queue.Fits(1, 1));
  l.queue.OverflowFront();
  CHECK(l.queue.Fits(1, 1));
  CHECK(l.queue.stats().overflow == 1);
  l.queue.Untake();
  CHECK(l.queue.stats().overflow == 0);
  CHECK(l.queue.held() == 2);
  l.queue.OverflowFront();
  l.queue.Committed(l.log.commit);
  CHECK(l.queue.held() == 1);
}
