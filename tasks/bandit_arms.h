// A bandit as the store has it: what the task counts (tasks/bandit.h) and the API draws from
// (bandit/). The layout is that of the published prototype, so that what reads its hash reads ours:
//
//   items               a hash: `c|ID` clicks and `i|ID` impressions of each item of the set, which
//                       begin at 1 each (or at an informed prior)
//   experiments         impressions since the last refresh
//
// and, under names that the prototype does not have:
//
//   items:bandit        a hash: `round` (refreshes so far, the first filling too), `impressions`
//                       and `clicks` seen in all, `counted_impressions` and `counted_clicks` that
//                       were of items of the set: the others came late
//   items:history       a hash: field N is what the refresh that began round N did, as JSON; the
//                       last kKeptRounds
//   items:linear        of contextual bandits, a hash of numbers packed (store/packed_numbers.h):
//                       `xx|ID` the sums of x_i x_j (i <= j) over impressions, in the order 00, 01,
//                       11, 02, 12, 22, …, so that a feature more stands at the end; `rx|ID` those
//                       of x_i over clicks; x_0 is 1. Until the next refresh there may be what
//                       versions before wrote, a text a sum at `A|i|j|ID` and `b|i|ID`: it counts,
//                       too
//
// `items` and `experiments` may have other names: BanditKeys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/store.h"

namespace rivulet {

struct BanditKeys {
  std::string items = "items";
  std::string experiments = "experiments";

  std::string state() const { return items + ":bandit"; }
  std::string history() const { return items + ":history"; }
  std::string linear() const { return items + ":linear"; }
};

/// An item of the set. Clicks and impressions as the hash has them: with the 1 and 1 (or more) that
/// they began with, and as they came, so that clicks may be more than impressions for a moment.
struct BanditArm {
  std::string id;
  std::int64_t clicks = 0;
  std::int64_t impressions = 0;
  /// Of contextual bandits, with d features (x_0 among them): the upper half of A by rows,
  /// d(d+1)/2 numbers, then b, d numbers. Empty: none.
  std::vector<double> sums;
};

struct BanditRound {
  std::uint64_t round = 0;
  std::string json;  // of the history, as it stands in the store
};

struct BanditArms {
  std::vector<BanditArm> arms;  // by id
  std::uint64_t round = 0;
  std::uint64_t experiments = 0;
  std::uint64_t impressions = 0;  // seen in all rounds; likewise the next
  std::uint64_t clicks = 0;
  std::uint64_t counted_impressions = 0;
  std::uint64_t counted_clicks = 0;
  std::vector<BanditRound> history;  // the newest first

  /// What could not be read, for people: the items left out for it. Empty: nothing.
  std::string trouble;

  /// For items that were not in the set when their feedback came.
  std::uint64_t late() const {
    const auto beyond = [](std::uint64_t all, std::uint64_t part) {
      return all > part ? all - part : 0;
    };
    return beyond(impressions, counted_impressions) + beyond(clicks, counted_clicks);
  }
};

inline constexpr std::size_t kKeptRounds = 50;
/// Longer ids are refused, and counted as malformed.
inline constexpr std::size_t kMaxItemBytes = 256;
/// Of a contextual bandit, beside the constant x_0.
inline constexpr std::size_t kMaxBanditFeatures = 15;
/// A feature is from -kMostBanditFeature to kMostBanditFeature.
inline constexpr double kMostBanditFeature = 1e6;
/// More items are not read; what a store holds beyond is named in the error.
inline constexpr std::size_t kMaxArms = 100'000;

/// Larger counts can come of a mistake alone; so far a sum of many cannot overflow.
inline constexpr std::int64_t kMostCount = std::int64_t{1} << 53;

/// Refuses names that are too long, the store's own, or those of another part of this bandit.
Status CheckBanditKeys(const BanditKeys& keys);

/// The fields of the hash: "c|ID", "i|ID".
std::string ClickField(std::string_view id);
std::string ImpressionField(std::string_view id);
/// Those of items:linear: "rx|ID", "xx|ID".
std::string ClickSumsField(std::string_view id);
std::string ImpressionSumsField(std::string_view id);

/// Appends the commands that read all of a bandit, the set by one HashAll, first, so that it is
/// never of two rounds. `features`: d of BanditArm::sums; 0: none.
void AskBandit(StoreBatch* batch, const BanditKeys& keys, std::size_t features);
/// Of the replies to AskBandit()'s commands. Fields that are none of ours are skipped, an item of
/// which one counter is missing has 1 there (it is drawn as unknown). An item is left out, and told
/// in `trouble`, where one of its texts is no number, or a count beyond kMostCount, or where its id
/// is no UTF-8. Experiments below 0 are 0. An error names the command that failed, or the field of
/// items:bandit that is no count. An absent set is one without arms.
Result<BanditArms> ReadBandit(std::span<const StoreReply> replies, std::size_t features);

/// The arms of the items' hash alone, by id: what ReadBandit() makes of the first reply, its
/// trouble with them too.
Result<std::vector<BanditArm>> ReadArms(std::span<const StoreItem> items,
                                        std::string* trouble = nullptr);

}  // namespace rivulet
