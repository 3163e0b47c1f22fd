// Which items of a set stay when it is refreshed: the better half, by one draw of each item's
// posterior, so that an item about which little is known has its chance to stay.
//
// Source: the refresh of the published prototype, which keeps `samples.argsort()[n // 2:]`: the
// n - n/2 of the largest draws, of an odd number the larger half. Of equal draws (hardly ever of a
// continuous distribution) the lower index stays. Error: none. Memory: 16 bytes an item. Cost:
// O(n log n).
//
//   std::vector<double> draws;
//   for (const BanditArm& arm : arms) {
//     draws.push_back(PosteriorOf(arm.clicks, arm.impressions, prior).Draw(random));
//   }
//   for (std::size_t i : Survivors(draws)) Keep(arms[i]);
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "algorithms/bandit/best.h"

namespace rivulet {

/// How many of `items` stay: ceil(items / 2).
constexpr std::size_t SurvivorCount(std::size_t items) { return items - items / 2; }

/// The indices of the `count` largest draws (all, where there are fewer), ascending.
inline std::vector<std::size_t> Survivors(std::span<const double> draws, std::size_t count) {
  std::vector<ScoredArm> best(std::min(count, draws.size()));
  SeveralBestOf(
      draws.size(), [&](std::size_t i) { return draws[i]; }, best);
  std::vector<std::size_t> kept;
  kept.reserve(best.size());
  for (const ScoredArm& scored : best) kept.push_back(scored.arm);
  std::sort(kept.begin(), kept.end());
  return kept;
}

/// Those of the better half.
inline std::vector<std::size_t> Survivors(std::span<const double> draws) {
  return Survivors(draws, SurvivorCount(draws.size()));
}

}  // namespace rivulet
