#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

// Before a checkpoint that failed is tried again, at the end.
constexpr Duration kAgain = std::chrono::milliseconds(200);

}  // namespace

void Runner::Impl::Drain() {
  if (fetching && parts.source->CancelFetch()) fetching = false;
  if (running || ticking) return;
  if (!drain_deadline.active()) drain_deadline.Start(config.drain_timeout);
  if (fetching) return;  // what it brings has left the queue already
  if (!returned) ReturnAll();
  SettleCovered();
  if (saving) return;
  if (Uncovered()) {
    const Duration since = parts.clock->Now() - checkpoint_began;
    if (checkpoint_status.ok() || since >= kAgain) return BeginCheckpoint();
    return wake.Start(kAgain - since);
  }
  if (!AllSettled()) return;
  if (parts.checkpoint != nullptr && dirty && !last_tried) {
    // What was settled needs not be told again by the next start.
    last_tried = true;
    return BeginCheckpoint();
  }
  if (parts.checkpoint != nullptr && !checkpoint_status.ok()) {
    LogError("the last checkpoint failed: {}", checkpoint_status.message());
    exit_status = 1;
  }
  EndSource("the reader was stopped");
  Finish();
}

bool Runner::Impl::AllSettled() const {
  const Ledger::Counts counts = ledger.counts();
  return counts.decided + counts.covered + counts.settling == 0 && requeues.empty() &&
         parts.source->unsettled() == 0 && OutputsDelivered();
}

void Runner::Impl::ReturnAll() {
  returned = true;
  for (const Pending& unrun : pending) ReturnPending(unrun);
  pending.clear();
  pending_bytes = 0;
  const WallTime now = parts.clock->WallNow();
  while (!hold.empty()) {
    Hold::Item item = hold.Take();
    SettleUnleased(item.delivery, Fate::kRequeue, std::move(item.body),
                   std::max(Duration::zero(), item.due - now));
  }
  SendDirect();
  if (parts.outputs != nullptr) parts.outputs->Flush();
}

void Runner::Impl::ReturnPending(const Pending& unrun) {
  const Delivery& delivery = unrun.batch->delivery(unrun.message);
  if (unrun.batch->leased(unrun.message)) {
    ledger.Return(unrun.batch->tokens[unrun.message]);
  } else if (parts.source->keeps_requeued()) {
    SettleUnleased(delivery, Fate::kRequeue, std::string(unrun.batch->body(unrun.message)), {});
  } else if (delivery.requeued) {
    SettleUnleased(delivery, Fate::kReturn, {}, {});
  } else {
    ++left;
  }
}

std::size_t Runner::Impl::EndSource(std::string_view why) {
  const bool checkpointed = parts.checkpoint != nullptr && checkpoint_status.ok() && !Uncovered() &&
                            state != State::kHung;
  const std::vector<std::string> bodies = parts.source->Abandon();
  requeues.clear();
  const bool comes_again =
      parts.checkpoint != nullptr && state == State::kHung && parts.source->reads_again();
  if (comes_again || (checkpointed && !parts.source->keeps_requeued())) return 0;
  for (const std::string& body : bodies) {
    if (!SetAside(body, "not put back", why)) ++unplaced;
  }
  return bodies.size();
}

void Runner::Impl::OnDrainDeadline() {
  if (state == State::kHung) return EndHung();
  if (state != State::kDraining) return;
  const std::string limit = FormatDuration(config.drain_timeout);
  if (fetching) {
    LogWarning("a fetch was not answered within --drain-timeout {}", limit);
    exit_status = 1;
  }
  if (!returned) ReturnAll();
  const bool saved = parts.checkpoint != nullptr && checkpoint_status.ok() && !Uncovered();
  const Ledger::Counts counts = ledger.counts();
  if (const std::size_t leased = counts.decided + counts.covered + counts.settling; leased > 0) {
    LogError(
        "{} messages could not be settled within --drain-timeout {}: they come again when "
        "their leases end",
        leased, limit);
    exit_status = 1;
  }
  if (Uncovered()) {
    LogError("no checkpoint could be written within --drain-timeout {}: {}", limit,
             checkpoint_status.ok() ? "it takes longer" : checkpoint_status.message());
    exit_status = 1;
  }
  if (!OutputsDelivered()) {
    LogWarning("what tasks emitted was not all delivered within --drain-timeout {}{}", limit,
               saved ? ": it is in the checkpoint" : "");
    if (!saved) exit_status = 1;
  }
  if (const std::size_t aside = EndSource("the queue did not take it in time"); aside > 0) {
    LogError("{} messages could not be put back within --drain-timeout {}, and are set aside",
             aside, limit);
    exit_status = 1;
  }
  Finish();
}

}  // namespace rivulet
