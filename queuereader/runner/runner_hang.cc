#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

constexpr std::size_t kMarkedBytes = 200;  // of a name: CrashMark cuts it there

}  // namespace

bool Runner::Impl::HasHadItsTime(MonoTime now, MonoTime since) {
  // A check that does not come on time: the whole process may have stood still (stopped, a paused
  // machine), and the task with it. It counts half and not nothing: where the loop is busy, or a
  // timeout is shorter than its turns, every check is late, and a hang is to be told all the same.
  const bool late = now - std::exchange(hang_checked, now) >= config.task_timeout / 2;
  if (since != in_hand_since) in_hand_halves = 0;
  in_hand_since = since;
  constexpr int kEnough = 2 * kChecksOfTimeout;
  in_hand_halves = std::min(in_hand_halves + (late ? 1 : 2), kEnough);
  return now - since >= config.task_timeout && in_hand_halves == kEnough;
}

void Runner::Impl::CheckHang() {
  if (state == State::kHung) return;
  const std::optional<CrashMark::Current> current = parts.crash_mark->current();
  const MonoTime now = parts.clock->Now();
  MonoTime since = current ? current->since : now;
  if (parts.store != nullptr) since = std::max(since, parts.store->last_waited().value_or(since));
  if (!HasHadItsTime(now, since) || !current) return;
  for (const std::string& task : config.child_tasks) {
    if (std::string_view(task).substr(0, kMarkedBytes) == current->task) return;
  }
  const std::string why = "task " + current->task + ": no answer within " +
                          FormatDuration(config.task_timeout) + " (--task-timeout)";
  if (current->is_call) return OnCallHang(why + " " + current->Place());
  if (!running || state == State::kStopped) return;
  OnHang(*current, why);
}

void Runner::Impl::BeginHung() {
  state = State::kHung;
  shared->stopping = true;
  exit_status = 1;
  wake.Cancel();
  if (fetching && parts.source->CancelFetch()) fetching = false;
}

// What no checkpoint holds is to be run again. A slice waits for the task, or was just run.
void Runner::Impl::OnCallHang(const std::string& why) {
  LogError("{}: the reader ends", why);
  if (state == State::kStopped) {
    exit_status = 1;
    return config.exit_process(1);
  }
  BeginHung();
  if (running) {
    const std::size_t ran = running->ran();
    const bool again =
        parts.checkpoint != nullptr && (parts.source->leases() || parts.source->reads_again());
    if (!again) Apply(*running, ran);
    for (std::size_t i = again ? 0 : ran; i < running->items().size(); ++i) {
      ReturnPending({running->BatchOf(i), running->items()[i].message});
    }
  }
  ReturnAll();
  drain_deadline.Start(config.drain_timeout);
  AwaitHungEnd();
}

// The slice is still the task thread's: of it only what is for any thread is looked at.
void Runner::Impl::OnHang(const CrashMark::Current& current, const std::string& why) {
  LogError("{}, with {} in hand: the message is charged a try, and the reader ends", why,
           current.message.empty() ? "a message that has no name" : current.message);
  BeginHung();

  Slice& slice = *running;
  const std::size_t hung = slice.in_hand();
  const std::size_t ran = std::min(slice.ran(), hung);
  // The state of tasks ends with this process: what no checkpoint holds is to be run again.
  const bool again =
      parts.checkpoint != nullptr && (parts.source->leases() || parts.source->reads_again());
  if (!again) Apply(slice, ran);
  for (std::size_t i = again ? 0 : ran; i < slice.items().size(); ++i) {
    if (i != hung) ReturnPending({slice.BatchOf(i), slice.items()[i].message});
  }
  if (again && !parts.source->leases()) {
    // The file keeps no tries: the next start charges it, and has the rest in its checkpoint.
    parts.crash_mark->Hung("a hang");
  } else {
    ChargeHung(slice.items()[hung], why);
  }
  ReturnAll();
  drain_deadline.Start(config.drain_timeout);
  AwaitHungEnd();
}

void Runner::Impl::ChargeHung(const Slice::Item& item, const std::string& why) {
  std::vector<std::string> tasks;
  for (std::size_t i = 0; i < parts.reader->task_count(); ++i) {
    tasks.push_back(parts.reader->task_name(i));
  }
  const WallTime now = parts.clock->WallNow();
  Verdict verdict = ChargeTry(item.batch->body(item.message), config.reader, tasks, now, why);
  Settlement settlement;
  settlement.fate = Fate::kRequeue;
  if (verdict.next == Verdict::Next::kGiveUp) {
    if (!SetAside(verdict.body, "given up", why)) return;
    settlement.fate = Fate::kBury;
    verdict.body.clear();
  } else {
    settlement.delay = std::max(Duration::zero(), verdict.due - now);
  }
  const Delivery& delivery = item.batch->delivery(item.message);
  if (!item.batch->leased(item.message)) {
    return SettleUnleased(delivery, settlement.fate, std::move(verdict.body), settlement.delay);
  }
  // Past the ledger, which would cover what was decided before with it.
  settlement.origin = delivery.origin;
  settlement.receipt = item.batch->batch.receipt(delivery);
  settlement.body = std::move(verdict.body);
  direct.push_back(std::move(settlement));
}

void Runner::Impl::AwaitHungEnd() {
  SettleCovered();
  const Ledger::Counts counts = ledger.counts();
  if (counts.covered + counts.settling == 0 && requeues.empty() && parts.source->unsettled() == 0) {
    EndHung();
  }
}

void Runner::Impl::EndHung() {
  EndSource("the reader was stopped");
  Finish();
  config.exit_process(1);
}

}  // namespace rivulet
