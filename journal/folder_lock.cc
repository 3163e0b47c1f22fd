#include "journal/folder_lock.h"

#include <sys/stat.h>

#include <cerrno>

#include "journal/disk.h"

namespace rivulet {

namespace {

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status MakeFolder(const std::string& folder, const std::string& what) {
  if (mkdir(folder.c_str(), 0750) == 0) return Disk::System().SyncDirectory(ParentOf(folder));
  if (errno != EEXIST) return IoError(what, errno);
  return Status::Ok();
}

}  // namespace

Result<FileLock> LockFolder(const std::string& folder, const std::string& option) {
  const std::string what = option + "=" + folder;
  if (Status status = MakeFolder(folder, what); !status.ok()) return status;
  return FileLock::Acquire(folder + "/lock", what);
}

}  // namespace rivulet
