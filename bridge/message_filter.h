// Which messages go on: --filter-require=KEY=VALUE and --filter-exclude=KEY=VALUE, as the tools of
// the original had them.
//
// KEY is a field of a JSON object, `a.b` one inside another. A message is kept when every required
// KEY has its VALUE (one of its values, where a KEY is given more than once), and no excluded KEY
// has its VALUE. VALUE is the text of a string, or the JSON text of a number, true or false, as
// written. `KEY=*` asks for no more than that the field is there. What is no JSON object has no
// fields: it is kept where nothing is required.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_field.h"
#include "base/options.h"
#include "base/status.h"

namespace rivulet {

/// As given, "KEY=VALUE" each.
struct MessageFilterOptions {
  std::vector<std::string> require;
  std::vector<std::string> exclude;
};
void AddMessageFilterOptions(Options* options, MessageFilterOptions* values);

/// Movable. Thread: one.
class MessageFilter {
 public:
  /// kInvalidArgument names the option, the value and what would be right.
  static Result<MessageFilter> Make(const MessageFilterOptions& options);
  /// Keeps everything.
  MessageFilter() = default;

  /// O(message x distinct keys); O(1) when there is nothing to look for. Counts what it drops.
  bool Keeps(std::string_view message);
  std::uint64_t dropped() const { return dropped_; }
  bool keeps_all() const { return fields_.empty(); }

 private:
  struct Field {
    JsonFieldReader reader;
    std::vector<std::string> require;  // one of these; empty: anything
    std::vector<std::string> exclude;  // none of these
  };
  bool Matches(std::string_view message);

  std::vector<Field> fields_;
  std::uint64_t dropped_ = 0;
};

}  // namespace rivulet
