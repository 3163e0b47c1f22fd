// A file, or standard input, read and decompressed a piece at a time.
//
// gzip and zstd are told by their first bytes, not by a name. What may keep its reader waiting (a
// pipe, a terminal) never blocks the loop. Memory: half a MiB, and the decompressor's.
//
// Thread: the loop's. Must be destroyed before its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/decompressor.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace rivulet {

/// As people read it: "-" is "standard input".
inline std::string FileInputName(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

class FileInput {
 public:
  /// What Read() has.
  struct Piece {
    enum class State : std::uint8_t {
      kBytes,  // these, none included; there may be more
      kWait,   // nothing now: see WhenReadable()
      kEnd,    // all was read
    };
    State state = State::kBytes;
    std::string_view bytes;  // valid until the next Read()
  };

  /// "-" is standard input. kIoError names the file; a folder is none.
  static Result<std::unique_ptr<FileInput>> Open(EventLoop& loop, const std::string& path);
  /// Of Open(). Owns `fd`, unless it is that of standard input.
  FileInput(EventLoop& loop, const std::string& path, int fd);
  ~FileInput();
  FileInput(const FileInput&) = delete;
  FileInput& operator=(const FileInput&) = delete;

  /// Begins behind so many bytes of what it holds uncompressed: at once in a plain file; a
  /// compressed one is decompressed up to there by the Read()s to come. Only in a regular file, and
  /// before the first Read(). kCorrupt when the file ends before; of a compressed one Read() says.
  Status Skip(std::uint64_t bytes);
  /// At most 256 KiB, after at most one read(2). kIoError and kCorrupt name the file and, for what
  /// is damaged, the byte; all that came before was right, and nothing is to be read after that.
  Result<Piece> Read();
  /// Calls back once when Read() may have more than kWait.
  void WhenReadable(std::function<void()> callback);

  /// A file on disk, whose size is known and which can be read again.
  bool regular() const { return regular_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  /// Of a regular file: its first bytes as they are on disk, at most 1 KiB.
  const std::string& head() const { return head_; }
  /// Bytes of the file, as it is on disk, that Read() has dealt with.
  std::uint64_t position_bytes() const { return begin_bytes_ + decompressor_.input_bytes(); }

 private:
  Status Look();
  /// False: there is nothing to read now.
  Result<bool> Fill();

  EventLoop& loop_;
  std::string name_;  // as errors call it
  int fd_;
  bool regular_ = false;
  std::uint64_t size_bytes_ = 0;
  std::string head_;
  std::uint64_t begin_bytes_ = 0;  // of the file, skipped
  std::uint64_t skip_bytes_ = 0;   // of the uncompressed bytes to come
  std::unique_ptr<char[]> raw_;
  std::string_view unread_;  // of raw_
  std::unique_ptr<char[]> output_;
  bool more_output_ = false;  // the decompressor may hold more
  bool at_end_ = false;       // of the raw bytes
  Decompressor decompressor_;
  std::unique_ptr<IoWatcher> watcher_;
};

}  // namespace rivulet
