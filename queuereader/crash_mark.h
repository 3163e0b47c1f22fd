// Remembers which message is in hand, so that a crash can be told with it.
//
// The mark is a small file, mapped into memory: writing it costs no system call, and what it says
// outlives the process (not the machine). A start finds what the last process of that name left
// there: a message that was in hand when a signal such as SIGSEGV ended it, or exit(3) was called.
// A process that was killed from outside (SIGKILL) leaves no crash: its message is not to blame.
//
// Thread: Enter() and Leave() the one that runs tasks; the rest the loop's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

class CrashMark {
 public:
  struct Crash {
    std::string task;
    std::string message;  // as Enter() was told
    std::string how;      // "SIGSEGV", "exit(3)"
  };
  struct Current {
    std::string task;
    std::string message;
    MonoTime since{};
  };

  /// An empty path keeps the mark in memory alone. The file is for one process at a time (the
  /// checkpoint's lock sees to that).
  static Result<std::unique_ptr<CrashMark>> Open(const Clock& clock, const std::string& path);
  ~CrashMark();

  /// What the process before left. It stays in the file until this process watches, or ends in
  /// order.
  const std::optional<Crash>& found() const;
  /// What was found is this process's to deal with now. From now on a fatal signal (SIGSEGV,
  /// SIGBUS, SIGFPE, SIGILL, SIGABRT, on an alternate stack in the thread that calls this) or a
  /// call of exit(3) with a message in hand is noted, and told on standard error in one line that
  /// names task and message; then the signal takes its course. Not one from outside, nor of the
  /// thread that called Open(), when that is another. After an exit(3) the process ends at once,
  /// with status 1 in place of 0. One instance a process; to be called on the thread that runs
  /// tasks.
  void WatchThisThread(const std::string& program);
  /// The task is cut at 200 bytes, the message at 1000, control bytes replaced. O(bytes), without a
  /// lock or an allocation: about 50 ns, half of them the clock's.
  void Enter(std::string_view task, std::string_view message);
  void Leave();
  /// Any thread. Nothing when no task runs.
  std::optional<Current> current() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit CrashMark(std::unique_ptr<Impl> impl);
};

}  // namespace rivulet
