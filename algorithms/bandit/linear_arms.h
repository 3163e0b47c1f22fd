// The arms of a contextual bandit: what LinUcb and LinearThompson have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/bandit/linear_arm.h"
#include "algorithms/bytes.h"

namespace rivulet {

class LinearArms {
 public:
  static constexpr std::size_t kMaxArms = 100'000;

  /// 1 to kMaxArms arms; others are made the nearer of these.
  LinearArms(std::size_t arms, std::size_t features, double ridge)
      : arms_(std::clamp<std::size_t>(arms, 1, kMaxArms), LinearArm(features, ridge)) {}

  /// What is of no arm, or no such context, is left out.
  void Update(std::size_t arm, std::span<const double> x, double reward) {
    if (arm < arms_.size()) arms_[arm].Update(x, reward);
  }
  /// Of what has as many arms and features, else nothing is done.
  void Merge(const LinearArms& other) {
    if (other.size() != size() || other.features() != features()) return;
    for (std::size_t i = 0; i < arms_.size(); ++i) arms_[i].Merge(other.arms_[i]);
  }

  std::size_t size() const { return arms_.size(); }
  std::size_t features() const { return arms_.front().features(); }
  const LinearArm& operator[](std::size_t arm) const { return arms_[arm]; }

  void SaveTo(std::string* bytes) const {
    PutUint64(bytes, arms_.size());
    for (const LinearArm& arm : arms_) *bytes += arm.Save();
  }
  static std::optional<LinearArms> LoadFrom(ByteReader* reader) {
    const std::uint64_t count = reader->Uint64();
    if (count == 0 || count > kMaxArms) return std::nullopt;
    LinearArms arms(1, 1, 1);
    arms.arms_.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      auto arm = LinearArm::LoadFrom(reader);
      if (!arm || (i > 0 && arm->features() != arms.features())) return std::nullopt;
      arms.arms_.push_back(std::move(*arm));
    }
    return arms;
  }

 private:
  std::vector<LinearArm> arms_;
};

}  // namespace rivulet
