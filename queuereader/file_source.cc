#include "queuereader/file_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace rivulet {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;
// Beyond, requeued messages are fetched before the rest of the input: their memory is bounded.
constexpr std::size_t kMaxRequeued = 10'000;
constexpr std::size_t kRequeuedBatch = 100;

bool Readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return poll(&poll_fd, 1, 0) != 0;
}

}  // namespace

FileSource::FileSource(EventLoop& loop, std::vector<std::string> paths)
    : loop_(loop), paths_(std::move(paths)), alive_(std::make_shared<bool>(true)) {}

FileSource::~FileSource() {
  *alive_ = false;
  Close();
}

Result<std::unique_ptr<FileSource>> FileSource::Open(EventLoop& loop,
                                                     std::vector<std::string> paths) {
  auto source = std::make_unique<FileSource>(loop, std::move(paths));
  for (const std::string& path : source->paths_) {
    if (path != "-" && access(path.c_str(), R_OK) != 0) return IoError(path, errno);
  }
  if (Status status = source->OpenNext(); !status.ok()) return status;
  return source;
}

Status FileSource::OpenNext() {
  const std::string& path = paths_[current_];
  if (path == "-") {
    fd_ = STDIN_FILENO;
    return {};
  }
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return IoError(path, errno);
  struct stat info {};
  if (fstat(fd_, &info) == 0 && S_ISDIR(info.st_mode)) return IoError(path, EISDIR);
  return {};
}

void FileSource::Close() {
  watcher_.reset();
  if (fd_ > STDIN_FILENO) close(fd_);
  fd_ = -1;
}

void FileSource::Fetch() {
  loop_.Post([this, alive = alive_] {
    if (*alive) Read();
  });
}

void FileSource::Read() {
  if (requeued_.size() >= kMaxRequeued) return FetchRequeued();
  while (fd_ >= 0) {
    if (!Readable(fd_)) {
      // Only what can keep us waiting is watched: epoll takes no regular file.
      watcher_ = std::make_unique<IoWatcher>(loop_, fd_, [this](bool, bool) {
        watcher_->Watch(false, false);
        Fetch();
      });
      return watcher_->Watch(true, false);
    }
    if (ReadBlock()) return;
  }
  FetchRequeued();
}

bool FileSource::ReadBlock() {
  std::string block(partial_.size() + kBlockBytes, '\0');
  std::copy(partial_.begin(), partial_.end(), block.begin());
  ssize_t n = read(fd_, block.data() + partial_.size(), kBlockBytes);
  if (n < 0 && errno == EINTR) return false;
  if (n < 0) {
    Fail(IoError(paths_[current_], errno));
    return true;
  }
  block.resize(partial_.size() + static_cast<std::size_t>(n));
  if (n > 0) return CutLines(std::move(block), false);
  partial_.clear();
  Close();
  if (++current_ < paths_.size()) {
    if (Status status = OpenNext(); !status.ok()) {
      Fail(std::move(status));
      return true;
    }
  }
  return CutLines(std::move(block), true);
}

bool FileSource::CutLines(std::string block, bool at_end) {
  Batch batch;
  std::size_t begin = 0;
  while (begin < block.size()) {
    std::size_t newline = block.find('\n', begin);
    if (newline == std::string::npos && !at_end) break;
    std::size_t end = std::min(newline, block.size());
    std::size_t size = end - begin;
    if (size > 0 && block[end - 1] == '\r') --size;
    if (size > 0) batch.messages.push_back({begin, size, 0, false});
    begin = std::min(end + 1, block.size());
  }
  partial_.assign(block, begin);
  if (partial_.size() > kMaxLineBytes) {
    Fail({StatusCode::kTooLarge, fmt::format("{}: a line is longer than 64MiB", paths_[current_])});
    return true;
  }
  if (batch.messages.empty()) return false;
  batch.bytes = std::move(block);
  Deliver(std::move(batch));
  return true;
}

void FileSource::FetchRequeued() {
  Batch batch;
  while (!requeued_.empty() && batch.messages.size() < kRequeuedBatch) {
    batch.messages.push_back({batch.bytes.size(), requeued_.front().size(), 0, true});
    batch.bytes += requeued_.front();
    requeued_.pop_front();
  }
  if (batch.messages.empty()) batch.state = Batch::State::kEnded;
  Deliver(std::move(batch));
}

void FileSource::Deliver(Batch batch) {
  if (!batch.messages.empty()) batch.state = Batch::State::kMessages;
  events_.fetched(std::move(batch));
}

void FileSource::Fail(Status status) {
  Batch batch;
  batch.state = Batch::State::kFailed;
  batch.status = std::move(status);
  events_.fetched(std::move(batch));
}

void FileSource::Requeue(std::uint32_t, std::string body) {
  requeued_.push_back(std::move(body));
  loop_.Post([this, alive = alive_] {
    if (*alive) events_.requeued();
  });
}

std::vector<std::string> FileSource::TakePending() {
  std::vector<std::string> bodies(std::make_move_iterator(requeued_.begin()),
                                  std::make_move_iterator(requeued_.end()));
  requeued_.clear();
  return bodies;
}

std::string FileSource::name() const {
  std::string all;
  for (const std::string& path : paths_) {
    all += (all.empty() ? "" : ", ") + (path == "-" ? "standard input" : path);
  }
  return all;
}

}  // namespace rivulet
