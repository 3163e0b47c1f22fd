// The records of a segment of the journal as JSON lines, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "simplequeue/record.h"

namespace rivulet {

class SegmentScanner;

/// Owner of simplequeue's journals.
inline constexpr std::string_view kSimplequeueOwner = "simplequeue";

class SegmentDump {
 public:
  /// `queue`: tells only records of that one; empty: of all.
  SegmentDump(std::string queue, std::size_t max_body_bytes)
      : queue_(std::move(queue)), max_body_bytes_(max_body_bytes) {}

  /// Appends a line for each record of the scanner's batch: segment, offset in the file, and what
  /// the record tells (simplequeue/record_json.h); a record of another owner, or that makes no
  /// sense, as hex. Nothing for a void batch. Segments are told in their order, so that the names
  /// of queues are known.
  void AppendBatch(const SegmentScanner& scanner, std::string* out);

 private:
  /// False when the record is of another queue.
  bool AppendMembers(std::string_view record, bool known_owner, std::string* out);

  std::string queue_;
  std::size_t max_body_bytes_;
  std::map<std::uint32_t, std::string> names_;  // of the queues, by number
  DecodedRecord decoded_;
};

}  // namespace rivulet
