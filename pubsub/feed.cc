#include "pubsub/feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace rivulet {

namespace internal {

void ListLink::Unlink() {
  previous->next = next;
  next->previous = previous;
  previous = next = this;
}

void ListLink::InsertBefore(ListLink* other) {
  previous = other->previous;
  next = other;
  previous->next = this;
  next->previous = this;
}

}  // namespace internal

Subscription::Subscription(Feed* feed, Framing framing, SubscriptionListener* listener,
                           std::uint64_t until)
    : feed_(feed), listener_(listener), framing_(framing), until_(until) {
  waiting_.self = this;
  ++feed_->subscribers_;
  ++feed_->references_;
}

Subscription::~Subscription() {
  Leave();
  --feed_->references_;
}

void Subscription::GoLive() {
  assert(!left_ && !live());
  Attach(feed_->OpenLog(framing_));
  was_live_ = true;
  ++feed_->live_;
  if (until_ == kNoEnd) return;
  if (until_ <= feed_->next_position_) {
    EndHere();
  } else {
    feed_->AddBounded(this);
  }
}

void Subscription::Wait() {
  if (!left_ && waiting_.alone()) waiting_.InsertBefore(&feed_->waiting_);
}

void Subscription::Leave() {
  if (std::exchange(left_, true)) return;
  waiting_.Unlink();
  --feed_->subscribers_;
  Detach();
  if (!was_live_) return;
  --feed_->live_;
  if (until_ != kNoEnd) feed_->RemoveBounded(this);
  feed_->CloseLogIfUnused(framing_);
}

Remainder Subscription::Cut(std::size_t promised_bytes) {
  Remainder rest = LogCursor::Cut(promised_bytes);
  Leave();
  return rest;
}

Feed::Feed(Selection selection, std::shared_ptr<Filter> filter, BlockPool* pool)
    : selection_(std::move(selection)),
      single_(selection_.single()),
      filter_(std::move(filter)),
      pool_(pool) {}

Feed::~Feed() { assert(subscribers_ == 0); }

FramedLog* Feed::OpenLog(Framing framing) {
  auto& log = logs_[static_cast<std::size_t>(framing)];
  if (log) return log.get();
  log = std::make_unique<FramedLog>(pool_, framing);
  open_logs_.push_back(log.get());
  if (FramingHasPositions(framing)) ++logs_with_positions_;
  return log.get();
}

void Feed::CloseLogIfUnused(Framing framing) {
  auto& log = logs_[static_cast<std::size_t>(framing)];
  if (!log || !log->cursors().empty()) return;
  std::erase(open_logs_, log.get());
  if (FramingHasPositions(framing)) --logs_with_positions_;
  log.reset();
}

bool Feed::Append(const TopicMessage& message) {
  const std::uint64_t position = PositionOf(message);
  bool told = subscribers_ > live_;  // who is not live may wait for whatever is published
  if (position >= first_until_) {
    MarkEnds(position);
    told = true;
  }
  next_position_ = position + 1;
  if (open_logs_.empty() || (filter_ && !filter_->Keeps(message))) return told;
  if (logs_with_positions_ > 0) WritePosition(message, &position_);
  for (FramedLog* log : open_logs_) log->Append(position_, message.body);
  return true;
}

void Feed::AddBounded(Subscription* subscription) {
  bounded_.push_back(subscription);
  first_until_ = std::min(first_until_, subscription->until_);
}

void Feed::RemoveBounded(Subscription* subscription) {
  std::erase(bounded_, subscription);
  if (bounded_.empty()) first_until_ = Subscription::kNoEnd;
}

// A message of that position is about to come: it is not for those whose `until` is at or before
// it.
void Feed::MarkEnds(std::uint64_t position) {
  first_until_ = Subscription::kNoEnd;
  std::erase_if(bounded_, [&](Subscription* subscription) {
    if (subscription->until_ <= position) {
      subscription->EndHere();
      return true;
    }
    first_until_ = std::min(first_until_, subscription->until_);
    return false;
  });
}

void Feed::WritePosition(const TopicMessage& message, std::string* out) const {
  out->clear();
  if (!single_) {
    const fmt::format_int sequence(message.sequence);
    out->append(sequence.data(), sequence.size()).push_back(' ');
    out->append(message.topic).push_back(' ');
  }
  const fmt::format_int offset(message.offset);
  out->append(offset.data(), offset.size());
}

void Feed::Deliver(std::uint64_t max_pending_bytes) {
  TellSlow(max_pending_bytes);
  // A list apart, because who is notified may wait again at once.
  internal::ListLink notified;
  if (!waiting_.alone()) {
    notified.InsertBefore(&waiting_);
    waiting_.Unlink();
  }
  while (!notified.alone()) {
    auto* const link = static_cast<Subscription::WaitingLink*>(notified.next);
    link->Unlink();
    link->self->listener_->OnMessages();
  }
}

void Feed::TellSlow(std::uint64_t max_pending_bytes) {
  slow_.clear();
  for (FramedLog* log : open_logs_) log->FindSlow(max_pending_bytes, &slow_);
  for (LogCursor* cursor : slow_) static_cast<Subscription*>(cursor)->listener_->OnTooSlow();
}

std::uint64_t Feed::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const FramedLog* log : open_logs_) bytes += log->held_bytes();
  return bytes;
}

}  // namespace rivulet
