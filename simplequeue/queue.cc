#include "simplequeue/queue.h"

#include <algorithm>

#include "simplequeue/queue_internal.h"

namespace rivulet {

Queue::Queue(std::string name, std::uint32_t number, QueueLimits limits, Arena* arena,
             QueueLog* log)
    : name_(std::move(name)), number_(number), limits_(limits), arena_(arena), log_(log) {}

Queue::~Queue() {
  table_.ForEach([this](std::uint64_t, Arena::Location place, const Extra*) {
    arena_->Release(place.block);
    return true;
  });
  for (const TakenMessage& taken : taken_) arena_->Release(taken.place.block);
}

bool Queue::Fits(std::uint64_t messages, std::uint64_t bytes) const {
  return (limits_.max_depth == 0 || held_ + messages <= limits_.max_depth) &&
         (limits_.max_bytes == 0 || held_bytes_ + bytes <= limits_.max_bytes);
}

std::uint64_t Queue::Put(std::string_view body, MonoTime now, const PutOptions& options) {
  const Arena::Location place = arena_->Append(body, now, options.ttl);
  const std::uint64_t id = table_.Add(place);
  ++held_;
  held_bytes_ += body.size();
  ++stats_.puts;
  const bool keyed = !options.key.empty() && limits_.dedupe_window > Duration::zero();
  if (options.delay > Duration::zero()) {
    Extra* extra = table_.MakeExtras(id);
    extra->Set(MessageState::kDeferred, 0);
    extra->due_ns = After(now, options.delay).time_since_epoch().count();
    ++deferred_;
    AddTimer(After(now, options.delay), id, false);
  } else {
    PushReady(FreshPosition(id), id, body.size());
  }
  if (options.ttl > Duration::zero()) {
    ++mortal_;
    AddExpiry(id, place);
  }
  if (keyed) {
    keys_.Expire(now);
    keys_.Add(options.key, id, After(arena_->ReadEntry(place).put_at, limits_.dedupe_window));
  }
  if (log_ != nullptr) {
    log_->OnPut(*this, Describe(id, place, table_.FindExtra(id)),
                keyed ? options.key : std::string_view());
  }
  return id;
}

void Queue::PushReady(std::uint64_t position, std::uint64_t id, std::size_t body_bytes) {
  ready_.PushBack(position, id);
  bytes_ += body_bytes;
  stats_.depth_high_water = std::max(stats_.depth_high_water, ready_.size());
}

std::optional<std::uint64_t> Queue::FindDuplicate(std::string_view key, MonoTime now) {
  if (limits_.dedupe_window <= Duration::zero()) return std::nullopt;
  const auto id = keys_.Find(key, now);
  if (id) ++stats_.duplicates;
  return id;
}

bool Queue::FitsKey(MonoTime now) {
  keys_.Expire(now);
  return keys_.size() < limits_.max_keys;
}

bool Queue::Next(Cursor* cursor, Message* message) const {
  const QueueRuns::Run found = ready_.Next(&cursor->position, 1, table_);
  if (found.count == 0) return false;
  message->id = found.first_id;
  message->body = arena_->Read(table_.Find(found.first_id));
  return true;
}

void Queue::Front(std::uint64_t max, std::vector<Message>* out) const {
  out->clear();
  for (std::uint64_t position = 0; out->size() < max;) {
    QueueRuns::Run found = ready_.Next(&position, max - out->size(), table_);
    if (found.count == 0) return;
    while (found.count > 0) {
      const auto slice = table_.FindFrom(found.first_id, found.count);
      for (std::size_t i = 0; i < slice.count; ++i) {
        out->push_back({found.first_id + i, arena_->Read(slice.places[i])});
      }
      found.first_id += slice.count;
      found.count -= slice.count;
    }
  }
}

void Queue::TakeFront() {
  TakeOne(false);
  ++stats_.gets;
}

void Queue::OverflowFront() {
  TakeOne(true);
  ++stats_.overflow;
}

void Queue::TakeOne(bool overflow) {
  const std::uint64_t id = ready_.front_id();
  if (log_ != nullptr || mortal_ > 0) {
    return TakeReady(1, arena_->Read(table_.Find(id)).size(), overflow);
  }
  ready_.PopFront(1, table_);
  const Arena::Location place = table_.Extract(id);
  const std::size_t bytes = arena_->Read(place).size();
  arena_->Release(place.block);
  bytes_ -= bytes;
  --held_;
  held_bytes_ -= bytes;
}

void Queue::Take(const std::vector<Message>& front) {
  if (front.empty()) return;
  std::uint64_t bytes = 0;
  for (const Message& message : front) bytes += message.body.size();
  TakeReady(front.size(), bytes, false);
  stats_.gets += front.size();
}

void Queue::TakeReady(std::uint64_t count, std::uint64_t bytes, bool overflow) {
  bytes_ -= bytes;
  if (log_ == nullptr || overflow) {
    held_ -= count;
    held_bytes_ -= bytes;
  }
  std::vector<IdRun> told;
  for (std::uint64_t left = count; left > 0;) {
    const QueueRuns::Run run = ready_.PopFront(left, table_);
    if (log_ != nullptr) {
      KeepTaken(run);
      told.push_back({run.first_id, run.count});
    } else {
      ReleaseBodies(run.first_id, run.count);
    }
    table_.Remove(run.first_id, run.count);
    left -= run.count;
  }
  if (!timers_.empty()) CompactTimers();
  if (log_ == nullptr) return;
  const std::uint64_t number = log_->OnForget(*this, told);
  TakenGroup* last = taken_groups_.empty() ? nullptr : &taken_groups_.back();
  if (last != nullptr && last->number == number && last->overflow == overflow) {
    last->count += count;
  } else {
    taken_groups_.push_back({number, count, overflow});
  }
}

// Neighbours mostly share a block: it is told once.
void Queue::ReleaseBodies(std::uint64_t first_id, std::uint64_t count) {
  const auto slice = table_.FindFrom(first_id, count);
  std::uint32_t block = slice.places[0].block;
  std::uint32_t bodies = 0;
  for (std::size_t i = 0; i < slice.count; ++i) {
    if (mortal_ > 0 && arena_->ReadEntry(slice.places[i]).ttl > Duration::zero()) --mortal_;
    if (slice.places[i].block != block) {
      arena_->Release(block, bodies);
      block = slice.places[i].block;
      bodies = 0;
    }
    ++bodies;
  }
  arena_->Release(block, bodies);
}

void Queue::KeepTaken(const QueueRuns::Run& run) {
  const auto slice = table_.FindFrom(run.first_id, run.count);
  for (std::size_t i = 0; i < slice.count; ++i) {
    const Arena::Entry entry = arena_->ReadEntry(slice.places[i]);
    if (entry.ttl > Duration::zero()) --mortal_;
    TakenMessage taken{run.first_id + i, 0, slice.places[i], 0,
                       static_cast<std::uint32_t>(entry.body.size())};
    if (slice.extras != nullptr) {
      taken.position = slice.extras[i].position;
      taken.attempts = slice.extras[i].attempts();
    }
    taken_.push_back(taken);
  }
}

void Queue::Committed(std::uint64_t number) {
  while (!taken_groups_.empty() && taken_groups_.front().number <= number) {
    const TakenGroup group = taken_groups_.front();
    taken_groups_.pop_front();
    for (std::uint64_t i = 0; i < group.count; ++i) {
      const TakenMessage& taken = taken_.front();
      arena_->Release(taken.place.block);
      if (!group.overflow) {
        --held_;
        held_bytes_ -= taken.body_bytes;
      }
      taken_.pop_front();
    }
  }
}

void Queue::Untake() {
  for (std::size_t i = taken_.size(); i-- > 0;) {
    const TakenMessage& taken = taken_[i];
    table_.Insert(taken.id, taken.place);
    if (taken.position != 0 || taken.attempts != 0) {
      Extra* extra = table_.MakeExtras(taken.id);
      extra->Set(MessageState::kReady, taken.attempts);
      extra->position = taken.position;
    }
    ready_.PushFront(taken.position != 0 ? taken.position : FreshPosition(taken.id), taken.id);
    bytes_ += taken.body_bytes;
    if (arena_->ReadEntry(taken.place).ttl > Duration::zero()) {
      ++mortal_;
      AddExpiry(taken.id, taken.place);
    }
  }
  std::size_t at = 0;
  for (const TakenGroup& group : taken_groups_) {
    // Counts that were reset meanwhile stay at zero.
    std::uint64_t& counter = group.overflow ? stats_.overflow : stats_.gets;
    counter -= std::min(counter, group.count);
    for (std::uint64_t i = 0; i < group.count; ++i, ++at) {
      if (!group.overflow) continue;
      ++held_;
      held_bytes_ += taken_[at].body_bytes;
    }
  }
  stats_.depth_high_water = std::max(stats_.depth_high_water, ready_.size());
  const std::deque<TakenMessage> back = std::exchange(taken_, {});
  taken_groups_.clear();
  for (const TakenMessage& taken : back) {
    log_->OnPut(*this, Describe(taken.id, taken.place, table_.FindExtra(taken.id)), {});
  }
}

void Queue::SetPaused(bool paused) {
  if (paused == paused_) return;
  paused_ = paused;
  if (log_ != nullptr) log_->OnPause(*this);
}

void Queue::ResetStats() {
  stats_ = {};
  stats_.depth_high_water = ready_.size();
}

}  // namespace rivulet
