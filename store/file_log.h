// The journal that a file store (store/file_store.h) writes: the same files as journal/journal.h's,
// by the same rules, but a record is written, and synced, by the thread that appends it, before
// Append() returns. No loop, no helper, no commits that wait for each other.
//
// Thread: one. Blocks as long as the disk does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "journal/batch_buffer.h"
#include "journal/disk.h"
#include "journal/recovery.h"

namespace rivulet {

class FileLog {
 public:
  struct Config {
    std::string folder;
    std::string owner;                // in the segments' headers
    std::uint64_t segment_bytes = 0;  // a segment that is longer gets no more records
    bool sync = true;                 // Append() syncs
  };
  /// `disk` outlives it.
  FileLog(Config config, Disk& disk);
  ~FileLog();
  FileLog(const FileLog&) = delete;
  FileLog& operator=(const FileLog&) = delete;

  /// Goes on behind what recovery found; where that is nothing, with the segment `number` at
  /// `position`.
  Status Start(const std::vector<RecoveredSegment>& recovered, std::uint64_t number,
               std::uint64_t position);

  /// Room for a record of so many bytes, so that the next Append() finds the disk not full.
  /// kExhausted: there is none, nothing has changed, and a later try may find some.
  Status Reserve(std::uint64_t record_bytes);
  /// After a Reserve() of as much: a record, `head` and `body` behind each other. kExhausted: the
  /// record is not there, and a later one may be written. kIoError: it may be there, and nothing
  /// must be appended any more.
  Status Append(std::string_view head, std::string_view body);

  /// Where the next segment would begin, if it began now.
  std::uint64_t next_segment() const { return next_number_; }
  std::uint64_t position() const { return position_; }
  /// All segments go, and what is appended next begins next_segment(). The oldest goes first.
  Status DropAll();

  /// Of records and what they are wrapped in.
  std::uint64_t log_bytes() const { return position_ - first_position_; }
  /// Of all files.
  std::uint64_t disk_bytes() const;

  /// Says in the log that all of it is synced, and makes it so. Once; nothing is appended after.
  Status Close();

 private:
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t disk_bytes = 0;
  };

  std::string PathOf(std::uint64_t number) const;
  Status MakeSegment(std::uint64_t bytes);
  Status Grow(std::uint64_t bytes);
  Status TakeBack(const Status& why);

  const Config config_;
  Disk& disk_;
  BatchBuffer buffer_;
  std::vector<Segment> segments_;  // the last is written to
  std::unique_ptr<DiskFile> file_;
  SegmentHeader header_;
  std::uint64_t used_bytes_ = 0;  // of file_; 0: its header is not yet there
  std::uint64_t room_bytes_ = 0;  // of file_, allocated
  std::uint64_t next_number_ = 1;
  std::uint64_t first_number_ = 1;  // the oldest that is needed
  std::uint64_t first_position_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t synced_ = 0;
};

}  // namespace rivulet
