// The heart of a bridge: which destination gets which message next, and what has become of every
// message.
//
// Every destination gets every message (fan-out), each at its own pace; or, with round_robin, each
// batch goes to one of them: they take turns, and the turn passes over one that fails or whose
// window is full. A batch that a destination of a round robin failed to take goes to the next one
// that is well, so that no message waits for a destination which is down.
//
// Pure: no I/O; time is an argument. The backlog must outlive it, and is appended to here alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "bridge/backlog.h"
#include "bridge/delivery_window.h"
#include "bridge/marked_messages.h"

namespace rivulet {

struct ForwarderConfig {
  std::vector<WindowConfig> destinations;  // at least one
  bool round_robin = false;
  std::uint64_t retry_max = UINT64_MAX;  // tries more for a batch, then it is given up
  std::uint64_t seed = 0;                // of the backoffs
  /// The first message each destination has not taken (in round robin: all of them, the first
  /// entry); empty: the backlog's start. Numbers outside of the backlog are moved into it.
  std::vector<std::uint64_t> begin_at;
};

/// Messages, not requests: a message counts once, however many destinations it has.
/// received == delivered + refused + dropped + pending.
struct ForwarderCounts {
  std::uint64_t received = 0;   // with those that were in the backlog, and not done, at first
  std::uint64_t delivered = 0;  // by every destination it was meant for
  std::uint64_t refused = 0;    // some destination will never take it, it was given up, or too long
  std::uint64_t dropped = 0;    // by the backlog, before some destination took it
  std::uint64_t pending = 0;
};

class Forwarder {
 public:
  Forwarder(const ForwarderConfig& config, Backlog* backlog);

  /// Takes a message from the source; never refuses, see Backlog::full().
  void Append(std::string_view message);
  /// Counts a message that was too long to take.
  void TooLong();

  std::size_t destinations() const { return windows_.size(); }
  /// The batch to send now, in flight from here on; the caller reports its end by one of the three
  /// below. Nothing: the window is full, all is sent, it is too early (WakeAt), or another's turn.
  /// In round robin one answer of a destination may let another send: ask all of them, until none
  /// has a batch.
  std::optional<MessageBatch> Next(std::size_t destination, MonoTime now);
  /// The destination took it.
  void Delivered(std::size_t destination, const MessageBatch& batch);
  /// The destination will never take it. With `split`, a batch of several is sent again in halves,
  /// to find the message that is meant: false is returned. Else its messages are done with: true.
  bool Refused(std::size_t destination, const MessageBatch& batch, bool split);
  /// It is to be sent again, `retry_after` from now at the earliest: false. True: that was the last
  /// try, its messages are done with as if they were refused.
  bool Failed(std::size_t destination, const MessageBatch& batch, MonoTime now,
              Duration retry_after = {});
  /// It is to be sent again after the backoff, and no try is counted: its messages are to go to the
  /// dead letters, which cannot be written now.
  void Postponed(std::size_t destination, const MessageBatch& batch, MonoTime now);
  /// Whether the next Failed() of that batch is its last: its messages must go to the dead letters.
  bool OnLastTry(std::size_t destination, const MessageBatch& batch) const;

  /// When to ask Next() again although nothing has been appended or answered.
  std::optional<MonoTime> WakeAt(std::size_t destination) const;
  /// Forgets the backoffs: the next try is now.
  void RetryNow();
  /// Nothing will be appended: no batch waits to be filled any more.
  void NoMore();

  /// The first message that the destination (in round robin: that some destination) is not done
  /// with.
  std::uint64_t oldest(std::size_t destination) const;
  const DeliveryWindow& window(std::size_t destination) const { return windows_[destination]; }
  ForwarderCounts counts() const;

 private:
  enum class Fate : std::uint8_t { kDelivered, kRefused, kDropped };

  // Which cursor a destination reads by: in round robin all by one.
  std::size_t CursorOf(std::size_t destination) const {
    return cursors_.size() == 1 ? 0 : destination;
  }
  std::uint64_t OldestOf(std::size_t cursor) const;
  bool IsTurnOf(std::size_t destination, MonoTime now) const;
  void FollowStart();
  void SendAgain(std::size_t cursor, BatchRange run);
  void Count(const BatchRange& run, Fate fate);
  void Settle(const BatchRange& done);

  Backlog* backlog_;
  std::uint64_t retry_max_;
  std::vector<DeliveryWindow> windows_;
  std::vector<DeliveryCursor> cursors_;  // one in round robin, else one a destination
  std::size_t turn_ = 0;                 // in round robin: whose the next batch is
  std::uint64_t start_ = 0;              // of the backlog, as far as the cursors know
  std::uint64_t settled_ = 0;            // all destinations are done with the messages before
  MarkedMessages marked_;                // behind settled_, when there are several cursors
  ForwarderCounts counts_;               // but for pending
};

}  // namespace rivulet
