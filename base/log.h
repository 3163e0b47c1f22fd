// The log: one line an event on standard error, or in a file that SIGHUP reopens.
//
//   LogInfo("queue {} made", name);
//
// Text: `2026-11-21T04:50:00.123Z INFO queue clicks made`. JSON: one object a line with the keys
// time, level, program, message. Control bytes in a message are escaped (\n, \x1b), a message is
// cut at 1 KiB, and by rule holds no message bodies and no tokens. Thread-safe: a line is one
// write(2).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogConfig {
  std::string program;  // shown in JSON lines
  bool json = false;
  LogLevel level = LogLevel::kInfo;
  std::string file;  // empty: standard error
};

/// Sets up the process's log. Before it is called, lines go to standard error as text at kInfo.
Status InitLog(const LogConfig& config);
/// Opens the log file again (after logrotate). Nothing to do without a file.
Status ReopenLog();

/// "debug", "info", "warning" or "error".
Result<LogLevel> ParseLogLevel(std::string_view name);

/// Bytes below 0x20, 0x7f and bytes that are not UTF-8 become \n, \t, \r or \xHH; `\` becomes `\\`.
std::string EscapeControl(std::string_view text);

/// While true, lines on standard error first erase what stands there of a line that is written over
/// again and again (base/terminal_line.h). Any thread.
void LogEraseLine(bool erase);

bool LogEnabled(LogLevel level);
void LogLine(LogLevel level, std::string_view message);

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kDebug)) {
    LogLine(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kInfo)) {
    LogLine(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace rivulet
