#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "queuereader/child/child_process.h"

namespace rivulet {
namespace {

// The log cuts lines at 1 KiB; escapes make them longer.
constexpr std::size_t kMaxLineBytes = 1024;
// At a time, so that a child that floods its standard error does not keep the loop.
constexpr int kReadsATurn = 4;

}  // namespace

ChildLog::ChildLog(EventLoop& loop, std::string name) : name_(std::move(name)) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    LogError("{}: its standard error goes to ours: pipe: {}", name_, std::strerror(errno));
    return;
  }
  read_fd_ = ends[0];
  write_fd_ = ends[1];
  fcntl(read_fd_, F_SETFL, O_NONBLOCK);
  watcher_ = std::make_unique<IoWatcher>(loop, read_fd_, [this](bool, bool) { Read(kReadsATurn); });
  watcher_->Watch(true, false);
}

ChildLog::~ChildLog() {
  watcher_.reset();
  if (read_fd_ < 0) return;
  constexpr int kLastReads = 64;
  Read(kLastReads);
  if (!line_.empty()) LogInfo("{}: {}", name_, line_);
  close(read_fd_);
  close(write_fd_);
}

void ChildLog::Read(int reads) {
  std::array<char, 16384> buffer;
  for (; reads > 0; --reads) {
    const ssize_t n = read(read_fd_, buffer.data(), buffer.size());
    if (n <= 0) return;
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::string_view part = bytes.substr(0, end);
      if (line_.size() <= kMaxLineBytes) line_ += part.substr(0, kMaxLineBytes + 1 - line_.size());
      if (end == std::string_view::npos) break;
      LogInfo("{}: {}", name_, line_);
      line_.clear();
      bytes.remove_prefix(end + 1);
    }
  }
}

}  // namespace rivulet
