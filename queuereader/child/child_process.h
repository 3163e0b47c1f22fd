// A child process that answers lines or frames: its two pipes, and its end.
//
// Thread: any one; the one that started it must outlive it (the child is killed when that thread
// ends, PR_SET_PDEATHSIG).
//
// A child that ends closes its pipe, and a write to it would end this process: the first Start()
// makes the process ignore SIGPIPE where it does nothing else about it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace rivulet {

/// Where children write their standard error: each line goes to the log, with the name before it,
/// escaped and cut as log lines are; what is there at the end too. On the loop; lives as long as a
/// child that writes to it.
class ChildLog {
 public:
  ChildLog(EventLoop& loop, std::string name);
  ~ChildLog();
  ChildLog(const ChildLog&) = delete;
  ChildLog& operator=(const ChildLog&) = delete;
  /// To write to; -1 when there is no descriptor left for it.
  int fd() const { return write_fd_; }

 private:
  void Read(int reads);

  std::string name_;
  int read_fd_ = -1;
  int write_fd_ = -1;
  std::string line_;
  std::unique_ptr<IoWatcher> watcher_;
};

struct ChildConfig {
  std::vector<std::string> argv;  // argv[0] is looked for in PATH
  std::string name;               // for messages: "exec:python3 task.py"
  int error_fd = -1;              // its standard error; -1: ours
  /// The pipes are descriptors 3 (to read) and 4 (to write), and standard input is /dev/null;
  /// standard output is our standard error. Else they are standard input and output.
  bool own_descriptors = false;
  std::uint64_t memory_bytes = 0;  // RLIMIT_DATA; 0: none
};

/// Kills every child that runs, with its process group: for who leaves at once. Any thread; safe in
/// a signal handler. The first kMaxKilledChildren that run at a time are known.
inline constexpr std::size_t kMaxKilledChildren = 1024;
void KillAllChildren();

class ChildProcess {
 public:
  /// In a process group of its own, signals at their defaults, no descriptor of ours but those.
  static Result<std::unique_ptr<ChildProcess>> Start(const ChildConfig& config);
  /// As End(0).
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// Non-blocking, both.
  int input() const { return input_; }    // to write
  int output() const { return output_; }  // to read
  /// It shall end: it reads the end of its input. Again: nothing.
  void CloseInput();
  /// Closes its input, waits so long for its end, then kills its process group. Returns how it
  /// ended: "exited with 3", "was killed by SIGSEGV", "was killed because it did not end". Again:
  /// the same.
  std::string End(Duration patience);

 private:
  ChildProcess() = default;

  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::string ended_;
};

}  // namespace rivulet
