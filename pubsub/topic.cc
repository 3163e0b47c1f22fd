#include "pubsub/topic.h"

#include <cstring>
#include <vector>

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

Subscription::Subscription(Topic* topic, Framing framing, SubscriptionListener* listener)
    : LogCursor(topic->OpenLog(framing)), topic_(topic), listener_(listener), framing_(framing) {
  waiting_.self = this;
  ++topic_->subscribers_;
}

void Subscription::Wait() {
  if (topic_ != nullptr && waiting_.alone()) waiting_.InsertBefore(&topic_->waiting_);
}

void Subscription::Leave() {
  if (topic_ == nullptr) return;
  Topic* const topic = topic_;
  topic_ = nullptr;
  waiting_.Unlink();
  Detach();
  topic->Left(framing_);
}

Remainder Subscription::Cut(std::size_t promised_bytes) {
  Remainder rest = LogCursor::Cut(promised_bytes);
  Leave();
  return rest;
}

FramedLog* Topic::OpenLog(Framing framing) {
  auto& log = logs_[static_cast<std::size_t>(framing)];
  if (!log) log = std::make_unique<FramedLog>(pool_, framing, next_offset_);
  return log.get();
}

void Topic::Left(Framing framing) {
  --subscribers_;
  auto& log = logs_[static_cast<std::size_t>(framing)];
  if (log->cursors().empty()) log.reset();
}

void Topic::Publish(std::string_view message) {
  for (const auto& log : logs_) {
    if (log) log->Append(message);
  }
  ++next_offset_;
  published_bytes_ += message.size();
}

std::uint64_t Topic::PublishLines(std::string_view body) {
  const std::uint64_t first_offset = next_offset_;
  while (!body.empty()) {
    const std::size_t end = body.find('\n');
    Publish(body.substr(0, end));
    if (end == std::string_view::npos) break;
    body.remove_prefix(end + 1);
  }
  return next_offset_ - first_offset;
}

void Topic::Deliver(std::uint64_t max_pending_bytes) {
  KickSlow(max_pending_bytes);
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

void Topic::KickSlow(std::uint64_t max_pending_bytes) {
  std::vector<LogCursor*> slow;
  for (const auto& log : logs_) {
    if (log) log->FindSlow(max_pending_bytes, &slow);
  }
  for (LogCursor* cursor : slow) static_cast<Subscription*>(cursor)->listener_->OnTooSlow();
}

std::uint64_t Topic::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& log : logs_) {
    if (log) bytes += log->held_bytes();
  }
  return bytes;
}

}  // namespace rivulet
