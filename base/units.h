// Durations, sizes and numbers as people write them in options and query strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

/// "10", "10s", "250ms", "5m", "1h", "2d", "1.5s". A bare number is seconds. Negative: refused.
Result<Duration> ParseDuration(std::string_view text);
/// "64KiB", "1MiB", "2GiB", "1kB", "10MB" (powers of ten), "512B", or bytes.
Result<std::uint64_t> ParseByteCount(std::string_view text);
/// Decimal digits alone: no sign, no space; refuses what does not fit.
Result<std::uint64_t> ParseUint(std::string_view text);
/// A whole decimal floating-point number; refuses trailing bytes, inf and nan.
Result<double> ParseDouble(std::string_view text);

/// The shortest exact form ParseDuration reads back: "250ms", "90s", "5m".
std::string FormatDuration(Duration d);
/// The shortest exact form ParseByteCount reads back: "64MiB", "1000".
std::string FormatByteCount(std::uint64_t bytes);

}  // namespace rivulet
