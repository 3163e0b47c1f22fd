// The folder of a journal, and the lock that keeps a second process out of it.
#pragma once

#include <string>

#include "base/status.h"

namespace rivulet {

/// Held as long as the object lives, and not longer than the process.
class FolderLock {
 public:
  /// Makes the folder when there is none (not its parents). kInvalidArgument names the process that
  /// has it. `option`: what gave the folder, for messages.
  static Result<FolderLock> Acquire(const std::string& folder, const std::string& option);

  FolderLock() = default;
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace rivulet
