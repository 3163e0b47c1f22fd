#include "journal/folder_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "journal/disk.h"

namespace rivulet {

namespace {

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status MakeFolder(const std::string& folder, const std::string& option) {
  if (mkdir(folder.c_str(), 0750) == 0) return Disk::System().SyncDirectory(ParentOf(folder));
  if (errno != EEXIST) return IoError(option + "=" + folder, errno);
  return Status::Ok();
}

std::string HolderOf(int fd) {
  char text[24];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  const std::string pid(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t end = pid.find_first_not_of("0123456789");
  return end == 0 || pid.empty() ? "unknown" : pid.substr(0, end);
}

}  // namespace

Result<FolderLock> FolderLock::Acquire(const std::string& folder, const std::string& option) {
  if (Status status = MakeFolder(folder, option); !status.ok()) return status;
  const std::string path = folder + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return IoError(option + ": open " + path, errno);
  FolderLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return IoError(option + ": flock " + path, errno);
    return InvalidArgument(
        fmt::format("{}={}: in use by process {}", option, folder, HolderOf(fd)));
  }
  const std::string pid = fmt::format("{}\n", getpid());
  // A full disk must not keep a queue from being emptied: the lock holds without the number.
  if (ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const auto written = pwrite(fd, pid.data(), pid.size(), 0);
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace rivulet
