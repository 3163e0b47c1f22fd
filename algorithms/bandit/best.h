// The best of scores that are computed one by one: which, any of the equally best, and the n best.
// No allocation.
//
//   const std::size_t arm = BestOf(arms, [&](std::size_t i) { return mean[i]; });
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "algorithms/random.h"

namespace rivulet {

/// An arm, by its number, and the score or draw that it was compared by.
struct ScoredArm {
  std::size_t arm = 0;
  double score = 0;
};

/// The number below `count` of the largest `score(number)`, which is called once for each, in
/// order; of equal scores the lowest number. NaN is the least of scores. 0 for a count of 0.
template <typename Score>
std::size_t BestOf(std::size_t count, Score score) {
  std::size_t best = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    const double s = score(i);
    if (s > most) {
      most = s;
      best = i;
    }
  }
  return best;
}

/// Likewise, of equal scores any, each as likely as another.
template <typename Score>
std::size_t AnyBestOf(std::size_t count, Score score, Random& random) {
  std::size_t best = 0;
  std::uint64_t equals = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    const double s = score(i);
    if (s > most) {
      most = s;
      equals = 0;
    } else if (!(s == most)) {
      continue;
    }
    // The k-th of equals is taken with probability 1/k.
    if (++equals == 1 || random.Below(equals) == 0) best = i;
  }
  return best;
}

/// As BestOf, the `best.size()` of the largest scores, the largest first; a part of `best`, smaller
/// where there are not so many. O(count + n log n log(count)) expected for scores in random order,
/// n being best.size().
template <typename Score>
std::span<ScoredArm> SeveralBestOf(std::size_t count, Score score, std::span<ScoredArm> best) {
  const auto before = [](const ScoredArm& a, const ScoredArm& b) {
    return a.score != b.score ? a.score > b.score : a.arm < b.arm;
  };
  std::size_t held = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ScoredArm scored{i, score(i)};
    if (!(scored.score == scored.score)) scored.score = -std::numeric_limits<double>::infinity();
    // A heap whose front is the least that is held.
    if (held == best.size()) {
      if (held == 0 || scored.score <= best[0].score) continue;
      std::pop_heap(best.begin(), best.end(), before);
      --held;
    }
    best[held++] = scored;
    std::push_heap(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(held), before);
  }
  const auto all = best.first(held);
  std::sort_heap(all.begin(), all.end(), before);
  return all;
}

}  // namespace rivulet
