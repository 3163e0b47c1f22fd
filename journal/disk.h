// The few things the journal asks of a file system, so that tests can fail each of them. Every call
// may block, and but for Open*, List and Map is made by the journal's helper thread (WriteAt also
// by the loop's, where the sync policy lets a write's return answer a request).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

/// An open file; closed with the object. Errors carry the path and strerror; a full disk (ENOSPC,
/// EDQUOT, or EFBIG: a limit of file sizes) is kExhausted, all else kIoError.
class DiskFile {
 public:
  virtual ~DiskFile() = default;
  /// Writes all of it, however many system calls that takes.
  virtual Status WriteAt(std::uint64_t offset, std::string_view bytes) = 0;
  /// fdatasync. After a failure the caller never syncs this file again.
  virtual Status Sync() = 0;
  /// Reserves space up to `bytes` and makes the file that long. Where the file system cannot
  /// reserve, it only gets that long.
  virtual Status Allocate(std::uint64_t bytes) = 0;
  virtual Status Truncate(std::uint64_t bytes) = 0;
  virtual const std::string& path() const = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  /// Makes a file that must not be there yet.
  virtual Result<std::unique_ptr<DiskFile>> Create(const std::string& path) = 0;
  virtual Result<std::unique_ptr<DiskFile>> Open(const std::string& path) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;

  /// The one that is there.
  static Disk& System();
};

}  // namespace rivulet
