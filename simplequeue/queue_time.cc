// What happens to messages when their time is up, and where they go then.
#include <algorithm>

#include "simplequeue/queue.h"
#include "simplequeue/queue_agenda.h"
#include "simplequeue/queue_internal.h"

namespace rivulet {

namespace {

std::int64_t Nanoseconds(MonoTime time) { return time.time_since_epoch().count(); }

}  // namespace

void Queue::NoteDue(MonoTime when) {
  if (agenda_ == nullptr) return;
  noted_ = when;
  agenda_->Add(when, this);
}

bool Queue::Advance(MonoTime now, std::size_t max) { return AdvanceWithin(now, &max); }

bool Queue::AdvanceWithin(MonoTime now, std::size_t* budget) {
  Fates fates;
  for (; *budget > 0 && !timers_.empty() && timers_.front().when() <= now; --*budget) {
    const QueueTimers::Entry entry = timers_.front();
    timers_.PopFront();
    Fire(entry, now, &fates);
  }
  CompactTimers();
  Settle(fates);
  return !fates.back.empty();
}

bool Queue::TimerHolds(const QueueTimers::Entry& entry) const {
  const Arena::Location place = table_.Find(entry.id());
  if (!place.valid()) return false;
  if (entry.is_expiry()) {
    const Arena::Entry message = arena_->ReadEntry(place);
    return message.ttl > Duration::zero() && After(message.put_at, message.ttl) == entry.when();
  }
  const Extra* extra = table_.FindExtra(entry.id());
  if (extra == nullptr || extra->due_ns != entry.when_ns) return false;
  return extra->state() == MessageState::kInFlight || extra->state() == MessageState::kDeferred;
}

void Queue::Fire(const QueueTimers::Entry& entry, MonoTime now, Fates* fates) {
  if (!TimerHolds(entry)) return;
  const std::uint64_t id = entry.id();
  const Extra* extra = table_.FindExtra(id);
  const MessageState state = extra == nullptr ? MessageState::kReady : extra->state();
  if (entry.is_expiry()) {
    // In flight it lives until its lease ends.
    if (state != MessageState::kInFlight) DropExpired(id, state, &fates->forget);
  } else if (state == MessageState::kInFlight) {
    ++stats_.timeouts;
    EndLease(id, table_.MakeExtras(id), now, fates);
  } else if (Expired(table_.Find(id), now)) {
    DropExpired(id, state, &fates->forget);
  } else {
    --deferred_;
    table_.MakeExtras(id)->Set(MessageState::kReady, extra->attempts());
    AddId(&fates->back, id);
  }
}

void Queue::EndLease(std::uint64_t id, Extra* extra, MonoTime now, Fates* fates) {
  extra->lease_number = 0;
  if (Expired(table_.Find(id), now)) {
    DropExpired(id, MessageState::kInFlight, &fates->forget);
    return;
  }
  --in_flight_;
  extra->Set(MessageState::kReady, extra->attempts());
  const bool used_up = limits_.max_attempts > 0 && extra->attempts() >= limits_.max_attempts;
  AddId(used_up ? &fates->bury : &fates->back, id);
}

bool Queue::Expired(Arena::Location place, MonoTime now) const {
  if (mortal_ == 0) return false;
  const Arena::Entry message = arena_->ReadEntry(place);
  return message.ttl > Duration::zero() && After(message.put_at, message.ttl) <= now;
}

// At once, so that no other timer of this moment finds it.
void Queue::DropExpired(std::uint64_t id, MessageState state, std::vector<IdRun>* dropped) {
  const std::size_t body_bytes = arena_->Read(table_.Find(id)).size();
  Release({id, 1});
  switch (state) {
    case MessageState::kReady:
      bytes_ -= body_bytes;
      ready_.Dropped(table_);
      break;
    case MessageState::kInFlight:
      --in_flight_;
      break;
    case MessageState::kDeferred:
      --deferred_;
      break;
    case MessageState::kDead:
      dead_.Dropped(table_);
      break;
  }
  ++stats_.expired;
  AddId(dropped, id);
}

void Queue::Settle(const Fates& fates) {
  if (log_ != nullptr && !fates.forget.empty()) log_->OnForget(*this, fates.forget);
  MoveToDead(fates.bury);
  Return(fates.back, false);
}

void Queue::Release(IdRun ids) {
  while (ids.count > 0) {
    const auto slice = table_.FindFrom(ids.first_id, ids.count);
    for (std::size_t i = 0; i < slice.count; ++i) {
      held_bytes_ -= arena_->Read(slice.places[i]).size();
    }
    ReleaseBodies(ids.first_id, slice.count);
    table_.Remove(ids.first_id, slice.count);
    held_ -= slice.count;
    ids.first_id += slice.count;
    ids.count -= slice.count;
  }
}

void Queue::Forget(std::span<const IdRun> ids) {
  if (ids.empty()) return;
  for (const IdRun& run : ids) Release(run);
  CompactTimers();
  if (log_ != nullptr) log_->OnForget(*this, ids);
}

std::uint64_t Queue::TailPosition(std::uint64_t count) {
  std::uint64_t position = std::max(last_position_, FreshPosition(table_.next_id() - 1)) + 1;
  // So many have returned since the last put that they would pass the next: it gets another id.
  if (position + count >= FreshPosition(table_.next_id())) {
    table_.RaiseNextId(table_.next_id() + 1);
    position = FreshPosition(table_.next_id() - 1) + 1;
  }
  last_position_ = position + count - 1;
  return position;
}

// Each run gets its positions together, so that what the log is told is true.
template <typename Each>
void Queue::ForEachReturn(std::span<const IdRun> ids, Each&& each) {
  while (!ids.empty()) {
    std::size_t runs = 0;
    std::uint64_t count = 0;
    while (runs < ids.size() && count + ids[runs].count <= kMaxReturn) count += ids[runs++].count;
    each(TailPosition(count), ids.subspan(0, runs));
    ids = ids.subspan(runs);
  }
}

void Queue::Return(std::span<const IdRun> ids, bool kicked) {
  ForEachReturn(ids, [&](std::uint64_t first_position, std::span<const IdRun> together) {
    std::uint64_t position = first_position;
    for (const IdRun& run : together) {
      ForEachExtra(run, [&](std::uint64_t id, Arena::Location place, Extra* extra) {
        extra->Set(MessageState::kReady, kicked ? 0 : extra->attempts());
        extra->position = position;
        PushReady(position++, id, arena_->Read(place).size());
      });
    }
    if (log_ != nullptr) log_->OnReturn(*this, first_position, kicked, together);
  });
}

void Queue::MoveToDead(std::span<const IdRun> ids) {
  ForEachReturn(ids, [&](std::uint64_t first_position, std::span<const IdRun> together) {
    std::uint64_t position = first_position;
    for (const IdRun& run : together) {
      ForEachExtra(run, [&](std::uint64_t id, Arena::Location, Extra* extra) {
        extra->Set(MessageState::kDead, extra->attempts());
        extra->position = position;
        dead_.PushBack(position++, id);
        ++stats_.buried;
      });
    }
    if (log_ != nullptr) log_->OnBury(*this, first_position, together);
  });
}

void Queue::Defer(std::span<const IdRun> ids, MonoTime due) {
  if (ids.empty()) return;
  for (const IdRun& run : ids) {
    ForEachExtra(run, [&](std::uint64_t id, Arena::Location, Extra* extra) {
      extra->Set(MessageState::kDeferred, extra->attempts());
      extra->position = 0;
      extra->due_ns = Nanoseconds(due);
      AddTimer(due, id, false);
      ++deferred_;
    });
  }
  if (log_ != nullptr) log_->OnDefer(*this, due, ids);
}

void Queue::AddExpiry(std::uint64_t id, Arena::Location place) {
  const Arena::Entry message = arena_->ReadEntry(place);
  if (message.ttl > Duration::zero()) AddTimer(After(message.put_at, message.ttl), id, true);
}

void Queue::CompactTimers() {
  if (timers_.empty()) return;
  timers_.MaybeCompact(in_flight_ + deferred_ + mortal_,
                       [this](const QueueTimers::Entry& entry) { return TimerHolds(entry); });
}

}  // namespace rivulet
