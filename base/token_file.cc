#include "base/token_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace rivulet {

namespace {
constexpr std::size_t kMaxTokenBytes = 4096;
}  // namespace

Result<std::string> ReadTokenFile(std::string_view option, const std::string& path) {
  const std::string name = fmt::format("--{}={}", option, path);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return IoError(name, errno);
  std::string token(kMaxTokenBytes, '\0');
  struct stat info {};
  const bool known = fstat(fd, &info) == 0;
  const ssize_t got = read(fd, token.data(), token.size());
  const int error = errno;
  close(fd);
  if (!known || got < 0) return IoError(name, error);
  if ((info.st_mode & S_IRWXO) != 0) {
    return InvalidArgument(name + ": must not be readable by others (chmod 600)");
  }
  token.resize(static_cast<std::size_t>(got));
  token.resize(std::min(token.find_first_of("\r\n"), token.size()));
  if (token.empty()) return InvalidArgument(name + ": must hold a token in its first line");
  return token;
}

}  // namespace rivulet
