#include "base/terminal_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/log.h"
#include "base/print.h"

namespace rivulet {

namespace {

constexpr std::size_t kBarWidth = 20;
constexpr std::size_t kUsualWidth = 80;
constexpr double kRecentSeconds = 3;

}  // namespace

std::string RoughDuration(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string ProgressBar(double fraction) {
  const double share = std::clamp(fraction, 0.0, 1.0);
  const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "]";
}

void RecentRate::Note(std::uint64_t count, MonoTime now) {
  if (noted_ && now <= *noted_) return;
  if (noted_) {
    const double seconds = std::chrono::duration<double>(now - *noted_).count();
    // A mean that forgets, corrected for having begun at nothing.
    const double keep = std::exp(-seconds / kRecentSeconds);
    const double rate = static_cast<double>(count - std::min(count, count_)) / seconds;
    const double sum = a_second_ * weight_ * keep + rate * (1 - keep);
    weight_ = weight_ * keep + 1 - keep;
    a_second_ = sum / weight_;
  }
  noted_ = now;
  count_ = count;
}

TerminalLine::TerminalLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

std::size_t TerminalLine::width() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  // Not the last column: some terminals go on to the next line there.
  return (known ? size.ws_col : kUsualWidth) - 1;
}

void TerminalLine::Show(const std::string& line) {
  if (!terminal_) return;
  // Ends at the line's begin, so that what others write comes over it, not behind.
  Print(stderr, "\r\033[K{}\r", line);
  std::fflush(stderr);
  drawn_ = true;
  LogEraseLine(true);
}

void TerminalLine::Clear() {
  if (!drawn_) return;
  LogEraseLine(false);
  Print(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace rivulet
