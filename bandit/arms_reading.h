// One reading of a bandit: what is asked of the store, and what its replies say.
//
// What a draw needs is asked each time: the arms' counters and the number of their round. The
// totals and the history change with every impression and are asked now and then; the sums of a
// contextual bandit only where counters changed: they change together.
//
// Cost of Understand(): about 1 us an arm (1,000 arms: 1 ms), with sums d^2/2 times as much, and
// the store's own to hand them out, which is as much again. Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "store/store_batch.h"
#include "tasks/bandit_arms.h"

namespace rivulet {

/// Arms that are drawn from. A store that has more of them is refused: it takes as many as a task
/// `bandit` has at most, so that a reading takes milliseconds of the loop.
inline constexpr std::size_t kMostDrawnArms = 10'000;

using SharedArms = std::shared_ptr<const BanditArms>;

enum class ArmsAmount : std::uint8_t {
  kCounters,    // of the arms, and the round
  kTotals,      // and all that is no sum
  kEverything,  // of a bandit without a context: as kTotals
};
inline constexpr std::size_t kArmsAmounts = 3;

struct ArmsQuestion {
  BanditKeys keys;
  std::size_t features = 0;  // d of BanditArm::sums
  ArmsAmount amount = ArmsAmount::kEverything;

  StoreBatch Batch() const;
  /// Of the replies to Batch(). `known`: what was known before (nullptr: nothing; then the amount
  /// must be kEverything); it is answered itself where nothing has changed. nullptr: the counters
  /// changed, so that sums must be asked for. An error where the store has lost what is known:
  /// there are neither arms nor a round.
  Result<SharedArms> Understand(const Result<std::vector<StoreReply>>& replies,
                                const SharedArms& known) const;

 private:
  Result<SharedArms> UnderstandCounters(const std::vector<StoreReply>& replies,
                                        const SharedArms& known) const;
  Result<SharedArms> UnderstandTotals(const std::vector<StoreReply>& replies,
                                      const SharedArms& known) const;
  bool HasSums() const { return features > 0 && amount == ArmsAmount::kEverything; }
  Status CheckSize(const StoreReply& counters) const;
  Status CheckLost(const BanditArms& now, const SharedArms& known) const;
};

}  // namespace rivulet
