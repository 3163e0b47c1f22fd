// The files that a JournalReader (journal/reader.h) has open, and what it knows of their batches.
//
// Thread: one. Blocks as long as a read of the disk takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"
#include "journal/format.h"

namespace rivulet {

class ReaderFiles {
 public:
  struct File {
    File(int open_fd, std::string open_path);
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    const int fd;
    const std::string path;
    SegmentHeader header;
    std::uint64_t used = 0;                        // the higher the later
    std::map<std::uint64_t, std::uint64_t> large;  // batches found good: begin and end
    std::set<std::uint64_t> begins;                // of some batches
  };

  /// `path`: of the folder. At most `max_open` are open, the least recently used one leaving.
  ReaderFiles(std::string path, std::size_t max_open);

  /// Valid until the next call of Open() or Forget().
  Result<File*> Open(std::uint64_t segment);
  void Forget(std::uint64_t segment) { files_.erase(segment); }

  /// Reads so many bytes; how many there were is less only at the end of the file.
  Result<std::size_t> ReadAt(const File& file, std::uint64_t offset, char* to, std::size_t bytes);

  /// A batch begins there: kept when none is known for `apart_bytes` before.
  void Remember(std::uint64_t segment, std::uint64_t offset, std::size_t apart_bytes);
  /// The last place at or before `offset` where a batch is known to begin; the first batch's if
  /// none is.
  std::uint64_t BatchBefore(std::uint64_t segment, std::uint64_t offset) const;

  /// kCorrupt at FILE:OFFSET.
  Status Damage(std::uint64_t segment, std::uint64_t offset, std::string_view what) const;
  std::string PathOf(std::uint64_t segment) const;
  /// System calls that read.
  std::uint64_t reads() const { return reads_; }

 private:
  std::string path_;
  std::size_t max_open_;
  std::map<std::uint64_t, std::unique_ptr<File>> files_;
  std::uint64_t uses_ = 0;
  std::uint64_t reads_ = 0;
};

}  // namespace rivulet
