// A feed: what everyone gets who listens to the same selection of topics through the same filter.
// It has one log for each framing that somebody listens in, so that a message is filtered and
// encoded once for all of them.
//
// Publishing appends to each log; it tells nobody. Once for all that was published in a turn of the
// loop, Deliver() deals with who is too slow and notifies who has been waiting: many messages a
// write. A subscription that has not read everything is not notified, since it goes on by itself
// when its socket can take more: a stalled one costs the others nothing.
//
// A subscription belongs to its feed from its construction on, and is live from GoLive() on;
// before, it may be reading the past (pubsub/replay.h).
//
// Thread: the loop's. No clock, no I/O.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pubsub/block.h"
#include "pubsub/filter.h"
#include "pubsub/framed_log.h"
#include "pubsub/framing.h"
#include "pubsub/message.h"
#include "pubsub/selection.h"

namespace rivulet {

class Feed;
class Topic;

/// Told by Feed::Deliver(). May destroy its own subscription in OnMessages(), and no other one.
class SubscriptionListener {
 public:
  virtual ~SubscriptionListener() = default;
  /// There is more to read; it waits no longer.
  virtual void OnMessages() = 0;
  /// It has too much to read: it must Cut(), Skip() or Leave().
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

/// A membership of a feed, with a cursor once it is live.
class Subscription final : public LogCursor {
 public:
  static constexpr std::uint64_t kNoEnd = UINT64_MAX;

  /// Feed and listener must outlive it. `until`: the position (Feed::PositionOf) of the first
  /// message that it does not get any more.
  Subscription(Feed* feed, Framing framing, SubscriptionListener* listener,
               std::uint64_t until = kNoEnd);
  ~Subscription();

  /// From now on it reads what is published. Requires that it is not live and has not left.
  void GoLive();
  bool live() const { return attached(); }

  Feed* feed() const { return feed_; }
  Framing framing() const { return framing_; }
  std::uint64_t until() const { return until_; }
  /// LogCursor::at_end: the feed has come to `until` (the next message of its topics would be at or
  /// behind it), and everything before was read: it ends. False before it is live.
  using LogCursor::at_end;
  /// Asks for OnMessages() at the next delivery. Idempotent. Also when not live.
  void Wait();
  /// Ends the subscription: the feed no longer counts it. Idempotent.
  void Leave();
  /// Leave(), keeping what must still be sent for a clean end: see LogCursor::Cut.
  Remainder Cut(std::size_t promised_bytes);
  /// Goes on at the log's end: see LogCursor::Skip.
  using LogCursor::Skip;

 private:
  friend class Feed;
  struct WaitingLink : internal::ListLink {
    Subscription* self = nullptr;
  };

  Feed* feed_;
  SubscriptionListener* listener_;
  Framing framing_;
  std::uint64_t until_;
  bool was_live_ = false;
  bool left_ = false;
  WaitingLink waiting_;
};

class Feed {
 public:
  /// `pool` must outlive the feed, and the feed its subscriptions. `filter` may be null.
  Feed(Selection selection, std::shared_ptr<Filter> filter, BlockPool* pool);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// A message of one of its topics. True when Deliver() has somebody to tell of it. O(message),
  /// for each framing in use; O(1) when nobody is live.
  bool Append(const TopicMessage& message);
  /// Deals with subscriptions that had more than `max_pending_bytes` to read when Deliver() was
  /// called last (see FramedLog::FindSlow), then notifies those that wait. O(those).
  void Deliver(std::uint64_t max_pending_bytes);

  const Selection& selection() const { return selection_; }
  Filter* filter() const { return filter_.get(); }
  /// The topics that exist and match, in the order in which they came to it. Kept by TopicSet.
  const std::vector<Topic*>& topics() const { return topics_; }
  /// What `since=`, `until=` and `id:` count: the offset where the selection is a single topic,
  /// else the sequence.
  std::uint64_t PositionOf(const TopicMessage& message) const {
    return single_ ? message.offset : message.sequence;
  }
  /// One behind the position of the newest message of its topics that was revealed (of several, not
  /// the sequence of a message that is not theirs).
  std::uint64_t next_position() const { return next_position_; }
  /// As a subscriber is told it: "17", "SEQUENCE TOPIC OFFSET". Replaces `*out`.
  void WritePosition(const TopicMessage& message, std::string* out) const;

  /// All of them, live or not.
  std::size_t subscribers() const { return subscribers_; }
  /// Encoded bytes held for subscribers that have not read them.
  std::uint64_t held_bytes() const;

 private:
  friend class Subscription;
  friend class TopicSet;
  FramedLog* OpenLog(Framing framing);
  void CloseLogIfUnused(Framing framing);
  void AddBounded(Subscription* subscription);
  void RemoveBounded(Subscription* subscription);
  void MarkEnds(std::uint64_t position);
  void TellSlow(std::uint64_t max_pending_bytes);

  Selection selection_;
  bool single_;  // selection_.single()
  std::shared_ptr<Filter> filter_;
  BlockPool* pool_;
  std::vector<Topic*> topics_;
  std::array<std::unique_ptr<FramedLog>, kFramingCount> logs_;
  std::vector<FramedLog*> open_logs_;  // those of logs_ that exist
  std::size_t logs_with_positions_ = 0;
  std::size_t subscribers_ = 0;
  std::size_t live_ = 0;        // of the subscribers
  std::size_t references_ = 0;  // subscriptions that have not been destroyed
  internal::ListLink waiting_;
  std::vector<Subscription*> bounded_;                // live, with an `until` that is yet to come
  std::uint64_t first_until_ = Subscription::kNoEnd;  // of those; or less
  std::uint64_t next_position_ = 0;
  std::string position_;  // of the message that is appended
  std::vector<LogCursor*> slow_;
  // Of TopicSet.
  bool delivery_due_ = false;
  bool dropped_ = false;
};

}  // namespace rivulet
