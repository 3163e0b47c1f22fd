// A queue that loses leases and answers and is restarted, and a reader that crashes and goes on
// from its last checkpoint: whatever happens, each try of each message is in the reader's state
// once.
#include <doctest/doctest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "queuereader/runner/ledger.h"
#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

constexpr int kMaxTries = 3;
constexpr Duration kLease = std::chrono::seconds(10);
const std::vector<std::string> kNames = {"queue"};

class Random {
 public:
  explicit Random(std::uint64_t seed) : generator_(seed) {}
  std::uint64_t Below(std::uint64_t limit) { return generator_() % limit; }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 generator_;
};

/// A durable queue: its messages outlive a restart, its leases do not.
class ModelQueue {
 public:
  struct Leased {
    std::uint64_t id;
    std::string body;
    std::string receipt;
  };

  /// `tells_gone`: it says of every message that it has no longer that it is done with.
  ModelQueue(std::uint64_t messages, bool tells_gone, Random& random)
      : random_(random), tells_gone_(tells_gone) {
    for (std::uint64_t id = 0; id < messages; ++id) messages_[id].body = "0";
  }

  void Restart() {
    ++epoch_;
    for (auto& [id, message] : messages_) message.receipt.clear();
  }
  std::vector<Leased> Lease(std::uint64_t most, MonoTime now) {
    std::vector<Leased> leased;
    for (auto& [id, message] : messages_) {
      if (leased.size() == most) break;
      if (Holds(message, now) || message.due > now) continue;
      message.receipt =
          std::to_string(id) + "-" + std::to_string(++leases_) + "-" + std::to_string(epoch_);
      message.until = now + kLease;
      leased.push_back({id, message.body, message.receipt});
    }
    return leased;
  }
  Settled Settle(const Settlement& settlement, MonoTime now) {
    const auto found = Holder(settlement.receipt, now);
    if (found == messages_.end()) {
      // Another queue may know that it took this already, or not.
      const bool repeated = settlement.fate == Fate::kFinish &&
                            finished_.count(settlement.receipt) != 0 && random_.OneIn(2);
      const bool gone = tells_gone_ && messages_.count(std::stoull(settlement.receipt)) == 0;
      return repeated || gone ? Settled::kDone : Settled::kStale;
    }
    Message& message = found->second;
    message.receipt.clear();
    switch (settlement.fate) {
      case Fate::kFinish:
      case Fate::kBury:
        finished_.insert(settlement.receipt);
        messages_.erase(found);
        break;
      case Fate::kRequeue:
        message.body = settlement.body;
        message.due = now + settlement.delay;
        break;
      case Fate::kReturn:
        break;
    }
    return Settled::kDone;
  }
  bool Touch(const std::string& receipt, MonoTime now) {
    const auto found = Holder(receipt, now);
    if (found == messages_.end()) return false;
    found->second.until = now + kLease;
    return true;
  }
  bool empty() const { return messages_.empty(); }

 private:
  struct Message {
    std::string body;
    std::string receipt;  // empty: ready
    MonoTime until{};
    MonoTime due{};
  };

  static bool Holds(const Message& message, MonoTime now) {
    return !message.receipt.empty() && now < message.until;
  }
  std::map<std::uint64_t, Message>::iterator Holder(const std::string& receipt, MonoTime now) {
    auto found = messages_.find(std::stoull(receipt));
    if (found != messages_.end() &&
        (found->second.receipt != receipt || !Holds(found->second, now))) {
      found = messages_.end();
    }
    return found;
  }

  Random& random_;
  bool tells_gone_;
  std::map<std::uint64_t, Message> messages_;
  std::set<std::string> finished_;
  std::uint64_t leases_ = 0;
  std::uint64_t epoch_ = 0;
};

/// Which try of which message was run how often.
using Effects = std::map<std::pair<std::uint64_t, std::string>, int>;

class ModelReader {
 public:
  struct Saved {
    Effects effects;
    std::string ledger;
  };

  ModelReader(ModelQueue& queue, Random& random, const Saved& saved)
      : queue_(queue), random_(random), effects_(saved.effects) {
    ledger_ = std::make_unique<Ledger>(random.Below(UINT64_MAX));
    if (!saved.ledger.empty()) REQUIRE(ledger_->Load(saved.ledger, kNames).ok());
  }

  void Fetch(MonoTime now, bool answered) {
    for (const auto& leased : queue_.Lease(1 + random_.Below(6), now)) {
      if (!answered) continue;
      const auto received =
          ledger_->Receive({0, 0, leased.id, leased.receipt, leased.body, now + kLease});
      if (!received.known) in_hand_.push_back({received.token, leased.id, leased.body});
    }
  }
  void RunOne(MonoTime now) {
    if (in_hand_.empty()) return;
    const auto [token, id, body] = in_hand_.front();
    in_hand_.pop_front();
    if (!ledger_->MayRun(token, now)) return ledger_->Return(token);
    ++effects_[{id, body}];
    const int tries = std::stoi(body);
    Ledger::Decision decision;
    if (tries + 1 < kMaxTries && random_.OneIn(3)) {
      decision.fate = Fate::kRequeue;
      decision.due = Wall(now) + std::chrono::seconds(random_.Below(5));
      decision.body = std::to_string(tries + 1);
    } else if (random_.OneIn(10)) {
      decision.fate = Fate::kBury;
    }
    ledger_->Decide(token, decision);
  }
  void ReturnOne() {
    if (in_hand_.empty()) return;
    ledger_->Return(in_hand_.back().token);
    in_hand_.pop_back();
  }
  void Begin() {
    if (writing_) return;
    writing_ = {ledger_->decisions(), {effects_, ledger_->Save(kNames)}};
  }
  /// What is safe now, if anything is.
  std::optional<Saved> Written() {
    if (!writing_) return std::nullopt;
    ledger_->Cover(writing_->first);
    const Saved saved = writing_->second;
    writing_.reset();
    return saved;
  }
  void Tell(MonoTime now) { ledger_->TakeCovered(random_.Below(8), 0, Wall(now), &calls_); }
  /// A request comes to the queue, and its answer back or, where it is tried again, not.
  void Call(MonoTime now, bool answered) {
    if (calls_.empty()) return;
    const std::size_t at = random_.Below(calls_.size());
    const Settled how = queue_.Settle(calls_[at], now);
    if (!answered) return;
    answers_.emplace_back(calls_[at].token, how);
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void Hear() {
    if (answers_.empty()) return;
    ledger_->OnSettled(answers_.front().first, answers_.front().second);
    answers_.pop_front();
  }
  void Touch(MonoTime now) {
    std::vector<std::pair<Ledger::Token, std::string>> touched;
    ledger_->TouchBefore(now + kLease / 2,
                         [&](Ledger::Token token, std::uint32_t, std::string_view receipt) {
                           touched.emplace_back(token, receipt);
                         });
    const bool answered = !random_.OneIn(3);
    for (const auto& [token, receipt] : touched) {
      const bool held = queue_.Touch(receipt, now);
      if (!answered) {
        ledger_->NotTouched(token, receipt, now);
        continue;
      }
      if (!held) lost_.emplace_back(receipt);
      ledger_->Touched(token, receipt, now + kLease, ledger_->doubts());
    }
  }
  void HearLost() {
    for (const std::string& receipt : lost_) ledger_->Lost(0, receipt);
    lost_.clear();
  }
  /// All that is left to do, where nothing goes wrong any more.
  void End(MonoTime now) {
    for (int turn = 0; turn < 500; ++turn) {
      RunOne(now);
      Begin();
      static_cast<void>(Written());
      Tell(now);
      Call(now, true);
      Hear();
    }
  }
  /// Dies, while requests are on their way.
  void Crash(MonoTime now) {
    while (!calls_.empty() && random_.OneIn(2)) Call(now, true);
  }
  const Effects& effects() const { return effects_; }
  Ledger::Counts counts() const { return ledger_->counts(); }

 private:
  struct InHand {
    Ledger::Token token;
    std::uint64_t id;
    std::string body;
  };
  static WallTime Wall(MonoTime now) { return WallTime(now.time_since_epoch()); }

  ModelQueue& queue_;
  Random& random_;
  std::unique_ptr<Ledger> ledger_;
  Effects effects_;
  std::deque<InHand> in_hand_;
  std::optional<std::pair<std::uint64_t, Saved>> writing_;
  std::vector<Settlement> calls_;
  std::deque<std::pair<Ledger::Token, Settled>> answers_;
  std::vector<std::string> lost_;
};

/// One thing that happens, in the order of chance.
void Step(ModelReader& reader, Random& random, MonoTime now, ModelReader::Saved* saved) {
  switch (random.Below(12)) {
    case 0:
      return reader.Fetch(now, !random.OneIn(5));
    case 1:
    case 2:
    case 3:
      return reader.RunOne(now);
    case 4:
      return reader.Begin();
    case 5:
      if (auto written = reader.Written()) *saved = *written;
      return;
    case 6:
      return reader.Tell(now);
    case 7:
    case 8:
      return reader.Call(now, !random.OneIn(4));
    case 9:
      return reader.Hear();
    case 10:
      reader.Touch(now);
      if (random.OneIn(2)) reader.HearLost();
      return;
    default:
      if (random.OneIn(4)) reader.ReturnOne();
      return reader.Hear();
  }
}

struct Run {
  Effects effects;
  Ledger::Counts counts;
  bool empty = false;
};

Run RunModel(std::uint64_t seed, std::uint64_t messages, bool tells_gone) {
  Random random(seed);
  ModelQueue queue(messages, tells_gone, random);
  ModelReader::Saved saved;
  auto reader = std::make_unique<ModelReader>(queue, random, saved);
  MonoTime now{std::chrono::hours(1)};
  const Duration longest = std::chrono::milliseconds(random.OneIn(2) ? 200 : 2000);
  for (int step = 0; step < 40'000 && !(step > 1500 && queue.empty()); ++step) {
    now += longest * static_cast<int>(random.Below(100)) / 100;
    const bool disturbed = step < 1500;
    if (disturbed && random.OneIn(60)) {
      reader->Crash(now);
      reader = std::make_unique<ModelReader>(queue, random, saved);
    }
    if (disturbed && random.OneIn(100)) queue.Restart();
    Step(*reader, random, now, &saved);
  }
  reader->End(now);
  return {reader->effects(), reader->counts(), queue.empty()};
}

/// Tries 0, 1, ... of each message, each of them once.
void CheckOnce(const Effects& effects, std::uint64_t messages) {
  std::map<std::uint64_t, int> tries;
  for (const auto& [run, times] : effects) {
    if (times != 1 || run.second != std::to_string(tries[run.first]++)) {
      FAIL_CHECK("message " << run.first << " has try " << run.second << ' ' << times << " times");
    }
  }
  CHECK(tries.size() == messages);
}

TEST_CASE("ledger: every try of every message is in the state once, whatever is lost on the way") {
  const char* given = std::getenv("RIVULET_SEED");
  const std::uint64_t first = given != nullptr ? std::stoull(given) : std::random_device()();
  const std::uint64_t last =
      given != nullptr ? first : first + static_cast<std::uint64_t>(LongerIfAsked(20)) - 1;
  std::uint64_t known = 0;
  std::size_t awaited = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    INFO("RIVULET_SEED=" << seed);
    const std::uint64_t messages = 5 + seed % 40;
    const bool tells_gone = seed % 2 == 0;
    const Run run = RunModel(seed, messages, tells_gone);
    CHECK(run.empty);
    CHECK(run.counts.forgotten == 0);
    CheckOnce(run.effects, messages);
    known += run.counts.known;
    CHECK(run.counts.covered + run.counts.settling + run.counts.in_hand == 0);
    if (tells_gone) CHECK(run.counts.awaited == 0);
    if (!tells_gone) awaited += run.counts.awaited;
  }
  CHECK(known > 0);
  // Without that word some are awaited that never come.
  if (given == nullptr) CHECK(awaited > 0);
}

}  // namespace
}  // namespace rivulet
