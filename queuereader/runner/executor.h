// The thread that runs tasks, so that the loop keeps leases alive and answers while a task takes
// its time.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/event_loop.h"
#include "journal/helper.h"

namespace rivulet {

/// Thread: the loop's, but the work.
class Executor {
 public:
  virtual ~Executor() = default;
  /// `work` runs elsewhere, in the order given, one at a time; `done` then on the loop, in that
  /// order. Neither throws.
  virtual void Do(std::function<void()> work, std::function<void()> done) = 0;
};

class TaskThread final : public Executor {
 public:
  TaskThread(EventLoop& loop, const Clock& clock) : helper_(loop, clock) {}
  void Do(std::function<void()> work, std::function<void()> done) override {
    helper_.Do(
        [work = std::move(work)] {
          work();
          return Status();
        },
        [done = std::move(done)](const Status&, Duration) { done(); });
  }

 private:
  Helper helper_;
};

/// Everything on the loop's thread, one piece of work a turn: for tests.
class LoopExecutor final : public Executor {
 public:
  explicit LoopExecutor(EventLoop& loop) : loop_(loop) {}
  void Do(std::function<void()> work, std::function<void()> done) override {
    loop_.Post([work = std::move(work), done = std::move(done)] {
      work();
      done();
    });
  }

 private:
  EventLoop& loop_;
};

}  // namespace rivulet
