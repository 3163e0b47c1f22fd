// Remembers which message is in hand, so that a crash can be told with it.
//
// The mark is a small file, mapped into memory: writing it costs no system call, and what it says
// outlives the process (not the machine). A start finds what the last process of that name left
// there: a message that was in hand when a signal such as SIGSEGV ended it, or exit() was called.
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
#include "queuereader/runner/message_name.h"

namespace rivulet {

class CrashMark {
 public:
  struct Crash {
    std::string task;
    std::string message;  // as Enter() was told
    std::string how;      // "SIGSEGV", "a call of exit()", what Hung() was told
  };
  struct Current {
    std::string task;
    std::string message;  // or what it does besides, as EnterCall() was told
    MonoTime since{};
    bool is_call = false;  // of EnterCall()

    /// "on MESSAGE", "on a message" where it has no name, "while its state was saved".
    std::string Place() const;
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
  /// call of exit() with a message in hand is noted, and told on standard error in one line that
  /// names task and message; then the signal takes its course. Not one from outside, nor of the
  /// thread that called Open(), when that is another. After an exit() the process ends at once,
  /// with status 1 in place of 0. One instance a process; to be called on the thread that runs
  /// tasks.
  void WatchThisThread(const std::string& program);
  /// It is `since`. The task is cut at 200 bytes, the message at 1000, control bytes
  /// replaced. O(bytes), without a lock or an allocation; the name is put together by who reads it.
  void Enter(std::string_view task, const MessageName& message, MonoTime since);
  /// Now.
  void Enter(std::string_view task, std::string_view message);
  /// A call into the task that has no message to blame: `what` is the end of "while ...", as "its
  /// state was saved". Told as a crash is, by whichever thread it runs on; the next start hears
  /// nothing of it. For the thread that calls, until Leave().
  void EnterCall(std::string_view task, std::string_view what);
  void Leave();
  /// As WatchThisThread(), before there are messages: for calls alone, on the loop's thread. What
  /// was found stays.
  void WatchCalls(const std::string& program);
  /// Notes what is in hand, as a crash does, so that the next start finds it, though this process
  /// goes on and ends in order: a task does not come back. Not a call. Once; no crash is noted
  /// after it. Any thread.
  void Hung(const char* how);
  /// Any thread. Nothing when no task runs.
  std::optional<Current> current() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit CrashMark(std::unique_ptr<Impl> impl);
};

}  // namespace rivulet
