#include "queuereader/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "queuereader/reader_impl.h"

namespace rivulet {
namespace {

// Where a run's beginning may be known nearly.
constexpr std::size_t kSmallBytes = 1024;
constexpr Duration kFast = std::chrono::microseconds(10);
// Messages that a task is told of together, ahead of its run.
constexpr std::size_t kFirstAnnounced = 16;
constexpr std::size_t kMostAnnounced = 64;
// A chunk that is worth while to be read before the one before it has been run.
constexpr std::size_t kLeastPrepared = 64;

/// Of a message whose try in hand was its `tries`th. As it will be read back, so that a message
/// that comes when it is due is not early.
WallTime RetryOn(const ReaderConfig& config, int tries, WallTime now) {
  const Duration most = std::max(kMaxRetryOn - now, Duration::zero());
  const Duration delay = std::max(config.requeue_delay, Duration::zero());
  const WallTime retry_on = now + (delay > most / tries ? most : delay * tries);
  return std::chrono::ceil<std::chrono::milliseconds>(retry_on);
}

/// Requeues or gives up after the try in hand, which failed.
void DecideRetry(std::string_view message, const Envelope& envelope, int tries,
                 std::vector<std::string_view> left, const ReaderConfig& config, WallTime now,
                 Verdict* verdict) {
  Retry retry;
  retry.tries = tries;
  retry.started = envelope.started.value_or(now);
  retry.tasks_left = std::move(left);
  if (tries >= config.max_tries) {
    verdict->next = Verdict::Next::kGiveUp;
  } else {
    verdict->next = Verdict::Next::kRequeue;
    verdict->due = RetryOn(config, tries, now);
    retry.retry_on = verdict->due;
  }
  verdict->body = WriteEnvelope(message, envelope, retry);
}

void Reset(Verdict* verdict) {
  verdict->next = Verdict::Next::kFinished;
  verdict->body.clear();
  verdict->due = {};
  verdict->pause = {};
  verdict->why.clear();
  verdict->emissions.clear();
}

}  // namespace

void AppendWhy(std::string* all, std::string_view label, std::string_view why) {
  fmt::format_to(std::back_inserter(*all), "{}{}: {}", all->empty() ? "" : "; ", label,
                 why.empty() ? "failed" : why);
}

Verdict ChargeTry(std::string_view message, const ReaderConfig& config,
                  const std::vector<std::string>& task_names, WallTime now, std::string_view why) {
  Verdict verdict;
  verdict.why = why;
  JsonDocument document;
  Envelope envelope;
  Status status = document.Parse(message);
  if (status.ok()) status = ReadEnvelope(document.root(), &envelope);
  if (!status.ok()) {
    verdict.next = Verdict::Next::kMalformed;
    verdict.why = status.message();
    return verdict;
  }
  std::vector<std::string_view> left(task_names.begin(), task_names.end());
  if (envelope.names_tasks) left = envelope.tasks_left;
  DecideRetry(message, envelope, envelope.tries + 1, std::move(left), config, now, &verdict);
  return verdict;
}

Reader::Impl::Impl(ReaderConfig its_config, ReaderTasks its_tasks,
                   ReaderSurroundings its_surroundings)
    : config(its_config), surroundings(std::move(its_surroundings)), gate(its_config.backoff) {
  for (NamedTask& named : its_tasks.all_tasks) {
    names.push_back(named.name);
    AddSlot(Role::kTask, std::move(named));
  }
  task_count = slots.size();
  AddSlot(Role::kPreprocess, std::move(its_tasks.preprocess));
  AddSlot(Role::kValidate, std::move(its_tasks.validate));
  AddSlot(Role::kGiveUp, std::move(its_tasks.requeue_giveup));
  for (Slot& slot : slots) {
    if (slot.role == Role::kPreprocess) preprocess = &slot;
    if (slot.role == Role::kValidate) validate = &slot;
    if (slot.role == Role::kGiveUp) giveup = &slot;
  }
}

void Reader::Impl::AddSlot(Role role, NamedTask named) {
  if (named.task) slots.emplace_back(role, std::move(named), *this);
}

std::string Reader::Impl::Slot::Label() const {
  switch (role) {
    case Role::kPreprocess:
      return "--preprocess " + name;
    case Role::kValidate:
      return "--validate " + name;
    case Role::kGiveUp:
      return "--requeue-giveup " + name;
    case Role::kTask:
      break;
  }
  return "task " + name;
}

MonoTime Reader::Impl::Handle(std::span<const Incoming> messages, WallTime when,
                              std::optional<MonoTime> begin, std::vector<Verdict>* verdicts,
                              std::span<const Incoming> next) {
  const std::size_t n = messages.size();
  now = when;
  const ReaderCounts counts_before = counts;
  has_run = false;
  if (!TakePrepared(messages, verdicts)) {
    StartAnnouncing(n, kFirstAnnounced);
    BeginAll(messages, verdicts);
  }
  bool runs = false;
  for (std::size_t i = 0; i < n; ++i) runs = Count(*works[i]) || runs;
  if (!next.empty() && fatal.empty()) Prepare(next);
  const MonoTime first_began = run_started = RunBegins(messages, begin);
  if (runs) {
    if (preprocess) RunSlot(*preprocess, n);
    if (validate) RunSlot(*validate, n);
    for (std::size_t i = 0; i < task_count; ++i) RunSlot(slots[i], n);
  }
  if (!fatal.empty() && !has_run) {
    counts = counts_before;
    verdicts->clear();
    return run_started;
  }
  for (std::size_t i = 0; i < n; ++i) Conclude(*works[i]);
  last_time = run_started - first_began;
  return runs || !begin || run_started != first_began ? run_started : *begin;
}

bool Reader::Impl::TakePrepared(std::span<const Incoming> messages,
                                std::vector<Verdict>* verdicts) {
  const std::size_t count = std::exchange(prepared, 0);
  if (count == 0 || count != messages.size() ||
      prepared_works.front()->incoming.bytes.data() != messages.front().bytes.data()) {
    return false;
  }
  works.swap(prepared_works);
  verdicts->swap(prepared_verdicts);
  return true;
}

void Reader::Impl::Prepare(std::span<const Incoming> messages) {
  TellAhead();
  // Not before what will be run before.
  if (!told_all || !slots.front().looks_beyond) return;
  works.swap(prepared_works);
  StartAnnouncing(messages.size(), kMostAnnounced);
  BeginAll(messages, &prepared_verdicts);
  TellAhead();
  works.swap(prepared_works);
  prepared = messages.size();
}

void Reader::Impl::BeginAll(std::span<const Incoming> messages, std::vector<Verdict>* verdicts) {
  const std::size_t n = messages.size();
  verdicts->resize(n);
  while (works.size() < n) works.push_back(std::make_unique<Work>());
  for (std::size_t i = 0; i < n; ++i) {
    Work& work = *works[i];
    work.incoming = messages[i];
    work.index = i;
    work.verdict = &(*verdicts)[i];
    Begin(work);
    if (hears_ahead != nullptr) Announce(work);
  }
}

/// By the clock, or nearly: see ReaderStats.
MonoTime Reader::Impl::RunBegins(std::span<const Incoming> messages,
                                 std::optional<MonoTime> begin) {
  const bool is_small = messages.size() == 1 && messages.front().bytes.size() <= kSmallBytes;
  if (begin && is_small && last_time <= kFast && ++unmeasured < kMeasured) {
    return *begin + parse_time;
  }
  const MonoTime began = Now();
  if (begin && is_small) {
    parse_time = std::max(began - *begin, Duration::zero());
    unmeasured = 0;
  }
  return began;
}

/// Only what is sure to be run: with --preprocess or --validate that is not known before.
void Reader::Impl::StartAnnouncing(std::size_t messages, std::size_t first_piece) {
  announced.clear();
  hears_ahead = nullptr;
  told_all = false;
  if (messages < 2 * kFirstAnnounced || preprocess || validate || task_count == 0) return;
  hears_ahead = &slots.front();
  announces = BatchOf(*hears_ahead);
  announce_at = first_piece;
  told_all = true;
}

/// In ever larger pieces: the first ones soon, and the others with few calls.
void Reader::Impl::Announce(Work& work) {
  if (!IsLeft(*hears_ahead, work)) return;
  if (announces == 0 || RunsAlone(*hears_ahead, work)) {  // the batch ends before it
    hears_ahead = nullptr;
    told_all = false;
    return;
  }
  announced.push_back(&work.message);
  if (--announces == 0 || announced.size() >= announce_at) TellAhead();
}

void Reader::Impl::TellAhead() {
  if (announced.empty()) return;
  announce_at = std::min(2 * announce_at, kMostAnnounced);
  try {
    slots.front().task->Ahead(announced);
  } catch (...) {  // NOLINT(bugprone-empty-catch): it was only a hint
    announces = 0;
    told_all = false;
  }
  announced.clear();
}

void Reader::Impl::Begin(Work& work) {
  Verdict& verdict = *work.verdict;
  Reset(&verdict);
  work.state = Work::State::kDecided;
  work.failed.clear();
  work.waits = false;
  Status status = work.document.Parse(work.incoming.bytes);
  if (status.ok()) status = ReadEnvelope(work.document.root(), &work.envelope);
  if (!status.ok()) {
    verdict.next = Verdict::Next::kMalformed;
    verdict.why = status.message();
    return;
  }
  const bool crashed = !work.incoming.crash.empty();
  if (!crashed && work.envelope.retry_on && *work.envelope.retry_on > now) {
    verdict.next = Verdict::Next::kHold;
    verdict.due = *work.envelope.retry_on;
    return;
  }
  work.tries = work.envelope.tries + 1;
  work.state = crashed ? Work::State::kCharged : Work::State::kRuns;
  if (crashed) AppendWhy(&verdict.why, "its last try ended the process", work.incoming.crash);
  BindOriginal(work);
}

bool Reader::Impl::Count(const Work& work) {
  if (work.verdict->next != Verdict::Next::kHold) ++counts.messages;
  if (work.verdict->next == Verdict::Next::kMalformed) ++counts.malformed;
  has_run = has_run || work.state == Work::State::kCharged;
  return work.state == Work::State::kRuns;
}

void Reader::Impl::BindOriginal(Work& work) const {
  const Envelope& envelope = work.envelope;
  work.message.Bind({DataText(work.incoming.bytes, envelope), envelope.data, work.tries,
                     envelope.started.value_or(now), work.incoming.id});
}

void Reader::Impl::Conclude(Work& work) {
  if (work.state == Work::State::kDecided) return;
  if (work.state == Work::State::kCharged) {
    work.failed.assign(names.begin(), names.end());
    if (work.envelope.names_tasks) work.failed = work.envelope.tasks_left;
  } else if (work.envelope.names_tasks) {
    FailUnknownTasks(work);
  }
  if (work.failed.empty() && work.state == Work::State::kRuns) {
    ++counts.finished;
    return;
  }
  Retry(work);
}

void Reader::Impl::FailUnknownTasks(Work& work) const {
  for (std::string_view name : work.envelope.tasks_left) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    // Another reader's task, or one from before a change of --task: only a person can say.
    work.failed.push_back(name);
    AppendWhy(&work.verdict->why, fmt::format("task {}", name), "this reader has no such task");
  }
}

/// Once more for the tasks that are left, soon: the try is not one.
void Reader::Impl::Wait(Work& work) const {
  rivulet::Retry retry;
  retry.tries = work.envelope.tries;
  retry.started = work.envelope.started.value_or(now);
  retry.tasks_left = work.failed;
  retry.retry_on = work.verdict->due = now;
  work.verdict->next = Verdict::Next::kRequeue;
  work.verdict->why = fatal;
  work.verdict->body = WriteEnvelope(work.incoming.bytes, work.envelope, retry);
}

void Reader::Impl::Retry(Work& work) {
  if (work.waits && work.verdict->why.empty()) {
    ++counts.requeued;
    return Wait(work);
  }
  DecideRetry(work.incoming.bytes, work.envelope, work.tries, work.failed, config, now,
              work.verdict);
  if (work.verdict->next == Verdict::Next::kRequeue) {
    ++counts.requeued;
    return;
  }
  ++counts.given_up;
  for (std::size_t i = 0; i < task_count; ++i) {
    const bool left =
        std::find(work.failed.begin(), work.failed.end(), slots[i].name) != work.failed.end();
    if (left) ++slots[i].counts.given_up;
  }
  if (giveup) GiveUp(work);
}

Reader::Reader(ReaderConfig config, ReaderTasks tasks, ReaderSurroundings surroundings)
    : impl_(std::make_unique<Impl>(config, std::move(tasks), std::move(surroundings))) {}

Reader::~Reader() = default;

std::size_t Reader::chunk() const {
  std::size_t most = 1;
  for (const Impl::Slot& slot : impl_->slots) {
    if (slot.role == Impl::Role::kGiveUp) continue;
    if (impl_->BackoffOf(slot).failing()) return 1;
    most = std::max(most, Impl::BatchOf(slot));
  }
  return std::min(most, kMaxChunk);
}

bool Reader::Impl::LooksAhead() const {
  return task_count > 0 && slots.front().looks_beyond && !preprocess && !validate;
}

bool Reader::looks_ahead() const { return impl_->LooksAhead() && chunk() >= kLeastPrepared; }

const std::string& Reader::fatal() const { return impl_->fatal; }

void Reader::Handle(std::span<const Incoming> messages, WallTime now,
                    std::vector<Verdict>* verdicts) {
  impl_->Handle(messages, now, std::nullopt, verdicts, {});
}

MonoTime Reader::Handle(std::span<const Incoming> messages, WallTime now, MonoTime begin,
                        std::vector<Verdict>* verdicts, std::span<const Incoming> next) {
  return impl_->Handle(messages, now, begin, verdicts, next);
}

}  // namespace rivulet
