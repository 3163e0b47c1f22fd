// Looking at messages whatever their state, and making a queue again from what its log was told.
#include <algorithm>

#include "simplequeue/queue.h"
#include "simplequeue/queue_internal.h"

namespace rivulet {

MessageInfo Queue::Describe(std::uint64_t id, Arena::Location place, const Extra* extra) const {
  const Arena::Entry entry = arena_->ReadEntry(place);
  MessageInfo info;
  info.id = id;
  info.position = FreshPosition(id);
  info.put_at = entry.put_at;
  info.ttl = entry.ttl;
  info.body = entry.body;
  if (extra == nullptr) return info;
  info.state = extra->state();
  info.attempts = extra->attempts();
  if (extra->position != 0) info.position = extra->position;
  if (info.state == MessageState::kInFlight || info.state == MessageState::kDeferred) {
    info.due = MonoTime(Duration(extra->due_ns));
  }
  return info;
}

bool Queue::Find(std::uint64_t id, MessageInfo* message) const {
  const Arena::Location place = table_.Find(id);
  if (!place.valid()) return false;
  *message = Describe(id, place, table_.FindExtra(id));
  return true;
}

void Queue::Peek(MessageState state, std::uint64_t max, std::vector<MessageInfo>* out) const {
  out->clear();
  if (state == MessageState::kReady) {
    std::uint64_t position = 0;
    while (out->size() < max) {
      const QueueRuns::Run found = ready_.Next(&position, max - out->size(), table_);
      if (found.count == 0) return;
      for (std::uint64_t id = found.first_id; id < found.first_id + found.count; ++id) {
        out->push_back(Describe(id, table_.Find(id), table_.FindExtra(id)));
      }
    }
    return;
  }
  table_.ForEach([&](std::uint64_t id, Arena::Location place, const Extra* extra) {
    if (out->size() >= max) return false;
    if (extra != nullptr && extra->state() == state) out->push_back(Describe(id, place, extra));
    return true;
  });
}

std::optional<MonoTime> Queue::oldest_ready() const {
  if (ready_.size() == 0) return std::nullopt;
  return arena_->ReadEntry(table_.Find(ready_.front_id())).put_at;
}

std::uint64_t Queue::Empty(MessageState state) {
  std::vector<IdRun> emptied;
  std::uint64_t count = 0;
  table_.ForEach([&](std::uint64_t id, Arena::Location, const Extra* extra) {
    if ((extra == nullptr ? MessageState::kReady : extra->state()) != state) return true;
    AddId(&emptied, id);
    ++count;
    return true;
  });
  switch (state) {
    case MessageState::kReady:
      ready_.Clear();
      bytes_ = 0;
      break;
    case MessageState::kInFlight:
      in_flight_ = 0;
      break;
    case MessageState::kDeferred:
      deferred_ = 0;
      break;
    case MessageState::kDead:
      dead_.Clear();
      break;
  }
  Forget(emptied);
  return count;
}

// Counts what is in flight on the way, so that it is known when the restoring ends.
void Queue::SetRestored(Extra* extra, MessageState state, std::uint32_t attempts) {
  if (extra->state() == MessageState::kInFlight) --in_flight_;
  if (state == MessageState::kInFlight) ++in_flight_;
  extra->Set(state, attempts);
}

void Queue::RestoreMessage(const MessageInfo& message, std::string_view key) {
  const Arena::Location old = table_.Find(message.id);
  const Arena::Location place = arena_->Append(message.body, message.put_at, message.ttl);
  if (old.valid()) {
    arena_->Release(old.block);
    if (Extra* extra =
            table_.FindExtra(message.id) == nullptr ? nullptr : table_.MakeExtras(message.id)) {
      SetRestored(extra, MessageState::kReady, 0);
    }
  }
  table_.Insert(message.id, place);
  const bool is_deferred = message.state == MessageState::kDeferred;
  const bool fresh =
      is_deferred || message.position == 0 || message.position == FreshPosition(message.id);
  if (!fresh) RestorePosition(message.position);
  if (!fresh || message.state != MessageState::kReady || message.attempts > 0) {
    Extra* extra = table_.MakeExtras(message.id);
    SetRestored(extra, message.state, message.attempts);
    if (!fresh) extra->position = message.position;
    if (is_deferred) extra->due_ns = message.due.time_since_epoch().count();
  }
  if (!key.empty()) {
    RestoreKey(key, message.id, After(arena_->ReadEntry(place).put_at, limits_.dedupe_window));
  }
}

template <typename Each>
void Queue::ForEachRestored(IdRun ids, Each&& each) {
  while (ids.count > 0) {
    const auto slice = table_.FindFrom(ids.first_id, ids.count);
    if (slice.places != nullptr) {
      Extra* const extras = table_.MakeExtras(ids.first_id);
      for (std::size_t i = 0; i < slice.count; ++i) {
        if (slice.places[i].valid()) each(ids.first_id + i, &extras[i]);
      }
    }
    ids.first_id += slice.count;
    ids.count -= slice.count;
  }
}

void Queue::RestoreLease(IdRun ids) {
  ForEachRestored(ids, [this](std::uint64_t, Extra* extra) {
    SetRestored(extra, MessageState::kInFlight, extra->attempts() + 1);
  });
}

void Queue::RestoreForget(IdRun ids) {
  while (ids.count > 0) {
    const auto slice = table_.FindFrom(ids.first_id, ids.count);
    if (slice.places != nullptr) {
      for (std::size_t i = 0; i < slice.count; ++i) {
        if (!slice.places[i].valid()) continue;
        arena_->Release(slice.places[i].block);
        const bool leased =
            slice.extras != nullptr && slice.extras[i].state() == MessageState::kInFlight;
        if (leased) --in_flight_;
      }
      table_.Remove(ids.first_id, slice.count);
    }
    ids.first_id += slice.count;
    ids.count -= slice.count;
  }
}

void Queue::RestorePosition(std::uint64_t position) {
  last_position_ = std::max(last_position_, position);
  table_.RaiseNextId((position >> kPositionBits) + 1);
}

void Queue::RestoreReturn(std::uint64_t position, bool kicked, std::span<const IdRun> ids) {
  for (const IdRun& run : ids) {
    ForEachRestored(run, [&](std::uint64_t id, Extra* extra) {
      SetRestored(extra, MessageState::kReady, kicked ? 0 : extra->attempts());
      extra->position = position + (id - run.first_id);
    });
    position += run.count;
  }
  if (!ids.empty()) RestorePosition(position - 1);
}

void Queue::RestoreDefer(MonoTime due, IdRun ids) {
  ForEachRestored(ids, [this, due](std::uint64_t, Extra* extra) {
    SetRestored(extra, MessageState::kDeferred, extra->attempts());
    extra->position = 0;
    extra->due_ns = due.time_since_epoch().count();
  });
}

void Queue::RestoreBury(std::uint64_t position, std::span<const IdRun> ids) {
  for (const IdRun& run : ids) {
    ForEachRestored(run, [&](std::uint64_t id, Extra* extra) {
      SetRestored(extra, MessageState::kDead, extra->attempts());
      extra->position = position + (id - run.first_id);
    });
    position += run.count;
  }
  if (!ids.empty()) RestorePosition(position - 1);
}

void Queue::RestoreKey(std::string_view key, std::uint64_t id, MonoTime until) {
  if (limits_.dedupe_window > Duration::zero()) keys_.Restore(key, id, until);
}

void Queue::RestoreNextId(std::uint64_t next_id) { table_.RaiseNextId(next_id); }

void Queue::EndRestore(MonoTime now) {
  std::vector<IdRun> used_up;
  in_flight_ = 0;
  table_.ForEach([&](std::uint64_t id, Arena::Location place, const Extra* extra) {
    const Arena::Entry entry = arena_->ReadEntry(place);
    ++held_;
    held_bytes_ += entry.body.size();
    if (entry.ttl > Duration::zero()) {
      ++mortal_;
      AddExpiry(id, place);
    }
    if (extra == nullptr) return true;
    if (extra->state() == MessageState::kDeferred) {
      ++deferred_;
      AddTimer(MonoTime(Duration(extra->due_ns)), id, false);
    } else if (extra->state() == MessageState::kInFlight) {
      const std::uint32_t attempts = extra->attempts();
      table_.MakeExtras(id)->Set(MessageState::kReady, attempts);
      if (limits_.max_attempts > 0 && attempts >= limits_.max_attempts) AddId(&used_up, id);
    }
    return true;
  });
  for (const IdRun& run : used_up) {
    const std::uint64_t position = TailPosition(run.count);
    ForEachExtra(run, [&](std::uint64_t id, Arena::Location, Extra* extra) {
      extra->Set(MessageState::kDead, extra->attempts());
      extra->position = position + (id - run.first_id);
    });
  }
  OrderRestored(MessageState::kReady, &ready_);
  OrderRestored(MessageState::kDead, &dead_);
  keys_.EndRestore(now);
  stats_.depth_high_water = ready_.size();
}

// Those with a fresh position come by id anyway; the others are sorted, and merged into them.
void Queue::OrderRestored(MessageState state, QueueRuns* runs) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> placed;  // position, id
  const auto in_state = [state](const Extra* extra) {
    return (extra == nullptr ? MessageState::kReady : extra->state()) == state;
  };
  table_.ForEach([&](std::uint64_t id, Arena::Location, const Extra* extra) {
    if (extra != nullptr && extra->position != 0 && in_state(extra)) {
      placed.emplace_back(extra->position, id);
    }
    return true;
  });
  std::sort(placed.begin(), placed.end());
  auto next = placed.begin();
  table_.ForEach([&](std::uint64_t id, Arena::Location place, const Extra* extra) {
    if (!in_state(extra)) return true;
    if (state == MessageState::kReady) bytes_ += arena_->Read(place).size();
    if (extra != nullptr && extra->position != 0) return true;
    for (; next != placed.end() && next->first < FreshPosition(id); ++next) {
      runs->PushBack(next->first, next->second);
    }
    runs->PushBack(FreshPosition(id), id);
    return true;
  });
  for (; next != placed.end(); ++next) runs->PushBack(next->first, next->second);
}

}  // namespace rivulet
