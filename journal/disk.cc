#include "journal/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace rivulet {

namespace {

Status DiskError(const std::string& what, int error_number) {
  const Status status = IoError(what, error_number);
  // EFBIG: a limit of file sizes, to which the program got SIGXFSZ ignored.
  const bool full = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  return {full ? StatusCode::kExhausted : StatusCode::kIoError, status.message()};
}

/// Calls again what a signal interrupted; not for ever, so that a file system that always says so
/// is an error and not a hang.
template <typename Call>
auto Persist(Call call) {
  auto result = call();
  for (int tries = 0; result < 0 && errno == EINTR && tries < 100; ++tries) result = call();
  return result;
}

class SystemFile final : public DiskFile {
 public:
  SystemFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~SystemFile() override { close(fd_); }
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;

  Status WriteAt(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = Persist(
          [&] { return pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (written <= 0) return DiskError("write " + path_, written < 0 ? errno : ENOSPC);
      offset += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return Status::Ok();
  }

  Status Sync() override {
    // Not called again after EINTR either: what the system then still holds is not known.
    return fdatasync(fd_) == 0 ? Status::Ok() : DiskError("fdatasync " + path_, errno);
  }

  Status Allocate(std::uint64_t bytes) override {
    if (Persist([&] { return fallocate(fd_, 0, 0, static_cast<off_t>(bytes)); }) == 0) {
      return Status::Ok();
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) return DiskError("fallocate " + path_, errno);
    struct stat file {};
    if (fstat(fd_, &file) != 0) return DiskError("fstat " + path_, errno);
    if (static_cast<std::uint64_t>(file.st_size) >= bytes) return Status::Ok();
    return Truncate(bytes);
  }

  Status Truncate(std::uint64_t bytes) override {
    if (Persist([&] { return ftruncate(fd_, static_cast<off_t>(bytes)); }) == 0) {
      return Status::Ok();
    }
    return DiskError("ftruncate " + path_, errno);
  }

  const std::string& path() const override { return path_; }

 private:
  const int fd_;
  const std::string path_;
};

class SystemDisk final : public Disk {
 public:
  Result<std::unique_ptr<DiskFile>> Create(const std::string& path) override {
    return Get(path, O_RDWR | O_CREAT | O_EXCL, "create ");
  }
  Result<std::unique_ptr<DiskFile>> Open(const std::string& path) override {
    return Get(path, O_RDWR, "open ");
  }
  Status Remove(const std::string& path) override {
    return unlink(path.c_str()) == 0 ? Status::Ok() : DiskError("unlink " + path, errno);
  }
  Status SyncDirectory(const std::string& path) override {
    const int fd =
        Persist([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return DiskError("open " + path, errno);
    Status status = fsync(fd) == 0 ? Status::Ok() : DiskError("fsync " + path, errno);
    close(fd);
    return status;
  }

 private:
  static Result<std::unique_ptr<DiskFile>> Get(const std::string& path, int flags,
                                               const char* verb) {
    const int fd = Persist([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0640); });
    if (fd < 0) return DiskError(verb + path, errno);
    return std::unique_ptr<DiskFile>(std::make_unique<SystemFile>(fd, path));
  }
};

}  // namespace

Disk& Disk::System() {
  static SystemDisk disk;
  return disk;
}

}  // namespace rivulet
