// Counts that end at 2^64 - 1 instead of beginning again at 0: the rule of every count and weight
// here. What is loaded follows the same rule, so that it equals what was saved.
#pragma once

#include <cstdint>
#include <limits>

namespace rivulet {

/// a + b, at most 2^64 - 1.
inline std::uint64_t SaturatedSum(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::uint64_t>::max() : sum;
}

}  // namespace rivulet
