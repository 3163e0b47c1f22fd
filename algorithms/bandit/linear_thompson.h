// Which arm to pull when the reward depends on a context, linearly, by weights that each arm has of
// its own: linear Thompson sampling.
//
// Source: S. Agrawal, N. Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs",
// ICML 2013. Each arm's weights are drawn from a normal distribution, of mean A^-1 b and covariance
// scale^2 A^-1, and the arm of which the drawn weights promise most is pulled. Since arms share no
// weights, the promise itself is drawn: it is normal, of mean x' A^-1 b and variance scale^2 x'
// A^-1 x, which is the same and needs no root of A^-1. Bound: the regret of T pulls grows as d^1.5
// sqrt(T) and logarithms. Feedback may come late.
//
// Memory: 16 d^2 bytes an arm, d being the features. Select: O(d^2) an arm, 30 ns for d = 5.
// Update: O(d^2). Units: any, the same for all arms; scale is in the rewards', about the deviation
// of their noise.
//
//   LinearThompson shop(pictures, features);
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

/// One draw of the reward of a context of arm.features() numbers; NaN of others.
inline double DrawLinear(const LinearArm& arm, std::span<const double> x, double scale,
                         Random& random) {
  const LinearArm::Prediction prediction = arm.Predict(x);
  return prediction.mean + scale * std::sqrt(prediction.variance) * random.Normal();
}

class LinearThompson {
 public:
  /// At least one arm; 1 to LinearArm::kMaxFeatures features, of which one that is always 1 lets
  /// arms have a constant. `scale` is 0 to 1e6; others are made the nearer of these, NaN is 1.
  LinearThompson(std::size_t arms, std::size_t features, double scale = 1, double ridge = 1)
      : scale_(std::isnan(scale) ? 1 : std::clamp(scale, 0.0, kMost)),
        arms_(arms, features, ridge) {}

  /// 0 where `x` is not of features() numbers.
  std::size_t Select(std::span<const double> x, Random& random) const {
    return BestOf(arms_.size(),
                  [&](std::size_t i) { return DrawLinear(arms_[i], x, scale_, random); });
  }

  /// What is of no arm, or no context of features() numbers, is left out.
  void Update(std::size_t arm, std::span<const double> x, double reward) {
    arms_.Update(arm, x, reward);
  }
  /// As if the other's updates had come here; of what has as many arms and features, else nothing
  /// is done.
  void Merge(const LinearThompson& other) { arms_.Merge(other.arms_); }

  std::size_t size() const { return arms_.size(); }
  std::size_t features() const { return arms_.features(); }
  double scale() const { return scale_; }
  const LinearArm& arm(std::size_t arm) const { return arms_[arm]; }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutDouble(&bytes, scale_);
    arms_.SaveTo(&bytes);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<LinearThompson> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const double scale = reader.Double();
    auto arms = LinearArms::LoadFrom(&reader);
    if (!arms || !reader.Finished() || !(scale >= 0 && scale <= kMost)) return std::nullopt;
    LinearThompson loaded(1, 1, scale);
    loaded.arms_ = std::move(*arms);
    return loaded;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'6d'6f'68'74'6e'69'6cULL;  // "linthom1"
  static constexpr double kMost = 1e6;

  double scale_;
  LinearArms arms_;
};

}  // namespace rivulet
