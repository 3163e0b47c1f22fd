// How far it is: one line on a terminal that is written over again and again, or a line now and
// then where there is none.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace rivulet {

/// What is told of.
struct ProgressFigures {
  std::uint64_t messages = 0;      // done with
  std::optional<double> fraction;  // of what there is, 0 to 1
  std::optional<Duration> left;    // until that is done
  double messages_a_second = 0;    // of late
  double bytes_a_second = 0;
  std::string waiting;  // for what, if for anything
};

/// "[####....]  50%  1000 messages  200/s  1.2 MB/s  5 s left  waiting for …", at most `width`
/// bytes; bytes that a terminal would act on are none.
std::string ProgressLine(const ProgressFigures& figures, std::size_t width);
/// "42 s", "3 min 20 s", "2 h 5 min".
std::string RoughDuration(Duration duration);

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

/// The line on standard error, where that is a terminal.
class TerminalLine {
 public:
  TerminalLine();
  bool shown() const { return terminal_; }
  static std::size_t width();
  void Show(const std::string& line);
  /// Takes it away, before something else is printed.
  void Clear();

 private:
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace rivulet
