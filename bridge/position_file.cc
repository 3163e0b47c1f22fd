#include "bridge/position_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/log.h"
#include "base/replace_file.h"
#include "bridge/source_url.h"

namespace rivulet {

namespace {

constexpr std::string_view kFirstLine = "rivulet source positions 1\n";
constexpr Duration kWriteEvery = std::chrono::seconds(1);
constexpr std::size_t kMaxFileBytes = 1024 * 1024;

// The whole file; empty when there is none.
Result<std::string> ReadWhole(const std::string& path) {
  // A FIFO without a writer must not block.
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::string();
    return IoError("open " + path, errno);
  }
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return InvalidArgument(path + ": must be a file: it is replaced as a whole");
  }
  std::string content(kMaxFileBytes, '\0');
  std::size_t filled = 0;
  ssize_t got = 1;
  while (got > 0 && filled < content.size()) {
    got = read(fd, content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      filled += static_cast<std::size_t>(got);
  }
  const int error = errno;
  close(fd);
  if (got < 0) return IoError("read " + path, error);
  content.resize(filled);
  return content;
}

}  // namespace

PositionFile::PositionFile(std::string path, const std::vector<std::string>& urls, EventLoop& loop,
                           const Clock& clock)
    : path_(std::move(path)),
      keys_(SourceKeys(urls)),
      positions_(keys_.size()),
      clock_(clock),
      timer_(loop, [this] { Write(); }),
      helper_(loop, clock) {}

PositionFile::~PositionFile() = default;

Result<std::unique_ptr<PositionFile>> PositionFile::Open(std::string path,
                                                         const std::vector<std::string>& urls,
                                                         EventLoop& loop, const Clock& clock) {
  auto file = std::make_unique<PositionFile>(std::move(path), urls, loop, clock);
  if (Status status = file->Read(); !status.ok()) return status;
  if (Status status = ReplaceFile(file->path_, file->Text()); !status.ok()) return status;
  return file;
}

Status PositionFile::Read() {
  const auto content = ReadWhole(path_);
  if (!content.ok()) return content.status();
  if (content->empty()) return Status::Ok();
  Status corrupt(StatusCode::kCorrupt,
                 path_ +
                     ": must hold positions of sources, as it was written here; remove "
                     "it to begin with what comes now");
  std::string_view rest = *content;
  if (!rest.starts_with(kFirstLine) || !rest.ends_with('\n')) return corrupt;
  rest.remove_prefix(kFirstLine.size());
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n') + 1);
    rest.remove_prefix(line.size());
    if (!ReadLine(line)) return corrupt;
  }
  TellUnknown();
  return Status::Ok();
}

// With its newline.
bool PositionFile::ReadLine(std::string_view line) {
  std::uint64_t position = 0;
  const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), position);
  if (error != std::errc() || *stop != ' ') return false;
  const auto size = static_cast<std::size_t>(stop - line.data());
  const std::string key = SourceKey(line.substr(size + 1, line.size() - size - 2));
  bool known = false;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] != key) continue;
    known = true;
    // Of several lines the first is the latest.
    if (!positions_[i]) positions_[i] = position;
    if (!latest_) latest_ = i;
  }
  if (!known) others_ += line;
  return true;
}

void PositionFile::TellUnknown() const {
  if (others_.empty()) return;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (positions_[i]) continue;
    // Its query may hold what is nobody's business.
    LogWarning("{}: knows other sources, but not {} as it is asked for here: it begins anew", path_,
               keys_[i].substr(0, keys_[i].find('?')));
  }
}

std::string PositionFile::Text() const {
  std::string text(kFirstLine);
  const auto add = [&](std::size_t i) {
    if (positions_[i]) text += fmt::format("{} {}\n", *positions_[i], keys_[i]);
  };
  if (latest_) add(*latest_);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const auto same = std::find(keys_.begin(), keys_.end(), keys_[i]) - keys_.begin();
    const bool first = static_cast<std::size_t>(same) == i;
    if (first && (!latest_ || keys_[*latest_] != keys_[i])) add(i);
  }
  return text += others_;
}

void PositionFile::Set(std::size_t url, std::uint64_t position) {
  if (positions_[url] == position && latest_ == url) return;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (i == url || keys_[i] == keys_[url]) positions_[i] = position;
  }
  latest_ = url;
  changed_ = true;
  if (!timer_.active() && !writing_) WriteSoon();
}

// At once after a second of quiet: who is killed more often than once a second gets on, too.
void PositionFile::WriteSoon() {
  timer_.Start(std::max(Duration::zero(), next_write_ - clock_.Now()));
}

void PositionFile::Write() {
  changed_ = false;
  writing_ = true;
  next_write_ = clock_.Now() + kWriteEvery;
  helper_.Do([path = path_, text = Text()] { return ReplaceFile(path, text); },
             [this](const Status& status, Duration) { OnWritten(status); });
}

void PositionFile::OnWritten(const Status& status) {
  writing_ = false;
  if (!status.ok() && last_.ok()) LogError("{}", status.message());
  last_ = status;
  if (!status.ok()) changed_ = true;
  if (changed_) WriteSoon();
}

Status PositionFile::Close() {
  timer_.Cancel();
  helper_.Stop();
  timer_.Cancel();
  if (!changed_) return last_;
  Write();
  timer_.Cancel();
  return last_;
}

}  // namespace rivulet
