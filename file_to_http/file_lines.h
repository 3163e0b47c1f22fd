// The lines of several files, one file after the other.
//
// What cannot be read is logged, and what follows it in that file is passed over; the files behind
// it are read all the same. A line that the damage cut is no message.
//
// Thread: the loop's. Must be destroyed before its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "bridge/file_input.h"
#include "bridge/line_cutter.h"
#include "file_to_http/offset_tracker.h"

namespace rivulet {

struct FileLinesConfig {
  std::vector<std::string> paths;  // at least one; "-" is standard input
  std::size_t max_message_bytes = 0;
  bool loop = false;  // begins anew at the end, unless there was no line or something failed
};

class FileLines {
 public:
  enum class Filled : std::uint8_t {
    kSome,     // Next() may find lines
    kWait,     // nothing now: see WhenReadable()
    kAllRead,  // there are no more
  };

  FileLines(EventLoop& loop, FileLinesConfig config);

  /// Looks whether each file can be read. kIoError names the one that cannot. With `only_regular`
  /// each must be a file on disk, and `begin` is asked for the offset to begin at, by the path and
  /// the first 1 KiB.
  using Begin =
      std::function<Result<std::uint64_t>(const std::string& path, std::string_view head)>;
  Status Look(bool only_regular, const Begin& begin);

  /// The next line of what is in hand, valid until the next call of anything here. kTooLong has
  /// been logged. kNothing: Fill() is due.
  LineCutter::Found Next(std::string_view* line);
  /// Reads on: one piece, or opens the next file. Only after kNothing.
  Filled Fill();
  /// Calls back once when Fill() may have more than kWait.
  void WhenReadable(std::function<void()> callback) { input_->WhenReadable(std::move(callback)); }

  /// Behind the last line that Next() dealt with.
  const FilePlace& place() const { return place_; }
  const std::string& path(std::size_t file) const { return config_.paths[file]; }
  /// Behind the last whole line of a file that was read.
  std::uint64_t end_of(std::size_t file) const { return files_[file].end; }
  /// Something could not be read.
  bool failed() const { return failed_; }
  std::uint64_t empty_lines() const { return empty_lines_ + lines_.empty_lines(); }
  /// As they are on disk.
  std::uint64_t bytes_read() const;
  /// Of all files; nothing where that is not known.
  std::optional<std::uint64_t> bytes_in_all() const;

 private:
  struct File {
    bool regular = false;
    std::uint64_t size_bytes = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  Filled OpenNext();
  void CloseFile();
  void Fail(const Status& status);

  EventLoop& loop_;
  FileLinesConfig config_;
  std::vector<File> files_;
  std::size_t next_ = 0;  // file to open
  std::unique_ptr<FileInput> input_;
  LineCutter lines_;
  FilePlace place_;
  bool ending_ = false;  // the bytes of the file are at their end, its last line may be open
  bool found_any_ = false;
  bool failed_ = false;
  std::uint64_t empty_lines_ = 0;   // of the files before
  std::uint64_t bytes_before_ = 0;  // of those
  std::uint64_t piece_begin_ = 0;   // of the piece in hand: where it begins in the file on disk,
  std::size_t piece_bytes_ = 0;     // and how much it gave
};

}  // namespace rivulet
