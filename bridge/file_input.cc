#include "bridge/file_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rivulet {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::size_t kHeadBytes = 1024;

bool Readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return poll(&poll_fd, 1, 0) != 0;
}

}  // namespace

FileInput::FileInput(EventLoop& loop, const std::string& path, int fd)
    : loop_(loop),
      name_(FileInputName(path)),
      fd_(fd),
      raw_(std::make_unique<char[]>(kPieceBytes)),
      output_(std::make_unique<char[]>(kPieceBytes)) {}

FileInput::~FileInput() {
  watcher_.reset();
  if (fd_ != STDIN_FILENO) close(fd_);
}

Result<std::unique_ptr<FileInput>> FileInput::Open(EventLoop& loop, const std::string& path) {
  int fd = STDIN_FILENO;
  // Not blocking: else opening a named pipe waits for who writes to it.
  if (path != "-") fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return IoError(path, errno);
  auto input = std::make_unique<FileInput>(loop, path, fd);
  if (Status status = input->Look(); !status.ok()) return status;
  return input;
}

Status FileInput::Look() {
  struct stat about {};
  if (fstat(fd_, &about) != 0) return IoError(name_, errno);
  if (S_ISDIR(about.st_mode)) return IoError(name_, EISDIR);
  regular_ = S_ISREG(about.st_mode);
  if (!regular_) return {};
  size_bytes_ = static_cast<std::uint64_t>(about.st_size);
  head_.resize(kHeadBytes);
  const ssize_t got = pread(fd_, head_.data(), head_.size(), 0);
  if (got < 0) return IoError(name_, errno);
  head_.resize(static_cast<std::size_t>(got));
  return {};
}

Status FileInput::Skip(std::uint64_t bytes) {
  if (bytes == 0) return {};
  if (DetectCompression(head_) != CompressionFormat::kNone) {
    skip_bytes_ = bytes;
    return {};
  }
  if (bytes > size_bytes_) {
    return {StatusCode::kCorrupt, fmt::format("{} ends at byte {}, before byte {}, where to go on",
                                              name_, size_bytes_, bytes)};
  }
  if (lseek(fd_, static_cast<off_t>(bytes), SEEK_SET) < 0) return IoError(name_, errno);
  begin_bytes_ = bytes;
  // The middle of a plain file may look like the beginning of a compressed one.
  decompressor_.TakeAsPlain();
  return {};
}

Result<bool> FileInput::Fill() {
  if (!Readable(fd_)) return false;
  const ssize_t got = read(fd_, raw_.get(), kPieceBytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
  if (got < 0) return IoError(name_, errno);
  at_end_ = got == 0;
  unread_ = {raw_.get(), static_cast<std::size_t>(got)};
  return true;
}

Result<FileInput::Piece> FileInput::Read() {
  if (unread_.empty() && !more_output_ && !at_end_) {
    const auto filled = Fill();
    if (!filled.ok()) return filled.status();
    if (!*filled) return Piece{Piece::State::kWait, {}};
  }
  const bool finishing = at_end_ && unread_.empty();
  const auto size = finishing ? decompressor_.Finish(output_.get(), kPieceBytes)
                              : decompressor_.Read(&unread_, output_.get(), kPieceBytes);
  if (!size.ok()) return Status(size.status().code(), name_ + ": " + size.status().message());
  more_output_ = *size == kPieceBytes;
  std::string_view bytes(output_.get(), *size);
  const auto skipped = std::min<std::uint64_t>(skip_bytes_, bytes.size());
  bytes.remove_prefix(static_cast<std::size_t>(skipped));
  skip_bytes_ -= skipped;
  if (!finishing || *size > 0) return Piece{Piece::State::kBytes, bytes};
  if (skip_bytes_ > 0) {
    return Status(
        StatusCode::kCorrupt,
        fmt::format("{} ends {} bytes before the offset where to go on", name_, skip_bytes_));
  }
  return Piece{Piece::State::kEnd, {}};
}

void FileInput::WhenReadable(std::function<void()> callback) {
  // Only what can keep us waiting comes here: epoll takes no regular file.
  watcher_ =
      std::make_unique<IoWatcher>(loop_, fd_, [this, callback = std::move(callback)](bool, bool) {
        watcher_->Watch(false, false);
        callback();
      });
  watcher_->Watch(true, false);
}

}  // namespace rivulet
