#include "queuereader/child/child_pool.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <thread>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "queuereader/child/child_pool_impl.h"

namespace rivulet {

void ChildPool::Impl::Begin(std::span<const Message* const> its_messages,
                            std::span<Outcome> its_outcomes, Context& its_context,
                            bool one_at_a_time) {
  CheckAhead(its_messages);
  outcomes = its_outcomes;
  context = &its_context;
  if (entries.empty()) {
    for (auto& worker : workers) CheckIdle(*worker);
  }
  // What was sent ahead may have waited for us.
  for (auto& worker : workers) {
    if (worker->owes() && worker->has_unwritten()) worker->RestartClock(clock.Now());
  }
  of_run = its_messages.size();
  if (of_run > entries.size()) Append(its_messages.subspan(entries.size()));
  left = 0;
  for (std::size_t i = 0; i < of_run; ++i) {
    if (entries[i].settled) continue;
    ++left;
    entries[i].alone = entries[i].alone || one_at_a_time;
  }
}

void ChildPool::Impl::Run() {
  while (left > 0) {
    const MonoTime now = clock.Now();
    Assign(now);
    FlushAll();
    if (left > 0) Await(now);
  }
}

/// In the order of the messages, whichever child was faster.
void ChildPool::Impl::Deliver() {
  for (std::size_t i = 0; i < of_run; ++i) {
    Entry& entry = entries[i];
    outcomes[i] = std::move(entry.outcome);
    if (!entry.said) continue;
    try {
      for (const auto& [counter, by] : entry.said->counters) context->Count(counter, by);
      if (outcomes[i].failed()) continue;
      for (const auto& [output, text] : entry.said->emissions) context->EmitFor(i, output, text);
    } catch (const std::exception& error) {
      outcomes[i] = Outcome::Failed(error.what());
    }
  }
}

void ChildPool::Impl::EndRun() {
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(of_run));
  first += std::exchange(of_run, 0);
}

void ChildPool::Impl::Assign(MonoTime now) {
  for (std::size_t i = 0; i < workers.size() && !todo.empty(); ++i) {
    Worker& worker = *workers[i];
    if (!worker.running()) {
      if (!MayStart(worker, now)) continue;
      if (Status status = StartWorker(i); !status.ok()) {
        StartFailed(worker, status.message());
        continue;
      }
    }
    Fill(worker, now);
  }
}

bool ChildPool::Impl::MayStart(const Worker& worker, MonoTime now) const {
  return now >= worker.not_before || config.stop_requested();
}

/// Several children share what is left, in ever smaller shares, so that they end together.
void ChildPool::Impl::Fill(Worker& worker, MonoTime now) {
  if (worker.alone && worker.owes()) return;
  const std::size_t fair =
      workers.size() == 1 ? todo.size() + worker.owed() : todo.size() / (2 * workers.size());
  const std::size_t share = std::clamp<std::size_t>(fair, 1, std::max(config.ahead_messages, 1UL));
  // In few large writes.
  if (worker.owed() > share / 2) return;
  worker.alone = false;
  while (!todo.empty() && worker.owed() < share) {
    const std::size_t message = todo.front();
    const Entry& entry = At(message);
    if (worker.owes() && (entry.alone || worker.unanswered_bytes() >= config.ahead_bytes)) return;
    todo.pop_front();
    if (const std::string why = dialect.WhyNot(*entry.message); !why.empty()) {
      Charge(message, why);
      continue;
    }
    dialect.AppendMessage(worker.out(), *entry.message);
    worker.Owe(message, now);
    worker.alone = entry.alone;
    if (worker.alone) return;
  }
}

void ChildPool::Impl::FlushAll() {
  for (auto& worker : workers) {
    if (worker->running()) worker->Flush();
  }
}

Duration ChildPool::Impl::WaitTime(MonoTime now) const {
  Duration wait = Duration::max();
  for (const auto& worker : workers) {
    if (worker->running() && worker->owes() && config.timeout > Duration::zero()) {
      wait = std::min(wait, worker->waiting_since() + config.timeout - now);
    }
    if (!worker->running() && !todo.empty()) {
      wait = std::min({wait, worker->not_before - now, kStopLook});
    }
  }
  return std::max(wait, Duration::zero());
}

/// A child that flushes each answer would wake us for every one, which slows both down: while it
/// has more to do, we look again when half of that should be done.
Duration ChildPool::Impl::NapTime() const {
  Duration nap = kMostNap;
  bool any = false;
  for (const auto& worker : workers) {
    if (!worker->running() || !worker->owes()) continue;
    any = true;
    nap = std::min(nap, worker->pace() * static_cast<Duration::rep>(worker->owed() / 2));
  }
  return any ? nap : Duration::zero();
}

void ChildPool::Impl::Await(MonoTime now) {
  watched.clear();
  watched_workers.clear();
  for (auto& worker : workers) {
    if (!worker->running()) continue;
    const Worker& one = *worker;
    watched.push_back({one.output(), POLLIN, 0});
    watched_workers.push_back(worker.get());
    if (!one.has_unwritten()) continue;
    watched.push_back({one.input(), POLLOUT, 0});
    watched_workers.push_back(nullptr);
  }
  if (const Duration nap = NapTime(); nap >= kLeastNap) {
    thread_local const int exact = prctl(PR_SET_TIMERSLACK, 1'000, 0, 0, 0);
    static_cast<void>(exact);
    std::this_thread::sleep_for(nap);
  }
  Poll(WaitTime(now));
  const MonoTime then = clock.Now();
  for (std::size_t i = 0; i < watched.size(); ++i) {
    if (watched_workers[i] == nullptr) continue;
    Worker& worker = *watched_workers[i];
    if (watched[i].revents != 0) ReadFrom(worker, then);
    CheckDeadline(worker, then);
  }
}

void ChildPool::Impl::ReadFrom(Worker& worker, MonoTime now) {
  const bool open = worker.Receive();
  const std::size_t owed = worker.owed();
  const bool lives = TakeAnswers(worker, now);
  worker.NotePace(owed - worker.owed(), now);
  if (!lives || open) return;
  // It was about to end by itself when it was sent more.
  const bool unread = worker.has_not_read_owed();
  const std::string how = worker.End(kEndPatience);
  if (worker.owes() && !worker.has_answered && unread) {
    StartFailed(worker, how + " before it answered");
  } else if (worker.owes() && !unread) {
    Lost(worker, how + " before it answered", BlameOfEnd(), &stats.crashes);
  } else {
    SendAnew(worker.Forget());
    LogEnd(worker, how);
  }
}

void ChildPool::Impl::CheckDeadline(Worker& worker, MonoTime now) {
  if (!worker.running() || !worker.owes() || config.timeout <= Duration::zero()) return;
  if (now - worker.waiting_since() < config.timeout) return;
  const std::string why = NoAnswerInTime(worker);
  worker.End(Duration::zero());
  Lost(worker, why, BlameOfEnd(), &stats.timeouts);
}

std::string ChildPool::Impl::NoAnswerInTime(const Worker& worker) const {
  return "did not answer within " + FormatDuration(config.timeout) +
         (worker.has_answered ? "" : config.timeout_hint);
}

/// Between two runs it owes nothing: it may have ended, but not have said anything.
void ChildPool::Impl::CheckIdle(Worker& worker) {
  if (!worker.running()) return;
  const bool open = worker.Receive();
  if (!worker.received().empty()) {
    LogWarning("{}", Named("said something without being asked, and was killed"));
    worker.End(Duration::zero());
    NoteEnd(worker);
  } else if (!open) {
    LogEnd(worker, worker.End(kEndPatience));
  }
}

/// It costs nothing.
void ChildPool::Impl::LogEnd(Worker& worker, const std::string& how) {
  // A program may well end after each message.
  const bool as_meant = how == "exited with 0";
  if (!as_meant) LogInfo("{}", Named(how + ", and will be started again"));
  NoteEnd(worker);
}

/// False when the child was ended for what it said.
bool ChildPool::Impl::TakeAnswers(Worker& worker, MonoTime now) {
  while (!worker.received().empty()) {
    if (!worker.owes()) {
      Excess(worker);
      return false;
    }
    const std::size_t before = worker.received().size();
    if (!TakeOne(worker, now)) return false;
    if (worker.received().size() == before) return true;  // the rest is yet to come
  }
  return true;
}

bool ChildPool::Impl::TakeOne(Worker& worker, MonoTime now) {
  const std::string_view received = worker.received();
  std::string_view rest = received;
  std::string reply;
  std::string why;
  const auto took = dialect.Take(&rest, *context, &worker.pending, &reply, &why);
  const std::size_t bytes =
      took == ChildDialect::Took::kNothing ? rest.size() : received.size() - rest.size();
  // One more for what ends the piece.
  if (bytes > config.max_answer_bytes + 1) {
    Broken(worker, "answered more than " + FormatByteCount(config.max_answer_bytes));
    return false;
  }
  worker.Drop(received.size() - rest.size());
  switch (took) {
    case ChildDialect::Took::kNothing:
      return true;
    case ChildDialect::Took::kOther:
      worker.out()->append(reply);
      // While its reader's store was away the child could not answer.
      if (!reply.empty()) worker.RestartClock(worker.waiting_since() + (clock.Now() - now));
      return true;
    case ChildDialect::Took::kBroken:
      Broken(worker, why);
      return false;
    case ChildDialect::Took::kAnswer:
      break;
  }
  if (!worker.first_is_written()) {
    Broken(worker, "answered a message before it had it whole");
    return false;
  }
  Answer(worker, now);
  return true;
}

void ChildPool::Impl::Answer(Worker& worker, MonoTime now) {
  const std::size_t message = worker.TakeOwed(now);
  ChildAnswer answer = std::exchange(worker.pending, ChildAnswer());
  Entry& entry = At(message);
  entry.outcome = std::move(answer.outcome);
  if (!answer.emissions.empty() || !answer.counters.empty()) {
    entry.said = std::make_unique<ChildAnswer>(std::move(answer));
  }
  Settle(message);
  worker.last_answered = message;
  if (!worker.has_answered) worker.restart.Reset();
  worker.has_answered = ever_answered = true;
  dead_starts = 0;
}

Status ChildPool::Impl::StartWorker(std::size_t index) {
  Worker& worker = *workers[index];
  ++stats.starts;
  worker.has_answered = false;
  if (Status status = worker.Start(config.child); !status.ok()) return status;
  if (!on_start) return {};
  starting = true;
  Status status = on_start(index);
  starting = false;
  if (!status.ok()) worker.End(Duration::zero());
  return status;
}

ChildPool::ChildPool(const Clock& clock, ChildPoolConfig config, ChildDialect& dialect)
    : impl_(std::make_unique<Impl>(clock, std::move(config), dialect)) {}

ChildPool::~ChildPool() { impl_->End(Duration::zero()); }

void ChildPool::Run(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                    Context& context, bool one_at_a_time) {
  try {
    impl_->Begin(messages, outcomes, context, one_at_a_time);
    impl_->Run();
    impl_->Deliver();
    impl_->EndRun();
  } catch (...) {
    // What is in the children's hand is nobody's any more.
    impl_->End(Duration::zero());
    impl_->ForgetAhead();
    throw;
  }
}

void ChildPool::Ahead(std::span<const Message* const> messages) { impl_->Ahead(messages); }

void ChildPool::OnStart(std::function<Status(std::size_t)> hook) {
  impl_->on_start = std::move(hook);
}

Status ChildPool::Ask(std::size_t worker, std::string_view request,
                      const std::function<Result<bool>(std::string_view*)>& take) {
  return impl_->Ask(worker, request, take);
}

void ChildPool::Progressed() {
  impl_->dead_starts = 0;
  impl_->ever_answered = true;
  for (auto& worker : impl_->workers) worker->restart.Reset();
}

void ChildPool::End(Duration patience) { impl_->End(patience); }

ChildPoolStats ChildPool::stats() const { return impl_->stats; }

}  // namespace rivulet
