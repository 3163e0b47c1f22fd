// The half of base/json.h that writes, and UTF-8.
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/json.h"

namespace rivulet {

namespace {

template <typename Number>
void AppendChars(std::string* out, Number value) {
  std::array<char, 40> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out->append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void AppendNumber(std::string* out, const JsonValue& value) {
  if (value.IsInt64()) {
    AppendChars(out, value.GetInt64());
  } else if (value.IsUint64()) {
    AppendChars(out, value.GetUint64());
  } else {
    AppendJsonNumber(out, value.GetDouble());
  }
}

void AppendEscaped(std::string* out, unsigned char byte) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (byte) {
    case '"':
      *out += "\\\"";
      break;
    case '\\':
      *out += "\\\\";
      break;
    case '\n':
      *out += "\\n";
      break;
    case '\r':
      *out += "\\r";
      break;
    case '\t':
      *out += "\\t";
      break;
    case '\b':
      *out += "\\b";
      break;
    case '\f':
      *out += "\\f";
      break;
    default:
      *out += "\\u00";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 0xf];
  }
}

bool IsPlain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

bool IsTail(unsigned char byte) { return (byte & 0xC0) == 0x80; }

}  // namespace

std::size_t Utf8SequenceLength(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  // RFC 3629, section 4: the second byte's range keeps overlong forms, surrogates and what lies
  // beyond U+10FFFF out.
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!IsTail(at(i))) return 0;
  }
  return length;
}

std::size_t FindInvalidUtf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080ULL) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = Utf8SequenceLength(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

bool IsValidUtf8(std::string_view text) { return FindInvalidUtf8(text) == std::string_view::npos; }

void AppendJson(std::string* out, const JsonValue& value) {
  switch (value.GetType()) {
    case rapidjson::kNullType:
      *out += "null";
      break;
    case rapidjson::kFalseType:
      *out += "false";
      break;
    case rapidjson::kTrueType:
      *out += "true";
      break;
    case rapidjson::kNumberType:
      AppendNumber(out, value);
      break;
    case rapidjson::kStringType:
      AppendJsonString(out, JsonText(value));
      break;
    case rapidjson::kArrayType: {
      char before = '[';
      for (const auto& element : value.GetArray()) {
        *out += before;
        before = ',';
        AppendJson(out, element);
      }
      *out += value.Empty() ? "[]" : "]";
      break;
    }
    case rapidjson::kObjectType: {
      char before = '{';
      for (const auto& member : value.GetObject()) {
        *out += before;
        before = ',';
        AppendJsonString(out, JsonText(member.name));
        *out += ':';
        AppendJson(out, member.value);
      }
      *out += value.ObjectEmpty() ? "{}" : "}";
      break;
    }
  }
}

void AppendJsonString(std::string* out, std::string_view text) {
  out->reserve(out->size() + text.size() + 2);
  *out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && IsPlain(static_cast<unsigned char>(text[end]))) ++end;
    out->append(text, at, end - at);
    at = end;
    if (at == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      AppendEscaped(out, byte);
      ++at;
    } else if (const std::size_t length = Utf8SequenceLength(text.substr(at)); length > 0) {
      out->append(text, at, length);
      at += length;
    } else {
      *out += "\xef\xbf\xbd";  // U+FFFD
      ++at;
    }
  }
  *out += '"';
}

void AppendJsonNumber(std::string* out, double value) {
  if (!std::isfinite(value)) {
    *out += "null";
  } else if (value == 0 && std::signbit(value)) {
    *out += "-0.0";  // "-0" reads back as the integer 0
  } else {
    AppendChars(out, value);
  }
}

}  // namespace rivulet
