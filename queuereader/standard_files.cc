#include "queuereader/standard_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"

namespace rivulet {
namespace {

constexpr int kOutOfTheWay = 100;
constexpr std::array<const char*, 3> kNames = {"standard input", "standard output",
                                               "standard error"};

bool IsSocket(const struct stat& file) { return (file.st_mode & S_IFMT) == S_IFSOCK; }

}  // namespace

StandardFiles::StandardFiles() {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat file {};
    if (fstat(fd, &file) != 0) {
      // The lowest number that is free: this one. Its use stays the error that it was.
      const int null = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
      if (null > fd) close(null);
    }
    const auto i = static_cast<std::size_t>(fd);
    sockets_[i] = fstat(fd, &file) == 0 && IsSocket(file);
    kept_[i] = fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
  }
}

StandardFiles::~StandardFiles() {
  for (const int fd : kept_) {
    if (fd >= 0) close(fd);
  }
}

void StandardFiles::PutBack(const std::string& culprit) const {
  for (int fd = 0; fd < 3; ++fd) {
    const auto i = static_cast<std::size_t>(fd);
    struct stat file {};
    const bool open = fstat(fd, &file) == 0;
    if (open && (sockets_[i] || !IsSocket(file))) continue;
    if (open) {
      dup2(kept_[i], fd);
    } else if (const int got = fcntl(kept_[i], F_DUPFD, fd); got > fd) {
      close(got);  // somebody has just taken the number: the next time
    }
    LogError("{} closed {}: it is put back", culprit, kNames[i]);
  }
}

}  // namespace rivulet
