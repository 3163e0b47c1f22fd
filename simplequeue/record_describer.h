// The records of simplequeue's journals as JSON, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "simplequeue/record.h"

namespace rivulet {

/// Owner of simplequeue's journals.
inline constexpr std::string_view kSimplequeueOwner = "simplequeue";

/// Records are told in their order, so that the names of queues are known.
class QueueRecordDescriber {
 public:
  /// `queue`: tells only records of that one; empty: of all.
  QueueRecordDescriber(std::string queue, std::size_t max_body_bytes)
      : queue_(std::move(queue)), max_body_bytes_(max_body_bytes) {}

  /// Appends the members of an object, without its braces: what the record tells
  /// (simplequeue/record_json.h); as hex what makes no sense. False for a record of another queue.
  bool AppendMembers(std::string_view record, std::string* out);

 private:
  std::string queue_;
  std::size_t max_body_bytes_;
  std::map<std::uint32_t, std::string> names_;  // by number
  DecodedRecord decoded_;
};

}  // namespace rivulet
