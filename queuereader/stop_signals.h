// SIGTERM and SIGINT: the first asks the process to stop, the second ends it at once with status 1,
// and kills the children that it has started.
//
// Not by libevent's signals, because these are served by the loop: a task that hangs would keep the
// second one from being seen, and the reader looks at requested() between two messages. One
// instance a process.
#pragma once

#include <functional>
#include <memory>

#include "base/event_loop.h"

namespace rivulet {

class StopSignals {
 public:
  /// `stop` is called on the loop, once.
  StopSignals(EventLoop& loop, std::function<void()> stop);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  static bool requested();

 private:
  std::function<void()> stop_;
  std::unique_ptr<IoWatcher> watcher_;
};

}  // namespace rivulet
