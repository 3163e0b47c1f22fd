#include "journal/record_lines.h"

#include <fmt/format.h>

#include <iterator>

#include "base/json.h"
#include "journal/format.h"
#include "journal/recovery.h"

namespace rivulet {

void AppendRecordLines(const SegmentScanner& scanner, const RecordDescriber& describe,
                       std::string* out) {
  if (scanner.batch().is_void) return;
  std::string_view rest = scanner.records();
  while (true) {
    const std::uint64_t offset = scanner.offset() - rest.size();
    const auto record = TakeRecord(&rest);
    if (!record) return;
    const std::size_t line = out->size();
    fmt::format_to(std::back_inserter(*out), "{{\"segment\": {}, \"offset\": {}, ",
                   scanner.header().number, offset);
    if (describe(*record, out)) {
      *out += "}\n";
    } else {
      out->resize(line);
    }
  }
}

void AppendUnknownRecord(std::string* out, std::string_view record, std::string_view why,
                         std::size_t max_bytes) {
  *out += "\"type\": \"unknown\", \"why\": ";
  AppendJsonString(out, why);
  fmt::format_to(std::back_inserter(*out), ", \"bytes\": {}, \"hex\": \"", record.size());
  for (const char byte : record.substr(0, max_bytes)) {
    fmt::format_to(std::back_inserter(*out), "{:02x}", static_cast<unsigned char>(byte));
  }
  *out += '"';
}

}  // namespace rivulet
