#include "collector/mapping_value.h"

#include <charconv>
#include <cmath>

#include "collector/json_measure.h"

namespace rivulet {

namespace {

using Kind = MappingValue::Kind;

/// So that a message is never deeper than what parses: fields nest 8 levels more.
constexpr int kMaxValueDepth = 32;

MappingValue Number(double number) {
  MappingValue value;
  value.kind = Kind::kNumber;
  value.number = number;
  return value;
}

MappingValue AsText(const MappingValue& value, MappingTexts* texts) {
  if (value.none() || value.kind == Kind::kText) return value;
  std::string* text = texts->New();
  AppendValue(text, value, std::string::npos);
  return MappingValue::Text(*text);
}

MappingValue AsNumber(const MappingValue& value) {
  switch (value.kind) {
    case Kind::kInteger:
    case Kind::kNumber:
      return value;
    case Kind::kText:
      return NumberOf(value.text);
    case Kind::kJson:
      return value.json->IsNumber() ? value : MappingValue();
    default:
      return {};
  }
}

MappingValue AsInteger(const MappingValue& value) {
  const MappingValue number = AsNumber(value);
  if (number.kind != Kind::kNumber) return number;
  // Beyond 2^53 a double no longer tells one integer from the next.
  constexpr double kExact = 9007199254740992.0;
  if (std::trunc(number.number) != number.number || std::fabs(number.number) > kExact) return {};
  return MappingValue::Integer(static_cast<std::int64_t>(number.number));
}

MappingValue AsBoolean(const MappingValue& value) {
  if (value.kind == Kind::kBoolean) return value;
  if (value.kind == Kind::kInteger && (value.integer == 0 || value.integer == 1)) {
    return MappingValue::Boolean(value.integer == 1);
  }
  if (value.kind != Kind::kText) return {};
  if (value.text == "true" || value.text == "1") return MappingValue::Boolean(true);
  if (value.text == "false" || value.text == "0") return MappingValue::Boolean(false);
  return {};
}

MappingValue AsJson(const MappingValue& value, MappingTexts* texts, JsonDocument* document) {
  if (value.kind != Kind::kText) return value;
  if (!document->Parse(value.text).ok() || document->root().IsNull()) return {};
  const MappingValue read = MappingValue::Of(document->root());
  if (read.none()) return {};
  std::string* written = texts->New();
  AppendJson(written, document->root());
  return MappingValue::Written(*written);
}

std::string_view CutAtCharacter(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  const std::size_t least = end < 3 ? 0 : end - 3;
  while (end > least && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

MappingValue MappingValue::Text(std::string_view text) {
  MappingValue value;
  value.kind = Kind::kText;
  value.text = text;
  return value;
}

MappingValue MappingValue::Integer(std::int64_t integer) {
  MappingValue value;
  value.kind = Kind::kInteger;
  value.integer = integer;
  return value;
}

MappingValue MappingValue::Boolean(bool boolean) {
  MappingValue value;
  value.kind = Kind::kBoolean;
  value.boolean = boolean;
  return value;
}

MappingValue MappingValue::Written(std::string_view json) {
  MappingValue value;
  value.kind = Kind::kWritten;
  value.text = json;
  return value;
}

MappingValue MappingValue::Of(const JsonValue& json) {
  if (json.IsString()) return Text(JsonText(json));
  if (json.IsBool()) return Boolean(json.GetBool());
  if (json.IsInt64()) return Integer(json.GetInt64());
  if (json.IsNumber() && !json.IsUint64()) return Number(json.GetDouble());
  MappingValue value;
  if (json.IsNull() || MeasureJson(json, kMaxValueDepth).depth > kMaxValueDepth) return value;
  value.kind = Kind::kJson;
  value.json = &json;
  return value;
}

std::string* MappingTexts::New() {
  if (used_ == texts_.size()) texts_.emplace_back();
  std::string* text = &texts_[used_++];
  text->clear();
  return text;
}

MappingValue ConvertValue(const MappingValue& value, MappingKind kind, MappingTexts* texts,
                          JsonDocument* document) {
  switch (kind) {
    case MappingKind::kAsIs:
      return value;
    case MappingKind::kText:
      return AsText(value, texts);
    case MappingKind::kNumber:
      return AsNumber(value);
    case MappingKind::kInteger:
      return AsInteger(value);
    case MappingKind::kBoolean:
      return AsBoolean(value);
    case MappingKind::kJson:
      return AsJson(value, texts, document);
  }
  return {};
}

bool AppendValue(std::string* out, const MappingValue& value, std::size_t max_text_bytes) {
  switch (value.kind) {
    case Kind::kNone:
      break;
    case Kind::kText: {
      const std::string_view text = CutAtCharacter(value.text, max_text_bytes);
      AppendJsonString(out, text);
      return text.size() == value.text.size();
    }
    case Kind::kInteger: {
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, value.integer).ptr;
      out->append(digits, static_cast<std::size_t>(end - digits));
      break;
    }
    case Kind::kNumber:
      AppendJsonNumber(out, value.number);
      break;
    case Kind::kBoolean:
      *out += value.boolean ? "true" : "false";
      break;
    case Kind::kJson:
      AppendJson(out, *value.json);
      break;
    case Kind::kWritten:
      *out += value.text;
      break;
  }
  return true;
}

MappingValue NumberOf(std::string_view text) {
  const char* const end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer);
      read.ec == std::errc() && read.ptr == end) {
    return MappingValue::Integer(integer);
  }
  double number = 0;
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(number)) return {};
  return Number(number);
}

bool IsNumberOutOfRange(std::string_view text) {
  const char* const end = text.data() + text.size();
  double number = 0;
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc::result_out_of_range && read.ptr == end;
}

}  // namespace rivulet
