// What a message goes through before it is published again: is it wanted, which of its fields must
// not go on, which must go on unrecognisably.
//
// An expected key is a path as in base/json.h (FindPath), and is matched as pubsub/filter.h says: a
// string by its text, numbers, true and false by their JSON text as written.
//
// A field to remove or to hash is a path too, but finds every occurrence, so that nothing slips
// through: of repeated keys each, with a key that itself holds a dot both meanings, and in an array
// the fields of each of its elements.
//
// A hashed field becomes a string: the first 16 bytes of HMAC-SHA-256 (RFC 2104, FIPS 180-4) under
// the key, of the text of a string or of the compact JSON of anything else, as 32 hexadecimal
// digits. Equal values have equal hashes, so that they can still be counted and joined; without the
// key nobody can try values. null stays null.
//
// A message without such a field goes on byte for byte. A changed one is written anew as compact
// JSON, its members in the order they had, its numbers as base/json.h writes them (integers of 64
// bits and doubles exactly, in the shortest form).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

struct TransformConfig {
  std::vector<std::string> removed_fields;
  std::vector<std::string> hashed_fields;
  std::string hash_key;
  std::string expected_key;  // empty: everything is expected
  // At most one; with neither the key must be there, with any text.
  std::optional<std::string> expected_value;
  std::optional<std::string> expected_regex;  // RE2, anywhere in the text

  bool empty() const {
    return removed_fields.empty() && hashed_fields.empty() && expected_key.empty();
  }
};

/// Thread: one at a time; a message leaves nothing behind but memory for the next.
class Transform {
 public:
  enum class Outcome {
    kUnchanged,
    kChanged,     // *out is what goes on
    kNotJson,     // no JSON object
    kUnexpected,  // the expected key is absent, or its value another
  };

  virtual ~Transform() = default;
  /// O(message * (fields + 1)). `*out` is written to for kChanged alone; a view of it as `message`
  /// is not allowed.
  virtual Outcome Apply(std::string_view message, std::string* out) = 0;

  /// kInvalidArgument: the regular expression, by the name of its option.
  static Result<std::unique_ptr<Transform>> Make(TransformConfig config);
};

/// "a,b.c" as fields. kInvalidArgument: an empty one, one beyond 256 bytes, one that is not UTF-8.
Result<std::vector<std::string>> ParseFieldList(std::string_view list);

/// The first 16 bytes of HMAC-SHA-256 as 32 lower-case hexadecimal digits.
std::string KeyedHash(std::string_view key, std::string_view text);

}  // namespace rivulet
