// What the three sources of arms share: when to read, who waits for it, and what of it is known.
//
// A reading begins every `refresh`, and rests for nine times as long as the one before took of the
// thread that understands it: whatever the size of a bandit, reading it takes a tenth of the time
// at most. See bandit/arms_reading.h for what is asked: all of it once a second and at each new
// round.
//
// Thread: the loop's.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bandit/arms_reading.h"
#include "bandit/arms_source.h"
#include "base/event_loop.h"

namespace rivulet {

struct ArmsReaderConfig {
  BanditKeys keys;
  std::size_t features = 0;  // d of BanditArm::sums
  Duration refresh = std::chrono::milliseconds(100);
  /// So long a ReadNow() waits, and a reading that takes longer has failed. It may still end well.
  Duration timeout = std::chrono::seconds(1);
};

class ArmsReader : public ArmsSource {
 public:
  /// Both must outlive it.
  ArmsReader(EventLoop& loop, const Clock& clock, ArmsReaderConfig config);

  void Start() override;
  const KnownArms& known() const override { return known_; }
  void ReadNow(std::function<void()> done) override;

 protected:
  using Number = std::uint64_t;  // of a reading

  /// Begins a reading: QuestionOf(amount) is to be asked of the store, after this call began.
  /// Took() is called once, on the loop, in the order of the calls; inside is allowed.
  virtual void Ask(Number reading, ArmsAmount amount) = 0;
  /// What ArmsQuestion::Understand() answered, and how long its thread was busy with it. known() is
  /// answered where the store holds what it held.
  void Took(Number number, const Result<SharedArms>& arms, Duration took);
  const ArmsQuestion& QuestionOf(ArmsAmount amount) const {
    return questions_[static_cast<std::size_t>(amount)];
  }

  /// Every reading is of everything: where a reading costs much, and its commands nothing.
  void ReadAllEachTime() { all_each_time_ = true; }
  /// So many readings may be under way at a time; 1 unless told.
  void ReadAhead(std::size_t readings) { most_under_way_ = readings; }
  /// What is to be said of a reading that has taken longer than the timeout, which follows.
  void SayOfLate(std::string text) { late_text_ = std::move(text); }
  const ArmsReaderConfig& config() const { return config_; }
  MonoTime Now() const { return clock_.Now(); }

 private:
  struct Waiter {
    std::function<void()> done;
    MonoTime until;
  };
  struct UnderWay {
    Number number = 0;
    ArmsAmount amount = ArmsAmount::kEverything;
    MonoTime asked_at{};
    bool late = false;  // it has been counted as a failure
    Duration took{};
    std::vector<Waiter> served;
  };

  void Begin();
  ArmsAmount NextAmount(MonoTime now);
  void Know(const UnderWay& reading, const SharedArms& arms);
  void End(UnderWay reading, const Status& status);
  void OnTimeout();
  void WatchTime(MonoTime until, MonoTime now);
  static void Tell(std::vector<Waiter>* waiters);

  const Clock& clock_;
  ArmsReaderConfig config_;
  std::array<ArmsQuestion, kArmsAmounts> questions_;
  KnownArms known_;
  std::size_t most_under_way_ = 1;
  std::string late_text_ = "no answer";
  bool all_each_time_ = false;
  bool totals_due_ = true;
  bool sums_due_ = true;
  MonoTime totals_at_{};  // when they were asked for
  MonoTime rests_until_{};
  Number next_number_ = 0;
  std::deque<UnderWay> under_way_;
  std::vector<Waiter> waiting_;  // for the next one
  Deferred begin_;
  Timer timer_;
  Timer timeout_;
};

}  // namespace rivulet
