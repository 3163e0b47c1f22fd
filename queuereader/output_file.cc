#include "queuereader/output_file.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace rivulet {
namespace {

constexpr Duration kRetryEvery = std::chrono::seconds(1);
constexpr Duration kLogEvery = std::chrono::minutes(1);
constexpr std::uint64_t kMaxLines = 1 << 20;  // a write

bool IsRegular(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

Result<int> OpenFile(const std::string& path) {
  if (path == "-") {
    // Of our own: a task may close the one it knows.
    const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return IoError("standard output", errno);
    return fd;
  }
  // For reading too: a pipe with a name is not waited for then.
  int fd = open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EACCES) fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return IoError(path, errno);
  return fd;
}

int EndLastLine(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return 0;
  char last = '\n';
  if (pread(fd, &last, 1, status.st_size - 1) != 1 || last == '\n') return 0;
  return write(fd, "\n", 1) == 1 ? 0 : errno;
}

// POLLOUT of a pipe says that it takes PIPE_BUF bytes without blocking; whole lines where they fit.
std::string_view FirstPiece(std::string_view lines) {
  const std::string_view piece = lines.substr(0, PIPE_BUF);
  const std::size_t newline = piece.rfind('\n');
  return newline == std::string_view::npos ? piece : piece.substr(0, newline + 1);
}

}  // namespace

Result<std::unique_ptr<OutputFile>> OutputFile::Open(EventLoop& loop, const Clock& clock,
                                                     std::string path, Backlog* backlog,
                                                     std::function<void()> on_progress) {
  const auto fd = OpenFile(path);
  if (!fd.ok()) return fd.status();
  if (const int error = path == "-" ? 0 : EndLastLine(*fd); error != 0) {
    close(*fd);
    return IoError(path, error);
  }
  return std::unique_ptr<OutputFile>(
      new OutputFile(loop, clock, std::move(path), *fd, backlog, std::move(on_progress)));
}

OutputFile::OutputFile(EventLoop& loop, const Clock& clock, std::string path, int fd,
                       Backlog* backlog, std::function<void()> on_progress)
    : loop_(loop),
      clock_(clock),
      path_(std::move(path)),
      fd_(fd),
      regular_(IsRegular(fd)),
      backlog_(backlog),
      on_progress_(std::move(on_progress)),
      pump_(loop, [this] { Pump(); }),
      again_(loop, [this] { Pump(); }) {}

OutputFile::~OutputFile() {
  writable_.reset();
  close(fd_);
}

void OutputFile::Append(std::string_view message) {
  if (message.find('\n') == std::string_view::npos) {
    backlog_->Append(message);
  } else {
    std::string line(message);
    std::ranges::replace(line, '\n', ' ');
    backlog_->Append(line);
  }
  if (!failing_) pump_.Schedule();
}

void OutputFile::Flush() { pump_.Schedule(); }

void OutputFile::Pump() {
  const std::uint64_t before = oldest();
  while (backlog_->start() < backlog_->end() && WriteSome()) {
  }
  if (oldest() != before) on_progress_();
}

bool OutputFile::WriteSome() {
  if (!regular_) {
    pollfd ready{fd_, POLLOUT, 0};
    if (poll(&ready, 1, 0) == 0) {
      if (!writable_) {
        writable_.emplace(loop_, fd_, [this](bool, bool) {
          writable_->Watch(false, false);
          Pump();
        });
      }
      writable_->Watch(false, true);
      return false;
    }
  }
  const MessageBatch batch = backlog_->Slice(backlog_->start(), kMaxLines);
  std::string_view rest = batch.lines.substr(static_cast<std::size_t>(begun_));
  if (!regular_) rest = FirstPiece(rest);
  const ssize_t written = write(fd_, rest.data(), rest.size());
  if (written < 0 && errno == EINTR) return true;
  if (written < 0) {
    OnError(errno);
    return false;
  }
  OnWritten(rest.substr(0, static_cast<std::size_t>(written)));
  return true;
}

void OutputFile::OnWritten(std::string_view bytes) {
  // Messages hold no newline: each that was written ends one.
  const auto ended = static_cast<std::uint64_t>(std::ranges::count(bytes, '\n'));
  // A part of a line alone, which the rest of a disk took, will be taken back.
  if (failing_ && (ended > 0 || !regular_)) {
    LogInfo("--output file {} again, after {} failures", path_, retries_);
    failing_ = false;
    again_.Cancel();
  }
  const std::size_t last = bytes.rfind('\n');
  begun_ = last == std::string_view::npos ? begun_ + bytes.size() : bytes.size() - last - 1;
  backlog_->DropBefore(backlog_->start() + ended);
}

void OutputFile::TakeBackPart() {
  if (!regular_ || begun_ == 0) return;
  struct stat status {};
  const off_t behind = lseek(fd_, 0, SEEK_CUR);  // what was written last
  if (behind < 0 || fstat(fd_, &status) != 0 || status.st_size != behind) return;
  const auto part = static_cast<off_t>(begun_);
  if (part <= behind && ftruncate(fd_, behind - part) == 0) begun_ = 0;
}

void OutputFile::OnError(int error) {
  TakeBackPart();
  failing_ = true;
  ++retries_;
  last_error_ = IoError(path_, error).message();
  again_.Start(kRetryEvery);
  if (const MonoTime now = clock_.Now(); now >= next_log_) {
    next_log_ = now + kLogEvery;
    LogError("--output: {}; it is tried again every second", last_error_);
  }
}

}  // namespace rivulet
