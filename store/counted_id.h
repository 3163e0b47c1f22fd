// The number that an id of StoreBatch::Once() ends in, by which it is one bit among its like. All
// stores split ids so, and for ever: what is kept of an id is found by this.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rivulet {

struct CountedId {
  std::string_view beginning;  // what stands before the number
  std::uint64_t chunk = 0;     // the number / 2^20
  std::uint32_t bit = 0;       // the rest
};

/// Nothing where `id` does not end in a number below 2^53. A number has no leading zeros: those
/// belong to the beginning, so that "7" and "07" are two.
inline std::optional<CountedId> CountedIdOf(std::string_view id) {
  constexpr std::uint64_t kNumbersEnd = std::uint64_t{1} << 53;
  constexpr int kChunkBits = 20;
  std::size_t begin = id.size();
  while (begin > 0 && id[begin - 1] >= '0' && id[begin - 1] <= '9') --begin;
  while (begin + 1 < id.size() && id[begin] == '0') ++begin;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data() + begin, id.data() + id.size(), number);
  if (begin == id.size() || error != std::errc() || number >= kNumbersEnd) return std::nullopt;
  return CountedId{id.substr(0, begin), number >> kChunkBits,
                   static_cast<std::uint32_t>(number & ((std::uint64_t{1} << kChunkBits) - 1))};
}

}  // namespace rivulet
