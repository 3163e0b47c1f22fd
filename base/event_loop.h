// One thread's event loop, over libevent's event_base.
//
// Thread: everything here belongs to the loop's thread, but Post() and Stop(), which any thread may
// call. Watchers and timers must not outlive their loop. Destroying one, also from inside its own
// callback, is safe and cancels it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"

struct event;
struct event_base;

namespace rivulet {

namespace internal {
struct EventDeleter {
  void operator()(event* e) const;
};
struct EventBaseDeleter {
  void operator()(event_base* b) const;
};
using EventPtr = std::unique_ptr<event, EventDeleter>;
}  // namespace internal

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Serves events until Stop().
  void Run();
  /// Serves what is ready (waiting at most `max_wait` for something) and returns. For tests.
  void RunOnce(Duration max_wait);
  /// Makes Run() return soon; a Stop() before Run() makes it return at once. Any thread.
  void Stop();
  /// Runs `task` on the loop's thread, in the order posted, never inside this call. Any thread.
  void Post(std::function<void()> task);

  event_base* base() const { return base_.get(); }

 private:
  void WakeUp();
  void RunPosted();

  std::unique_ptr<event_base, internal::EventBaseDeleter> base_;
  int wakeup_fd_ = -1;
  internal::EventPtr wakeup_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
};

/// A timer. One-shot by Start(), never early; repeating by StartEvery(), whose first call may be a
/// few milliseconds early. Starting again replaces the old time.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Start(Duration delay);
  void StartEvery(Duration period);
  void Cancel();
  bool active() const { return active_; }

 private:
  void Fire();

  std::function<void()> callback_;
  bool active_ = false;
  bool repeats_ = false;
  MonoTime deadline_{};  // of a one-shot
  internal::EventPtr event_;
};

/// Calls back once, after the events that are ready now have been served: for work that many of
/// them ask for and that is done once (a fan-out, a group commit). Costs no system call.
class Deferred {
 public:
  Deferred(EventLoop& loop, std::function<void()> callback);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  /// Scheduling twice before the callback has run calls back once.
  void Schedule();

 private:
  std::function<void()> callback_;
  bool scheduled_ = false;
  internal::EventPtr event_;
};

/// Calls back when a descriptor is readable or writable, level-triggered. Does not own it.
class IoWatcher {
 public:
  IoWatcher(EventLoop& loop, int fd, std::function<void(bool readable, bool writable)> callback);
  ~IoWatcher();
  IoWatcher(const IoWatcher&) = delete;
  IoWatcher& operator=(const IoWatcher&) = delete;

  /// What to watch for from now on; (false, false) watches nothing.
  void Watch(bool readable, bool writable);

 private:
  EventLoop& loop_;
  int fd_;
  std::function<void(bool, bool)> callback_;
  short watched_ = 0;
  internal::EventPtr event_;
};

/// Calls back on the loop when the process receives the signal. One watcher a signal a process.
class SignalWatcher {
 public:
  SignalWatcher(EventLoop& loop, int signal_number, std::function<void()> callback);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  std::function<void()> callback_;
  internal::EventPtr event_;
};

}  // namespace rivulet
