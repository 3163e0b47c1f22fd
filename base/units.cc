#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace rivulet {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kSecond = 1'000'000'000;
// Largest first, for FormatDuration.
constexpr std::array<Unit, 7> kDurationUnits = {{{"d", 86'400 * kSecond},
                                                 {"h", 3'600 * kSecond},
                                                 {"m", 60 * kSecond},
                                                 {"s", kSecond},
                                                 {"ms", 1'000'000},
                                                 {"us", 1'000},
                                                 {"ns", 1}}};
constexpr std::array<Unit, 10> kByteUnits = {{{"TiB", 1ULL << 40},
                                              {"GiB", 1ULL << 30},
                                              {"MiB", 1ULL << 20},
                                              {"KiB", 1ULL << 10},
                                              {"TB", 1'000'000'000'000},
                                              {"GB", 1'000'000'000},
                                              {"MB", 1'000'000},
                                              {"kB", 1'000},
                                              {"KB", 1'000},
                                              {"B", 1}}};

constexpr std::size_t kMaxFractionDigits = 9;

// `text` as digits with at most one fraction, times `factor`, rounded down; false when it is
// malformed or above `limit`.
bool ParseScaled(std::string_view text, std::uint64_t factor, std::uint64_t limit,
                 std::uint64_t* out) {
  const std::size_t point = text.find('.');
  const auto whole = ParseUint(text.substr(0, point));
  if (!whole.ok() || *whole > limit / factor) return false;
  std::uint64_t value = *whole * factor;
  if (point != std::string_view::npos) {
    const std::string_view digits = text.substr(point + 1);
    const auto fraction = ParseUint(digits);
    if (!fraction.ok() || digits.size() > kMaxFractionDigits) return false;
    std::uint64_t scale = 1;
    for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
    // Both products stay below 2^47 (a day in ns) and 10^18.
    const std::uint64_t part = *fraction * (factor / scale) + *fraction * (factor % scale) / scale;
    if (part > limit - value) return false;
    value += part;
  }
  *out = value;
  return true;
}

// Splits "1.5KiB" into "1.5" and "KiB".
std::string_view TakeNumber(std::string_view* text) {
  const std::size_t end = std::min(text->find_first_not_of("0123456789."), text->size());
  const std::string_view number = text->substr(0, end);
  text->remove_prefix(end);
  return number;
}

template <std::size_t kSize>
std::uint64_t FactorOf(const std::array<Unit, kSize>& units, std::string_view name,
                       std::uint64_t bare) {
  if (name.empty()) return bare;
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return 0;
}

}  // namespace

Result<std::uint64_t> ParseUint(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || text[0] < '0' || text[0] > '9') {
    return InvalidArgument("must be a whole number");
  }
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range) {
    return InvalidArgument(
        fmt::format("must be at most {}", std::numeric_limits<std::uint64_t>::max()));
  }
  if (error != std::errc() || stop != end) return InvalidArgument("must be a whole number");
  return value;
}

Result<double> ParseDouble(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) {
    return InvalidArgument("must be a number");
  }
  return value;
}

Result<Duration> ParseDuration(std::string_view text) {
  std::string_view unit = text;
  const std::string_view number = TakeNumber(&unit);
  const std::uint64_t factor = FactorOf(kDurationUnits, unit, kSecond);
  constexpr auto kLimit = static_cast<std::uint64_t>(Duration::max().count());
  std::uint64_t nanos = 0;
  if (factor == 0 || !ParseScaled(number, factor, kLimit, &nanos)) {
    return InvalidArgument("must be a duration such as 10s, 250ms, 5m, 1h or 2d");
  }
  return Duration(static_cast<Duration::rep>(nanos));
}

Result<std::uint64_t> ParseByteCount(std::string_view text) {
  std::string_view unit = text;
  const std::string_view number = TakeNumber(&unit);
  const std::uint64_t factor = FactorOf(kByteUnits, unit, 1);
  std::uint64_t bytes = 0;
  if (factor == 0 ||
      !ParseScaled(number, factor, std::numeric_limits<std::uint64_t>::max(), &bytes)) {
    return InvalidArgument("must be a size such as 64KiB, 1MiB, 2GiB or 4096");
  }
  return bytes;
}

std::string FormatDuration(Duration d) {
  const auto count = d.count();
  if (count == 0) return "0s";
  if (count < 0) return fmt::format("{}ns", count);
  // 90s rather than 1.5m, and 1d rather than 24h: the largest unit that leaves a whole number.
  const auto nanos = static_cast<std::uint64_t>(count);
  for (const Unit& unit : kDurationUnits) {
    if (nanos % unit.factor == 0) return fmt::format("{}{}", nanos / unit.factor, unit.name);
  }
  return fmt::format("{}ns", nanos);
}

std::string FormatByteCount(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  for (const Unit& unit : kByteUnits) {
    // Powers of two alone: 1000 reads better than 1kB.
    if (unit.name.size() == 3 && bytes % unit.factor == 0) {
      return fmt::format("{}{}", bytes / unit.factor, unit.name);
    }
  }
  return std::to_string(bytes);
}

}  // namespace rivulet
