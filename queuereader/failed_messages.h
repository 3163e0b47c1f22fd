// Messages set aside: each in a file of its own, for a person to look at, mend and queue again.
//
// DIR/QUEUENAME/YYYYMMDD-HHMMSS.PID.N.json holds a message that was given up, as the envelope that
// can be put back into a queue; .malformed holds the bytes of what was no valid message. A file
// appears whole or not at all (written under a dot name, synced, renamed, its folder synced) and no
// file is ever written over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

class FailedMessages {
 public:
  /// Nothing is created before the first message.
  FailedMessages(std::string directory, const std::string& queuename);

  /// OK when a message could be written now. Creates nothing: for the start, so that a wrong option
  /// is told then and not by a loss later.
  Status Check() const;
  /// When this returned OK, the message is on disk and the name `path` leads to it.
  Status Write(std::string_view message, bool malformed, WallTime now, std::string* path);

  const std::string& directory() const { return directory_; }
  std::uint64_t written() const { return written_; }

 private:
  Status MakeDirectory();

  std::string parent_;
  std::string directory_;
  bool made_ = false;
  std::uint64_t written_ = 0;
};

}  // namespace rivulet
