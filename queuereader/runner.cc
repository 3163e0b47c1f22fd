#include "queuereader/runner.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxHeld = 10'000;
constexpr std::size_t kMaxHeldBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxRequeuesPending = 1'000;
constexpr Duration kSlice = std::chrono::milliseconds(2);
// How long to wait before messages that are not due, and too many to hold, are looked at again.
constexpr Duration kHoldFullPause = std::chrono::seconds(1);
// Due times are by the wall clock, which may be set: it is looked at this often.
constexpr Duration kMaxHoldWait = std::chrono::seconds(1);

}  // namespace

Runner::Runner(EventLoop& loop, const Clock& clock, RunnerConfig config, Source& source,
               Reader& reader, FailedMessages& failed_messages)
    : loop_(loop),
      clock_(clock),
      config_(std::move(config)),
      source_(source),
      reader_(reader),
      failed_messages_(failed_messages),
      hold_(kMaxHeld, kMaxHeldBytes),
      wake_(loop, [this] { Pump(); }),
      drain_deadline_(loop, [this] { OnDrainDeadline(); }) {
  source_.Listen({
      .fetched = [this](Batch batch) { OnFetched(std::move(batch)); },
      .requeued = [this] { PumpSoon(); },
      .refused = [this](const std::string& body, const Status& why) { OnRefused(body, why); },
  });
}

void Runner::Start() { Pump(); }

void Runner::Stop() {
  if (state_ != State::kRunning) return;
  state_ = State::kDraining;
  wake_.Cancel();
  drain_deadline_.Start(config_.drain_timeout);
  PumpSoon();
}

void Runner::Fail(const Status& status) {
  LogError("{}", status.message());
  exit_status_ = 1;
  Stop();
}

void Runner::PumpSoon() {
  if (pump_posted_) return;
  pump_posted_ = true;
  loop_.Post([this] {
    pump_posted_ = false;
    Pump();
  });
}

void Runner::Pump() {
  if (state_ == State::kStopped) return;
  if (state_ == State::kDraining) return Drain();
  StartFetch();
  RunSlice();
  StartFetch();
  if (state_ == State::kDraining) return;  // Stop() has posted
  if (ended_ && !fetching_ && Idle()) return Finish();
  ScheduleWake();
}

void Runner::StartFetch() {
  if (state_ != State::kRunning || fetching_ || next_ || ended_ || config_.stop_requested()) return;
  if (source_.requeues_pending() >= kMaxRequeuesPending || clock_.Now() < fetch_at_) return;
  fetching_ = true;
  requeued_since_fetch_ = false;
  source_.Fetch();
}

void Runner::OnFetched(Batch batch) {
  fetching_ = false;
  switch (batch.state) {
    case Batch::State::kMessages:
      empty_since_.reset();
      next_ = std::move(batch);
      break;
    case Batch::State::kEmpty:
      OnEmpty();
      break;
    case Batch::State::kEnded:
      ended_ = !requeued_since_fetch_;
      break;
    case Batch::State::kFailed:
      if (!source_.keeps_requeued()) {
        Fail(batch.status);
        break;
      }
      if (state_ == State::kRunning) {
        LogWarning("{}; next try in {}", batch.status.message(),
                   FormatDuration(config_.sleeptime_failed_queue));
      }
      empty_since_.reset();
      fetch_at_ = clock_.Now() + config_.sleeptime_failed_queue;
      break;
  }
  Pump();
}

void Runner::OnEmpty() {
  MonoTime now = clock_.Now();
  if (!empty_since_) empty_since_ = now;
  Duration wait = config_.sleeptime_queue_empty;
  if (config_.exit_when_empty) {
    Duration left = *empty_since_ + *config_.exit_when_empty - now;
    if (left <= Duration::zero() && Idle()) return Stop();
    wait = std::min(wait, std::max<Duration>(left, std::chrono::milliseconds(1)));
    // What is held is waited for, at the usual pace.
    if (left <= Duration::zero()) wait = config_.sleeptime_queue_empty;
  }
  fetch_at_ = now + wait;
}

void Runner::RunSlice() {
  MonoTime begin = clock_.Now();
  while (state_ == State::kRunning && !config_.stop_requested()) {
    MonoTime now = clock_.Now();
    if (now < paused_until_ || now - begin >= kSlice) return;
    if (source_.requeues_pending() >= kMaxRequeuesPending || !RunNext()) return;
  }
}

bool Runner::RunNext() {
  if (!hold_.empty() && hold_.first_due() <= clock_.WallNow()) {
    Hold::Item item = hold_.Take();
    RunMessage(item.delivery, item.body);
    return true;
  }
  if (at_ == current_.messages.size()) {
    if (!next_) return false;
    current_ = std::move(*next_);
    next_.reset();
    at_ = 0;
    StartFetch();
  }
  const Delivery& message = current_.messages[at_++];
  RunMessage(message, current_.body(message));
  return true;
}

void Runner::RunMessage(const Delivery& message, std::string_view body) {
  Verdict verdict = reader_.Handle(body, clock_.WallNow());
  switch (verdict.next) {
    case Verdict::Next::kFinished:
    case Verdict::Next::kDropped:
      break;
    case Verdict::Next::kHold:
      return HoldBack(message, body, verdict.due);
    case Verdict::Next::kRequeue:
      LogWarning("requeued: {}", verdict.why);
      Requeue(message.origin, std::move(verdict.body));
      break;
    case Verdict::Next::kGiveUp:
      SetAside(message.origin, verdict.body, Aside::kGivenUp, verdict.why);
      break;
    case Verdict::Next::kMalformed:
      SetAside(message.origin, body, Aside::kMalformed, verdict.why);
      break;
  }
  source_.Finish(message);
  if (verdict.pause > Duration::zero()) {
    LogInfo("backing off for {:.2f} s", std::chrono::duration<double>(verdict.pause).count());
    paused_until_ = clock_.Now() + verdict.pause;
  }
}

void Runner::HoldBack(const Delivery& message, std::string_view body, WallTime due) {
  if (hold_.Add(body, message, due)) return;
  Requeue(message.origin, std::string(body));
  fetch_at_ = clock_.Now() + kHoldFullPause;
}

void Runner::Requeue(std::uint32_t origin, std::string body) {
  source_.Requeue(origin, std::move(body));
  ended_ = false;
  requeued_since_fetch_ = true;
  empty_since_.reset();
}

void Runner::SetAside(std::uint32_t origin, std::string_view body, Aside kind,
                      std::string_view why) {
  std::string path;
  bool malformed = kind == Aside::kMalformed;
  Status status = failed_messages_.Write(body, malformed, clock_.WallNow(), &path);
  if (status.ok()) {
    constexpr const char* kNames[] = {"given up", "malformed", "not put back"};
    LogWarning("message {}, set aside in {}: {}", kNames[static_cast<int>(kind)], path, why);
    return;
  }
  unplaced_.push_back({origin, std::string(body)});
  Fail(Status(status.code(),
              "cannot set a message aside, so the reader stops: " + status.message()));
}

void Runner::OnRefused(const std::string& body, const Status& why) {
  SetAside(0, body, Aside::kNotPutBack, why.message());
  PumpSoon();
}

bool Runner::HasMessages() const { return at_ < current_.messages.size() || next_; }

bool Runner::Idle() const {
  return !HasMessages() && hold_.empty() && source_.requeues_pending() == 0;
}

void Runner::ScheduleWake() {
  MonoTime now = clock_.Now();
  std::optional<MonoTime> wake;
  auto at = [&wake](MonoTime time) { wake = wake ? std::min(*wake, time) : time; };
  bool may_run = source_.requeues_pending() < kMaxRequeuesPending;
  if (may_run && HasMessages()) at(std::max(now, paused_until_));
  if (may_run && !fetching_ && !next_ && !ended_) at(std::max(now, fetch_at_));
  if (may_run && !hold_.empty()) {
    Duration left =
        std::clamp<Duration>(hold_.first_due() - clock_.WallNow(), Duration::zero(), kMaxHoldWait);
    at(std::max(now + left, paused_until_));
  }
  if (!wake) return wake_.Cancel();
  if (*wake <= now) return PumpSoon();
  wake_.Start(*wake - now);
}

void Runner::Drain() {
  if (fetching_ && source_.keeps_requeued()) return;  // what it brings has left the queue already
  if (!put_back_) PutBackAll();
  if (source_.requeues_pending() == 0) Finish();
}

void Runner::PutBackAll() {
  put_back_ = true;
  for (Unplaced& message : unplaced_) {
    PutBack({0, 0, message.origin, false}, std::move(message.body));
  }
  unplaced_.clear();
  for (Batch* batch : {&current_, next_ ? &*next_ : nullptr}) {
    if (!batch) continue;
    std::size_t first = batch == &current_ ? at_ : 0;
    for (std::size_t i = first; i < batch->messages.size(); ++i) {
      PutBack(batch->messages[i], std::string(batch->body(batch->messages[i])));
    }
  }
  at_ = current_.messages.size();
  next_.reset();
  while (!hold_.empty()) {
    Hold::Item item = hold_.Take();
    PutBack(item.delivery, std::move(item.body));
  }
  if (source_.keeps_requeued()) return;
  for (std::string& body : source_.TakePending()) PutBack({0, 0, 0, true}, std::move(body));
}

void Runner::PutBack(const Delivery& message, std::string body) {
  if (source_.keeps_requeued()) return source_.Requeue(message.origin, std::move(body));
  if (message.requeued) {
    return SetAside(message.origin, body, Aside::kNotPutBack, "the reader was stopped");
  }
  ++left_;
}

void Runner::OnDrainDeadline() {
  if (state_ != State::kDraining) return;
  if (fetching_) LogWarning("a fetch was not answered in time");
  if (!put_back_) PutBackAll();
  std::vector<std::string> pending = source_.TakePending();
  if (!pending.empty()) {
    LogError("{} messages could not be put back within --drain-timeout {}, and are set aside",
             pending.size(), FormatDuration(config_.drain_timeout));
  }
  exit_status_ = 1;
  for (const std::string& body : pending) {
    SetAside(0, body, Aside::kNotPutBack, "the queue did not take it in time");
  }
  Finish();
}

void Runner::Finish() {
  if (!unplaced_.empty()) {
    exit_status_ = 1;
    LogError("{} messages could be put nowhere and are lost", unplaced_.size());
  }
  state_ = State::kStopped;
  wake_.Cancel();
  drain_deadline_.Cancel();
  loop_.Stop();
}

}  // namespace rivulet
