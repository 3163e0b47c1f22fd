// What the tests of policies share: ten arms, one better than the others, and the regret of pulling
// them; and saving.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "algorithms/random.h"
#include "tests/unit/scaled.h"

namespace rivulet {

inline constexpr std::size_t kShopArms = 10;
inline constexpr int kShopPulls = 10'000;
/// Where a sanitizer makes a pull dear: what is published is of more pulls, and the other build
/// compares with it.
inline constexpr bool kShortened = Scaled(10) < 10;

struct ShopRates {
  double best;
  double others;
};
inline constexpr ShopRates kHalf{0.5, 0.4};
inline constexpr ShopRates kRare{0.05, 0.02};

/// The regret of one run: the sum of how much each pull's rate was below the best one's, which is
/// arm `best_arm`'s. Feedback comes after `delay` other pulls.
template <typename Policy>
double Regret(Policy policy, const ShopRates& rates, std::size_t best_arm, std::size_t delay,
              Random& random) {
  std::deque<std::pair<decltype(policy.Select(random)), double>> late;
  int misses = 0;
  for (int t = 0; t < (kShortened ? kShopPulls / 5 : kShopPulls); ++t) {
    const auto selected = policy.Select(random);
    std::size_t arm = 0;
    if constexpr (requires { selected.arm; }) {
      arm = selected.arm;
    } else {
      arm = selected;
    }
    misses += arm != best_arm;
    late.emplace_back(selected, random.Chance(arm == best_arm ? rates.best : rates.others) ? 1 : 0);
    if (late.size() <= delay) continue;
    policy.Update(late.front().first, late.front().second);
    late.pop_front();
  }
  return misses * (rates.best - rates.others);
}

/// Checks the mean regret of `runs` runs, the best arm being another in each, against a published
/// mean and its standard error: within four of both errors together.
template <typename MakePolicy>
void CheckRegret(MakePolicy make, const ShopRates& rates, int runs, double published,
                 double published_error, std::size_t delay = 0) {
  constexpr std::uint64_t kSeed = 8;
  Random random(kSeed);
  runs = LongerIfAsked(Scaled(runs));
  if (runs < 3) runs = 3;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < runs; ++i) {
    const auto best_arm = static_cast<std::size_t>(i) % kShopArms;
    const double regret = Regret(make(), rates, best_arm, delay, random);
    sum += regret;
    squares += regret * regret;
  }
  const double mean = sum / runs;
  const double error = std::sqrt((squares / runs - mean * mean) / (runs - 1));
  INFO("seed ", kSeed, ", ", runs, " runs: regret ", mean, " +- ", error, ", published ", published,
       " +- ", published_error);
  if (kShortened) {
    CHECK(mean < published + 4 * std::hypot(error, published_error));
  } else {
    CHECK(std::abs(mean - published) < 4 * std::hypot(error, published_error));
  }
}

/// That what was saved and loaded goes on as what was not, and that damage is refused. Pulls
/// `policy`, in a copy, `pulls` times by `step(policy, random)`.
template <typename Policy, typename Step>
void CheckSaved(const Policy& policy, Step step) {
  const std::string saved = policy.Save();
  auto loaded = Policy::Load(saved);
  REQUIRE(loaded.has_value());
  CHECK(loaded->Save() == saved);
  Policy same = policy;
  Random ours(5);
  Random theirs(5);
  for (int i = 0; i < 50; ++i) {
    step(&same, ours);
    step(&*loaded, theirs);
  }
  CHECK(loaded->Save() == same.Save());
  CHECK(ours.Save() == theirs.Save());
  for (std::size_t size = 0; size < saved.size(); size += 7) {
    CHECK_FALSE(Policy::Load(saved.substr(0, size)).has_value());
  }
  CHECK_FALSE(Policy::Load(saved + '\0').has_value());
  std::string other = saved;
  other[7] = '2';  // the version
  CHECK_FALSE(Policy::Load(other).has_value());
}

}  // namespace rivulet
