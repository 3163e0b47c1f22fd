#include "base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <iterator>
#include <mutex>

#include "base/clock.h"
#include "base/json.h"
#include "base/write_all.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxMessageBytes = 1024;
constexpr std::string_view kCutMark = "...";

struct LogState {
  std::mutex mutex;
  LogConfig config;  // guarded by mutex
  int file_fd = -1;  // guarded by mutex; -1: standard error
  std::atomic<LogLevel> level = LogLevel::kInfo;
  std::atomic<bool> erase_line = false;
};

// Never destroyed: a thread may log while the process ends.
LogState& State() {
  static LogState& state = *new LogState;  // NOLINT(cppcoreguidelines-owning-memory)
  return state;
}

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};
constexpr std::string_view kLevelTags[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

std::size_t Index(LogLevel level) { return static_cast<std::size_t>(level); }

// 2026-11-21T04:50:00.123Z
std::string Timestamp(WallTime now) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     millis % 1000);
}

// Appends the escaped form of the first character of `text` and removes it there.
void EscapeFirst(std::string_view* text, std::string* out) {
  const auto byte = static_cast<unsigned char>((*text)[0]);
  std::size_t length = 1;
  if (byte == '\n') {
    *out += "\\n";
  } else if (byte == '\t') {
    *out += "\\t";
  } else if (byte == '\r') {
    *out += "\\r";
  } else if (byte == '\\') {
    *out += "\\\\";
  } else if (byte >= 0x20 && byte != 0x7f && Utf8SequenceLength(*text) > 0) {
    length = Utf8SequenceLength(*text);
    *out += text->substr(0, length);
  } else {
    fmt::format_to(std::back_inserter(*out), "\\x{:02x}", byte);
  }
  text->remove_prefix(length);
}

// At most kMaxMessageBytes, never ending inside a character or an escape.
std::string EscapeAndCut(std::string_view text) {
  std::string out;
  std::size_t end = 0;  // after the last character that leaves room for the mark
  while (!text.empty() && out.size() <= kMaxMessageBytes) {
    if (out.size() + kCutMark.size() <= kMaxMessageBytes) end = out.size();
    EscapeFirst(&text, &out);
  }
  if (out.size() <= kMaxMessageBytes) return out;
  out.resize(end);
  out += kCutMark;
  return out;
}

// A line that cannot be written has nobody to tell.
void WriteLine(int fd, std::string_view line) {
  [[maybe_unused]] const int ignored = WriteAll(fd, line);
}

Result<int> OpenLogFile(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return IoError("log file " + path, errno);
  return fd;
}

}  // namespace

Status InitLog(const LogConfig& config) {
  int fd = -1;
  if (!config.file.empty()) {
    const auto opened = OpenLogFile(config.file);
    if (!opened.ok()) return opened.status();
    fd = *opened;
  }
  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  if (state.file_fd >= 0) close(state.file_fd);
  state.file_fd = fd;
  state.config = config;
  state.level.store(config.level);
  return {};
}

Status ReopenLog() {
  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  if (state.config.file.empty()) return {};
  const auto opened = OpenLogFile(state.config.file);
  if (!opened.ok()) return opened.status();  // the old file is kept
  if (state.file_fd >= 0) close(state.file_fd);
  state.file_fd = *opened;
  return {};
}

Result<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (name == kLevelNames[Index(level)]) return level;
  }
  return InvalidArgument("must be one of debug, info, warning, error");
}

std::string EscapeControl(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) EscapeFirst(&text, &out);
  return out;
}

void LogEraseLine(bool erase) { State().erase_line.store(erase, std::memory_order_relaxed); }

bool LogEnabled(LogLevel level) { return level >= State().level.load(std::memory_order_relaxed); }

void LogLine(LogLevel level, std::string_view message) {
  if (!LogEnabled(level)) return;
  const std::string text = EscapeAndCut(message);
  const std::string time = Timestamp(SystemClock().WallNow());

  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  std::string line;
  if (state.config.json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","program":)", time, kLevelNames[Index(level)]);
    AppendJsonString(&line, state.config.program);
    line += R"(,"message":)";
    AppendJsonString(&line, text);
    line += "}\n";
  } else {
    line = fmt::format("{} {} {}\n", time, kLevelTags[Index(level)], text);
  }
  if (state.file_fd < 0 && state.erase_line.load(std::memory_order_relaxed)) {
    line.insert(0, "\r\033[K");
  }
  WriteLine(state.file_fd >= 0 ? state.file_fd : STDERR_FILENO, line);
}

}  // namespace rivulet
