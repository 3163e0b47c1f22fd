// Which arm to pull when the reward depends on a context, linearly, by weights that each arm has of
// its own: the one whose reward could be the largest, LinUCB.
//
// Source: L. Li, W. Chu, J. Langford, R. E. Schapire, "A Contextual-Bandit Approach to Personalized
// News Article Recommendation", WWW 2010, Algorithm 1 (disjoint arms). Bound (of its variant
// SupLinUCB; W. Chu et al., AISTATS 2011): the regret of T pulls grows as sqrt(T d) and logarithms.
// Draws nothing but of which of equal scores: the same updates give the same arms, and for the same
// context feedback that comes late has it pull the same arm until it comes, save of arms of which
// nothing is known yet.
//
// Memory: 16 d^2 bytes an arm, d being the features. Select: O(d^2) an arm, 30 ns for d = 5.
// Update: O(d^2). Units: any, the same for all arms; alpha is in the rewards'.
//
//   LinUcb shop(pictures, features);
//   const std::size_t arm = shop.Select(x, random);
//   shop.Update(arm, x, clicked ? 1 : 0);
//   shop.Merge(shop_of_another_reader);
//   std::string saved = shop.Save();
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "algorithms/bandit/best.h"
#include "algorithms/bandit/linear_arm.h"
#include "algorithms/bandit/linear_arms.h"
#include "algorithms/bytes.h"
#include "algorithms/random.h"

namespace rivulet {

/// mean + alpha stddev, of a context of arm.features() numbers; NaN of others.
inline double LinUcbScore(const LinearArm& arm, std::span<const double> x, double alpha) {
  const LinearArm::Prediction prediction = arm.Predict(x);
  return prediction.mean + alpha * std::sqrt(prediction.variance);
}

class LinUcb {
 public:
  /// At least one arm; 1 to LinearArm::kMaxFeatures features, of which one that is always 1 lets
  /// arms have a constant. `alpha` is 0 to 1e6; others are made the nearer of these, NaN is 1.
  LinUcb(std::size_t arms, std::size_t features, double alpha = 1, double ridge = 1)
      : alpha_(std::isnan(alpha) ? 1 : std::clamp(alpha, 0.0, kMost)),
        arms_(arms, features, ridge) {}

  /// Of equal scores the lowest number. 0 where `x` is not of features() numbers.
  std::size_t Select(std::span<const double> x) const {
    return BestOf(arms_.size(), [&](std::size_t i) { return LinUcbScore(arms_[i], x, alpha_); });
  }
  /// Likewise, of equal scores any.
  std::size_t Select(std::span<const double> x, Random& random) const {
    const auto score = [&](std::size_t i) { return LinUcbScore(arms_[i], x, alpha_); };
    return AnyBestOf(arms_.size(), score, random);
  }

  /// What is of no arm, or no context of features() numbers, is left out.
  void Update(std::size_t arm, std::span<const double> x, double reward) {
    arms_.Update(arm, x, reward);
  }
  /// As if the other's updates had come here; of what has as many arms and features, else nothing
  /// is done.
  void Merge(const LinUcb& other) { arms_.Merge(other.arms_); }

  std::size_t size() const { return arms_.size(); }
  std::size_t features() const { return arms_.features(); }
  double alpha() const { return alpha_; }
  const LinearArm& arm(std::size_t arm) const { return arms_[arm]; }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutDouble(&bytes, alpha_);
    arms_.SaveTo(&bytes);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<LinUcb> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const double alpha = reader.Double();
    auto arms = LinearArms::LoadFrom(&reader);
    if (!arms || !reader.Finished() || !(alpha >= 0 && alpha <= kMost)) return std::nullopt;
    LinUcb loaded(1, 1, alpha);
    loaded.arms_ = std::move(*arms);
    return loaded;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'62'63'75'6e'69'6c'20ULL;  // " linucb1"
  static constexpr double kMost = 1e6;

  double alpha_;
  LinearArms arms_;
};

}  // namespace rivulet
