#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "simplequeue/queue.h"
#include "tests/unit/simplequeue/bodies.h"

using namespace std::chrono_literals;
using rivulet::Arena;
using rivulet::Duration;
using rivulet::MessageInfo;
using rivulet::MessageState;
using rivulet::MonoTime;
using rivulet::Queue;
using rivulet::QueueLimits;

namespace {

// A queue, its time, and verbs that each are one line of a test.
struct Fixture {
  explicit Fixture(QueueLimits limits = {}) : queue("q", 1, limits, &arena) {}

  void Put(std::string_view bodies) {
    for (const char c : bodies) queue.Put(std::string(1, c), now);
  }
  Queue::Lease Lease(Duration lease = 30s) {
    std::vector<Queue::Lease> out;
    REQUIRE(queue.LeaseFront(1, now, lease, &out) == 1);
    return out[0];
  }
  static Queue::Holding Holding(const Queue::Lease& lease) { return {lease.id, lease.number}; }
  bool Finish(const Queue::Lease& lease) {
    const Queue::Holding holding = Holding(lease);
    return queue.Finish({&holding, 1}, &missed) == 1;
  }
  bool Requeue(const Queue::Lease& lease, Duration delay = {}) {
    const Queue::Holding holding = Holding(lease);
    return queue.Requeue({&holding, 1}, now, delay, &missed) == 1;
  }
  bool Touch(const Queue::Lease& lease, Duration length) {
    const Queue::Holding holding = Holding(lease);
    return queue.Touch({&holding, 1}, now, length, &missed) == 1;
  }
  bool Bury(const Queue::Lease& lease) {
    const Queue::Holding holding = Holding(lease);
    return queue.Bury({&holding, 1}, &missed) == 1;
  }
  bool Pass(Duration time) {
    now += time;
    return queue.Advance(now);
  }
  std::string Ready() const { return ReadyBodies(queue); }

  Arena arena;
  Queue queue;
  MonoTime now{1h};
  std::vector<std::size_t> missed;
};

}  // namespace

TEST_CASE("lease: what is leased is not ready, and gone once finished") {
  Fixture f;
  f.Put("ab");
  const Queue::Lease a = f.Lease();
  CHECK(a.body == "a");
  CHECK(a.attempts == 1);
  CHECK(a.put_at == f.now);
  CHECK(f.Ready() == "b");
  CHECK(f.queue.in_flight() == 1);
  CHECK(f.queue.held() == 2);
  CHECK(f.queue.bytes() == 1);
  CHECK(f.Finish(a));
  CHECK(f.queue.in_flight() == 0);
  CHECK(f.queue.held() == 1);
  CHECK(f.queue.held_bytes() == 1);
  CHECK(f.queue.stats().gets == 1);
  CHECK(f.queue.stats().finished == 1);
}

TEST_CASE("lease: one that runs out returns its message to the tail") {
  Fixture f;
  f.Put("ab");
  f.Lease(30s);
  CHECK_FALSE(f.Pass(30s - 1ns));
  CHECK(f.Ready() == "b");
  CHECK(f.Pass(1ns));
  CHECK(f.Ready() == "ba");
  CHECK(f.queue.stats().timeouts == 1);
  f.Put("c");
  CHECK(f.Ready() == "bac");
  f.Lease();
  CHECK(f.Lease().attempts == 2);
}

TEST_CASE("lease: a finish that comes late, again or with another's number is missed") {
  Fixture f;
  f.Put("a");
  const Queue::Lease first = f.Lease(1s);
  f.Pass(1s);
  CHECK_FALSE(f.Finish(first));  // late: it is ready
  const Queue::Lease second = f.Lease(1s);
  CHECK(second.number != first.number);
  CHECK_FALSE(f.Finish(first));  // late: another has it
  CHECK(f.queue.in_flight() == 1);
  CHECK(f.Finish(second));
  CHECK_FALSE(f.Finish(second));  // again
  CHECK(f.missed == std::vector<std::size_t>{0});
  CHECK(f.queue.stats().finished == 1);
  CHECK(f.queue.stats().finish_missed == 3);
  CHECK(f.queue.held() == 0);
}

TEST_CASE("lease: no verb takes a holding that is stale, unknown or zero") {
  Fixture f;
  f.Put("ab");
  const Queue::Lease old = f.Lease(1s);
  f.Pass(1s);
  const Queue::Lease holder = f.Lease();  // of b
  Queue::Lease other = old;
  for (const auto& [id, number] :
       std::vector<std::pair<std::uint64_t, std::uint32_t>>{{old.id, old.number},
                                                            {holder.id, old.number},
                                                            {holder.id, 0},
                                                            {0, 1},
                                                            {99, 1},
                                                            {UINT64_MAX, 1},
                                                            {1ULL << 40, holder.number}}) {
    other.id = id;
    other.number = number;
    CHECK_FALSE(f.Finish(other));
    CHECK_FALSE(f.Requeue(other));
    CHECK_FALSE(f.Touch(other, 1h));
    CHECK_FALSE(f.Bury(other));
    CHECK_FALSE(f.queue.RequeueWith({id, number}, "z", f.now, {}));
  }
  CHECK(f.Ready() == "a");
  CHECK(f.Finish(holder));
}

TEST_CASE("lease: in one call each holding counts once, and the missed are told by their index") {
  Fixture f;
  f.Put("abc");
  std::vector<Queue::Lease> leases;
  CHECK(f.queue.LeaseFront(10, f.now, 1s, &leases) == 3);
  const std::vector<Queue::Holding> holdings = {Fixture::Holding(leases[2]),
                                                {7, 7},
                                                Fixture::Holding(leases[0]),
                                                Fixture::Holding(leases[2])};
  CHECK(f.queue.Finish(holdings, &f.missed) == 2);
  CHECK(f.missed == std::vector<std::size_t>{1, 3});
  CHECK(f.queue.held() == 1);
}

TEST_CASE("lease: a touch counts from now, longer or shorter") {
  Fixture f;
  f.Put("ab");
  const Queue::Lease a = f.Lease(10s);
  f.Pass(9s);
  CHECK(f.Touch(a, 10s));
  CHECK_FALSE(f.Pass(9s));
  CHECK(f.Touch(a, 1s));
  CHECK(f.Pass(1s));
  CHECK(f.Ready() == "ba");
  CHECK_FALSE(f.Touch(a, 1s));
}

TEST_CASE("lease: a requeue goes to the tail, or waits for its delay") {
  Fixture f;
  f.Put("abc");
  CHECK(f.Requeue(f.Lease()));
  CHECK(f.Ready() == "bca");
  CHECK(f.Requeue(f.Lease(), 5s));
  CHECK(f.Ready() == "ca");
  CHECK(f.queue.deferred() == 1);
  CHECK_FALSE(f.Pass(5s - 1ns));
  CHECK(f.Pass(1ns));
  CHECK(f.Ready() == "cab");
  CHECK(f.queue.stats().requeues == 2);
  CHECK(f.queue.stats().timeouts == 0);
}

TEST_CASE("lease: a requeue with another body keeps the id, the attempts and the put time") {
  Fixture f;
  f.Put("ab");
  const Queue::Lease a = f.Lease();
  const MonoTime put_at = f.now;
  f.Pass(1s);
  CHECK(f.queue.RequeueWith(Fixture::Holding(a), "longer", f.now, {}));
  CHECK(f.Ready() == "blonger");
  CHECK(f.queue.bytes() == 7);
  CHECK(f.queue.held_bytes() == 7);
  f.Lease();
  const Queue::Lease again = f.Lease();
  CHECK(again.id == a.id);
  CHECK(again.attempts == 2);
  CHECK(again.put_at == put_at);
}

TEST_CASE("lease: the attempts used up make a dead letter, by time-out or by hand") {
  Fixture f({.max_attempts = 2});
  f.Put("ab");
  f.Lease(1s);
  CHECK(f.Requeue(f.Lease()));
  CHECK(f.Pass(1s));
  CHECK(f.Ready() == "ba");
  CHECK(f.Requeue(f.Lease(), 1h));
  f.Lease(1s);
  CHECK_FALSE(f.Pass(1s));
  CHECK(f.queue.dead() == 2);
  CHECK(f.queue.held() == 2);
  CHECK(f.queue.stats().buried == 2);
  SUBCASE("and a kick returns them in the order of burying, with no attempts") {
    f.Put("c");
    CHECK(f.queue.Kick(1) == 1);
    CHECK(f.Ready() == "cb");
    CHECK(f.queue.Kick(5) == 1);
    CHECK(f.Ready() == "cba");
    CHECK(f.queue.Kick(5) == 0);
    CHECK(f.queue.stats().kicked == 2);
    f.Lease();
    CHECK(f.Lease().attempts == 1);
  }
  SUBCASE("and they can be seen, by id") {
    std::vector<MessageInfo> dead;
    f.queue.Peek(MessageState::kDead, 1, &dead);
    REQUIRE(dead.size() == 1);
    CHECK(dead[0].body == "a");
    CHECK(dead[0].attempts == 2);
  }
}

TEST_CASE("lease: a bury sets aside whatever the attempts are") {
  Fixture f;
  f.Put("a");
  const Queue::Lease a = f.Lease();
  CHECK(f.Bury(a));
  CHECK_FALSE(f.Bury(a));
  CHECK(f.queue.dead() == 1);
  CHECK_FALSE(f.Pass(1h));  // its lease does not run out any more
  CHECK(f.queue.dead() == 1);
}

TEST_CASE("lease: a put with a delay is ready after it, behind what was put meanwhile") {
  Fixture f;
  f.queue.Put("d", f.now, {.delay = 5s, .ttl = {}, .key = {}});
  CHECK(f.queue.deferred() == 1);
  CHECK(f.queue.depth() == 0);
  CHECK(f.queue.next_due() == f.now + 5s);
  f.Put("a");
  CHECK(f.Pass(5s));
  CHECK(f.Ready() == "ad");
  CHECK(f.queue.next_due() == MonoTime::max());
}

TEST_CASE("lease: messages that return together keep the order of their times, then of their ids") {
  Fixture f;
  f.Put("abcdef");
  std::vector<Queue::Lease> leases;
  f.queue.LeaseFront(3, f.now, 3s, &leases);
  f.queue.LeaseFront(2, f.now, 1s, &leases);
  CHECK(f.Touch(leases[0], 2s));
  CHECK(f.Pass(1h));
  CHECK(f.Ready() == "fdeabc");
  CHECK(f.Pass(1h) == false);
}

TEST_CASE("lease: Advance does at most so much, and goes on where it ended") {
  Fixture f;
  f.Put("abcde");
  std::vector<Queue::Lease> leases;
  f.queue.LeaseFront(5, f.now, 1s, &leases);
  f.now += 1s;
  CHECK(f.queue.Advance(f.now, 2));
  CHECK(f.Ready() == "ab");
  CHECK(f.queue.next_due() <= f.now);
  CHECK(f.queue.Advance(f.now, 3));
  CHECK(f.Ready() == "abcde");
  CHECK(f.queue.next_due() == MonoTime::max());
}

TEST_CASE("lease: a message past its time to live is dropped, ready, deferred or dead") {
  Fixture f;
  const Queue::PutOptions ttl{.delay = {}, .ttl = 10s, .key = {}};
  f.queue.Put("dead", f.now, ttl);
  CHECK(f.Bury(f.Lease()));
  f.Put("a");
  f.queue.Put("ready", f.now, ttl);
  f.queue.Put("deferred", f.now, {.delay = 1h, .ttl = 10s, .key = {}});
  f.Put("b");
  CHECK_FALSE(f.Pass(10s - 1ms));
  CHECK(f.queue.held() == 5);
  CHECK_FALSE(f.Pass(1ms));
  CHECK(f.Ready() == "ab");
  CHECK(f.queue.held() == 2);
  CHECK(f.queue.bytes() == 2);
  CHECK(f.queue.held_bytes() == 2);
  CHECK(f.queue.stats().expired == 3);
  CHECK(f.queue.dead() + f.queue.deferred() == 0);
}

TEST_CASE("lease: past its time to live a message in flight can be finished, and never returns") {
  Fixture f;
  for (int i = 0; i < 4; ++i) f.queue.Put("x", f.now, {.delay = {}, .ttl = 10s, .key = {}});
  std::vector<Queue::Lease> leases;
  f.queue.LeaseFront(4, f.now, 20s, &leases);
  f.Pass(15s);
  CHECK(f.queue.in_flight() == 4);
  CHECK(f.Finish(leases[0]));
  CHECK(f.Requeue(leases[1]));
  CHECK(f.queue.depth() == 0);
  CHECK(f.Bury(leases[2]));
  CHECK_FALSE(f.Pass(5s));
  CHECK(f.queue.held() == 0);
  CHECK(f.queue.stats().expired == 3);
  CHECK(f.queue.stats().finished == 1);
}

TEST_CASE("lease: only the time that is given counts, to the end of all time") {
  Fixture f;
  f.Put("a");
  const Queue::Lease a = f.Lease(Duration::max());
  CHECK_FALSE(f.queue.Advance(MonoTime::max() - 1ns));
  CHECK(f.Finish(a));
  // Before the zero of the clock, as after a restart of the machine.
  f.queue.Put("b", MonoTime(-50h), {.delay = {}, .ttl = Duration::max(), .key = {}});
  CHECK_FALSE(f.queue.Advance(f.now));
  CHECK(f.queue.oldest_ready() == MonoTime(-50h));
}

TEST_CASE("lease: limits bound what is held in any state") {
  Fixture f({.max_depth = 3, .max_bytes = 10});
  f.Put("ab");
  const Queue::Lease a = f.Lease();
  CHECK(f.queue.Fits(1, 8));
  CHECK_FALSE(f.queue.Fits(2, 2));
  CHECK_FALSE(f.queue.Fits(1, 9));
  f.Finish(a);
  CHECK(f.queue.Fits(2, 9));
}

TEST_CASE("lease: emptying forgets one state and leaves the others") {
  Fixture f;
  f.Put("abcd");
  f.Lease();
  CHECK(f.Bury(f.Lease()));
  CHECK(f.Requeue(f.Lease(), 1h));
  CHECK(f.queue.Empty(MessageState::kInFlight) == 1);
  CHECK(f.queue.in_flight() == 0);
  CHECK(f.queue.Empty(MessageState::kDead) == 1);
  CHECK(f.queue.dead() == 0);
  CHECK(f.queue.Empty(MessageState::kDead) == 0);
  CHECK(f.queue.Empty(MessageState::kReady) == 1);
  CHECK(f.queue.bytes() == 0);
  CHECK(f.queue.held() == 1);
  CHECK(f.queue.Empty(MessageState::kDeferred) == 1);
  CHECK(f.queue.held_bytes() == 0);
  CHECK_FALSE(f.Pass(24h));
}

TEST_CASE("lease: the oldest ready message tells its age") {
  Fixture f;
  CHECK_FALSE(f.queue.oldest_ready().has_value());
  f.Put("a");
  const MonoTime first = f.now;
  f.Pass(5s);
  f.Put("b");
  CHECK(f.queue.oldest_ready() == first);
  f.queue.TakeFront();
  CHECK(f.queue.oldest_ready() == f.now);
}

TEST_CASE("lease: of many leases of two lengths the one that is not finished runs out in time") {
  Fixture f;
  std::vector<Queue::Lease> leases;
  for (int i = 0; i < 200; ++i) {
    for (int k = 0; k < 1000; ++k) f.Put("x");
    leases.clear();
    f.queue.LeaseFront(1000, f.now, i % 2 == 0 ? 1h : 1s, &leases);
    std::vector<Queue::Holding> holdings;
    for (const Queue::Lease& lease : leases) holdings.push_back(Fixture::Holding(lease));
    if (i == 0) holdings.pop_back();
    f.queue.Finish(holdings, &f.missed);
    REQUIRE(f.missed.empty());
  }
  CHECK(f.queue.in_flight() == 1);
  CHECK(f.Pass(1h));
  CHECK(f.queue.depth() == 1);
}
