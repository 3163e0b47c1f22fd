// A lock file that keeps a second process away from what stands beside it.
#pragma once

#include <string>
#include <utility>

#include "base/status.h"

namespace rivulet {

/// Held as long as the object lives, and not longer than the process. The file stays.
class FileLock {
 public:
  /// Makes the file `path` when there is none, and writes the process's number into it. `what`, as
  /// "--offset-file=clicks.offsets", begins the messages. kInvalidArgument: "WHAT: in use by
  /// process PID". kIoError: it cannot be made.
  static Result<FileLock> Acquire(const std::string& path, const std::string& what);

  FileLock() = default;
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace rivulet
