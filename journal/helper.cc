#include "journal/helper.h"

#include <pthread.h>
#include <signal.h>

#include "base/event_loop.h"

namespace rivulet {

Helper::Helper(EventLoop& loop, const Clock& clock)
    : loop_(loop), clock_(clock), self_(std::make_shared<Helper*>(this)) {
  // The helper inherits the mask: signals are the loop's, and interrupt nothing here.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Helper::~Helper() {
  Join();
  *self_ = nullptr;
}

void Helper::Do(Work work, Done done) {
  Job job{std::move(work), std::move(done), Status(), Duration::zero()};
  if (!thread_.joinable()) {
    RunJob(&job);
    job.done(job.status, job.took);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    todo_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Helper::Stop() {
  Join();
  Tell();
}

void Helper::Join() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Helper::RunJob(Job* job) const {
  const MonoTime begin = clock_.Now();
  job->status = job->work();
  job->took = clock_.Now() - begin;
}

void Helper::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !todo_.empty(); });
    if (todo_.empty()) return;
    Job job = std::move(todo_.front());
    todo_.pop_front();
    lock.unlock();
    RunJob(&job);
    lock.lock();
    finished_.push_back(std::move(job));
    if (finished_.size() > 1) continue;  // the post of the first one is still on its way
    loop_.Post([self = self_] {
      if (*self != nullptr) (*self)->Tell();
    });
  }
}

void Helper::Tell() {
  std::deque<Job> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const Job& job : finished) job.done(job.status, job.took);
}

}  // namespace rivulet
