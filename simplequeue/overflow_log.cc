#include "simplequeue/overflow_log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace rivulet {

OverflowLog::~OverflowLog() {
  if (fd_ >= 0) close(fd_);
}

Status OverflowLog::Open(std::string path) {
  path_ = std::move(path);
  return Reopen();
}

Status OverflowLog::Reopen() {
  if (path_.empty()) return Status::Ok();
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return IoError("--overflow-log=" + path_, errno);
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  return Status::Ok();
}

Status OverflowLog::Append(std::string_view message) {
  char newline = '\n';
  const iovec parts[2] = {{const_cast<char*>(message.data()), message.size()}, {&newline, 1}};
  const off_t before = lseek(fd_, 0, SEEK_END);
  ssize_t written = -1;
  do {
    written = writev(fd_, parts, 2);
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(message.size() + 1)) return Status::Ok();
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0 && ftruncate(fd_, before) != 0) {
    return IoError("--overflow-log=" + path_ + ": cannot cut a half-written line", errno);
  }
  return IoError("--overflow-log=" + path_, error);
}

}  // namespace rivulet
