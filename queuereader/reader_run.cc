// Runs tasks on messages, and accounts for what they answer.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>

#include "base/log.h"
#include "queuereader/reader_impl.h"
#include "queuereader/task_unusable.h"

namespace rivulet {
namespace {

constexpr char kThrewOther[] = "threw something that is no std::exception";

Outcome Threw(const std::exception& error) {
  return Outcome::Failed(fmt::format("threw: {}", error.what()));
}

}  // namespace

bool Reader::Impl::IsLeft(const Slot& slot, const Work& work) const {
  if (work.state != Work::State::kRuns) return false;
  if (!work.envelope.names_tasks) return true;
  const auto& left = work.envelope.tasks_left;
  if (slot.role != Role::kTask) return !left.empty();
  return std::find(left.begin(), left.end(), slot.name) != left.end();
}

std::size_t Reader::Impl::BatchOf(const Slot& slot) {
  std::string why = kThrewOther;
  try {
    return std::clamp<std::size_t>(slot.task->batch_size(), 1, kMaxChunk);
  } catch (const std::exception& error) {
    why = fmt::format("threw: {}", error.what());
  } catch (...) {  // NOLINT(bugprone-empty-catch): it is told below
  }
  if (!slot.told_batch_size) {
    LogError("{}: batch_size() {}: it gets messages one by one", slot.Label(), why);
  }
  slot.told_batch_size = true;
  return 1;
}

void Reader::Impl::RunSlot(Slot& slot, std::size_t messages) {
  const std::size_t most = BatchOf(slot);
  batch.clear();
  for (std::size_t i = 0; i < messages; ++i) {
    Work& work = *works[i];
    if (!IsLeft(slot, work)) continue;
    if (!fatal.empty()) {
      WaitFor(slot, work);
      continue;
    }
    const bool alone = RunsAlone(slot, work);
    if (alone && !batch.empty()) RunBatch(slot);
    batch.push_back(&work);
    if (alone || batch.size() == most) RunBatch(slot);
  }
  if (!batch.empty()) RunBatch(slot);
}

void Reader::Impl::WaitFor(const Slot& slot, Work& work) {
  work.waits = true;
  if (slot.role == Role::kTask) {
    work.failed.push_back(slot.name);
  } else {
    work.state = Work::State::kCharged;  // as a whole
  }
}

void Reader::Impl::RunBatch(Slot& slot) {
  bool fed = false;
  if (!RunOnce(slot, &fed)) {
    const std::vector<Work*> all = batch;
    for (Work* work : all) {
      batch.assign(1, work);
      RunOnce(slot, &fed);
    }
  }
  batch.clear();
}

/// False when several messages threw together: nobody is charged, and each is to run alone.
bool Reader::Impl::RunOnce(Slot& slot, bool* fed) {
  slot.context.Begin(batch.size(), run_started, now);
  if (surroundings.entering) {
    surroundings.entering(slot.name, batch.front()->index, run_started);
  }
  const bool answered = Guarded(slot);
  if (surroundings.left) surroundings.left();
  const std::uint64_t n = batch.size();
  // Where its beginning is not known exactly, it may seem to be later.
  const MonoTime ended = std::max(Now(), run_started);
  const Duration took = ended - run_started;
  run_started = ended;
  if (!fatal.empty()) {
    for (Work* work : batch) WaitFor(slot, *work);
    return true;
  }
  has_run = true;
  if (!answered && n > 1) {
    slot.context.emissions.clear();
    slot.context.emissions_for.clear();
    return false;
  }
  slot.run_time.Observe(took / n, n);
  for (std::size_t i = 0; i < n; ++i) Account(slot, *batch[i], outcomes[i], fed);
  TakeEmissions(slot);
  return true;
}

/// False when it threw.
bool Reader::Impl::Guarded(Slot& slot) {
  outcomes.clear();
  try {
    if (batch.size() == 1) {
      outcomes.push_back(slot.task->Run(batch.front()->message, slot.context));
      return true;
    }
    batch_messages.clear();
    for (const Work* work : batch) batch_messages.push_back(&work->message);
    outcomes.assign(batch.size(), Outcome::Done());
    slot.task->RunBatch(batch_messages, outcomes, slot.context);
    return true;
  } catch (const TaskUnusable& error) {
    fatal = fmt::format("{} cannot go on: {}", slot.Label(), error.what());
    outcomes.assign(batch.size(), Threw(error));
  } catch (const std::exception& error) {
    outcomes.assign(batch.size(), Threw(error));
  } catch (...) {
    outcomes.assign(batch.size(), Outcome::Failed(kThrewOther));
  }
  return false;
}

/// A batch feeds the timer one failure at most (`fed`): a batch that fails because a database is
/// away has failed once.
void Reader::Impl::Account(Slot& slot, Work& work, Outcome& outcome, bool* fed) {
  if (slot.role == Role::kPreprocess && outcome.kind() == Outcome::Kind::kReplace) {
    outcome = Replace(work, outcome);
  }
  if (work.tries > 1) ++slot.counts.retried;
  if (!outcome.failed()) {
    ++slot.counts.done;
    Succeeded(slot, outcome);
    if (outcome.kind() == Outcome::Kind::kDrop) {
      ++counts.dropped;
      work.state = Work::State::kDecided;
      work.verdict->next = Verdict::Next::kDropped;
    }
    return;
  }
  ++slot.counts.failed;
  AppendWhy(&work.verdict->why, slot.Label(), outcome.why());
  if (slot.role == Role::kTask) {
    work.failed.push_back(slot.name);
  } else {
    work.state = Work::State::kCharged;
  }
  if (outcome.kind() == Outcome::Kind::kFailed) {
    TaskBackoff& backoff = BackoffOf(slot);
    if (!*fed) backoff.Failure();
    *fed = true;
    work.verdict->pause = std::max(work.verdict->pause, backoff.interval());
  }
}

void Reader::Impl::Succeeded(Slot& slot, const Outcome& outcome) {
  // One success a message that passes both, or the one would undo the other's failures.
  const bool validate_decides =
      slot.role == Role::kPreprocess && validate && outcome.kind() != Outcome::Kind::kDrop;
  if (!validate_decides) BackoffOf(slot).Success();
}

Outcome Reader::Impl::Replace(Work& work, const Outcome& outcome) const {
  if (!work.replacement) work.replacement = std::make_unique<JsonDocument>();
  work.replaced_text = outcome.data();
  if (Status status = work.replacement->Parse(work.replaced_text); !status.ok()) {
    return Outcome::Failed("what it made of the data is " + status.message());
  }
  work.message.Bind({work.replaced_text, &work.replacement->root(), work.tries,
                     work.message.started(), work.incoming.id});
  return Outcome::Done();
}

/// What the run in hand has emitted, of the messages that did not fail.
void Reader::Impl::TakeEmissions(Slot& slot) {
  TaskContext& context = slot.context;
  for (auto& [place, emission] : context.emissions_for) {
    if (place >= batch.size() || outcomes[place].failed()) continue;
    batch[place]->verdict->emissions.push_back(std::move(emission));
  }
  context.emissions_for.clear();
  if (context.emissions.empty()) return;
  const bool any_failed = std::any_of(outcomes.begin(), outcomes.end(),
                                      [](const Outcome& outcome) { return outcome.failed(); });
  if (!any_failed) {
    std::move(context.emissions.begin(), context.emissions.end(),
              std::back_inserter(batch.back()->verdict->emissions));
  }
  context.emissions.clear();
}

void Reader::Impl::GiveUp(Work& work) {
  BindOriginal(work);
  batch.assign(1, &work);
  giveup->context.Begin(1, run_started, now);
  if (surroundings.entering) surroundings.entering(giveup->name, work.index, run_started);
  Guarded(*giveup);
  if (surroundings.left) surroundings.left();
  const MonoTime ended = std::max(Now(), run_started);
  giveup->run_time.Observe(ended - run_started);
  run_started = ended;
  const Outcome& outcome = outcomes.front();
  if (outcome.failed()) {
    ++giveup->counts.failed;
    AppendWhy(&work.verdict->why, giveup->Label(), outcome.why());
  } else {
    ++giveup->counts.done;
  }
  TakeEmissions(*giveup);
  batch.clear();
}

}  // namespace rivulet
