#include "base/write_all.h"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

namespace rivulet {

int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    // Nothing written, and no reason: no device of ours does that with room left.
    if (written <= 0) return written < 0 ? errno : ENOSPC;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace rivulet
