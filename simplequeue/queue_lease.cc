// Leases: what is handed out, and what its holders do with it.
#include <algorithm>

#include "simplequeue/queue.h"
#include "simplequeue/queue_internal.h"

namespace rivulet {

std::size_t Queue::LeaseFront(std::uint64_t max, MonoTime now, Duration lease,
                              std::vector<Lease>* out) {
  const MonoTime due = After(now, lease);
  const std::size_t before = out->size();
  std::vector<IdRun> told;
  while (max > 0 && ready_.size() > 0) {
    const QueueRuns::Run run = ready_.PopFront(max, table_);
    max -= run.count;
    ForEachExtra({run.first_id, run.count},
                 [&](std::uint64_t id, Arena::Location place, Extra* extra) {
                   if (++last_lease_ == 0) ++last_lease_;
                   extra->Set(MessageState::kInFlight, extra->attempts() + 1);
                   extra->lease_number = last_lease_;
                   extra->due_ns = due.time_since_epoch().count();
                   AddTimer(due, id, false);
                   const Arena::Entry entry = arena_->ReadEntry(place);
                   bytes_ -= entry.body.size();
                   out->push_back({id, last_lease_, extra->attempts(), entry.put_at, entry.body});
                 });
    if (log_ != nullptr) told.push_back({run.first_id, run.count});
  }
  const std::size_t count = out->size() - before;
  in_flight_ += count;
  stats_.gets += count;
  if (log_ != nullptr && count > 0) log_->OnLease(*this, told);
  return count;
}

Queue::Extra* Queue::Held(Holding holding) {
  const Extra* extra = table_.FindExtra(holding.id);
  if (extra == nullptr || extra->lease_number != holding.number || holding.number == 0 ||
      extra->state() != MessageState::kInFlight || !table_.Find(holding.id).valid()) {
    return nullptr;
  }
  return table_.MakeExtras(holding.id);
}

template <typename Each>
std::size_t Queue::ForEachHeld(std::span<const Holding> holdings, std::vector<std::size_t>* missed,
                               Each&& each) {
  missed->clear();
  for (std::size_t i = 0; i < holdings.size(); ++i) {
    if (Extra* extra = Held(holdings[i])) {
      each(holdings[i].id, extra);
    } else {
      missed->push_back(i);
    }
  }
  return holdings.size() - missed->size();
}

std::size_t Queue::Finish(std::span<const Holding> holdings, std::vector<std::size_t>* missed) {
  std::vector<IdRun> finished;
  const std::size_t count =
      ForEachHeld(holdings, missed, [&finished](std::uint64_t id, Extra* extra) {
        extra->lease_number = 0;  // named twice, it is missed once
        AddId(&finished, id);
      });
  in_flight_ -= count;
  stats_.finished += count;
  stats_.finish_missed += missed->size();
  Forget(finished);
  return count;
}

std::size_t Queue::Requeue(std::span<const Holding> holdings, MonoTime now, Duration delay,
                           std::vector<std::size_t>* missed) {
  Fates fates;
  const std::size_t count = ForEachHeld(
      holdings, missed, [&](std::uint64_t id, Extra* extra) { EndLease(id, extra, now, &fates); });
  stats_.requeues += count;
  std::vector<IdRun> deferred;
  if (delay > Duration::zero()) deferred.swap(fates.back);
  Settle(fates);
  Defer(deferred, After(now, delay));
  CompactTimers();
  return count;
}

bool Queue::RequeueWith(Holding holding, std::string_view body, MonoTime now, Duration delay) {
  Extra* const extra = Held(holding);
  if (extra == nullptr) return false;
  const std::uint64_t id = holding.id;
  const Arena::Entry old = arena_->ReadEntry(table_.Find(id));
  const Arena::Location old_place = table_.Find(id);
  ++stats_.requeues;
  Fates fates;
  EndLease(id, extra, now, &fates);
  if (!fates.forget.empty()) {
    Settle(fates);
    return true;
  }
  const Arena::Location place = arena_->Append(body, old.put_at, old.ttl);
  const Extra kept = *extra;
  held_bytes_ += body.size() - old.body.size();
  arena_->Release(old_place.block);
  table_.Insert(id, place);
  *extra = kept;
  // All of it is told by one record below.
  QueueLog* const log = std::exchange(log_, nullptr);
  if (delay > Duration::zero()) {
    Defer(fates.back, After(now, delay));
    fates.back.clear();
  }
  Settle(fates);
  log_ = log;
  CompactTimers();
  if (log_ != nullptr) log_->OnPut(*this, Describe(id, place, extra), {});
  return true;
}

std::size_t Queue::Touch(std::span<const Holding> holdings, MonoTime now, Duration lease,
                         std::vector<std::size_t>* missed) {
  const MonoTime due = After(now, lease);
  const std::int64_t due_ns = due.time_since_epoch().count();
  const std::size_t count = ForEachHeld(holdings, missed, [&](std::uint64_t id, Extra* extra) {
    if (extra->due_ns == due_ns) return;
    extra->due_ns = due_ns;
    AddTimer(due, id, false);
  });
  CompactTimers();
  return count;
}

std::size_t Queue::Bury(std::span<const Holding> holdings, std::vector<std::size_t>* missed) {
  std::vector<IdRun> buried;
  const std::size_t count = ForEachHeld(holdings, missed, [&](std::uint64_t id, Extra* extra) {
    extra->lease_number = 0;
    AddId(&buried, id);
    // Its time to live may be over since long: that timer has gone.
    if (mortal_ > 0) AddExpiry(id, table_.Find(id));
  });
  in_flight_ -= count;
  MoveToDead(buried);
  CompactTimers();
  return count;
}

std::uint64_t Queue::Kick(std::uint64_t max) {
  std::vector<IdRun> kicked;
  std::uint64_t count = 0;
  while (count < max && dead_.size() > 0) {
    const QueueRuns::Run run = dead_.PopFront(max - count, table_);
    kicked.push_back({run.first_id, run.count});
    count += run.count;
  }
  stats_.kicked += count;
  Return(kicked, true);
  return count;
}

}  // namespace rivulet
