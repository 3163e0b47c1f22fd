#include "bridge/dead_letters.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "base/log.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxAnswerBytes = 200;
constexpr Duration kLogEvery = std::chrono::minutes(1);

// 2026-11-21T12:00:00.000Z
std::string Timestamp(WallTime now) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     millis % 1000);
}

// At most 200 bytes of it, and no character cut in two.
std::string_view Shorten(std::string_view answer) {
  if (answer.size() <= kMaxAnswerBytes) return answer;
  std::size_t size = kMaxAnswerBytes;
  const auto is_tail = [&](std::size_t at) {
    return (static_cast<unsigned char>(answer[at]) & 0xC0) == 0x80;
  };
  for (int i = 0; i < 3 && is_tail(size); ++i) --size;
  return answer.substr(0, size);
}

std::string MakeLine(std::string_view time, std::string_view destination, std::string_view answer,
                     std::string_view message) {
  std::string line = "{\"time\":\"";
  line += time;
  line += "\",\"destination\":";
  AppendJsonString(&line, destination);
  line += ",\"answer\":";
  AppendJsonString(&line, Shorten(answer));
  if (IsValidUtf8(message)) {
    line += ",\"message\":";
    AppendJsonString(&line, message);
  } else {
    line += ",\"message_base64\":\"";
    AppendBase64(&line, message);
    line += '"';
  }
  return line += "}\n";
}

// All of it, or nothing that a reader would take for a line: what was written of it is cut off.
int WriteLine(int fd, std::string_view line) {
  ssize_t written = 0;
  do {
    written = write(fd, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return 0;
  const int error = written < 0 ? errno : ENOSPC;
  struct stat status {};
  if (written > 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    if (ftruncate(fd, status.st_size - written) != 0) return errno;
  }
  return error;
}

// Where a crash left a line unfinished, what comes next must not continue it.
int EndLastLine(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode) || status.st_size == 0) return 0;
  char last = '\n';
  if (pread(fd, &last, 1, status.st_size - 1) < 0) return errno;
  return last == '\n' ? 0 : WriteLine(fd, "\n");
}

}  // namespace

Result<std::unique_ptr<DeadLetters>> DeadLetters::Open(std::string path, const Clock& clock) {
  std::unique_ptr<DeadLetters> letters(new DeadLetters(std::move(path), clock));
  if (auto status = letters->Reopen(); !status.ok()) return status;
  return letters;
}

std::unique_ptr<DeadLetters> DeadLetters::OpenLater(std::string path, const Clock& clock) {
  return std::unique_ptr<DeadLetters>(new DeadLetters(std::move(path), clock));
}

DeadLetters::DeadLetters(std::string path, const Clock& clock)
    : path_(std::move(path)), clock_(clock) {}

DeadLetters::~DeadLetters() {
  if (fd_ >= 0) close(fd_);
}

Status DeadLetters::Reopen() {
  const int fd = open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return IoError(path_, errno);
  if (const int error = EndLastLine(fd); error != 0) {
    close(fd);
    return IoError(path_, error);
  }
  auto synced = Status::Ok();
  if (fd_ >= 0) {
    synced = Sync();
    close(fd_);
  }
  fd_ = fd;
  return synced;
}

Status DeadLetters::OpenNow() {
  std::error_code error;
  const auto folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return IoError(folder, error.value());
  return Reopen();
}

Status DeadLetters::NotAdded(Status why) {
  if (const MonoTime now = clock_.Now(); now >= next_log_) {
    next_log_ = now + kLogEvery;
    LogError("dead letters: {}; the messages are kept and tried again", why.message());
  }
  return why;
}

Status DeadLetters::Add(std::string_view destination, std::string_view answer,
                        std::string_view message) {
  if (fd_ < 0) {
    if (Status s = OpenNow(); !s.ok()) return NotAdded(std::move(s));
  }
  const int error =
      WriteLine(fd_, MakeLine(Timestamp(clock_.WallNow()), destination, answer, message));
  if (error != 0) return NotAdded(IoError(path_, error));
  unsynced_ = true;
  ++written_;
  return Status::Ok();
}

Status DeadLetters::Sync() {
  if (!unsynced_) return Status::Ok();
  // EINVAL: a pipe or a terminal, which has nothing to sync.
  if (fdatasync(fd_) != 0 && errno != EINVAL && errno != EROFS) return IoError(path_, errno);
  unsynced_ = false;
  return Status::Ok();
}

}  // namespace rivulet
