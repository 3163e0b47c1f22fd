#include "queuereader/stop_signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "queuereader/child/child_process.h"

namespace rivulet {
namespace {

// What a signal handler may touch: lock-free atomics, kill(2), write(2) and _exit(2).
std::atomic<int> received{0};
std::atomic<int> wakeup_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void OnStopSignal(int) {
  int saved_errno = errno;
  if (received.fetch_add(1) > 0) {
    KillAllChildren();
    _exit(1);
  }
  std::uint64_t one = 1;
  // The counter cannot overflow, so nothing can be done or has to be.
  [[maybe_unused]] ssize_t written = write(wakeup_fd.load(), &one, sizeof one);
  errno = saved_errno;
}

void Handle(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal_number, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals(EventLoop& loop, std::function<void()> stop) : stop_(std::move(stop)) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  received = 0;
  wakeup_fd = fd;
  watcher_ = std::make_unique<IoWatcher>(loop, fd, [this](bool, bool) {
    watcher_->Watch(false, false);
    stop_();
  });
  watcher_->Watch(true, false);
  Handle(SIGTERM, OnStopSignal);
  Handle(SIGINT, OnStopSignal);
}

StopSignals::~StopSignals() {
  Handle(SIGTERM, SIG_DFL);
  Handle(SIGINT, SIG_DFL);
  watcher_.reset();
  close(wakeup_fd.exchange(-1));
}

bool StopSignals::requested() { return received.load(std::memory_order_relaxed) > 0; }

}  // namespace rivulet
