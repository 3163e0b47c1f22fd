#include "base/file_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace rivulet {

namespace {
std::string HolderOf(int fd) {
  char text[24];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  const std::string pid(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t end = pid.find_first_not_of("0123456789");
  return end == 0 || pid.empty() ? "unknown" : pid.substr(0, end);
}
}  // namespace

Result<FileLock> FileLock::Acquire(const std::string& path, const std::string& what) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return IoError(what + ": open " + path, errno);
  FileLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return IoError(what + ": flock " + path, errno);
    return InvalidArgument(fmt::format("{}: in use by process {}", what, HolderOf(fd)));
  }
  const std::string pid = fmt::format("{}\n", getpid());
  // A full disk must not keep a program from starting: the lock holds without the number.
  if (ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const auto written = pwrite(fd, pid.data(), pid.size(), 0);
  }
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace rivulet
