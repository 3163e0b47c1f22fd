// Reads records of a live journal back, by place: for replays. (journal/recovery.h reads a folder
// whole, before anything is written.)
//
// Files are read in windows of some hundred KiB, which are kept for the next call, the least
// recently used one leaving first: a sequential reader makes one pread a window, however small its
// steps, and readers of the same stretch share it. Nothing is kept for a reader but its place.
//
// No record is given before its batch was checked (journal/format.h), also where the place is
// inside of the batch. A window begins with a batch, and its batches are checked once, as they are
// passed. A batch that is larger than a window is checked when its file is first asked for it,
// which reads it once more. The batch of a place that does not tell its begin is looked for from
// the nearest that was read since its file was opened, or from the first.
//
// The caller says how far to read, and must not say more than what is committed; a batch of which a
// part is committed is committed whole. A file that was removed meanwhile can be read on while it
// is open here; Forget() closes it.
//
// Thread: one. Blocks as long as a read of the disk takes. Memory: windows x window_bytes, one
// window more with large batches, and the last record that was larger than a window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "journal/format.h"
#include "journal/reader_files.h"

namespace rivulet {

class JournalReader {
 public:
  struct Config {
    std::string path;  // of the folder
    std::size_t window_bytes = 256 * 1024;
    std::size_t windows = 8;
    std::size_t max_open_files = 16;
  };

  explicit JournalReader(Config config);
  ~JournalReader();
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;

  /// The record at `*place`, which moves behind it; nothing when none begins before `end` (a place
  /// in the same file). The record is valid until the next call of any kind. kIoError: it cannot be
  /// read; kCorrupt, at FILE:OFFSET: what stands there is no record, or not what was written. Then
  /// `*place` stays at or before it.
  Result<std::optional<std::string_view>> Next(RecordPlace* place, std::uint64_t end);

  /// The segment is gone: lets go of its windows and its file.
  void Forget(std::uint64_t segment);

  /// System calls that read, for tests.
  std::uint64_t reads() const { return files_.reads(); }

 private:
  struct Window;
  using Record = Result<std::optional<std::string_view>>;
  using Batch = Result<std::optional<BatchHeader>>;

  Record Find(RecordPlace* place, std::uint64_t end);

  // A batch.
  Status PassHeader(RecordPlace* place, std::uint64_t end);
  Result<BatchHeader> Check(std::uint64_t segment, std::uint64_t offset, std::uint64_t end);
  Status FindBatch(RecordPlace* place, std::uint64_t end);
  Batch CheckNext(Window* window, std::uint64_t end);
  Batch TryNext(Window* window, std::uint64_t end);
  Status CheckLarge(std::uint64_t segment, std::uint64_t begin, std::uint64_t end);

  // A record.
  static std::optional<std::string_view> TakeIn(const Window& window, RecordPlace* place);
  static void MoveTo(std::uint64_t offset, RecordPlace* place);
  Record Take(RecordPlace* place, std::uint64_t end);
  Record TakeLarge(RecordPlace* place);

  // Windows.
  Window* Front(std::uint64_t segment, std::uint64_t offset);
  Window* MakeFirst(std::size_t i);
  Result<Window*> Load(std::uint64_t segment, std::uint64_t offset, std::uint64_t end);
  Status Extend(Window* window, std::uint64_t needed, std::uint64_t end);

  Config config_;
  std::vector<std::unique_ptr<Window>> windows_;  // the most recently used first
  ReaderFiles files_;
  std::string large_;
};

}  // namespace rivulet
