#include "queuereader/runner/ledger.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

namespace rivulet {
namespace {

constexpr auto kSecond = std::chrono::seconds(1);
const MonoTime kNow{std::chrono::hours(1)};
const WallTime kWall{std::chrono::hours(1000)};

struct Desk {
  Ledger ledger{42};

  Ledger::Received Receive(std::uint64_t id, std::string_view receipt, std::string_view body = "x",
                           std::uint32_t origin = 0, std::uint64_t incarnation = 0) {
    return ledger.Receive({origin, incarnation, id, receipt, body, kNow + 10 * kSecond});
  }
  Ledger::Token Fresh(std::uint64_t id, std::string_view receipt, std::string_view body = "x") {
    const auto received = Receive(id, receipt, body);
    CHECK_FALSE(received.known);
    return received.token;
  }
  Ledger::Token Decided(std::uint64_t id, std::string_view receipt, Fate fate = Fate::kFinish) {
    const auto token = Fresh(id, receipt);
    ledger.Decide(token, {fate, {}, "", 0});
    return token;
  }
  Ledger::Token Covered(std::uint64_t id, std::string_view receipt) {
    const auto token = Decided(id, receipt);
    Cover();
    return token;
  }
  Ledger::Token Settling(std::uint64_t id, std::string_view receipt) {
    const auto token = Covered(id, receipt);
    CHECK(Taken() == std::vector<std::string>{std::string(receipt)});
    return token;
  }
  Ledger::Token Awaited(std::uint64_t id, std::string_view receipt) {
    const auto token = Settling(id, receipt);
    ledger.OnSettled(token, Settled::kStale);
    CHECK(ledger.counts().awaited == 1);
    return token;
  }
  void Cover() { ledger.Cover(ledger.decisions()); }
  std::vector<Settlement> Take(std::uint64_t emitted = 0, std::size_t max = 100) {
    std::vector<Settlement> settlements;
    ledger.TakeCovered(max, emitted, kWall, &settlements);
    return settlements;
  }
  std::vector<std::string> Taken(std::uint64_t emitted = 0, std::size_t max = 100) {
    std::vector<std::string> receipts;
    for (const auto& settlement : Take(emitted, max)) receipts.push_back(settlement.receipt);
    return receipts;
  }
  std::set<std::string> Touched(MonoTime deadline = MonoTime::max()) {
    std::set<std::string> receipts;
    std::vector<std::pair<Ledger::Token, std::string>> touched;
    ledger.TouchBefore(deadline, [&](Ledger::Token token, std::uint32_t, std::string_view receipt) {
      touched.emplace_back(token, receipt);
    });
    for (const auto& [token, receipt] : touched) {
      receipts.insert(receipt);
      ledger.Touched(token, receipt, kNow + 20 * kSecond, ledger.doubts());
    }
    return receipts;
  }
  bool MayRun(Ledger::Token token) const { return ledger.MayRun(token, kNow); }
  bool Empty() const {
    const auto counts = ledger.counts();
    return counts.in_hand + counts.decided + counts.covered + counts.settling + counts.awaited == 0;
  }
};

using Receipts = std::vector<std::string>;

TEST_CASE("ledger: a message is told to the queue once its decision is covered, and is gone then") {
  Desk desk;
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
  Desk desk;
  for (std::uint64_t i = 0; i < 5; ++i) desk.Decided(i, "r" + std::to_string(i));
  desk.Cover();
  CHECK(desk.Taken(0, 2) == Receipts{"r0", "r1"});
  CHECK(desk.Taken(0, 0).empty());
  CHECK(desk.Taken(0, 9) == Receipts{"r2", "r3", "r4"});
}

TEST_CASE("ledger: a requeue has its body, and the time that is left until it is due") {
  Desk desk;
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
  Desk desk;
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

TEST_CASE("ledger: one in hand that comes again is still to be run once, under the newer receipt") {
  Desk desk;
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
  Desk desk;
  desk.Decided(1, "r1");
  CHECK(desk.Receive(1, "r2").known);
  desk.Cover();
  CHECK(desk.Receive(1, "r3").known);
  CHECK(desk.Taken() == Receipts{"r3"});
  CHECK(desk.ledger.counts().known == 2);
}

TEST_CASE("ledger: one that is settling is settled again when the older receipt was stale") {
  Desk desk;
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
  Desk desk;
  const auto token = desk.Settling(1, "r1");
  CHECK(desk.Receive(1, "r2").known);
  desk.ledger.OnSettled(token, Settled::kDone);
  CHECK(desk.Empty());
}

TEST_CASE("ledger: one requeued as it is that overtakes the answer is given back, not lost") {
  Desk desk;
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
  Desk desk;
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
  Desk desk;
  desk.Covered(1, "r1");
  CHECK_FALSE(desk.Receive(1, "r2", "y").known);
  CHECK_FALSE(desk.Receive(1, "r3", "").known);
  CHECK_FALSE(desk.Receive(2, "r4").known);
  CHECK_FALSE(desk.Receive(1, "r5", "x", 1).known);
  CHECK_FALSE(desk.Receive(1, "r6", "x", 0, 9).known);
  CHECK(desk.Receive(1, "r7").known);
}

TEST_CASE("ledger: one that comes with other bytes is not awaited with the old ones any more") {
  Desk desk;
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
  Desk desk;
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
    Desk desk;
    const auto newer = desk.Receive(1, "r1", "y").token;
    desk.ledger.Decide(newer, {fate, {}, "z", 0});
    desk.Cover();
    CHECK(desk.Taken() == Receipts{"r1"});
    desk.Awaited(1, "r2");
    desk.ledger.OnSettled(newer, Settled::kDone);
    CHECK(desk.ledger.counts().awaited == (fate == Fate::kRequeue ? 1 : 0));
  }
}

TEST_CASE("ledger: no token has a low half of zero") {
  Desk desk;
  for (std::uint64_t id = 1; id < 100; ++id) {
    const auto token = desk.Settling(id, "r");
    CHECK((token & 0xffff'ffffU) != 0);
    if (id % 3 != 0) desk.ledger.OnSettled(token, Settled::kDone);
  }
}

TEST_CASE("ledger: what the queue refuses is gone") {
  Desk desk;
  const auto token = desk.Settling(1, "r1");
  desk.ledger.OnSettled(token, Settled::kRefused);
  CHECK(desk.Empty());
}

TEST_CASE("ledger: what is returned needs no cover, and is fresh when it comes again") {
  Desk desk;
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

TEST_CASE("ledger: a lost one in hand is not run, and forgotten without a word") {
  Desk desk;
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
  Desk desk;
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
  Desk desk;
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
  Desk desk;
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

TEST_CASE("ledger: a lease that may have ended is not run under") {
  Desk desk;
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
  Desk desk;
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
  Desk desk;
  const std::string receipt(5000, '\0');
  const auto token = desk.Covered(1, receipt);
  CHECK(desk.Taken() == Receipts{receipt});
  desk.ledger.OnSettled(token, Settled::kDone);
  CHECK(desk.Empty());
}

}  // namespace
}  // namespace rivulet
