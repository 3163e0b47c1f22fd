// What the tests of the journal's reader share: segments whose records are known by hand.
#pragma once

#include <fmt/core.h>

#include <random>

#include "journal/reader.h"
#include "tests/unit/journal/support.h"

namespace rivulet::journal_test {

using Records = std::vector<std::string>;

inline JournalReader::Config ConfigOf(const TempFolder& folder, std::size_t window_bytes,
                                      std::size_t windows = 2, std::size_t max_open_files = 2) {
  return {folder.path(), window_bytes, windows, max_open_files};
}

struct Reading {
  Records records;
  std::vector<RecordPlace> places;  // at which each was read
  Status status;
};

/// All that comes from there on, at most so many.
inline Reading ReadFrom(JournalReader* reader, RecordPlace* place, std::uint64_t end,
                        std::size_t most = SIZE_MAX) {
  Reading reading;
  while (reading.records.size() < most) {
    const RecordPlace before = *place;
    const auto record = reader->Next(place, end);
    reading.status = record.status();
    if (!record.ok() || !*record) break;
    reading.records.emplace_back(**record);
    reading.places.push_back(before);
  }
  return reading;
}

/// Where the records of one segment stand, as its format tells, by hand.
struct WrittenSegment {
  explicit WrittenSegment(std::uint64_t number = 1) : builder(number) {}

  void Add(const Records& batch, bool is_void = false) {
    const std::uint64_t begin = builder.AddBatch(batch, 0, is_void);
    batches.push_back(begin);
    if (is_void) return;
    std::uint64_t offset = begin + kBatchHeaderBytes;
    for (const std::string& record : batch) {
      records.push_back(record);
      places.push_back({builder.header().number, offset, builder.bytes().size(), begin});
      std::string size;
      AppendVarint(&size, record.size());
      offset += size.size() + record.size();
    }
  }
  std::uint64_t end() { return builder.bytes().size(); }

  SegmentBuilder builder;
  std::vector<std::uint64_t> batches;
  Records records;
  std::vector<RecordPlace> places;
};

/// `count` batches of up to seven records of up to `max_bytes` bytes, none of them alike.
inline WrittenSegment RandomSegment(std::mt19937* random, int count, std::uint64_t max_bytes) {
  WrittenSegment written;
  const auto pick = [&](std::uint64_t n) { return (*random)() % n; };
  for (int i = 0; i < count; ++i) {
    Records batch(pick(8));
    for (std::size_t r = 0; r < batch.size(); ++r) {
      batch[r] = fmt::format("{}.{} ", i, r);
      batch[r].append(pick(max_bytes), static_cast<char>('a' + pick(26)));
    }
    written.Add(batch, pick(10) == 0);
  }
  return written;
}

}  // namespace rivulet::journal_test
