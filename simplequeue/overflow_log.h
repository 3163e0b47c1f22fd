// The file that messages go to when a bounded queue must make room: one a line, handed to the
// operating system before they leave memory. SIGHUP opens it again after a rotation.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

class OverflowLog {
 public:
  OverflowLog() = default;
  ~OverflowLog();
  OverflowLog(const OverflowLog&) = delete;
  OverflowLog& operator=(const OverflowLog&) = delete;

  /// Appends to the file from now on, making it when there is none.
  Status Open(std::string path);
  Status Reopen();
  bool open() const { return fd_ >= 0; }
  /// When OK, the message and its newline survive a crash of the process. After a short write the
  /// file is cut back to whole lines.
  Status Append(std::string_view message);

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace rivulet
