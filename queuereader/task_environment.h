// What tasks are made with.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"

namespace rivulet {

class CrashMark;
class Store;

struct TaskEnvironment {
  EventLoop* loop = nullptr;  // where children's standard error is read
  const Clock* clock = nullptr;
  std::vector<std::string> outputs;  // names
  Store* store = nullptr;            // what tasks are made with; nullptr: none
  /// Of programs and isolated tasks: for one message. Zero: for ever.
  Duration task_timeout = std::chrono::seconds(30);
  std::uint64_t task_memory_bytes = 0;  // RLIMIT_DATA of those; 0: none
  /// Shared objects run in a child process each: this program's own file, as task host. Empty: in
  /// this process.
  std::string host_program;
  std::function<bool()> stop_requested = [] { return false; };
  CrashMark* crash_mark = nullptr;  // marks the making of tasks in this process; nullptr: nothing
};

}  // namespace rivulet
