// Remembers, in --offset-file, up to where each file was taken.
//
//   rivulet file offsets 1
//   81234 1024 5f0c2a9be1d03f77 clicks-12.jsonl.gz
//
// A line a file: the offset behind the last message with which all are done, in what the file holds
// uncompressed; how many bytes of its beginning (as it is on disk, at most 1 KiB) are known, and
// their FNV-1a hash, so that another file of the same name is noticed; its name as it was given.
// Lines of files that are not read now are kept.
//
// It is replaced as a whole, about once a second, by a thread of its own; a crash leaves the old or
// the new one.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_lock.h"
#include "base/status.h"
#include "journal/helper.h"

namespace rivulet {

/// A line of it.
struct FileOffset {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t head_bytes = 0;
  std::uint64_t head_hash = 0;
  bool operator==(const FileOffset&) const = default;
};

/// kCorrupt when this is something else.
Result<std::vector<FileOffset>> ParseFileOffsets(std::string_view text);
std::string FileOffsetsText(const std::vector<FileOffset>& offsets);
/// FNV-1a, 64 bits.
std::uint64_t HeadHash(std::string_view head);

class OffsetFile {
 public:
  /// Called before the file is written; when it fails, the file is written later. May be empty.
  using BeforeWrite = std::function<Status()>;

  /// Locks PATH.lock, which stays, and reads the file, if there is one, and writes it, so that what
  /// is wrong with it is known at once. kInvalidArgument names the process that has it; kCorrupt
  /// when it is something else. `loop` and `clock` must outlive it.
  static Result<std::unique_ptr<OffsetFile>> Open(std::string path, EventLoop& loop,
                                                  const Clock& clock, BeforeWrite before_write);
  /// Of Open().
  OffsetFile(std::string path, EventLoop& loop, const Clock& clock, BeforeWrite before_write);
  ~OffsetFile();
  OffsetFile(const OffsetFile&) = delete;
  OffsetFile& operator=(const OffsetFile&) = delete;

  /// Where to go on in the file `path`, which begins with `head`; 0 where nothing is known of it.
  /// kCorrupt when what is known is of another file.
  Result<std::uint64_t> Begin(const std::string& path, std::string_view head);
  /// Begin() must have been called for it. Is written within about a second. A failure is logged,
  /// once, and tried again.
  void Set(const std::string& path, std::uint64_t offset);
  /// Blocks until the file says what was set; nothing may be called afterwards.
  Status Close();

 private:
  Status Read();
  FileOffset* Find(const std::string& path);
  void Write();
  void OnWritten(const Status& status);

  std::string path_;
  FileLock lock_;
  std::vector<FileOffset> offsets_;
  BeforeWrite before_write_;
  bool changed_ = false;  // since the last write began
  bool writing_ = false;
  Status last_;  // how the last write went
  Timer timer_;
  Helper helper_;
};

}  // namespace rivulet
