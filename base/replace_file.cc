#include "base/replace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/write_all.h"

namespace rivulet {

namespace {

Status WriteSafely(int fd, std::string_view content) {
  if (const int error = WriteAll(fd, content); error != 0) return IoError("write", error);
  return fdatasync(fd) == 0 ? Status::Ok() : IoError("fdatasync", errno);
}

// A renamed file survives a power cut only once its folder is safe.
void SyncFolderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  // Where a folder cannot be synced, the older file is still a good one.
  [[maybe_unused]] const int ignored = fsync(fd);
  close(fd);
}

}  // namespace

Status ReplaceFile(const std::string& path, std::string_view content) {
  const std::string beside = path + ".new";
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return IoError("open " + beside, errno);
  Status status = WriteSafely(fd, content);
  close(fd);
  if (!status.ok()) return {status.code(), beside + ": " + status.message()};
  if (std::rename(beside.c_str(), path.c_str()) != 0) return IoError("rename to " + path, errno);
  SyncFolderOf(path);
  return Status::Ok();
}

}  // namespace rivulet
