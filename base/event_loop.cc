#include "base/event_loop.h"

#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace rivulet {

namespace {

timeval ToTimeval(Duration d) {
  if (d < Duration::zero()) d = Duration::zero();
  // Rounded up: a timer that fires early would find nothing due.
  const auto micros = std::chrono::ceil<std::chrono::microseconds>(d).count();
  return {micros / 1'000'000, static_cast<suseconds_t>(micros % 1'000'000)};
}

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "rivulet: %s failed\n", what);
  std::abort();
}

event_base* NewBase() {
  event_config* config = event_config_new();
  if (config == nullptr) Die("event_config_new");
  // No locks: only Post() and Stop() cross threads, and they do it by the eventfd.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  if (base == nullptr) Die("event_base_new");
  return base;
}

}  // namespace

namespace internal {
void EventDeleter::operator()(event* e) const { event_free(e); }
void EventBaseDeleter::operator()(event_base* b) const { event_base_free(b); }
}  // namespace internal

EventLoop::EventLoop() : base_(NewBase()), wakeup_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wakeup_fd_ < 0) Die("eventfd");
  wakeup_.reset(event_new(
      base_.get(), wakeup_fd_, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<EventLoop*>(self)->RunPosted(); },
      this));
  if (!wakeup_ || event_add(wakeup_.get(), nullptr) != 0) Die("event_new");
}

EventLoop::~EventLoop() {
  wakeup_.reset();
  close(wakeup_fd_);
}

void EventLoop::Run() {
  if (!stopping_.load()) event_base_loop(base_.get(), EVLOOP_NO_EXIT_ON_EMPTY);
  stopping_.store(false);
}

void EventLoop::RunOnce(Duration max_wait) {
  const timeval wait = ToTimeval(max_wait);
  bool expired = false;
  event* guard = event_new(
      base_.get(), -1, 0,
      [](evutil_socket_t, short, void* flag) { *static_cast<bool*>(flag) = true; }, &expired);
  event_add(guard, &wait);
  event_base_loop(base_.get(), EVLOOP_ONCE);
  event_free(guard);
}

void EventLoop::Stop() {
  stopping_.store(true);
  WakeUp();
}

void EventLoop::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // the wake-up of the first one is still on its way
  }
  WakeUp();
}

void EventLoop::WakeUp() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the wake-up is pending anyway.
  [[maybe_unused]] const auto written = write(wakeup_fd_, &one, sizeof one);
}

void EventLoop::RunPosted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(wakeup_fd_, &count, sizeof count);
  if (stopping_.load()) event_base_loopbreak(base_.get());
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

Timer::Timer(EventLoop& loop, std::function<void()> callback)
    : callback_(std::move(callback)),
      event_(event_new(
          loop.base(), -1, 0,
          [](evutil_socket_t, short, void* self) { static_cast<Timer*>(self)->Fire(); }, this)) {
  if (!event_) Die("event_new");
}

Timer::~Timer() = default;

void Timer::Fire() {
  if (!repeats_) {
    // libevent counts on a clock with a grain of some milliseconds, and may be that much early.
    const Duration left = deadline_ - SystemClock().Now();
    if (left > Duration::zero()) {
      const timeval wait = ToTimeval(left);
      event_add(event_.get(), &wait);
      return;
    }
    active_ = false;
  }
  // A copy, because the callback may destroy this timer.
  const auto callback = callback_;
  callback();
}

void Timer::Start(Duration delay) {
  repeats_ = false;
  active_ = true;
  // A delay without end must not wrap round.
  const MonoTime now = SystemClock().Now();
  deadline_ = delay < MonoTime::max() - now ? now + delay : MonoTime::max();
  event_del(event_.get());
  event_assign(event_.get(), event_get_base(event_.get()), -1, 0, event_get_callback(event_.get()),
               this);
  const timeval wait = ToTimeval(delay);
  event_add(event_.get(), &wait);
}

void Timer::StartEvery(Duration period) {
  repeats_ = true;
  active_ = true;
  event_del(event_.get());
  event_assign(event_.get(), event_get_base(event_.get()), -1, EV_PERSIST,
               event_get_callback(event_.get()), this);
  const timeval wait = ToTimeval(period);
  event_add(event_.get(), &wait);
}

void Timer::Cancel() {
  active_ = false;
  event_del(event_.get());
}

Deferred::Deferred(EventLoop& loop, std::function<void()> callback)
    : callback_(std::move(callback)),
      event_(event_new(
          loop.base(), -1, 0,
          [](evutil_socket_t, short, void* self) {
            auto* deferred = static_cast<Deferred*>(self);
            deferred->scheduled_ = false;
            // A copy, because the callback may destroy this.
            const auto run = deferred->callback_;
            run();
          },
          this)) {
  if (!event_) Die("event_new");
}

Deferred::~Deferred() = default;

void Deferred::Schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  event_active(event_.get(), EV_TIMEOUT, 0);
}

IoWatcher::IoWatcher(EventLoop& loop, int fd, std::function<void(bool, bool)> callback)
    : loop_(loop), fd_(fd), callback_(std::move(callback)) {}

IoWatcher::~IoWatcher() = default;

void IoWatcher::Watch(bool readable, bool writable) {
  const short wanted = static_cast<short>((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
  if (wanted == watched_) return;
  watched_ = wanted;
  const auto on_event = [](evutil_socket_t, short what, void* self) {
    // A copy, because the callback may destroy this watcher.
    const auto callback = static_cast<IoWatcher*>(self)->callback_;
    callback((what & EV_READ) != 0, (what & EV_WRITE) != 0);
  };
  if (event_) event_del(event_.get());
  if (wanted == 0) return;
  const short flags = static_cast<short>(wanted | EV_PERSIST);
  if (event_) {
    event_assign(event_.get(), loop_.base(), fd_, flags, on_event, this);
  } else {
    event_.reset(event_new(loop_.base(), fd_, flags, on_event, this));
    if (!event_) Die("event_new");
  }
  event_add(event_.get(), nullptr);
}

SignalWatcher::SignalWatcher(EventLoop& loop, int signal_number, std::function<void()> callback)
    : callback_(std::move(callback)),
      event_(event_new(
          loop.base(), signal_number, EV_SIGNAL | EV_PERSIST,
          [](evutil_socket_t, short, void* self) {
            // A copy, because the callback may destroy this watcher.
            const auto run = static_cast<SignalWatcher*>(self)->callback_;
            run();
          },
          this)) {
  if (!event_) Die("event_new");
  event_add(event_.get(), nullptr);
}

SignalWatcher::~SignalWatcher() = default;

}  // namespace rivulet
