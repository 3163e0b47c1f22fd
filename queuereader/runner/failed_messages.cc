#include "queuereader/runner/failed_messages.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "base/write_all.h"

namespace rivulet {
namespace {

/// A descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Status SyncDirectory(const std::string& path) {
  File directory(path, O_RDONLY | O_DIRECTORY);
  if (directory.fd() < 0 || fsync(directory.fd()) != 0)
    return IoError("cannot sync " + path, errno);
  return {};
}

std::string Stamp(WallTime now) {
  auto whole = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  auto seconds = static_cast<std::time_t>(whole.count());
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &utc);
  return text;
}

std::string Parent(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

FailedMessages::FailedMessages(std::string directory, const std::string& queuename,
                               std::uint64_t failed_count)
    : number_(failed_count), written_(failed_count) {
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  directory_ = directory + "/" + queuename;
}

Status FailedMessages::Check() const {
  std::string path = directory_;
  struct stat info {};
  while (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT || path == "." || path == "/") return IoError(path, errno);
    path = Parent(path);
  }
  if (!S_ISDIR(info.st_mode)) return IoError(path, ENOTDIR);
  if (access(path.c_str(), W_OK | X_OK) != 0) return IoError(path, errno);
  return {};
}

Status FailedMessages::MakeDirectory() {
  if (made_ && IsDirectory(directory_)) return {};
  for (std::size_t slash = directory_.find('/', 1);; slash = directory_.find('/', slash + 1)) {
    std::string path = directory_.substr(0, slash);
    if (mkdir(path.c_str(), 0755) == 0) {
      if (Status status = SyncDirectory(Parent(path)); !status.ok()) return status;
    } else if (errno != EEXIST && !IsDirectory(path)) {
      return IoError("cannot make the folder " + path, errno);
    }
    if (slash == std::string::npos) break;
  }
  made_ = true;
  return {};
}

Status FailedMessages::WriteTemporary(std::string_view message, const std::string& path) {
  File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.fd() < 0) return IoError("cannot create " + path, errno);
  Status status;
  if (const int error = WriteAll(file.fd(), message); error != 0) {
    status = IoError("cannot write " + path, error);
  } else if (fsync(file.fd()) != 0) {
    status = IoError("cannot sync " + path, errno);
  }
  if (!status.ok()) unlink(path.c_str());
  return status;
}

Status FailedMessages::Write(std::string_view message, bool malformed, WallTime now,
                             std::string* path) {
  const std::lock_guard lock(mutex_);
  if (Status status = MakeDirectory(); !status.ok()) return status;
  std::string temporary = fmt::format("{}/.{}.tmp", directory_, getpid());
  if (Status status = WriteTemporary(message, temporary); !status.ok()) return status;
  // link(2) and not rename(2): a name that is taken, by an earlier process with our id, is kept.
  int error = EEXIST;
  while (error == EEXIST) {
    *path = fmt::format("{}/{}.{}.{}.{}", directory_, Stamp(now), getpid(), ++number_,
                        malformed ? "malformed" : "json");
    error = link(temporary.c_str(), path->c_str()) == 0 ? 0 : errno;
  }
  unlink(temporary.c_str());
  if (error != 0) return IoError("cannot create " + *path, error);
  if (Status status = SyncDirectory(directory_); !status.ok()) return status;
  written_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

}  // namespace rivulet
