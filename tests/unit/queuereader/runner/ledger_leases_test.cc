#include <doctest/doctest.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/runner/ledger.h"

namespace rivulet {
namespace {

constexpr auto kSecond = std::chrono::seconds(1);
const MonoTime kNow{std::chrono::hours(1)};
const MonoTime kEnd = kNow + 10 * kSecond;
using Lease = Ledger::Lease;

struct Desk {
  Ledger ledger{42};

  Ledger::Received Receive(std::uint64_t id, std::string_view receipt,
                           std::optional<std::uint64_t> asked = {}, std::uint32_t origin = 0) {
    return ledger.Receive({origin, 0, id, receipt, "x", kEnd, asked.value_or(ledger.doubts())});
  }
  std::set<std::string> Touch(MonoTime deadline = kNow) {
    std::set<std::string> receipts;
    ledger.TouchBefore(deadline, [&](Ledger::Token, std::uint32_t, std::string_view receipt) {
      receipts.emplace(receipt);
    });
    return receipts;
  }
  Lease Of(Ledger::Token token) const { return ledger.LeaseOf(token, kNow); }
  std::vector<Settlement> Take() {
    std::vector<Settlement> settlements;
    ledger.Cover(ledger.decisions());
    ledger.TakeCovered(100, 0, WallTime{}, &settlements);
    return settlements;
  }
  Ledger::Token Settling(std::uint64_t id, std::string_view receipt, std::string body = {}) {
    const auto token = Receive(id, receipt).token;
    ledger.Decide(token, {body.empty() ? Fate::kFinish : Fate::kRequeue, {}, std::move(body), 0});
    Take();
    return token;
  }
};

using Receipts = std::set<std::string>;

TEST_CASE("leases: a touch that has no answer prolongs nothing, and is not made twice at a time") {
  Desk desk;
  const auto token = desk.Receive(1, "r1").token;
  CHECK(desk.Touch(kEnd).empty());
  CHECK(desk.Touch(kEnd + kSecond) == Receipts{"r1"});
  CHECK(desk.Touch(kEnd + kSecond).empty());
  CHECK(desk.ledger.LeaseOf(token, kEnd) == Lease::kOver);
  CHECK(desk.ledger.NotTouched(token, "r1", kEnd - kSecond));
  CHECK(desk.Touch(kEnd + kSecond) == Receipts{"r1"});
  CHECK_FALSE(desk.ledger.NotTouched(token, "r1", kEnd));
  CHECK(desk.ledger.LeaseOf(token, kEnd) == Lease::kOver);
  CHECK(desk.Touch(kEnd + kSecond) == Receipts{"r1"});
  desk.ledger.Touched(token, "r1", kEnd + 2 * kSecond, desk.ledger.doubts());
  CHECK(desk.ledger.LeaseOf(token, kEnd) == Lease::kHolds);
}

TEST_CASE("leases: an answer about an older receipt, or about a lost one, prolongs nothing") {
  Desk desk;
  const auto token = desk.Receive(1, "r1").token;
  CHECK(desk.Touch(kEnd + kSecond) == Receipts{"r1"});
  CHECK(desk.Receive(1, "r2").known);
  desk.ledger.Touched(token, "r1", kEnd + 9 * kSecond, desk.ledger.doubts());
  CHECK(desk.ledger.LeaseOf(token, kEnd) == Lease::kOver);
  CHECK(desk.Touch(kEnd + kSecond) == Receipts{"r2"});
  desk.ledger.Lost(0, "r2");
  desk.ledger.Touched(token, "r2", kEnd + 9 * kSecond, desk.ledger.doubts());
  CHECK(desk.Of(token) == Lease::kOver);
}

TEST_CASE("leases: what is in hand of a doubted origin is not run before a touch confirms it") {
  Desk desk;
  const auto one = desk.Receive(1, "r1").token;
  const auto other = desk.Receive(2, "r2", {}, 1).token;
  const auto decided = desk.Receive(3, "r3").token;
  desk.ledger.Decide(decided, {});
  const std::uint64_t before = desk.ledger.doubts();
  desk.ledger.Doubt(0);
  CHECK(desk.Of(one) == Lease::kDoubted);
  CHECK(desk.Of(other) == Lease::kHolds);
  CHECK(desk.Touch() == Receipts{"r1"});
  // One that was sent before tells nothing of what came after.
  desk.ledger.Touched(one, "r1", kEnd, before);
  CHECK(desk.Of(one) == Lease::kDoubted);
  CHECK(desk.Touch() == Receipts{"r1"});
  desk.ledger.Touched(one, "r1", kEnd, desk.ledger.doubts());
  CHECK(desk.Of(one) == Lease::kHolds);
  CHECK(desk.ledger.LeaseOf(one, kEnd) == Lease::kOver);
}

TEST_CASE("leases: what was asked for before a doubt and comes after it is doubted") {
  Desk desk;
  const std::uint64_t before = desk.ledger.doubts();
  desk.ledger.Doubt(0);
  CHECK(desk.Of(desk.Receive(1, "r1", before).token) == Lease::kDoubted);
  CHECK(desk.Of(desk.Receive(2, "r2").token) == Lease::kHolds);
}

TEST_CASE("leases: one that was believed and is not held makes its origin doubted, once") {
  for (const Settled how : {Settled::kRefused, Settled::kStale, Settled::kGone}) {
    Desk desk;
    const auto settling = desk.Settling(1, "r1");
    const auto also = desk.Settling(2, "r2");
    const auto lost = desk.Receive(3, "r3").token;
    const auto in_hand = desk.Receive(4, "r4").token;
    const std::uint64_t before = desk.ledger.doubts();
    if (how == Settled::kRefused) {
      desk.ledger.Lost(0, "r3");  // as a touch was told
    } else {
      desk.ledger.OnSettled(settling, how);
    }
    CHECK(desk.ledger.doubts() == before + 1);
    CHECK(desk.Of(in_hand) == Lease::kDoubted);
    desk.ledger.Lost(0, "r3");
    desk.ledger.OnSettled(settling, Settled::kStale);
    desk.ledger.OnSettled(also, Settled::kStale);
    CHECK(desk.ledger.doubts() == before + 1);
    CHECK(desk.Of(lost) == Lease::kOver);
    CHECK(desk.Touch() == Receipts{"r4"});
  }
}

TEST_CASE("leases: a stale receipt of an earlier process tells nothing of this one's") {
  Desk old;
  old.Settling(1, "r1");
  Desk desk;
  REQUIRE(desk.ledger.Load(old.ledger.Save({"q"}), {"q"}).ok());
  const auto in_hand = desk.Receive(2, "r2").token;
  const auto told = desk.Take();
  REQUIRE(told.size() == 1);
  desk.ledger.OnSettled(told[0].token, Settled::kStale);
  CHECK(desk.Of(in_hand) == Lease::kHolds);
}

TEST_CASE("leases: a refused requeue is buried, and awaited so when that is stale") {
  Desk desk;
  const auto token = desk.Settling(1, "r1", "too long");
  desk.ledger.Bury(token);
  const auto told = desk.Take();
  REQUIRE(told.size() == 1);
  CHECK(told[0].fate == Fate::kBury);
  CHECK(told[0].body.empty());
  desk.ledger.OnSettled(token, Settled::kStale);
  CHECK(desk.Receive(1, "r2").known);
  CHECK(desk.Take().at(0).fate == Fate::kBury);
}

TEST_CASE(
    "leases: what was requeued as it was for want of room is run with the body it should have") {
  Desk desk;
  const auto token = desk.Settling(1, "r1", "tries: 1");
  desk.ledger.OnSettled(token, Settled::kAsItWas);
  CHECK(desk.ledger.counts().awaited == 1);
  const auto again = desk.Receive(1, "r2");
  CHECK_FALSE(again.known);
  CHECK(again.body == "tries: 1");
  CHECK(desk.Of(again.token) == Lease::kHolds);
  // Also after a crash with it in hand.
  Desk next;
  REQUIRE(next.ledger.Load(desk.ledger.Save({"q"}), {"q"}).ok());
  const auto told = next.Take();
  REQUIRE(told.size() == 1);
  CHECK(told[0].body == "tries: 1");
  next.ledger.OnSettled(told[0].token, Settled::kStale);
  CHECK(next.Receive(1, "r3").body == "tries: 1");
  // It was run: not as it was any more.
  desk.ledger.Decide(again.token, {});
  CHECK(desk.Take().at(0).fate == Fate::kFinish);
  desk.ledger.OnSettled(again.token, Settled::kDone);
  CHECK(desk.Receive(1, "r4").body.empty());
}

TEST_CASE("leases: one with a body of its own that is given back has that body still") {
  Desk desk;
  desk.ledger.OnSettled(desk.Settling(1, "r1", "tries: 1"), Settled::kAsItWas);
  const auto again = desk.Receive(1, "r2");
  desk.ledger.Return(again.token);
  const auto told = desk.Take();
  REQUIRE(told.size() == 1);
  CHECK(told[0].fate == Fate::kRequeue);
  CHECK(told[0].body == "tries: 1");
  // Not due yet: as it is, which is with that body.
  desk.ledger.OnSettled(again.token, Settled::kAsItWas);
  const auto third = desk.Receive(1, "r3");
  desk.ledger.Decide(third.token, {Fate::kRequeue, {}, "", 0});
  CHECK(desk.Take().at(0).body == "tries: 1");
}

}  // namespace
}  // namespace rivulet
