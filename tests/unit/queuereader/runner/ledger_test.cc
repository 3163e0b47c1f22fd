// A message's way through the ledger: received, decided, covered, settled.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/queuereader/runner/ledger_desk.h"

namespace rivulet {
namespace {

TEST_CASE("ledger: a message is told to the queue once its decision is covered, and is gone then") {
  LedgerDesk desk;
  const auto one = desk.Fresh(1, "r1");
  const auto two = desk.Fresh(2, "r2");
  CHECK(desk.ledger.counts().in_hand == 2);
  CHECK(desk.MayRun(one));
  desk.ledger.Decide(two, {});
  desk.ledger.Decide(one, {Fate::kBury, {}, "", 0});
  CHECK(desk.ledger.decisions() == 2);
  CHECK_FALSE(desk.MayRun(one));
  CHECK(desk.Taken().empty());
  desk.ledger.Cover(1);
  CHECK(desk.ledger.counts().covered == 1);
  CHECK(desk.Taken() == Receipts{"r2"});
  CHECK(desk.Taken().empty());
  desk.ledger.Cover(2);
  const auto taken = desk.Take();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].token == one);
  CHECK(taken[0].fate == Fate::kBury);
  CHECK(desk.ledger.counts().settling == 2);
  desk.ledger.OnSettled(one, Settled::kDone);
  desk.ledger.OnSettled(two, Settled::kDone);
  CHECK(desk.Empty());
  desk.ledger.OnSettled(one, Settled::kDone);
  CHECK_FALSE(desk.Receive(1, "r3").known);
}

TEST_CASE("ledger: what the queue may be told is taken in the order decided, some at a time") {
  LedgerDesk desk;
  for (std::uint64_t i = 0; i < 5; ++i) desk.Decided(i, "r" + std::to_string(i));
  desk.Cover();
  CHECK(desk.Taken(0, 2) == Receipts{"r0", "r1"});
  CHECK(desk.Taken(0, 0).empty());
  CHECK(desk.Taken(0, 9) == Receipts{"r2", "r3", "r4"});
}

TEST_CASE("ledger: a requeue has its body, and the time that is left until it is due") {
  LedgerDesk desk;
  const auto soon = desk.Fresh(1, "r1");
  const auto late = desk.Fresh(2, "r2");
  desk.ledger.Decide(soon, {Fate::kRequeue, kWall + 7 * kSecond, "again", 0});
  desk.ledger.Decide(late, {Fate::kRequeue, kWall - kSecond, "", 0});
  desk.Cover();
  const auto taken = desk.Take();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].fate == Fate::kRequeue);
  CHECK(taken[0].delay == 7 * kSecond);
  CHECK(taken[0].body == "again");
  CHECK(taken[1].delay == Duration::zero());
  CHECK(taken[1].body.empty());
  desk.ledger.OnSettled(soon, Settled::kDone);
  // Its tries have changed: it is to be run, and the first one's number says nothing of it.
  CHECK_FALSE(desk.Receive(1, "r3", "again").known);
}

TEST_CASE("ledger: what emitted something waits until that was delivered, others do not") {
  LedgerDesk desk;
  const auto emitting = desk.Fresh(1, "r1");
  const auto silent = desk.Fresh(2, "r2");
  desk.ledger.Decide(emitting, {Fate::kFinish, {}, "", 5});
  desk.ledger.Decide(silent, {});
  desk.Cover();
  CHECK(desk.Taken(4) == Receipts{"r2"});
  CHECK(desk.Taken(5) == Receipts{"r1"});
  const auto delivered = desk.Fresh(3, "r3");
  desk.ledger.Decide(delivered, {Fate::kFinish, {}, "", 5});
  desk.Cover();
  CHECK(desk.Taken(5) == Receipts{"r3"});
}

TEST_CASE("ledger: no token has a low half of zero") {
  LedgerDesk desk;
  for (std::uint64_t id = 1; id < 100; ++id) {
    const auto token = desk.Settling(id, "r");
    CHECK((token & 0xffff'ffffU) != 0);
    if (id % 3 != 0) desk.ledger.OnSettled(token, Settled::kDone);
  }
}

TEST_CASE("ledger: what the queue refuses is gone") {
  LedgerDesk desk;
  const auto token = desk.Settling(1, "r1");
  desk.ledger.OnSettled(token, Settled::kRefused);
  CHECK(desk.Empty());
}

TEST_CASE("ledger: what is returned needs no cover, and is fresh when it comes again") {
  LedgerDesk desk;
  const auto token = desk.Fresh(1, "r1");
  desk.ledger.Return(token);
  CHECK(desk.ledger.counts().covered == 1);
  CHECK(desk.Touched().empty());
  const auto taken = desk.Take();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].fate == Fate::kReturn);
  CHECK(desk.ledger.counts().settling == 1);
  // It comes before the queue's answer to the return does.
  const auto again = desk.Fresh(1, "r2");
  CHECK(again != token);
  CHECK(desk.MayRun(again));
  desk.ledger.OnSettled(token, Settled::kStale);
  CHECK(desk.ledger.counts().awaited == 0);
  CHECK(desk.ledger.counts().settling == 0);
  desk.ledger.Decide(again, {});
  desk.Cover();
  CHECK(desk.Taken() == Receipts{"r2"});
}

TEST_CASE("ledger: a lease that may have ended is not run under") {
  LedgerDesk desk;
  const auto token = desk.Fresh(1, "r1");
  CHECK(desk.ledger.MayRun(token, kNow + 10 * kSecond - Duration(1)));
  CHECK_FALSE(desk.ledger.MayRun(token, kNow + 10 * kSecond));
  CHECK_FALSE(desk.ledger.MayRun(token + 1, kNow));
  CHECK_FALSE(desk.ledger.MayRun(0, kNow));
  CHECK(desk.Touched(kNow + 10 * kSecond).empty());
  CHECK(desk.Touched(kNow + 11 * kSecond) == std::set<std::string>{"r1"});
  CHECK(desk.ledger.MayRun(token, kNow + 19 * kSecond));
}

TEST_CASE("ledger: leases are prolonged of what is held, but not of what the queue is being told") {
  LedgerDesk desk;
  desk.Settling(1, "r1");
  desk.Covered(2, "r2");
  desk.Decided(3, "r3");
  desk.Fresh(4, "r4");
  CHECK(desk.Touched() == std::set<std::string>{"r2", "r3", "r4"});
  CHECK(desk.Touched(kNow + 20 * kSecond).empty());
}

TEST_CASE("ledger: the oldest of too many awaited are forgotten, and counted") {
  Ledger ledger(1, 2);
  std::vector<Settlement> taken;
  for (std::uint64_t id = 0; id < 3; ++id) {
    const auto received = ledger.Receive({0, 0, id, "r", "x", kNow});
    ledger.Decide(received.token, {});
    ledger.Cover(ledger.decisions());
    ledger.TakeCovered(1, 0, kWall, &taken);
    ledger.OnSettled(received.token, Settled::kStale);
  }
  CHECK(ledger.counts().awaited == 2);
  CHECK(ledger.counts().forgotten == 1);
  CHECK_FALSE(ledger.Receive({0, 0, 0, "r", "x", kNow}).known);
  CHECK(ledger.Receive({0, 0, 1, "r", "x", kNow}).known);
  CHECK(ledger.Receive({0, 0, 2, "r", "x", kNow}).known);
}

TEST_CASE("ledger: a receipt may be of any bytes and length") {
  LedgerDesk desk;
  const std::string receipt(5000, '\0');
  const auto token = desk.Covered(1, receipt);
  CHECK(desk.Taken() == Receipts{receipt});
  desk.ledger.OnSettled(token, Settled::kDone);
  CHECK(desk.Empty());
}

}  // namespace
}  // namespace rivulet
