#include "journal/batch_buffer.h"

#include <doctest/doctest.h>

#include "journal/recovery.h"

using namespace rivulet;

namespace {

const SegmentHeader kHeader{3, 500, 1, 77, "test"};

/// What a scanner finds in a file of a header and those bytes.
std::vector<std::vector<std::string>> Scan(std::string_view log_bytes) {
  const std::string file = EncodeSegmentHeader(kHeader) + std::string(log_bytes);
  SegmentScanner scanner(file, kHeader);
  std::vector<std::vector<std::string>> batches;
  while (scanner.Next()) {
    batches.emplace_back();
    std::string_view records = scanner.records();
    while (const auto record = TakeRecord(&records)) batches.back().emplace_back(*record);
    CHECK(records.empty());
  }
  CHECK(scanner.offset() == file.size());
  return batches;
}

using Batches = std::vector<std::vector<std::string>>;

}  // namespace

TEST_CASE("batch buffer: records stand behind each other in one batch") {
  BatchBuffer buffer;
  buffer.Begin(false);
  buffer.Add("a", "b");
  buffer.Add("", "");
  CHECK(buffer.records() == 2);
  CHECK(buffer.log_bytes() == 16 + 3 + 1);
  CHECK(Scan(buffer.Seal(kHeader, 500, 500)) == Batches{{"ab", ""}});
  buffer.Begin(false);
  CHECK(buffer.records() == 0);
  CHECK(Scan(buffer.Seal(kHeader, 500, 500)) == Batches{{}});
}

TEST_CASE("batch buffer: the first batch of a segment comes with the segment's header") {
  BatchBuffer buffer;
  buffer.Begin(true);
  buffer.Add("first", "");
  CHECK(buffer.log_bytes() == 16 + 6);
  const std::string_view bytes = buffer.Seal(kHeader, 500, 0);
  CHECK(bytes.size() == 64 + 16 + 6);
  CHECK(DecodeSegmentHeader(bytes)->salt == 77);
  CHECK(Scan(bytes.substr(64)) == Batches{{"first"}});
}

TEST_CASE("batch buffer: more than a batch can hold becomes several") {
  BatchBuffer buffer(32);
  buffer.Begin(true);
  for (const char* record : {"0123456789", "abcdefghij", "ABCDEFGHIJ", "last"}) {
    buffer.Add(record, "");
  }
  const Batches expected{{"0123456789", "abcdefghij"}, {"ABCDEFGHIJ", "last"}};
  CHECK(Scan(buffer.Seal(kHeader, 500, 0).substr(64)) == expected);

  BatchBuffer all(32);
  all.Begin(false);
  all.Add("new", "");
  all.AddAll(buffer);
  CHECK(all.records() == 5);
  CHECK(Scan(all.Seal(kHeader, 500, 0)) ==
        Batches{{"new", "0123456789"}, {"abcdefghij", "ABCDEFGHIJ"}, {"last"}});
}

TEST_CASE("batch buffer: memory is given back after a large one") {
  BatchBuffer buffer;
  buffer.Begin(false);
  buffer.Add(std::string(2 << 20, 'x'), "");
  buffer.Shrink();
  CHECK(buffer.memory_bytes() < 100);
  buffer.Begin(false);
  CHECK(buffer.log_bytes() == 16);
  CHECK(buffer.records() == 0);
}
