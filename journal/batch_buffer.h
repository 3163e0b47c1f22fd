// The batch that gathers: records as they will stand in the file, with room for the headers that
// are known only when it is written.
//
// What one commit writes is one batch, but where its records are more than a batch can hold: then
// it is several, behind each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "journal/format.h"

namespace rivulet {

class BatchBuffer {
 public:
  /// Tests make batches small. `max_batch_bytes`: of records.
  explicit BatchBuffer(std::uint64_t max_batch_bytes = kMaxBatchBytes)
      : max_batch_bytes_(max_batch_bytes) {}

  /// Empty again, with room for a segment's header if it is to be the first of one.
  void Begin(bool begins_segment);
  /// A record, `head` and `body` behind each other.
  void Add(std::string_view head, std::string_view body);
  /// All records of the other.
  void AddAll(const BatchBuffer& other);

  bool begins_segment() const { return begins_segment_; }
  std::uint64_t records() const { return records_; }
  /// Of batches: without the segment's header.
  std::uint64_t log_bytes() const { return bytes_.size() - first_batch(); }

  /// Fills in the headers, and gives all that is to be written. `position` is the first batch's;
  /// `header` is read only if begins_segment().
  std::string_view Seal(const SegmentHeader& header, std::uint64_t position, std::uint64_t synced);

  std::uint64_t memory_bytes() const { return bytes_.capacity(); }
  /// Gives memory back after a batch that was much larger than most.
  void Shrink();

 private:
  std::size_t first_batch() const { return begins_segment_ ? kSegmentHeaderBytes : 0; }
  void BeginBatch();

  std::uint64_t max_batch_bytes_;
  bool begins_segment_ = false;
  std::uint64_t records_ = 0;
  std::string bytes_;
  std::size_t batch_ = 0;            // where the last batch begins
  std::vector<std::size_t> before_;  // and those before it
};

}  // namespace rivulet
