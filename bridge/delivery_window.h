// What one destination has been sent and has still to be sent: the window of batches in flight, the
// batches to send again, and when.
//
// Every message of the log is sent in order, batches of at most `batch`, at most `max_in_flight` at
// a time. A failed batch is sent again, oldest first and before anything new, after a backoff;
// while the destination fails, one batch at a time probes it. So with max_in_flight = 1 messages
// arrive in order, and twice only where an answer was lost. Pure: no I/O; time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "bridge/message_log.h"

namespace rivulet {

struct WindowConfig {
  std::uint64_t batch = 1;          // messages a request
  std::uint64_t max_in_flight = 1;  // requests at a time
  Duration batch_delay{};           // how long a batch that is not full may wait for more
  BackoffConfig backoff;
};

class DeliveryWindow {
 public:
  DeliveryWindow(const WindowConfig& config, std::uint64_t seed)
      : config_(config), backoff_(config.backoff, seed) {}

  /// The batch to send now, counted as in flight from here on; nothing when the window is full, all
  /// is sent, or it is too early (see WakeAt). The caller reports its end by one of the next
  /// three, which know the batch by its first message and need its bytes no more.
  std::optional<MessageBatch> Next(const MessageLog& log, MonoTime now);

  /// The destination took it.
  void Delivered(const MessageBatch& batch);
  /// The destination will never take it. With `split`, a batch of several is sent again in halves,
  /// to find the message that is meant; else its messages are done with. Returns how many are.
  std::uint64_t Refused(const MessageBatch& batch, const MessageLog& log, bool split);
  /// It is to be sent again, `retry_after` from now at the earliest.
  void Failed(const MessageBatch& batch, MonoTime now, Duration retry_after = {});

  /// When to ask Next() again although nothing has been appended or answered.
  std::optional<MonoTime> WakeAt() const;
  /// Forgets the backoff: the next try is now.
  void RetryNow() { retry_at_.reset(); }

  /// The first message that is not done with. Messages before it are not asked for again.
  std::uint64_t oldest() const;
  /// Between a failure and the next answer.
  bool failing() const { return failing_; }
  std::size_t in_flight() const { return in_flight_.size(); }

 private:
  void Answered(const MessageBatch& batch);
  MessageBatch TakeOut(const MessageBatch& batch);
  void Again(MessageBatch batch);

  WindowConfig config_;
  JitterBackoff backoff_;
  std::uint64_t next_ = 0;               // the first message never sent
  std::vector<MessageBatch> in_flight_;  // in no order
  std::vector<MessageBatch> again_;      // newest first: the oldest is at the back
  std::optional<MonoTime> retry_at_;
  std::optional<MonoTime> batch_due_;  // when a batch that is not full is sent all the same
  bool failing_ = false;
};

}  // namespace rivulet
