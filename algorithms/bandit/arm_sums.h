// Of each arm of a bandit: how often it was pulled, and the sum of its rewards. What the policies
// of algorithms/bandit/ that need no more have in common.
//
// Memory: 16 bytes an arm. Update: O(1). Units: the rewards' own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/saturated.h"

namespace rivulet {

class ArmSums {
 public:
  struct Arm {
    std::uint64_t pulls = 0;
    double reward = 0;  // of all pulls

    /// 0 before the first.
    double mean() const { return pulls > 0 ? reward / static_cast<double>(pulls) : 0; }
  };
  static constexpr std::size_t kMaxArms = std::size_t{1} << 24;
  /// Sums end here, on either side.
  static constexpr double kMostReward = 1e300;

  /// At least one arm, at most kMaxArms.
  explicit ArmSums(std::size_t arms) : arms_(std::clamp<std::size_t>(arms, 1, kMaxArms)) {}

  /// What is of no arm, or NaN, is left out.
  void Update(std::size_t arm, double reward) {
    if (arm >= arms_.size() || std::isnan(reward)) return;
    total_ = SaturatedSum(total_, 1);
    arms_[arm].pulls = SaturatedSum(arms_[arm].pulls, 1);
    arms_[arm].reward = Bounded(arms_[arm].reward + reward);
  }

  /// As if the other's updates had come here; of what has as many arms, else nothing is done.
  void Merge(const ArmSums& other) {
    if (other.size() != size()) return;
    total_ = SaturatedSum(total_, other.total_);
    for (std::size_t i = 0; i < arms_.size(); ++i) {
      arms_[i].pulls = SaturatedSum(arms_[i].pulls, other.arms_[i].pulls);
      arms_[i].reward = Bounded(arms_[i].reward + other.arms_[i].reward);
    }
  }

  std::size_t size() const { return arms_.size(); }
  /// Of all arms.
  std::uint64_t pulls() const { return total_; }
  const Arm& operator[](std::size_t arm) const { return arms_[arm]; }

  void SaveTo(std::string* bytes) const {
    PutUint64(bytes, arms_.size());
    for (const Arm& arm : arms_) {
      PutUint64(bytes, arm.pulls);
      PutDouble(bytes, arm.reward);
    }
  }
  static std::optional<ArmSums> LoadFrom(ByteReader* reader) {
    const std::uint64_t count = reader->Uint64();
    if (count == 0 || count > kMaxArms) return std::nullopt;
    ArmSums sums(1);
    sums.arms_.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      Arm arm;
      arm.pulls = reader->Uint64();
      arm.reward = reader->Double();
      if (!reader->ok() || !(std::abs(arm.reward) <= kMostReward)) return std::nullopt;
      if (arm.pulls == 0 && arm.reward != 0) return std::nullopt;
      sums.total_ = SaturatedSum(sums.total_, arm.pulls);
      sums.arms_.push_back(arm);
    }
    return sums;
  }

 private:
  static double Bounded(double reward) { return std::clamp(reward, -kMostReward, kMostReward); }

  std::vector<Arm> arms_;
  std::uint64_t total_ = 0;
};

}  // namespace rivulet
