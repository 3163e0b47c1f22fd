#include "queuereader/source/file_account.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rivulet::ByteReader;
using rivulet::Fate;
using rivulet::FileAccount;
using rivulet::LinePlace;
using rivulet::MonoTime;
using rivulet::Settlement;
using rivulet::WallTime;

namespace {

/// A reader of three files of 40 lines of 10 bytes, which does things in any order, and what it has
/// done with each line. A copy of it with what was saved is a reader that was killed then.
struct Model {
  struct InHand {
    LinePlace line;
    bool requeued;
  };

  /// Lines from the account's start on, as a source reads them.
  void ReadOn(std::size_t lines) {
    for (; lines > 0 && next.file < 3; --lines) {
      const LinePlace line{next.file, next.offset + 10};
      if (account.Read(line, next.offset)) in_hand.push_back({line, false});
      next = line.offset == 400 ? LinePlace{line.file + 1, 0} : line;
    }
  }
  void Settle(std::size_t i, Fate fate, rivulet::Duration delay) {
    Settlement settlement;
    settlement.origin = in_hand[i].line.file;
    settlement.place = in_hand[i].line.offset;
    settlement.requeued = in_hand[i].requeued;
    settlement.fate = fate;
    settlement.delay = delay;
    settlement.body = "body";
    if (fate == Fate::kFinish || fate == Fate::kBury) ++done[in_hand[i].line];
    account.Settle(settlement, now);
    in_hand.erase(in_hand.begin() + static_cast<std::ptrdiff_t>(i));
  }
  void TakeRetry() {
    if (const auto* retry = account.TakeRetry(now)) in_hand.push_back({retry->line, true});
  }
  void Save() {
    saved.clear();
    saved_last = account.last();
    account.SaveLines(&saved);
    account.SaveRetries(&saved, now, wall + (now - MonoTime()));
    saved_start = account.start();
    saved_done = done;
  }
  void Crash() {
    now += 5s;
    account = FileAccount();
    ByteReader bytes(saved);
    REQUIRE(account.LoadLines(&bytes, saved_last));
    REQUIRE(account.LoadRetries(&bytes, now, wall + (now - MonoTime()), {false, false, false}));
    REQUIRE(bytes.Finished());
    in_hand.clear();
    next = saved_start.offset == 400 ? LinePlace{saved_start.file + 1, 0} : saved_start;
    done = saved_done;
  }

  FileAccount account;
  LinePlace next;
  std::vector<InHand> in_hand;
  std::map<LinePlace, int> done;
  MonoTime now{};
  WallTime wall{1000s};
  std::string saved;
  LinePlace saved_last;
  LinePlace saved_start;
  std::map<LinePlace, int> saved_done;
};

}  // namespace

TEST_CASE("file account: whatever is settled in whatever order, each line is done with once") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    Model model;
    model.Save();
    for (int turn = 0; turn < 2000; ++turn) {
      if (chance(30)) model.ReadOn(random() % 5);
      if (chance(30)) model.TakeRetry();
      if (!model.in_hand.empty() && chance(60)) {
        const std::size_t i = chance(70) ? 0 : random() % model.in_hand.size();
        if (chance(25)) {
          model.Settle(i, Fate::kRequeue, chance(50) ? 0s : 3s);
        } else if (model.in_hand[i].requeued && chance(10)) {
          model.Settle(i, Fate::kReturn, 0s);
        } else {
          model.Settle(i, chance(90) ? Fate::kFinish : Fate::kBury, 0s);
        }
      }
      model.now += 100ms;
      if (chance(5)) model.Save();
      if (turn < 1000 && chance(1)) model.Crash();
    }
    CHECK(model.next.file == 3);
    CHECK(model.done.size() == 120);
    for (const auto& [line, times] : model.done) CHECK(times == 1);
    CHECK(model.account.in_hand() == 0);
    CHECK(model.account.waiting() == 0);
    CHECK(model.account.start() == LinePlace{2, 400});
  }
}

TEST_CASE("file account: a line that was given back is read again") {
  Model model;
  model.ReadOn(3);
  model.Settle(0, Fate::kReturn, 0s);
  model.Settle(0, Fate::kFinish, 0s);
  CHECK(model.account.start() == LinePlace{0, 0});
  CHECK(model.account.last() == LinePlace{0, 20});
  model.Save();
  model.Crash();
  model.ReadOn(3);
  REQUIRE(model.in_hand.size() == 2);
  CHECK(model.in_hand[0].line == LinePlace{0, 10});
  CHECK(model.in_hand[1].line == LinePlace{0, 30});
}

TEST_CASE("file account: retries of a file that is read anew are not taken for its lines") {
  Model model;
  model.ReadOn(2);
  model.Settle(0, Fate::kRequeue, 0s);
  model.Settle(0, Fate::kRequeue, 0s);
  model.Save();
  ByteReader bytes(model.saved);
  FileAccount other;
  REQUIRE(other.LoadLines(&bytes, {}));
  REQUIRE(other.LoadRetries(&bytes, model.now, model.wall, {true}));
  const auto* first = other.TakeRetry(model.now);
  REQUIRE(first != nullptr);
  const LinePlace place = first->line;
  CHECK(place.offset > std::uint64_t{1} << 62);
  const auto* second = other.TakeRetry(model.now);
  REQUIRE(second != nullptr);
  CHECK(second->line != place);
}
