// `filter_subject=KEY&filter_pattern=REGEX`: keeps the JSON messages whose KEY matches.
//
// KEY is a path as in base/json.h (FindPath): "action", "geo.city". A string is matched by its
// text, a number, true and false by their JSON text; null, arrays, objects and a missing KEY never
// match, nor does a message that is not a JSON object. REGEX is RE2's, matched anywhere in the text
// (anchor it with ^ and $): time is linear in the text, memory bounded, whatever the pattern. Of a
// longer text the first kMaxTextBytes are looked at: a stranger's pattern may cost 200 ns a byte.
// Keys are read as written in the message, the first of a repeated one.
//
// Evaluated once a distinct filter and message, however many feeds and subscribers share it.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "pubsub/message.h"

namespace rivulet {

class Filter {
 public:
  virtual ~Filter() = default;
  /// O(message); O(1) when asked again about the same message (by its sequence).
  virtual bool Keeps(const TopicMessage& message) = 0;
  /// The same for equal filters only.
  virtual const std::string& text() const = 0;
  /// Messages that were looked at (not those asked about again), and those of them kept.
  virtual std::uint64_t evaluated() const = 0;
  virtual std::uint64_t kept() const = 0;
};

/// Gives the same filter for the same subject and pattern, as long as somebody holds it.
class FilterSet {
 public:
  static constexpr std::size_t kMaxSubjectBytes = 256;
  static constexpr std::size_t kMaxPatternBytes = 1000;
  static constexpr std::size_t kMaxTextBytes = 16 * 1024;

  explicit FilterSet(std::size_t max_filters = 256) : max_filters_(max_filters) {}

  /// kInvalidArgument: which parameter is wrong, and how; kExhausted: as many distinct filters as
  /// there may be at a time are in use.
  Result<std::shared_ptr<Filter>> Get(std::string_view subject, std::string_view pattern);
  std::size_t size() const;

 private:
  std::size_t max_filters_;
  std::map<std::string, std::weak_ptr<Filter>, std::less<>> filters_;
};

}  // namespace rivulet
