#include "simplequeue/record_describer.h"

#include <fmt/format.h>

#include "journal/record_lines.h"
#include "simplequeue/record_json.h"

namespace rivulet {

bool QueueRecordDescriber::AppendMembers(std::string_view record, std::string* out) {
  if (const Status status = DecodeRecord(record, &decoded_); !status.ok()) {
    if (!queue_.empty()) return false;
    AppendUnknownRecord(out, record, status.message(), max_body_bytes_);
    return true;
  }
  if (decoded_.type == RecordType::kQueue) names_[decoded_.queue] = decoded_.name;
  const auto named = names_.find(decoded_.queue);
  const std::string queue =
      named == names_.end() ? fmt::format("#{}", decoded_.queue) : named->second;
  if (!queue_.empty() && queue != queue_) return false;
  AppendRecordMembers(out, decoded_, queue, max_body_bytes_);
  return true;
}

}  // namespace rivulet
