// Reading a journal's folder back (promise P3): segments in order, damage told from a torn tail,
// and the place where writing may go on.
//
// A torn tail (a batch that cannot be read, and nothing behind it says that it had been synced) is
// cut: the file is shortened to the last good batch, later segments are removed, and the bytes are
// counted. Damage anywhere else is refused with kCorrupt and "FILE:OFFSET", or, with `salvage`, set
// aside in FILE.bad, counted, and overwritten by a void batch, so that the next start finds it
// clean. Segments below the newest header's `oldest` are leftovers of a removal and are removed; a
// segment missing above it is damage that nothing can salvage but its bytes, so it is told and,
// with `salvage`, skipped.
//
// Thread: one; blocks. Cost: one pass over the files, one in memory at a time, and one more over
// what follows a bad batch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "journal/disk.h"
#include "journal/format.h"

namespace rivulet {

/// `record` is valid during the call. Not OK: the record makes no sense to its owner, which is
/// damage in spite of the check.
using RecordVisitor = std::function<Status(std::string_view record, const RecordPlace& place)>;
/// Told now and then, and once at the end.
using RecoveryProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

struct RecoveryReport {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;  // of good batches
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t cut_bytes = 0;  // of a torn tail
  std::string cut_at;           // "FILE:OFFSET", empty without one
  std::uint64_t bad_bytes = 0;  // set aside by salvage
  std::uint64_t bad_places = 0;
};

struct RecoveryOptions {
  std::string path;
  std::string owner;  // empty: any
  bool salvage = false;
  bool read_only = false;  // look, repair nothing: for rivulet-journal
  RecoveryProgress progress;
};

/// A segment that is there after recovery.
struct RecoveredSegment {
  SegmentHeader header;
  std::uint64_t used_bytes = 0;  // header and good batches
  std::uint64_t disk_bytes = 0;
};

/// All segments, oldest first; empty for a folder without any.
Result<std::vector<RecoveredSegment>> Recover(const RecoveryOptions& options,
                                              const RecordVisitor& visit, RecoveryReport* report,
                                              Disk& disk = Disk::System());

/// What stands in the bytes of one segment, as far as it is good. For Recover, the tool and the
/// fuzzer.
class SegmentScanner {
 public:
  /// `bytes` is a whole file, and must outlive the scanner.
  SegmentScanner(std::string_view bytes, const SegmentHeader& header);

  /// The next batch; false at the first place without a good one.
  bool Next();
  // Of the batch that Next() found.
  const BatchHeader& batch() const { return batch_; }
  std::string_view records() const { return records_; }
  std::uint64_t batch_offset() const { return batch_offset_; }  // in the file

  /// Where the next batch would begin.
  std::uint64_t offset() const { return offset_; }
  const SegmentHeader& header() const { return header_; }
  /// Whether the rest of the file is zeros.
  bool rest_is_zero() const;
  /// Goes on at the next good batch behind offset(), whatever lies between; false when there is
  /// none. O(rest of the file); at most some hundred times that where messages are made to look
  /// like batches.
  bool SkipToNextGood();
  /// SkipToNextGood() stopped because there was too much that looks like batches: what lies there
  /// is not known.
  bool gave_up() const { return gave_up_; }

 private:
  std::uint64_t Position(std::uint64_t offset) const;

  std::string_view bytes_;
  SegmentHeader header_;
  std::uint64_t offset_ = kSegmentHeaderBytes;
  std::uint64_t batch_offset_ = 0;
  BatchHeader batch_;
  std::string_view records_;
  bool gave_up_ = false;
};

}  // namespace rivulet
