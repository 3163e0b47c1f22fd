#include "bridge/forwarder.h"

#include <algorithm>
#include <utility>

namespace rivulet {

Forwarder::Forwarder(const ForwarderConfig& config, Backlog* backlog)
    : backlog_(backlog), retry_max_(config.retry_max), start_(backlog->start()) {
  const std::uint64_t end = backlog->end();
  settled_ = end;
  for (std::size_t i = 0; i < config.destinations.size(); ++i) {
    windows_.emplace_back(config.destinations[i], config.seed + i);
    if (config.round_robin && i > 0) continue;
    const auto begin = i < config.begin_at.size() ? config.begin_at[i] : start_;
    cursors_.emplace_back(std::clamp(begin, start_, end));
    settled_ = std::min(settled_, cursors_.back().oldest());
  }
  backlog_->DropBefore(settled_);
  start_ = backlog_->start();
  counts_.received = end - settled_;
}

void Forwarder::Append(std::string_view message) {
  ++counts_.received;
  backlog_->Append(message);
  FollowStart();
}

void Forwarder::TooLong() {
  ++counts_.received;
  ++counts_.refused;
}

std::optional<MessageBatch> Forwarder::Next(std::size_t destination, MonoTime now) {
  FollowStart();
  DeliveryWindow& window = windows_[destination];
  window.Wake(now);
  if (!window.Ready(now) || !IsTurnOf(destination, now)) return std::nullopt;
  auto taken = cursors_[CursorOf(destination)].Take(backlog_, window.config(), now);
  if (!taken) return std::nullopt;
  window.Sent({taken->batch.first, taken->batch.count, taken->tries});
  turn_ = (destination + 1) % windows_.size();
  return std::move(taken->batch);
}

void Forwarder::Delivered(std::size_t destination, const MessageBatch& batch) {
  FollowStart();
  const BatchRange run = windows_[destination].Answered(batch);
  Count(run, Fate::kDelivered);
  Settle(run);
}

bool Forwarder::Refused(std::size_t destination, const MessageBatch& batch, bool split) {
  FollowStart();
  const BatchRange run = windows_[destination].Answered(batch);
  if (split && run.count > 1) {
    const std::uint64_t half = run.count / 2;
    SendAgain(CursorOf(destination), {run.first, half, 0});
    SendAgain(CursorOf(destination), {run.first + half, run.count - half, 0});
    Settle({});
    return false;
  }
  Count(run, Fate::kRefused);
  Settle(run);
  return true;
}

bool Forwarder::Failed(std::size_t destination, const MessageBatch& batch, MonoTime now,
                       Duration retry_after) {
  FollowStart();
  BatchRange run = windows_[destination].Failed(batch, now, retry_after);
  if (run.tries < retry_max_) {
    ++run.tries;
    SendAgain(CursorOf(destination), run);
    Settle({});
    return false;
  }
  Count(run, Fate::kRefused);
  Settle(run);
  return true;
}

void Forwarder::Postponed(std::size_t destination, const MessageBatch& batch, MonoTime now) {
  FollowStart();
  SendAgain(CursorOf(destination), windows_[destination].Failed(batch, now, Duration::zero()));
  Settle({});
}

bool Forwarder::OnLastTry(std::size_t destination, const MessageBatch& batch) const {
  return windows_[destination].Find(batch).tries >= retry_max_;
}

std::optional<MonoTime> Forwarder::WakeAt(std::size_t destination) const {
  const DeliveryWindow& window = windows_[destination];
  if (!window.HasRoom()) return std::nullopt;  // its answer comes first
  return window.retry_at() ? window.retry_at() : cursors_[CursorOf(destination)].WakeAt();
}

void Forwarder::RetryNow() {
  for (auto& window : windows_) window.RetryNow();
  NoMore();
}

void Forwarder::NoMore() {
  for (auto& cursor : cursors_) cursor.HurryUp();
}

std::uint64_t Forwarder::oldest(std::size_t destination) const {
  return OldestOf(CursorOf(destination));
}

ForwarderCounts Forwarder::counts() const {
  ForwarderCounts counts = counts_;
  counts.pending = counts.received - counts.delivered - counts.refused - counts.dropped;
  return counts;
}

std::uint64_t Forwarder::OldestOf(std::size_t cursor) const {
  const std::uint64_t unsent = cursors_[cursor].oldest();
  if (cursors_.size() > 1) return windows_[cursor].OldestOr(unsent);
  std::uint64_t oldest = unsent;
  for (const auto& window : windows_) oldest = window.OldestOr(oldest);
  return oldest;
}

bool Forwarder::IsTurnOf(std::size_t destination, MonoTime now) const {
  if (cursors_.size() > 1) return true;
  for (std::size_t i = turn_; i != destination; i = (i + 1) % windows_.size()) {
    if (windows_[i].Ready(now)) return false;
  }
  return true;
}

// The backlog may have let go of its oldest messages.
void Forwarder::FollowStart() {
  if (backlog_->start() <= start_) return;
  start_ = backlog_->start();
  for (auto& cursor : cursors_) {
    for (const auto& run : cursor.SkipTo(start_)) Count(run, Fate::kDropped);
  }
  Settle({});
}

void Forwarder::SendAgain(std::size_t cursor, BatchRange run) {
  if (run.first < start_) {
    const std::uint64_t gone = std::min(run.count, start_ - run.first);
    Count({run.first, gone, 0}, Fate::kDropped);
    run = {run.first + gone, run.count - gone, run.tries};
  }
  if (run.count > 0) cursors_[cursor].SendAgain(run);
}

void Forwarder::Count(const BatchRange& run, Fate fate) {
  if (cursors_.size() > 1) {
    // What some destination did not take counts once all are done with it: Settle().
    if (fate != Fate::kDelivered) marked_.Mark(run.first, run.end(), fate == Fate::kRefused);
    return;
  }
  if (fate == Fate::kDelivered) counts_.delivered += run.count;
  if (fate == Fate::kRefused) counts_.refused += run.count;
  if (fate == Fate::kDropped) counts_.dropped += run.count;
}

void Forwarder::Settle(const BatchRange& done) {
  std::uint64_t oldest = backlog_->end();
  for (std::size_t i = 0; i < cursors_.size(); ++i) oldest = std::min(oldest, OldestOf(i));
  if (oldest > settled_) {
    if (cursors_.size() > 1) {
      const auto marks = marked_.TakeBefore(oldest);
      counts_.refused += marks.refused;
      counts_.dropped += marks.dropped;
      counts_.delivered += oldest - settled_ - marks.refused - marks.dropped;
    }
    settled_ = oldest;
  }
  if (settled_ > start_) {
    backlog_->DropBefore(settled_);
    start_ = backlog_->start();
  }
  // One that hangs must not make the others' messages fill the memory.
  const std::uint64_t first = std::max(done.first, start_);
  if (cursors_.size() == 1 && first < done.end()) backlog_->Release(first, done.end());
}

}  // namespace rivulet
