#include "collector/json_measure.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace rivulet {

namespace {

void Measure(const JsonValue& value, int depth, int max_depth, JsonMeasure* measure) {
  measure->bytes += 8;
  if (value.IsString()) measure->bytes += value.GetStringLength();
  if (!value.IsObject() && !value.IsArray()) return;
  measure->depth = std::max(measure->depth, depth);
  if (depth > max_depth) return;
  if (value.IsArray()) {
    for (const JsonValue& element : value.GetArray()) {
      Measure(element, depth + 1, max_depth, measure);
    }
    return;
  }
  for (const auto& member : value.GetObject()) {
    ++measure->members;
    measure->bytes += member.name.GetStringLength();
    Measure(member.value, depth + 1, max_depth, measure);
  }
}

}  // namespace

JsonMeasure MeasureJson(const JsonValue& value, int max_depth) {
  JsonMeasure measure;
  Measure(value, 1, max_depth, &measure);
  return measure;
}

std::optional<std::string_view> RepeatedKey(const JsonValue& value) {
  if (value.IsArray()) {
    for (const JsonValue& element : value.GetArray()) {
      if (const auto repeated = RepeatedKey(element)) return repeated;
    }
  }
  if (!value.IsObject()) return std::nullopt;
  for (auto member = value.MemberBegin(); member != value.MemberEnd(); ++member) {
    const std::string_view key = JsonText(member->name);
    for (auto before = value.MemberBegin(); before != member; ++before) {
      if (JsonText(before->name) == key) return key;
    }
    if (const auto repeated = RepeatedKey(member->value)) return repeated;
  }
  return std::nullopt;
}

std::string ShownText(std::string_view text) {
  constexpr std::size_t kShownBytes = 64;
  if (text.size() <= kShownBytes) return fmt::format("'{}'", EscapeControl(text));
  std::size_t end = kShownBytes;
  while (end > kShownBytes - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("'{}...' ({} bytes)", EscapeControl(text.substr(0, end)), text.size());
}

}  // namespace rivulet
