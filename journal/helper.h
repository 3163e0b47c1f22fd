// One thread for what blocks: it does what it is given in order, and the loop hears how it went.
//
// Thread: the loop's, but the work. Owned by whoever gives the work, and gone with it: what has not
// been told by then is not told any more.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

class EventLoop;

class Helper {
 public:
  /// Runs on the helper's thread.
  using Work = std::function<Status()>;
  /// Runs on the loop, in the order of the work. `took` is the work's own time.
  using Done = std::function<void(const Status& status, Duration took)>;

  /// `clock` is read on the helper's thread too. Both must outlive it.
  Helper(EventLoop& loop, const Clock& clock);
  /// As Stop(), but tells nothing.
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  void Do(Work work, Done done);
  /// Blocks until all work has been done, and tells it. From then on Do() works and tells before it
  /// returns.
  void Stop();

 private:
  struct Job {
    Work work;
    Done done;
    Status status;
    Duration took{};
  };

  void Run();
  void RunJob(Job* job) const;
  void Tell();
  void Join();

  EventLoop& loop_;
  const Clock& clock_;
  // What is posted to the loop looks here whether there is still a helper.
  std::shared_ptr<Helper*> self_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> todo_;      // guarded by mutex_
  std::deque<Job> finished_;  // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace rivulet
