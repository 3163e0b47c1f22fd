// The states of a statistic that a task keeps for itself: one, or one a key, of which there are at
// most so many.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/siphash.h"
#include "base/status.h"
#include "tasks/statistic.h"

namespace rivulet {

/// What is known of a statistic, for summaries and pictures.
struct StatisticsFound {
  std::uint64_t count = 0;  // messages in the states
  std::uint64_t skipped = 0;
  std::uint64_t keys = 0;
  std::uint64_t other_keys = 0;        // messages of keys that had no room
  std::uint64_t bad_keys = 0;          // messages of keys that are too long
  std::vector<KeyedStatistic> states;  // the most frequent keys, most frequent first
  std::string trouble;                 // why some of it could not be read; empty: it could
};

/// Thread: one.
class LocalStatistics {
 public:
  /// `max_keys` 0: one state without a key. The form outlives it.
  LocalStatistics(const StatisticForm& form, std::size_t max_keys);

  /// The key is not looked at where there is one state. The state it went to, or null.
  Statistic* Update(std::string_view key, const Observation& observation);
  void CountSkipped() { ++skipped_; }
  void CountBadKey() { ++bad_keys_; }

  /// O(keys log most).
  StatisticsFound Find(std::size_t most) const;

  void Save(std::string* bytes) const;
  /// kCorrupt where `saved` is not what Save() gave.
  Status Load(std::string_view saved);

 private:
  struct Hash {
    using is_transparent = void;
    std::uint64_t low;
    std::uint64_t high;
    std::size_t operator()(std::string_view key) const { return SipHash<1, 3>(key, low, high); }
  };

  /// False where there is no such state, and no room.
  bool Place(std::string_view key, std::size_t* at);
  bool LoadKeys(ByteReader* bytes);

  const StatisticForm& form_;
  const std::size_t max_keys_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> places_;
  std::vector<KeyedStatistic> states_;  // in the order in which the keys came
  std::uint64_t skipped_ = 0;
  std::uint64_t bad_keys_ = 0;
  std::uint64_t other_keys_ = 0;
};

}  // namespace rivulet
