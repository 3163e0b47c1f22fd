// What the three sources of arms share: when to read, who waits for it, and what of it is known.
//
// A reading is all of a bandit, or, where a source allows that, often only what a draw needs (the
// arms and the number of their round), and all of it once a second and at each new round.
//
// Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bandit/arms_source.h"
#include "base/event_loop.h"
#include "store/store_batch.h"

namespace rivulet {

struct ArmsReaderConfig {
  BanditKeys keys;
  std::size_t features = 0;  // d of BanditArm::sums
  Duration refresh = std::chrono::milliseconds(100);
  /// So long a ReadNow() waits. A reading may take longer; no second one begins before it ended.
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
  /// Begins a reading: `batch` is to be run on the store, after this call began. Took() or
  /// TookNothingNew() is called once, on the loop; inside is allowed.
  virtual void Ask(StoreBatch batch) = 0;
  void Took(const Result<std::vector<StoreReply>>& replies);
  /// The store holds what it held at the last reading that was well.
  void TookNothingNew();

  /// Every reading is of all: where a reading costs much, and its commands nothing.
  void ReadAllEachTime() { all_each_time_ = true; }
  /// Of the reading that ended now: no other begins for so long, beyond `refresh`.
  void RestFor(Duration rest) { rest_ = rest; }
  const ArmsReaderConfig& config() const { return config_; }
  MonoTime Now() const { return clock_.Now(); }

 private:
  using SharedArms = std::shared_ptr<const BanditArms>;
  enum class Amount : std::uint8_t { kAll, kArms };
  struct Waiter {
    std::function<void()> done;
    MonoTime until;
  };

  void Begin();
  void End(const Status& status);
  Result<SharedArms> UnderstandAll(const std::vector<StoreReply>& replies) const;
  Result<SharedArms> UnderstandArms(const std::vector<StoreReply>& replies) const;
  void OnTimeout();
  static void Tell(std::vector<Waiter>* waiters);

  const Clock& clock_;
  ArmsReaderConfig config_;
  KnownArms known_;
  bool asking_ = false;
  bool slow_ = false;  // the reading in hand has been counted as a failure
  Amount amount_ = Amount::kAll;
  bool all_each_time_ = false;
  bool all_due_ = true;
  MonoTime all_at_{};  // when all of it was asked for
  MonoTime asked_at_{};
  MonoTime rests_until_{};
  Duration rest_{};
  std::vector<Waiter> served_;   // by the reading in hand
  std::vector<Waiter> waiting_;  // for the next one
  Deferred begin_;
  Timer timer_;
  Timer timeout_;
};

}  // namespace rivulet
