#include "store/scalar.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace rivulet {
namespace {

constexpr std::size_t kLongestWhole = 20;  // "-9223372036854775808"

/// As Increment() writes it, or nothing.
std::optional<std::int64_t> ReadWhole(std::string_view text) {
  if (text.empty() || text.size() > kLongestWhole) return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  const std::string_view digits = text.substr(text.front() == '-' ? 1 : 0);
  // "-0" is not what is written for 0.
  if (digits.front() == '0' && text.size() > 1) return std::nullopt;
  return number;
}

}  // namespace

Scalar::Scalar(const Scalar& other) {
  if (const auto* text = std::get_if<OwnText>(&other.value_)) {
    value_ = std::make_unique<const std::string>(**text);
  } else if (const auto* number = std::get_if<double>(&other.value_)) {
    value_ = *number;
  } else {
    value_ = std::get<std::int64_t>(other.value_);
  }
}

Scalar::Scalar(double number) : value_(number) {
  constexpr double kBeyond = 9223372036854775808.0;  // 2^63
  if (number >= -kBeyond && number < kBeyond && number == std::trunc(number)) {
    value_ = static_cast<std::int64_t>(number);
  }
}

Scalar::Scalar(std::string_view text) {
  if (const auto whole = ReadWhole(text)) {
    value_ = *whole;
  } else {
    value_ = std::make_unique<const std::string>(text);
  }
}

std::string Scalar::Text() const {
  if (const auto* whole = std::get_if<std::int64_t>(&value_)) {
    const fmt::format_int digits(*whole);
    return {digits.data(), digits.size()};
  }
  if (const auto* number = std::get_if<double>(&value_)) return fmt::format("{}", *number);
  return *std::get<OwnText>(value_);
}

std::optional<double> Scalar::Number() const {
  if (const auto* whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<double>(&value_)) return *number;
  const std::string& text = *std::get<OwnText>(value_);
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

bool Scalar::Equals(std::string_view text) const {
  const auto* held = std::get_if<OwnText>(&value_);
  return held != nullptr ? **held == text : Text() == text;
}

}  // namespace rivulet
