// Messages set aside: each in a file of its own, for a person to look at, mend and queue again.
//
// DIR/QUEUENAME/YYYYMMDD-HHMMSS.PID.N.json holds a message that was given up, as the envelope that
// can be put back into a queue; .malformed holds the bytes of what was no valid message. A file
// appears whole or not at all (written under a dot name, synced, linked, its folder synced) and no
// file is ever written over.
//
// Thread: any; a Write() takes as long as the disk does.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

class FailedMessages {
 public:
  /// Nothing is created before the first message, whose N is `failed_count` + 1.
  FailedMessages(std::string directory, const std::string& queuename,
                 std::uint64_t failed_count = 0);

  /// OK when a message could be written now. Creates nothing: for the start, so that a wrong option
  /// is told then and not by a loss later.
  Status Check() const;
  /// When this returned OK, the message is on disk and the name `path` leads to it.
  Status Write(std::string_view message, bool malformed, WallTime now, std::string* path);

  const std::string& directory() const { return directory_; }
  /// Messages set aside, the `failed_count` of the start among them.
  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }

 private:
  Status MakeDirectory();
  Status WriteTemporary(std::string_view message, const std::string& path);

  std::string directory_;
  std::mutex mutex_;      // one Write() at a time: the temporary name is shared
  bool made_ = false;     // guarded by mutex_
  std::uint64_t number_;  // guarded by mutex_: of the last file name tried
  std::atomic<std::uint64_t> written_;
};

}  // namespace rivulet
