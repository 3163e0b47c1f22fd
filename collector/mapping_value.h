// A value on its way from an event to a message, and how it gets another kind.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/json.h"

namespace rivulet {

/// Borrows; valid as long as the event and the MappingTexts it was made with.
struct MappingValue {
  enum class Kind : unsigned char { kNone, kText, kInteger, kNumber, kBoolean, kJson, kWritten };

  Kind kind = Kind::kNone;
  bool boolean = false;
  std::string_view text;  // kText; of kWritten JSON
  std::int64_t integer = 0;
  double number = 0;
  const JsonValue* json = nullptr;  // an array or object, or a number beyond 64 bits

  bool none() const { return kind == Kind::kNone; }
  static MappingValue Text(std::string_view text);
  static MappingValue Integer(std::int64_t integer);
  static MappingValue Boolean(bool boolean);
  static MappingValue Written(std::string_view json);
  /// null is none.
  static MappingValue Of(const JsonValue& json);
};

/// `as KIND`.
enum class MappingKind : unsigned char { kAsIs, kText, kNumber, kInteger, kBoolean, kJson };

/// Texts that stay where they are until Clear().
class MappingTexts {
 public:
  std::string* New();
  void Clear() { used_ = 0; }

 private:
  std::deque<std::string> texts_;
  std::size_t used_ = 0;
};

/// None where the value is no such thing: "abc" as a number. A text as JSON is parsed in
/// `document`.
MappingValue ConvertValue(const MappingValue& value, MappingKind kind, MappingTexts* texts,
                          JsonDocument* document);

/// Appends the value as JSON. Requires !none(). False when a text had to be cut, which it is at a
/// character's end at or before `max_text_bytes`.
bool AppendValue(std::string* out, const MappingValue& value, std::size_t max_text_bytes);

/// `text`, whole as a number. Nothing for inf, nan and what is beyond a double.
MappingValue NumberOf(std::string_view text);
/// A number as NumberOf() reads them, but too large or too near to 0 for a double.
bool IsNumberOutOfRange(std::string_view text);

}  // namespace rivulet
