#include "simplequeue/segment_dump.h"

#include <fmt/format.h>

#include <iterator>

#include "base/json.h"
#include "journal/format.h"
#include "journal/recovery.h"
#include "simplequeue/record_json.h"

namespace rivulet {

void SegmentDump::AppendBatch(const SegmentScanner& scanner, std::string* out) {
  if (scanner.batch().is_void) return;
  const bool known_owner = scanner.header().owner == kSimplequeueOwner;
  std::string_view rest = scanner.records();
  while (true) {
    const std::uint64_t offset =
        scanner.batch_offset() + kBatchHeaderBytes + (scanner.records().size() - rest.size());
    const auto record = TakeRecord(&rest);
    if (!record) return;
    const std::size_t line = out->size();
    fmt::format_to(std::back_inserter(*out), "{{\"segment\": {}, \"offset\": {}, ",
                   scanner.header().number, offset);
    if (AppendMembers(*record, known_owner, out)) {
      *out += "}\n";
    } else {
      out->resize(line);
    }
  }
}

bool SegmentDump::AppendMembers(std::string_view record, bool known_owner, std::string* out) {
  const Status status = known_owner ? DecodeRecord(record, &decoded_)
                                    : InvalidArgument("of another owner than simplequeue");
  if (!status.ok()) {
    if (!queue_.empty()) return false;
    *out += "\"type\": \"unknown\", \"why\": ";
    AppendJsonString(out, status.message());
    fmt::format_to(std::back_inserter(*out), ", \"bytes\": {}, \"hex\": \"", record.size());
    for (const char byte : record.substr(0, max_body_bytes_)) {
      fmt::format_to(std::back_inserter(*out), "{:02x}", static_cast<unsigned char>(byte));
    }
    *out += '"';
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
