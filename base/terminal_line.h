// A line on a terminal that is written over again and again, and what such lines tell.
//
// Thread: one; the log may be written to meanwhile from any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace rivulet {

/// "42 s", "3 min 20 s", "2 h 5 min".
std::string RoughDuration(Duration duration);

/// "[#####...............]": how much of a whole is done, 0 to 1.
std::string ProgressBar(double fraction);

/// Rates of late: over the last few seconds.
class RecentRate {
 public:
  /// A count that only grows; to be noted a few times a second.
  void Note(std::uint64_t count, MonoTime now);
  double a_second() const { return a_second_; }

 private:
  std::uint64_t count_ = 0;
  std::optional<MonoTime> noted_;
  double a_second_ = 0;
  double weight_ = 0;
};

/// The line on standard error, where that is a terminal. At most one in a process.
class TerminalLine {
 public:
  TerminalLine();
  ~TerminalLine() { Clear(); }
  TerminalLine(const TerminalLine&) = delete;
  TerminalLine& operator=(const TerminalLine&) = delete;

  bool shown() const { return terminal_; }
  static std::size_t width();
  /// A line of the log that comes next takes its place.
  void Show(const std::string& line);
  /// Takes it away, before something else is printed.
  void Clear();

 private:
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace rivulet
