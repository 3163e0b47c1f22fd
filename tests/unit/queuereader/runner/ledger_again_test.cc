// Messages that come again, and leases that were lost.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/queuereader/runner/ledger_desk.h"

namespace rivulet {
namespace {

TEST_CASE("ledger: one in hand that comes again is still to be run once, under the newer receipt") {
  LedgerDesk desk;
  const auto token = desk.Fresh(1, "r1");
  const auto again = desk.Receive(1, "r2");
  CHECK(again.known);
  CHECK(again.token == token);
  CHECK(desk.MayRun(token));
  CHECK(desk.ledger.counts().in_hand == 1);
  CHECK(desk.ledger.counts().known == 1);
  desk.ledger.Decide(token, {});
  desk.Cover();
  CHECK(desk.Taken() == Receipts{"r2"});
}

TEST_CASE("ledger: one that was decided, or covered, is settled under the newer receipt") {
  LedgerDesk desk;
  desk.Decided(1, "r1");
  CHECK(desk.Receive(1, "r2").known);
  desk.Cover();
  CHECK(desk.Receive(1, "r3").known);
  CHECK(desk.Taken() == Receipts{"r3"});
  CHECK(desk.ledger.counts().known == 2);
}

TEST_CASE("ledger: one that is settling is settled again when the older receipt was stale") {
  LedgerDesk desk;
  const auto token = desk.Settling(1, "r1");
  CHECK(desk.Receive(1, "r2").known);
  CHECK(desk.Taken().empty());
  desk.ledger.OnSettled(token, Settled::kStale);
  CHECK(desk.ledger.counts().covered == 1);
  CHECK(desk.Taken() == Receipts{"r2"});
  desk.ledger.OnSettled(token, Settled::kStale);
  CHECK(desk.ledger.counts().awaited == 1);
}

TEST_CASE("ledger: one that is settling is gone when the older receipt held") {
  LedgerDesk desk;
  const auto token = desk.Settling(1, "r1");
  CHECK(desk.Receive(1, "r2").known);
  desk.ledger.OnSettled(token, Settled::kDone);
  CHECK(desk.Empty());
}

TEST_CASE("ledger: one requeued as it is that overtakes the answer is given back, not lost") {
  LedgerDesk desk;
  const auto token = desk.Decided(1, "r1", Fate::kRequeue);
  desk.Cover();
  CHECK(desk.Taken() == Receipts{"r1"});
  CHECK(desk.Receive(1, "r2").known);
  desk.ledger.OnSettled(token, Settled::kDone);
  const auto taken = desk.Take();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].fate == Fate::kReturn);
  CHECK(taken[0].receipt == "r2");
  CHECK_FALSE(desk.Receive(1, "r3").known);
}

TEST_CASE("ledger: an awaited one is settled when it comes again, and not run") {
  LedgerDesk desk;
  const auto token = desk.Awaited(1, "r1");
  CHECK(desk.Taken().empty());
  const auto again = desk.Receive(1, "r2");
  CHECK(again.known);
  CHECK(again.token == token);
  CHECK(desk.ledger.counts().awaited == 0);
  CHECK(desk.Taken() == Receipts{"r2"});
  desk.ledger.OnSettled(token, Settled::kDone);
  CHECK(desk.Empty());
}

TEST_CASE("ledger: other bytes, another number, origin or incarnation are another message") {
  LedgerDesk desk;
  desk.Covered(1, "r1");
  CHECK_FALSE(desk.Receive(1, "r2", "y").known);
  CHECK_FALSE(desk.Receive(1, "r3", "").known);
  CHECK_FALSE(desk.Receive(2, "r4").known);
  CHECK_FALSE(desk.Receive(1, "r5", "x", 1).known);
  CHECK_FALSE(desk.Receive(1, "r6", "x", 0, 9).known);
  CHECK(desk.Receive(1, "r7").known);
}

TEST_CASE("ledger: one that comes with other bytes is not awaited with the old ones any more") {
  LedgerDesk desk;
  const auto settling = desk.Settling(1, "r1");
  desk.Awaited(2, "r2");
  CHECK_FALSE(desk.Receive(3, "r3", "y").known);
  CHECK_FALSE(desk.Receive(2, "r4", "x", 1).known);
  CHECK(desk.ledger.counts().awaited == 1);
  CHECK_FALSE(desk.Receive(2, "r5", "y").known);
  CHECK(desk.ledger.counts().awaited == 0);
  // What the queue is being told of it has an answer, and is not awaited after that.
  CHECK_FALSE(desk.Receive(1, "r6", "y").known);
  desk.ledger.OnSettled(settling, Settled::kStale);
  CHECK(desk.ledger.counts().awaited == 0);
  CHECK_FALSE(desk.Receive(1, "r7").known);
}

TEST_CASE("ledger: one that comes back with its old bytes after all is awaited again") {
  LedgerDesk desk;
  const auto settling = desk.Settling(1, "r1");
  CHECK_FALSE(desk.Receive(1, "r2", "y").known);
  CHECK(desk.Receive(1, "r3").known);
  CHECK(desk.Taken().empty());
  desk.ledger.OnSettled(settling, Settled::kStale);
  CHECK(desk.Taken() == Receipts{"r3"});
  desk.ledger.OnSettled(settling, Settled::kStale);
  CHECK(desk.ledger.counts().awaited == 1);
}

TEST_CASE("ledger: one that is finished is not awaited with other bytes, one put back may be") {
  for (const Fate fate : {Fate::kFinish, Fate::kBury, Fate::kRequeue}) {
    LedgerDesk desk;
    const auto newer = desk.Receive(1, "r1", "y").token;
    desk.ledger.Decide(newer, {fate, {}, "z", 0});
    desk.Cover();
    CHECK(desk.Taken() == Receipts{"r1"});
    desk.Awaited(1, "r2");
    desk.ledger.OnSettled(newer, Settled::kDone);
    CHECK(desk.ledger.counts().awaited == (fate == Fate::kRequeue ? 1 : 0));
  }
}

TEST_CASE("ledger: a lost one in hand is not run, and forgotten without a word") {
  LedgerDesk desk;
  const auto token = desk.Fresh(1, "r1");
  desk.ledger.Lost(1, "r1");
  desk.ledger.Lost(0, "r");
  CHECK(desk.MayRun(token));
  desk.ledger.Lost(0, "r1");
  CHECK_FALSE(desk.MayRun(token));
  CHECK(desk.Touched().empty());
  desk.ledger.Return(token);
  CHECK(desk.Empty());
  CHECK(desk.Taken().empty());
}

TEST_CASE("ledger: a lost one in hand that comes again may run") {
  LedgerDesk desk;
  const auto token = desk.Fresh(1, "r1");
  desk.ledger.Lost(0, "r1");
  CHECK(desk.Receive(1, "r2").known);
  CHECK(desk.MayRun(token));
  desk.ledger.Lost(0, "r1");
  CHECK(desk.MayRun(token));
  desk.ledger.Lost(0, "r2");
  CHECK_FALSE(desk.MayRun(token));
}

TEST_CASE("ledger: of one lost while it ran the queue is told once its decision is safe") {
  LedgerDesk desk;
  const auto token = desk.Fresh(1, "r1");
  desk.ledger.Lost(0, "r1");
  desk.ledger.Decide(token, {});
  const auto other = desk.Decided(2, "r2");
  desk.ledger.Lost(0, "r2");
  CHECK(desk.ledger.counts().decided == 2);
  desk.Cover();
  CHECK(desk.Taken() == Receipts{"r1", "r2"});
  desk.ledger.OnSettled(token, Settled::kStale);
  desk.ledger.OnSettled(other, Settled::kDone);  // the queue has it no longer
  CHECK(desk.ledger.counts().awaited == 1);
  CHECK(desk.Receive(1, "r3").known);
  CHECK_FALSE(desk.Receive(2, "r4").known);
  CHECK(desk.Taken() == Receipts{"r3"});
}

TEST_CASE("ledger: of a lost one that was covered the queue is told, of a returned one not") {
  LedgerDesk desk;
  const auto settling = desk.Settling(1, "r1");
  desk.Covered(2, "r2");
  desk.ledger.Lost(0, "r1");
  desk.ledger.Lost(0, "r2");
  CHECK(desk.ledger.counts().settling == 1);
  CHECK(desk.Taken() == Receipts{"r2"});
  desk.ledger.OnSettled(settling, Settled::kDone);
  const auto returned = desk.Fresh(3, "r3");
  desk.ledger.Return(returned);
  desk.ledger.Lost(0, "r3");
  CHECK(desk.Taken().empty());
}

}  // namespace
}  // namespace rivulet
