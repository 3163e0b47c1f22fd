#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "queuereader/runner/ledger.h"

namespace rivulet {
namespace {

const MonoTime kNow{std::chrono::hours(1)};
const WallTime kWall{std::chrono::hours(1000)};
const std::vector<std::string> kNames = {"a", "b"};

Ledger::Token Receive(Ledger& ledger, std::uint64_t id, std::string_view receipt,
                      std::uint32_t origin = 0, std::uint64_t incarnation = 0) {
  return ledger.Receive({origin, incarnation, id, receipt, "x", kNow}).token;
}

bool Knows(Ledger& ledger, std::uint64_t id, std::uint32_t origin = 0,
           std::uint64_t incarnation = 0) {
  return ledger.Receive({origin, incarnation, id, "again", "x", kNow}).known;
}

std::map<std::string, Settlement> TakeAll(Ledger& ledger) {
  std::vector<Settlement> taken;
  ledger.TakeCovered(100, 0, kWall, &taken);
  std::map<std::string, Settlement> by_receipt;
  for (auto& settlement : taken) by_receipt[settlement.receipt] = settlement;
  return by_receipt;
}

/// One message in each state, its number that of the state's place here.
void Fill(Ledger& ledger) {
  Receive(ledger, 1, "in hand");
  ledger.Return(Receive(ledger, 2, "returned"));
  const auto awaited = Receive(ledger, 3, "awaited");
  const auto settling = Receive(ledger, 4, "settling", 1);
  const auto covered = Receive(ledger, 5, "covered", 1, 77);
  const auto decided = Receive(ledger, 6, "decided");
  const auto lost = Receive(ledger, 7, "lost");
  ledger.Decide(awaited, {});
  ledger.Decide(settling, {Fate::kBury, {}, "", 0});
  ledger.Cover(2);
  static_cast<void>(TakeAll(ledger));
  ledger.OnSettled(awaited, Settled::kStale);
  ledger.Decide(covered, {Fate::kRequeue, kWall + std::chrono::seconds(3), "body", 9});
  ledger.Cover(3);
  ledger.Decide(decided, {Fate::kFinish, {}, "", 9});
  ledger.Decide(lost, {});
  ledger.Lost(0, "lost");
}

TEST_CASE("ledger: what was decided is told after a restart, what was not is not known") {
  Ledger before(1);
  Fill(before);
  Ledger after(2);
  REQUIRE(after.Load(before.Save(kNames), kNames).ok());
  CHECK(after.counts().in_hand == 0);
  CHECK(after.counts().covered == 5);
  CHECK(after.counts().awaited == 0);
  auto taken = TakeAll(after);
  REQUIRE(taken.size() == 5);
  CHECK(taken["awaited"].fate == Fate::kFinish);
  CHECK(taken["lost"].fate == Fate::kFinish);
  CHECK(taken["settling"].fate == Fate::kBury);
  CHECK(taken["settling"].origin == 1);
  CHECK(taken["decided"].fate == Fate::kFinish);
  CHECK(taken["decided"].origin == 0);
  CHECK(taken["covered"].fate == Fate::kRequeue);
  CHECK(taken["covered"].delay == std::chrono::seconds(3));
  CHECK(taken["covered"].body == "body");
  for (const auto& [receipt, settlement] : taken) {
    after.OnSettled(settlement.token, Settled::kStale);
  }
  CHECK(after.counts().awaited == 5);
  CHECK_FALSE(Knows(after, 1));
  CHECK_FALSE(Knows(after, 2));
  CHECK(Knows(after, 3));
  CHECK(Knows(after, 4, 1));
  CHECK(Knows(after, 5, 1, 77));
  CHECK(Knows(after, 6));
  CHECK(Knows(after, 7));
  CHECK(TakeAll(after)["again"].receipt == "again");
}

TEST_CASE("ledger: origins are known by name after a restart, and others' messages dropped") {
  Ledger before(1);
  Fill(before);
  Ledger after(2);
  REQUIRE(after.Load(before.Save(kNames), {"c", "b"}).ok());
  CHECK(after.counts().covered == 2);
  CHECK(after.counts().awaited == 0);
  CHECK(TakeAll(after)["settling"].origin == 1);
  Ledger moved(2);
  REQUIRE(moved.Load(before.Save(kNames), {"b", "c", "a"}).ok());
  CHECK(moved.counts().covered + moved.counts().awaited == 5);
  CHECK(Knows(moved, 4, 0));
  CHECK(Knows(moved, 3, 2));
}

TEST_CASE("ledger: of others' messages it is told how many were decided, and how many awaited") {
  Ledger before(1);
  Fill(before);
  std::vector<Ledger::Dropped> dropped;
  Ledger after(2);
  REQUIRE(after.Load(before.Save(kNames), {"b"}, &dropped).ok());
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0].origin == "a");
  CHECK(dropped[0].decisions == 2);  // decided, lost
  CHECK(dropped[0].awaited == 1);
  dropped.clear();
  REQUIRE(after.Load(before.Save(kNames), {"b", "a"}, &dropped).ok());
  CHECK(dropped.empty());
}

TEST_CASE("ledger: what is awaited is bounded by its bytes too, the oldest are forgotten") {
  Ledger ledger(1, 100, 25);
  for (std::uint64_t id = 1; id <= 4; ++id) {
    const auto token = Receive(ledger, id, "r" + std::to_string(id));
    ledger.Decide(token, {Fate::kRequeue, kWall, id < 4 ? std::string(10, 'b') : "", 0});
    ledger.Cover(id);
    static_cast<void>(TakeAll(ledger));
    ledger.OnSettled(token, Settled::kStale);
  }
  CHECK(ledger.counts().awaited == 3);
  CHECK(ledger.counts().forgotten == 1);
  CHECK_FALSE(Knows(ledger, 1));
  for (std::uint64_t id = 2; id <= 4; ++id) CHECK(Knows(ledger, id));
  // Those that came again have left room.
  CHECK(ledger.counts().awaited == 0);
}

TEST_CASE("ledger: an empty one is saved and loaded too") {
  Ledger before(1);
  Ledger after(2);
  CHECK(after.Load(before.Save({}), kNames).ok());
  CHECK(after.counts().covered == 0);
}

TEST_CASE("ledger: saved twice over it stays the same") {
  Ledger before(1);
  Fill(before);
  const std::string saved = before.Save(kNames);
  Ledger after(2);
  REQUIRE(after.Load(saved, kNames).ok());
  CHECK(after.counts().covered == 5);
  Ledger third(3);
  REQUIRE(third.Load(after.Save(kNames), kNames).ok());
  CHECK(Knows(third, 6));
}

TEST_CASE("ledger: what is cut off, longer or no ledger is refused, and changes nothing") {
  Ledger before(1);
  Fill(before);
  const std::string saved = before.Save(kNames);
  Ledger after(2);
  for (std::size_t size = 0; size < saved.size(); ++size) {
    const Status status = after.Load(std::string_view(saved).substr(0, size), kNames);
    REQUIRE(status.code() == StatusCode::kCorrupt);
  }
  CHECK(after.Load(saved + '\0', kNames).code() == StatusCode::kCorrupt);
  CHECK(after.Load("rivulet ledger 2\n", kNames).code() == StatusCode::kCorrupt);
  CHECK(after.counts().covered + after.counts().awaited == 0);
}

}  // namespace
}  // namespace rivulet
