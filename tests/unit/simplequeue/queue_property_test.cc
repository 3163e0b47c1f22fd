// Random operations on a Queue and on the plain model of queue_model.h, compared at every step; and
// restarts, from the log of all that was told or from a cleaned one.
//
// RIVULET_SEED=N repeats a run, RIVULET_STEPS=N makes it longer or shorter.
#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "simplequeue/queue.h"
#include "tests/unit/simplequeue/queue_model.h"
#include "tests/unit/simplequeue/recording_log.h"

using namespace std::chrono_literals;

namespace rivulet {
namespace {

constexpr std::uint64_t kSteps = 80'000;
constexpr std::uint64_t kLookEach = 1500;     // steps
constexpr std::uint64_t kRestartEach = 9000;  // steps

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Run {
 public:
  Run(std::uint64_t seed, QueueLimits limits, bool logged) : random_(seed), logged_(logged) {
    model_.limits = limits;
    MakeQueue();
  }

  void Steps(std::uint64_t count) {
    for (step_ = 1; step_ <= count; ++step_) {
      Step();
      CompareCounts();
      if (step_ % kLookEach == 0) CompareAll();
      if (logged_ && step_ % kRestartEach == 0) Restart();
    }
    CompareAll();
  }

 private:
  std::uint64_t Pick(std::uint64_t below) { return random_() % below; }
  bool Chance(std::uint64_t one_in) { return Pick(one_in) == 0; }
  Duration PickTime() { return std::chrono::microseconds(1 + Pick(20'000'000)); }

  void MakeQueue() {
    arena_ = std::make_unique<Arena>();
    queue_ =
        std::make_unique<Queue>("q", 1, model_.limits, arena_.get(), logged_ ? &log_ : nullptr);
  }

  std::string PickBody() {
    std::string body = std::to_string(random_());
    if (Chance(200)) body.resize(Pick(20'000), 'z');
    if (Chance(50)) body.clear();
    return body;
  }

  void Step() {
    // Phases of growth and of shrinking, so that the table's segments come and go.
    const bool growing = (step_ / 20'000) % 2 == 0;
    const std::uint64_t dice = Pick(1000);
    if (Chance(20)) now_ += PickTime() / (1 + Pick(10));
    if (dice < (growing ? 420 : 250)) return Put();
    if (dice < 500) return Take();
    if (dice < 620) return Lease();
    if (dice < 760) return ActOnHoldings();
    if (dice < 790) return RequeueWith();
    if (dice < 860) return Advance();
    if (dice < 880) return Kick();
    if (dice < 900) return Overflow();
    if (dice < 950) return Look();
    if (dice < 985) return Commit();
    if (dice < 990) return Pause();
    if (dice == 999 && Chance(4)) Empty();
  }

  void Put() {
    const std::string body = PickBody();
    const std::string key = Chance(4) ? "key" + std::to_string(Pick(300)) : std::string();
    Queue::PutOptions options;
    if (Chance(10)) options.delay = PickTime();
    if (Chance(8)) options.ttl = PickTime();
    if (!key.empty() && model_.limits.dedupe_window > Duration::zero()) {
      model_.DropOldKeys(now_);
      const auto known = model_.keys.find(key);
      const auto found = queue_->FindDuplicate(key, now_);
      REQUIRE(found.has_value() == (known != model_.keys.end()));
      if (found) {
        ++model_.stats.duplicates;
        REQUIRE(*found == known->second.id);
        return;
      }
      const bool fits = model_.keys.size() < model_.limits.max_keys;
      REQUIRE(queue_->FitsKey(now_) == fits);
      if (fits) options.key = key;
    }
    const std::uint64_t next = queue_->next_id();
    REQUIRE(queue_->Put(body, now_, options) == next);
    REQUIRE(queue_->next_id() == next + 1);
    model_.Put(next, body, now_, options);
  }

  void Take() {
    log_.commit += Pick(2);
    if (Chance(2) && !model_.ready.empty()) {
      queue_->TakeFront();
      return model_.Take(log_.commit, false, logged_);
    }
    std::vector<Queue::Message> front;
    queue_->Front(Pick(8), &front);
    CompareOrder(front);
    queue_->Take(front);
    for (std::size_t i = 0; i < front.size(); ++i) model_.Take(log_.commit, false, logged_);
  }

  void Overflow() {
    if (model_.ready.empty()) return;
    queue_->OverflowFront();
    model_.Take(log_.commit, true, logged_);
  }

  void CompareOrder(const std::vector<Queue::Message>& front) {
    auto expected = model_.ready.begin();
    for (const Queue::Message& message : front) {
      REQUIRE(expected != model_.ready.end());
      if (message.id != expected->second) FAIL("another order");
      if (message.body != model_.messages.at(message.id).body) FAIL("another body");
      ++expected;
    }
  }

  void Lease() {
    const Duration lease = Chance(3) ? PickTime() : Duration(10s);
    std::vector<Queue::Lease> leases;
    const std::uint64_t max = Pick(Chance(10) ? 200 : 12);
    const std::size_t expected = std::min<std::size_t>(max, model_.ready.size());
    REQUIRE(queue_->LeaseFront(max, now_, lease, &leases) == expected);
    REQUIRE(leases.size() == expected);
    for (const Queue::Lease& got : leases) {
      const std::uint64_t id = model_.ready.begin()->second;
      REQUIRE(got.id == id);
      REQUIRE(got.number != 0);
      model_.Lease(id, got.number, now_ + lease);
      const QueueModel::Message& m = model_.messages.at(id);
      REQUIRE(got.attempts == m.attempts);
      REQUIRE(got.put_at == m.put_at);
      REQUIRE(got.body == m.body);
      holdings_.push_back({got.id, got.number});
    }
  }

  // Some that were given at some time, some of them twice, some that never were.
  std::vector<Queue::Holding> PickHoldings() {
    std::vector<Queue::Holding> picked;
    for (std::uint64_t i = Pick(12); i > 0 && !holdings_.empty(); --i) {
      const std::size_t at = Pick(holdings_.size());
      picked.push_back(holdings_[at]);
      if (Chance(20)) picked.push_back(holdings_[at]);
      if (Chance(20)) picked.push_back({Pick(queue_->next_id() + 2), 0});
      if (Chance(20)) picked.push_back({holdings_[at].id, holdings_[at].number + 1});
      // Seldom kept, so that most are new; what is kept goes stale.
      if (Chance(10)) continue;
      holdings_[at] = holdings_.back();
      holdings_.pop_back();
    }
    return picked;
  }

  void ActOnHoldings() {
    const std::vector<Queue::Holding> picked = PickHoldings();
    std::vector<std::size_t> missed;
    std::vector<std::size_t> model_missed;
    std::vector<std::uint64_t> back;
    const Duration delay = Chance(3) ? PickTime() : Duration::zero();
    const Duration lease = PickTime();
    const std::uint64_t act = Pick(10);
    const auto for_each_held = [&](auto&& each) {
      for (std::size_t i = 0; i < picked.size(); ++i) {
        if (model_.Held(picked[i]) == nullptr) {
          model_missed.push_back(i);
        } else {
          each(picked[i].id);
        }
      }
    };
    std::size_t held = 0;
    if (act < 5) {
      held = queue_->Finish(picked, &missed);
      for_each_held([&](std::uint64_t id) { model_.Erase(id); });
      model_.stats.finished += held;
      model_.stats.finish_missed += missed.size();
    } else if (act < 8) {
      held = queue_->Requeue(picked, now_, delay, &missed);
      // What is named twice is missed once, as its state tells only when all have gone back.
      std::vector<std::uint64_t> ids;
      for_each_held([&](std::uint64_t id) {
        model_.messages.at(id).lease = 0;
        ids.push_back(id);
      });
      for (const std::uint64_t id : ids) model_.EndLease(id, now_, &back);
      model_.GoBack(back, now_, delay);
      model_.stats.requeues += held;
    } else if (act < 9) {
      held = queue_->Touch(picked, now_, lease, &missed);
      for_each_held([&](std::uint64_t id) { model_.messages.at(id).due = now_ + lease; });
    } else {
      held = queue_->Bury(picked, &missed);
      for_each_held([&](std::uint64_t id) { model_.Enter(id, MessageState::kDead); });
    }
    REQUIRE(missed == model_missed);
    REQUIRE(held == picked.size() - missed.size());
  }

  void RequeueWith() {
    if (holdings_.empty()) return;
    const Queue::Holding holding = holdings_[Pick(holdings_.size())];
    const Duration delay = Chance(3) ? PickTime() : Duration::zero();
    const std::string body = PickBody();
    QueueModel::Message* m = model_.Held(holding);
    REQUIRE(queue_->RequeueWith(holding, body, now_, delay) == (m != nullptr));
    if (m == nullptr) return;
    ++model_.stats.requeues;
    m->body = body;
    std::vector<std::uint64_t> back;
    model_.EndLease(holding.id, now_, &back);
    model_.GoBack(back, now_, delay);
  }

  void Advance() {
    now_ += PickTime() / 4;
    const std::size_t max = Chance(2) ? 1 + Pick(20) : SIZE_MAX;
    while (queue_->next_due() <= now_) queue_->Advance(now_, max);
    model_.Advance(now_);
    // In parts, some become ready before others are dropped.
    const std::uint64_t seen = queue_->stats().depth_high_water;
    if (max != SIZE_MAX) model_.stats.depth_high_water = seen;
    REQUIRE(seen >= model_.ready.size());
  }

  void Kick() {
    const std::uint64_t max = Pick(30);
    const std::size_t expected = std::min<std::size_t>(max, model_.dead.size());
    REQUIRE(queue_->Kick(max) == expected);
    model_.Kick(max);
  }

  void Look() {
    Queue::Message message;
    auto expected = model_.ready.begin();
    for (int i = 0; i < 3; ++i) {
      if (!queue_->Next(&cursor_, &message)) {
        cursor_ = {};
        break;
      }
      // Whatever left and came meanwhile, what the cursor shows is ready.
      REQUIRE(model_.messages.at(message.id).state == MessageState::kReady);
    }
    const auto oldest = queue_->oldest_ready();
    REQUIRE(oldest.has_value() == (expected != model_.ready.end()));
    if (oldest) REQUIRE(*oldest == model_.messages.at(expected->second).put_at);
  }

  void Commit() {
    if (!logged_) return;
    if (Chance(10)) {
      queue_->Untake();
      return model_.Untake();
    }
    const std::uint64_t commit = log_.commit - Pick(3);
    queue_->Committed(commit);
    model_.Committed(commit);
    ++log_.commit;
  }

  void Pause() {
    paused_ = !paused_;
    queue_->SetPaused(paused_);
  }

  void Empty() {
    const auto state = static_cast<MessageState>(Pick(4));
    REQUIRE(queue_->Empty(state) == model_.Empty(state));
  }

  void Restart() {
    if (Chance(3)) log_.StartAnew(*queue_);
    // A commit that was being made is lost or not; here it is not.
    queue_.reset();
    MakeQueue();
    log_.Replay(queue_.get(), now_);
    model_.Restart(now_);
    holdings_.clear();
    log_.StartAnew(*queue_);
    REQUIRE(queue_->paused() == paused_);
    CompareAll();
  }

  void CompareCounts() {
    REQUIRE(queue_->depth() == model_.ready.size());
    REQUIRE(queue_->dead() == model_.dead.size());
    REQUIRE(queue_->held() >= model_.messages.size());
  }

  void CompareAll() {
    REQUIRE(queue_->stats() == model_.stats);
    std::uint64_t held_bytes = 0;
    std::uint64_t ready_bytes = 0;
    MonoTime soonest = MonoTime::max();
    MessageInfo info;
    for (const auto& [id, m] : model_.messages) {
      held_bytes += m.body.size();
      if (m.state == MessageState::kReady) ready_bytes += m.body.size();
      const bool waits = m.state == MessageState::kInFlight || m.state == MessageState::kDeferred;
      // One assertion for all of them: thousands of messages are looked at, again and again.
      const bool agrees = queue_->Find(id, &info) && info.state == m.state && info.body == m.body &&
                          info.attempts == m.attempts && info.put_at == m.put_at &&
                          info.ttl == m.ttl && (!waits || info.due == m.due);
      if (!agrees) FAIL("message " << id << " is not as in the model");
      if (waits) soonest = std::min(soonest, m.due);
      if (m.ttl > Duration::zero() && m.state != MessageState::kInFlight) {
        soonest = std::min(soonest, m.put_at + m.ttl);
      }
    }
    REQUIRE(queue_->next_due() <= soonest);
    REQUIRE(queue_->in_flight() == model_.Count(MessageState::kInFlight));
    REQUIRE(queue_->deferred() == model_.Count(MessageState::kDeferred));
    std::uint64_t held = model_.messages.size();
    for (const QueueModel::Taken& taken : model_.taken) {
      REQUIRE_FALSE(queue_->Find(taken.id, &info));
      if (taken.overflow) continue;
      ++held;
      held_bytes += taken.message.body.size();
    }
    REQUIRE(queue_->bytes() == ready_bytes);
    REQUIRE(queue_->held() == held);
    REQUIRE(queue_->held_bytes() == held_bytes);
    CompareLists();
  }

  void CompareLists() {
    std::vector<Queue::Message> front;
    queue_->Front(UINT64_MAX, &front);
    REQUIRE(front.size() == model_.ready.size());
    CompareOrder(front);
    Queue::Cursor cursor;
    Queue::Message message;
    for (const Queue::Message& expected : front) {
      if (!queue_->Next(&cursor, &message) || message.id != expected.id) FAIL("another order");
    }
    REQUIRE_FALSE(queue_->Next(&cursor, &message));
    for (int state = 0; state < 4; ++state) {
      std::vector<MessageInfo> seen;
      queue_->Peek(static_cast<MessageState>(state), UINT64_MAX, &seen);
      REQUIRE(seen.size() == model_.Count(static_cast<MessageState>(state)));
      for (const MessageInfo& info : seen) {
        const auto in_model = static_cast<int>(model_.messages.at(info.id).state);
        if (in_model != state) FAIL("message " << info.id << " is listed in another state");
      }
    }
  }

  std::mt19937_64 random_;
  bool logged_;
  RecordingLog log_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Queue> queue_;
  QueueModel model_;
  MonoTime now_{1h};
  std::uint64_t step_ = 0;
  bool paused_ = false;
  Queue::Cursor cursor_;
  std::vector<Queue::Holding> holdings_;
};

TEST_CASE("queue: random steps and restarts agree with a plain model") {
  const std::uint64_t seed = FromEnvironment("RIVULET_SEED", std::random_device()());
  const std::uint64_t steps = FromEnvironment("RIVULET_STEPS", kSteps);
  INFO("RIVULET_SEED=" << seed);
  QueueLimits limits;
  SUBCASE("in memory") { Run(seed, limits, false).Steps(steps / 4); }
  SUBCASE("with a log") {
    limits.max_attempts = 3;
    limits.dedupe_window = 30s;
    limits.max_keys = 200;
    Run(seed, limits, true).Steps(steps - steps / 4);
  }
}

}  // namespace
}  // namespace rivulet
