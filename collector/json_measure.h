// How large a value is that a stranger sent.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace rivulet {

struct JsonMeasure {
  std::size_t bytes = 0;    // of keys and texts, and 8 for every value
  std::size_t members = 0;  // of all objects
  int depth = 0;            // of arrays and objects; {} is 1; beyond what was asked for: one more
};

/// Looks no deeper than `max_depth`. O(value).
JsonMeasure MeasureJson(const JsonValue& value, int max_depth);

/// A key that an object of `value` has twice. O(members of an object, squared).
std::optional<std::string_view> RepeatedKey(const JsonValue& value);

/// A name or text of theirs as a message may show it: cut, escaped, in quotes.
std::string ShownText(std::string_view text);

}  // namespace rivulet
