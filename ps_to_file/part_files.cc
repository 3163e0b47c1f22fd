#include "ps_to_file/part_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace rivulet {

std::string FolderOfPath(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status MakeFoldersOf(const std::string& path, const std::function<void(const std::string&)>& made) {
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0777) == 0) {
      if (made) made(FolderOfPath(folder));
    } else if (errno != EEXIST) {
      return IoError("make folder " + folder, errno);
    }
  }
  return Status::Ok();
}

Result<bool> PathExists(const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return IoError("stat " + path, errno);
}

Result<std::optional<std::uint64_t>> FileBytes(const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::uint64_t>();
    return IoError("stat " + path, errno);
  }
  if (!S_ISREG(file.st_mode)) return InvalidArgument(path + ": must be a file");
  return std::optional(static_cast<std::uint64_t>(file.st_size));
}

Result<RenameOutcome> RenameToFree(const std::string& from, const std::string& to) {
  int result = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    // A file system without it.
    const auto taken = PathExists(to);
    if (!taken.ok()) return taken.status();
    if (*taken) return RenameOutcome::kTaken;
    result = std::rename(from.c_str(), to.c_str());
  }
  if (result == 0) return RenameOutcome::kDone;
  if (errno == EEXIST) return RenameOutcome::kTaken;
  const int error = errno;
  if (error == ENOENT) {
    const auto there = PathExists(from);
    if (there.ok() && !*there) return RenameOutcome::kAbsent;
  }
  return IoError(fmt::format("rename {} to {}", from, to), error);
}

}  // namespace rivulet
