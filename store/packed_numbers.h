// Numbers as a field holds them that HashAddNumbers() adds to: 8 bytes each, little-endian.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store_batch.h"

namespace rivulet {

inline std::string PackNumbers(std::span<const double> numbers) {
  static_assert(std::endian::native == std::endian::little);
  std::string packed(numbers.size_bytes(), '\0');
  if (!numbers.empty()) std::memcpy(packed.data(), numbers.data(), numbers.size_bytes());
  return packed;
}

/// Nothing where `packed` are no numbers, more than StoreBatch::kMaxNumbers, or one is not finite.
inline std::optional<std::vector<double>> UnpackNumbers(std::string_view packed) {
  const std::size_t count = packed.size() / sizeof(double);
  if (packed.size() % sizeof(double) != 0 || count > StoreBatch::kMaxNumbers) return std::nullopt;
  std::vector<double> numbers(count);
  if (count > 0) std::memcpy(numbers.data(), packed.data(), packed.size());
  for (const double number : numbers) {
    if (!std::isfinite(number)) return std::nullopt;
  }
  return numbers;
}

}  // namespace rivulet
