// JSON, behind one header. RapidJSON parses and writes; it is included here and nowhere else.
//
// What a parse accepts (RFC 8259, and stricter than RapidJSON's defaults):
//   - valid UTF-8 only; no lone surrogate by escape or by byte; no raw NUL, no bytes after the
//   value
//   - at most 64 levels of arrays and objects; neither parsing nor destruction recurses
//   - at most 1,000,000 values (or JsonLimits::max_values) and keys of at most 64 KiB, so that
//   memory stays within about
//     100 MB and the text twice, whatever the text; no NUL in a key
//   - numbers in double range, read to the nearest double; integers to 64 bits stay exact
//   - a byte order mark is refused
// Duplicate keys are accepted (the first is found) unless JsonLimits::refuse_duplicate_keys.
//
// Compare a JsonValue by GetInt() and the like: under C++20 RapidJSON's `value == 1` calls itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#if defined(__SSE2__) && !defined(RAPIDJSON_SSE2)
#define RAPIDJSON_SSE2
#endif
// RapidJSON's stack adds to a null pointer when it is empty, which clang's UBSan reports.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif

#include "base/status.h"

namespace rivulet {

inline constexpr int kJsonMaxDepth = 64;
inline constexpr std::size_t kJsonMaxValues = 1'000'000;
inline constexpr std::size_t kJsonMaxKeyBytes = 64 * 1024;
inline constexpr std::size_t kJsonMaxTextBytes = 1024 * 1024 * 1024;

using JsonValue = rapidjson::Value;

struct JsonLimits {
  bool refuse_duplicate_keys = false;  // for control messages
  bool require_object = false;         // the root must be an object
  std::size_t max_values = kJsonMaxValues;
};

/// A parsed document. Movable; values borrow from it. One document may be reused: Parse() keeps its
/// memory (up to a few MiB), so that a reader of many messages does not allocate for each. Once
/// moved from, it may only be destroyed or assigned to.
class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;

  /// Replaces the content; values of the old one are gone. `text` is copied. On error the document
  /// is null, and the message names what was wrong and at which byte, from 0: "invalid JSON at byte
  /// 12: missing comma or }". kTooLarge for a size limit, else kInvalidArgument. O(bytes).
  Status Parse(std::string_view text, JsonLimits limits = {});
  JsonValue& root();
  const JsonValue& root() const;
  rapidjson::Document::AllocatorType& allocator();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The member's value, or null when `object` is no object or has no such key. O(members).
const JsonValue* FindMember(const JsonValue& object, std::string_view key);
/// A member by dotted path: "geo.city". A key that itself holds a dot is found first, the longest
/// one.
const JsonValue* FindPath(const JsonValue& object, std::string_view path);
/// The text of a string value, NULs included. Requires IsString().
inline std::string_view JsonText(const JsonValue& value) {
  return {value.GetString(), value.GetStringLength()};
}
/// The number, or nothing for null, a missing member (a null pointer) and other kinds.
std::optional<double> JsonNumber(const JsonValue* value);

/// Appends the value as compact JSON; numbers as AppendJsonNumber writes them. Recurses by depth,
/// which a parsed value bounds.
void AppendJson(std::string* out, const JsonValue& value);
/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that
/// what we write always parses.
void AppendJsonString(std::string* out, std::string_view text);
/// Appends a number: integers exactly, others in the shortest form that reads back the same;
/// nan and infinities become null.
void AppendJsonNumber(std::string* out, double value);

/// True when all of `text` is valid UTF-8 (no overlong form, no surrogate, at most U+10FFFF).
bool IsValidUtf8(std::string_view text);
/// Where the first byte lies that is not valid UTF-8, or npos.
std::size_t FindInvalidUtf8(std::string_view text);
/// The length (1 to 4) of the UTF-8 sequence that `text` starts with, or 0 when it is none.
std::size_t Utf8SequenceLength(std::string_view text);

}  // namespace rivulet
