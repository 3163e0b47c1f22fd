// A topic: a name, dense offsets, and one log for each framing that somebody listens in.
//
// Publishing appends to each log; it tells nobody. Once for all that was published in a turn of the
// loop, Deliver() kicks who is too slow and notifies who has been waiting: many messages a write.
// A subscriber that has not read everything is not notified, since it goes on by itself when its
// socket can take more: a stalled one costs the others nothing.
//
// Thread: the loop's. No clock, no I/O.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pubsub/block.h"
#include "pubsub/framed_log.h"
#include "pubsub/framing.h"

namespace rivulet {

class Topic;

/// Told by Topic::Deliver(). May destroy its own subscription in OnMessages(), and no other one.
class SubscriptionListener {
 public:
  virtual ~SubscriptionListener() = default;
  /// There is more to read; it waits no longer.
  virtual void OnMessages() = 0;
  /// It has too much to read: it must Cut() or Leave().
  virtual void OnTooSlow() = 0;
};

namespace internal {
struct ListLink {
  ListLink() = default;
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;
  ListLink* previous = this;
  ListLink* next = this;

  bool alone() const { return next == this; }
  void Unlink();
  void InsertBefore(ListLink* other);
};
}  // namespace internal

/// A cursor that belongs to somebody. From its construction on it reads what is published.
class Subscription final : public LogCursor {
 public:
  /// Topic and listener must outlive it.
  Subscription(Topic* topic, Framing framing, SubscriptionListener* listener);
  ~Subscription() { Leave(); }

  Framing framing() const { return framing_; }
  /// Asks for OnMessages() at the next delivery. Idempotent.
  void Wait();
  /// Ends the subscription: the topic no longer counts it. Idempotent.
  void Leave();
  /// Leave(), keeping what must still be sent for a clean end: see LogCursor::Cut.
  Remainder Cut(std::size_t promised_bytes);

 private:
  friend class Topic;
  struct WaitingLink : internal::ListLink {
    Subscription* self = nullptr;
  };

  Topic* topic_;  // null after Leave()
  SubscriptionListener* listener_;
  Framing framing_;
  WaitingLink waiting_;
};

class Topic {
 public:
  /// `pool` must outlive the topic, and the topic its subscriptions.
  Topic(std::string name, BlockPool* pool) : name_(std::move(name)), pool_(pool) {}
  Topic(const Topic&) = delete;
  Topic& operator=(const Topic&) = delete;

  /// Appends one message, any bytes. O(message), for each framing in use.
  void Publish(std::string_view message);
  /// Appends one message a line and returns how many. A newline at the end adds none, an empty line
  /// is an empty message, a carriage return is kept.
  std::uint64_t PublishLines(std::string_view body);

  /// Kicks subscriptions that had more than `max_pending_bytes` to read when Deliver() was called
  /// last (see FramedLog::FindSlow), then notifies those that wait. O(those).
  void Deliver(std::uint64_t max_pending_bytes);

  const std::string& name() const { return name_; }
  /// Offset of the next message: how many were published.
  std::uint64_t next_offset() const { return next_offset_; }
  std::uint64_t published_bytes() const { return published_bytes_; }
  std::size_t subscribers() const { return subscribers_; }
  /// Encoded bytes held for subscribers that have not read them.
  std::uint64_t held_bytes() const;

 private:
  friend class Subscription;
  friend class TopicSet;
  FramedLog* OpenLog(Framing framing);
  void Left(Framing framing);
  void KickSlow(std::uint64_t max_pending_bytes);

  std::string name_;
  BlockPool* pool_;
  std::array<std::unique_ptr<FramedLog>, kFramingCount> logs_;
  std::uint64_t next_offset_ = 0;
  std::uint64_t published_bytes_ = 0;
  std::size_t subscribers_ = 0;
  internal::ListLink waiting_;
  bool delivery_due_ = false;  // of TopicSet
};

}  // namespace rivulet
