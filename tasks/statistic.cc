#include "tasks/statistic.h"

#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/units.h"

namespace rivulet {

std::optional<double> NumberOf(const Message& message, std::string_view field,
                               std::string_view minus) {
  std::optional<double> value = message.Number(field);
  if (value && !minus.empty()) {
    const std::optional<double> less = message.Number(minus);
    value = less ? std::optional<double>(*value - *less) : std::nullopt;
  }
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<std::string_view> TextOf(const Message& message, std::string_view field,
                                       std::string* buffer) {
  if (auto text = message.Text(field)) return text;
  const auto number = message.Number(field);
  if (!number) return std::nullopt;
  buffer->clear();
  AppendJsonNumber(buffer, *number);
  return *buffer;
}

std::optional<double> SecondsOf(const Message& message, std::string_view field) {
  const auto seconds = message.Number(field);
  // Up to the year 5138, so that it can be counted in parts of seconds.
  return seconds && *seconds >= 0 && *seconds <= 1e11 ? seconds : std::nullopt;
}

Duration TakeDuration(TaskArgs& args, std::string_view key, Duration fallback) {
  const std::string text = args.Text(key);
  if (text.empty()) return fallback;
  const auto duration = ParseDuration(text);
  if (duration.ok() && *duration >= std::chrono::milliseconds(1) &&
      *duration <= std::chrono::hours(24 * 366)) {
    return *duration;
  }
  args.Fail(std::string(key) + "=" + text + " must be a duration from 1ms to 366d, as 10s");
  return fallback;
}

double StoredNumber(std::string_view text) {
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::uint64_t StoredCount(std::string_view text) {
  std::uint64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace rivulet
