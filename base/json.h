// JSON, behind one header. RapidJSON parses and writes; it is included here and nowhere else.
//
// What a parse accepts (RFC 8259, and stricter than RapidJSON's defaults):
//   - valid UTF-8 only; no lone surrogate by escape or by byte; no raw NUL, no bytes after the value
//   - at most 64 levels of arrays and objects; parsing never recurses
//   - numbers in double range; integers to 64 bits stay exact
//   - a byte order mark is refused
// Duplicate keys are accepted (the first is found) unless kRefuseDuplicateKeys.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// RapidJSON's assertions must not end a daemon, and its size type holds a 64-bit length.
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "base/status.h"

namespace rivulet {

inline constexpr int kJsonMaxDepth = 64;

using JsonValue = rapidjson::Value;

struct JsonLimits {
  bool refuse_duplicate_keys = false;  // for control messages
  bool require_object = false;         // the root must be an object
};

/// A parsed document. Movable; values borrow from it. One document may be reused: Parse() keeps its
/// memory, so that a reader of many messages does not allocate for each.
class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;

  /// Replaces the content. On error the document is null, and the message names what was wrong and
  /// at which byte: "invalid JSON at byte 12: missing comma". O(bytes).
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
/// A member by dotted path: "geo.city". A key that itself holds a dot is found first.
const JsonValue* FindPath(const JsonValue& object, std::string_view path);
/// The text of a string value, NULs included. Requires IsString().
inline std::string_view JsonText(const JsonValue& value) {
  return {value.GetString(), value.GetStringLength()};
}
std::optional<double> JsonNumber(const JsonValue* value);

/// Appends the value as compact JSON.
void AppendJson(std::string* out, const JsonValue& value);
/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that
/// what we write always parses.
void AppendJsonString(std::string* out, std::string_view text);
/// Appends a number: integers exactly, others in the shortest form that reads back the same;
/// nan and infinities become null.
void AppendJsonNumber(std::string* out, double value);

/// True when all of `text` is valid UTF-8 (no overlong form, no surrogate, at most U+10FFFF).
bool IsValidUtf8(std::string_view text);

}  // namespace rivulet
