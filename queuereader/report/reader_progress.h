// How far a reader is: one line on standard error that is written over four times a second, where
// that is a terminal (base/terminal_line.h).
//
// Thread: the loop's.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/terminal_line.h"

namespace rivulet {

class Runner;
class Source;
struct RunnerStats;

struct ReaderPace {
  double messages_a_second = 0;  // of late
  double fraction = -1;          // of the source, 0 to 1; less: it has no end
  double fraction_a_second = 0;
};

/// "[####....]  50%  1000 messages  200/s  3 failed  100 in hand  5 s left  backing off 3.2 s on
/// task x", at most `width` bytes; bytes that a terminal would act on are none.
std::string ReaderProgressLine(const RunnerStats& stats, const ReaderPace& pace, std::size_t width);

/// Shows nothing where standard error is no terminal, or where a task `print` writes to the same
/// one. Goes with its destruction.
class ReaderProgress {
 public:
  /// `runner` and `source` must outlive it.
  ReaderProgress(EventLoop& loop, const Clock& clock, const Runner& runner, const Source& source);

 private:
  void Show();

  const Clock& clock_;
  const Runner& runner_;
  const Source& source_;
  TerminalLine line_;
  bool shared_;  // standard output is the same terminal
  RecentRate messages_;
  RecentRate fraction_;
  Timer timer_;
};

}  // namespace rivulet
