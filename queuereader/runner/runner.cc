#include "queuereader/runner/runner.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "base/log.h"
#include "queuereader/child/child_process.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxHeld = 10'000;
constexpr std::size_t kMaxHeldBytes = std::size_t{64} << 20;
// Due times are by the wall clock, which may be set: it is looked at this often.
constexpr Duration kMaxHoldWait = std::chrono::seconds(1);
constexpr Duration kFirstTouchPause = std::chrono::milliseconds(100);
constexpr Duration kLeastPause = std::chrono::milliseconds(1);
constexpr Duration kLongest = std::chrono::hours(1);

std::uint64_t RandomSeed() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

BackoffConfig TouchBackoff(Duration lease) {
  const auto at_least = [](Duration time) { return std::max<Duration>(time, kLeastPause); };
  return {at_least(std::min(kFirstTouchPause, lease / 20)), at_least(lease / 6)};
}

}  // namespace

void ExitAtOnce(int status) {
  // A task that hangs may have the lock.
  if (ftrylockfile(stdout) == 0) {
    fflush_unlocked(stdout);
    funlockfile(stdout);
  }
  KillAllChildren();
  _exit(status);
}

Runner::Impl::Impl(RunnerConfig runner_config, RunnerParts runner_parts)
    : config(std::move(runner_config)),
      parts(runner_parts),
      ledger(RandomSeed()),
      hold(kMaxHeld, kMaxHeldBytes),
      pump(*parts.loop, [this] { Pump(); }),
      wake(*parts.loop, [this] { Pump(); }),
      touch(*parts.loop, [this] { Touch(); }),
      touch_again(*parts.loop, [this] { Touch(); }),
      touch_backoff(TouchBackoff(parts.source->lease()), RandomSeed()),
      drain_deadline(*parts.loop, [this] { OnDrainDeadline(); }),
      hang_check(*parts.loop, [this] { CheckHang(); }),
      tick(*parts.loop, [this] { Tick(); }) {
  parts.source->Listen({
      .fetched = [this](Batch batch) { OnFetched(std::move(batch)); },
      .settled = [this](std::uint64_t token, Settled how,
                        const Status& why) { OnSettled(token, how, why); },
      .lost = [this](std::uint32_t origin,
                     const std::vector<std::string>& receipts) { OnLost(origin, receipts); },
      .doubted = [this](std::uint32_t origin) { OnDoubted(origin); },
  });
}

void Runner::Impl::Pump() {
  switch (state) {
    case State::kStopped:
      return;
    case State::kHung:
      return AwaitHungEnd();
    case State::kDraining:
      return Drain();
    case State::kRunning:
      break;
  }
  StartSlice();
  if (!running) WantStats();
  StartFetch();
  SettleCovered();
  StartCheckpoint();
  AskDrainedInPoll();
  if (ended && !fetching && Idle()) Stop();
  ScheduleWake();
}

void Runner::Impl::Stop() {
  if (state != State::kRunning) return;
  state = State::kDraining;
  shared->stopping = true;
  wake.Cancel();
  pump.Schedule();
}

void Runner::Impl::Fail(const Status& status) {
  LogError("{}", status.message());
  exit_status = 1;
  Stop();
}

void Runner::Impl::OnUnusable(const std::string& why) {
  // At a stop the store waits for nobody any more, and what waited for it goes back untried.
  if (parts.store != nullptr && stop_requested()) return LogWarning("{}", why);
  Fail({StatusCode::kUnavailable, why});
}

void Runner::Impl::Finish() {
  if (unplaced > 0) {
    exit_status = 1;
    LogError("{} messages could be put nowhere and are lost", unplaced);
  }
  if (!running) stats = parts.reader->Stats();
  state = State::kStopped;
  for (Timer* timer : {&wake, &touch, &touch_again, &drain_deadline, &tick}) timer->Cancel();
  config.on_end ? config.on_end() : parts.loop->Stop();
}

bool Runner::Impl::OutputsDelivered() const {
  return parts.outputs == nullptr || parts.outputs->delivered() == parts.outputs->emitted();
}

bool Runner::Impl::Idle() const {
  const Ledger::Counts counts = ledger.counts();
  return pending.empty() && !running && hold.empty() && requeues.empty() &&
         counts.in_hand + counts.decided + counts.covered + counts.settling == 0 &&
         OutputsDelivered();
}

void Runner::Impl::ScheduleWake() {
  if (state != State::kRunning || stop_requested()) return wake.Cancel();
  const MonoTime now = parts.clock->Now();
  std::optional<MonoTime> next;
  const auto at = [&next](MonoTime time) { next = next ? std::min(*next, time) : time; };
  const bool may_run = MayRunSlices();
  if (may_run && !pending.empty() && now < paused_until) at(paused_until);
  if (may_run && !hold.empty()) {
    const Duration rest = std::clamp<Duration>(hold.first_due() - parts.clock->WallNow(),
                                               Duration::zero(), kMaxHoldWait);
    at(std::max(now + rest, paused_until));
  }
  if (!fetching && !ended && !running) {
    if (now < fetch_at) at(fetch_at);
    if (now < paused_until) at(paused_until);
  }
  if (parts.checkpoint != nullptr && dirty && !saving) {
    at(checkpoint_began + std::min(config.checkpoint_every, kLongest));
  }
  if (const auto ask = AskDrainedAt()) at(*ask);
  if (stats_stale && !running) at(stats_at + kStatsPeriod);
  if (!next) return wake.Cancel();
  if (*next <= now) return pump.Schedule();
  wake.Start(*next - now);
}

bool Runner::Impl::WaitsForStore() const {
  if ((!running && !ticking) || parts.store == nullptr) return false;
  const auto waited = parts.store->last_waited();
  return waited && parts.clock->Now() - *waited < std::chrono::milliseconds(500);
}

const char* Runner::Impl::StateName() const {
  if (state != State::kRunning) return "draining";
  if (WaitsForStore()) return "waiting for the store";
  if (running) return "running";
  if (paused()) return "backing off";
  if (outputs_full) return "waiting for outputs";
  if (!source_status.ok()) return "source away";
  return pending.empty() ? "waiting for messages" : "running";
}

RunnerStats Runner::Impl::Stats() const {
  const MonoTime now = parts.clock->Now();
  RunnerStats all;
  all.state = StateName();
  all.reader = stats;
  all.ledger = ledger.counts();
  all.held = hold.size();
  all.checkpoints = checkpoints;
  if (checkpoints > 0) all.checkpoint_age = now - checkpoint_done;
  if (parts.checkpoint != nullptr) all.checkpoint_bytes = parts.checkpoint->last_bytes();
  all.checkpoint_status = checkpoint_status;
  all.current = parts.crash_mark->current();
  if (all.current) all.busy = std::max(Duration::zero(), now - all.current->since);
  all.failed_messages = parts.failed_messages->written();
  all.source_status = source_status;
  all.settling_status = parts.source->settling_status();
  if (parts.store != nullptr) all.store = parts.store->Report();
  return all;
}

Runner::Runner(RunnerConfig config, RunnerParts parts)
    : impl_(std::make_shared<Impl>(std::move(config), parts)) {}
Runner::~Runner() { impl_->shared->stopping = true; }

Status Runner::Restore() { return impl_->Restore(); }

void Runner::Start() {
  Impl& runner = *impl_;
  if (!runner.config.program.empty()) {
    runner.parts.executor->Do([mark = runner.parts.crash_mark,
                               program = runner.config.program] { mark->WatchThisThread(program); },
                              [] {});
  }
  const Duration lease = runner.parts.source->lease();
  if (runner.parts.source->leases()) runner.touch.StartEvery(lease / 3);
  if (runner.config.task_timeout > Duration::zero()) {
    runner.hang_checked = runner.parts.clock->Now();
    runner.hang_check.StartEvery(runner.config.task_timeout / kChecksOfTimeout);
  }
  runner.checkpoint_began = runner.stats_at = runner.parts.clock->Now();
  runner.stats = runner.parts.reader->Stats();
  runner.Tick();
  runner.tick.StartEvery(runner.config.tick_every);
  runner.Pump();
}

void Runner::Stop() { impl_->Stop(); }
int Runner::exit_status() const { return impl_->exit_status; }
std::uint64_t Runner::left() const { return impl_->left; }
RunnerStats Runner::Stats() const { return impl_->Stats(); }

void Runner::Inspect(std::function<void(const Reader&)> look, std::function<void()> done) {
  impl_->parts.executor->Do(
      [look = std::move(look), reader = impl_->parts.reader] { look(*reader); }, std::move(done));
}

void Runner::Entering(const std::string& task, std::size_t message, MonoTime since) {
  impl_->parts.crash_mark->Enter(task, impl_->shared->slice->Enter(message), since);
}

void Runner::Calling(const std::string& task, std::string_view what) {
  impl_->parts.crash_mark->EnterCall(task, what);
}

void Runner::Left() { impl_->parts.crash_mark->Leave(); }

void Runner::OnOutputs() {
  impl_->dirty = true;
  impl_->pump.Schedule();
}

}  // namespace rivulet
