// Which topics a subscriber listens to: `topic=a,b`, `topic=clicks.*`, `topic=*`.
//
// A selection is 1 to 64 items separated by commas. An item is a topic's name (base/names.h), or a
// pattern: the beginning of a name, which may be empty, and a `*` at its end, which matches every
// name that begins so. Subscribing makes the topics that are named, never those that a pattern
// would match.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

class Selection {
 public:
  /// kInvalidArgument says which item is wrong (by its number: it may hold anything) and what would
  /// be right. O(text log text).
  static Result<Selection> Parse(std::string_view text);

  bool Matches(std::string_view topic) const;
  /// Sorted, without what another item covers: the same text for the same selection.
  const std::string& text() const { return text_; }
  /// The topics that are named.
  const std::vector<std::string>& names() const { return names_; }
  bool has_patterns() const { return !prefixes_.empty(); }
  /// One name and nothing else: positions are offsets of that topic.
  bool single() const { return prefixes_.empty() && names_.size() == 1; }

 private:
  std::vector<std::string> names_;     // sorted
  std::vector<std::string> prefixes_;  // of the patterns, without the star
  std::string text_;
};

}  // namespace rivulet
