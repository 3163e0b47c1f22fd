// How far the player is, on standard error: a bar that redraws itself on a terminal, a line now and
// then elsewhere.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

#include "base/clock.h"

namespace rivulet::clicks {

class Progress {
 public:
  explicit Progress(MonoTime start) : start_(start), shown_(start), terminal_(isatty(2) == 1) {}

  /// `fraction`: the part that is done, negative where that is not known.
  void Show(std::uint64_t messages, double fraction, MonoTime now) {
    using std::chrono::milliseconds;
    if (now - shown_ < (terminal_ ? milliseconds(100) : milliseconds(1000))) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    auto text =
        fmt::format("{} messages  {:.0f}/s", messages, static_cast<double>(messages) / seconds);
    if (fraction > 0) {
      text = fmt::format("{} {:3.0f}%  {}  {} s left", Bar(fraction), fraction * 100, text,
                         std::lround(seconds / fraction - seconds));
    }
    if (terminal_) {
      fmt::print(stderr, "\r\033[K{}", text);
    } else {
      fmt::print(stderr, "{}\n", text);
    }
    std::fflush(stderr);
    drawn_ = terminal_;
  }

  /// Takes the bar away, before anything else is printed.
  void Clear() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  static std::string Bar(double fraction) {
    constexpr std::size_t kWidth = 24;
    const auto full =
        std::min(kWidth, static_cast<std::size_t>(fraction * static_cast<double>(kWidth)));
    return "[" + std::string(full, '#') + std::string(kWidth - full, '.') + "]";
  }

  MonoTime start_;
  MonoTime shown_;
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace rivulet::clicks
