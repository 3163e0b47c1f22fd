// Which arm to pull: now and then any, else the one of the largest mean so far.
//
// Source: as in R. S. Sutton, A. G. Barto, "Reinforcement Learning" (1998), 2.2, with arms that
// were never pulled before all others. Bound: none that is less than linear, since a share
// `epsilon` of pulls goes on exploring: epsilon times the mean gap a pull, for ever. Simple, and it
// bears late feedback.
//
// Memory: 16 bytes an arm. Select: 1 ns an arm. Update: O(1). Units: any, the same for all arms.
//
//   EpsilonGreedy shop(pictures, 0.1);
//   const std::size_t arm = shop.Select(random);
//   shop.Update(arm, revenue);
//   shop.Merge(shop_of_another_reader);
//   std::string saved = shop.Save();
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "algorithms/bandit/arm_sums.h"
#include "algorithms/bandit/best.h"
#include "algorithms/bytes.h"
#include "algorithms/random.h"

namespace rivulet {

class EpsilonGreedy {
 public:
  /// At least one arm; `epsilon` of 0 to 1, others are made the nearer of these, NaN is 1.
  EpsilonGreedy(std::size_t arms, double epsilon)
      : epsilon_(std::isnan(epsilon) ? 1 : std::clamp(epsilon, 0.0, 1.0)), sums_(arms) {}

  std::size_t Select(Random& random) const {
    if (random.Chance(epsilon_)) return static_cast<std::size_t>(random.Below(sums_.size()));
    return Greedy(random);
  }
  /// The arm of the largest mean, arms that were never pulled first; of equal means any, so that
  /// arms without a reward yet take turns.
  std::size_t Greedy(Random& random) const {
    const auto mean = [&](std::size_t i) {
      return sums_[i].pulls > 0 ? sums_[i].mean() : std::numeric_limits<double>::infinity();
    };
    return AnyBestOf(sums_.size(), mean, random);
  }

  /// What is of no arm, or NaN, is left out.
  void Update(std::size_t arm, double reward) { sums_.Update(arm, reward); }
  /// As if the other's updates had come here; of what has as many arms, else nothing is done.
  void Merge(const EpsilonGreedy& other) { sums_.Merge(other.sums_); }

  std::size_t size() const { return sums_.size(); }
  double epsilon() const { return epsilon_; }
  std::uint64_t pulls() const { return sums_.pulls(); }
  std::uint64_t pulls(std::size_t arm) const { return sums_[arm].pulls; }
  double mean(std::size_t arm) const { return sums_[arm].mean(); }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutDouble(&bytes, epsilon_);
    sums_.SaveTo(&bytes);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<EpsilonGreedy> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const double epsilon = reader.Double();
    auto sums = ArmSums::LoadFrom(&reader);
    if (!sums || !reader.Finished() || !(epsilon >= 0 && epsilon <= 1)) return std::nullopt;
    EpsilonGreedy loaded(1, epsilon);
    loaded.sums_ = std::move(*sums);
    return loaded;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'79'64'65'65'72'67'65ULL;  // "egreedy1"

  double epsilon_;
  ArmSums sums_;
};

}  // namespace rivulet
