// The records of a spool, two ways, told by the first byte:
//   record   the bytes are a record: whatever is read of it lies within it, and people are told of
//            it in JSON
//   journal  the bytes are records behind each other, each with its size: what is brought back of
//            them leads from the first message to the last without a hole
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "bridge/spool_record.h"
#include "bridge/spool_record_summary.h"
#include "bridge/spool_restorer.h"
#include "journal/format.h"

namespace {

using namespace rivulet;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "spool_fuzz: %s\n", what);
  std::abort();
}

void OneRecord(std::string_view bytes) {
  SpoolRecord record;
  const Status status = DecodeSpoolRecord(bytes, &record);
  Require(status.ok() || status.code() == StatusCode::kCorrupt, "another error");
  if (status.ok() && record.type == SpoolRecordType::kRun) {
    std::string again;
    EncodeSpoolRunHead(&again, record.run.first);
    std::uint64_t messages = 0;
    std::string_view rest = record.run.messages;
    for (std::string_view message; TakeSpoolMessage(&rest, &message); ++messages) {
      AppendSpoolMessage(&again, message);
    }
    Require(rest.empty() && messages == record.count, "a run of other messages");
    Require(again.size() <= bytes.size(), "a run that is longer than its record");
  }
  std::string members;
  SpoolRecordDescriber(20).AppendMembers(bytes, &members);
  JsonDocument json;
  Require(json.Parse("{" + members + "}").ok(), "a description that is not JSON");
}

void Journal(std::string_view bytes) {
  RestoredSpool restored;
  SpoolRestorer restorer(&restored);
  SpoolRecordSummary summary;
  std::uint64_t offset = kSegmentHeaderBytes;
  while (const auto record = TakeRecord(&bytes)) {
    const std::uint64_t next = restored.next;
    const RecordPlace place{1, offset + kBatchHeaderBytes, offset + 100, offset};
    offset += 100;
    const Status status = restorer.Visit(*record, place);
    Require(!status.ok() || summary.Visit(*record).ok(), "a record that only one of two takes");
    if (!status.ok()) Require(restored.next == next, "what was refused left something");
    Require(restored.first <= restored.next, "a last message before the first");
    for (const auto& [name, done] : restored.readers) {
      Require(done <= restored.next, "a reader that is done with what is yet to come");
    }
  }
  for (std::uint64_t n = restored.first; n < restored.next && n < restored.first + 100; ++n) {
    const auto at = restored.index.PlaceOf(n);
    Require(at.has_value() && at->first <= n, "a message that has no place");
  }
  static_cast<void>(summary.Table());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] % 2 == 0 ? OneRecord(bytes) : Journal(bytes);
  return 0;
}
