// What has still to be sent, and what a destination has been sent: a cursor over the backlog with
// the batches to send again, and the window of batches in flight.
//
// In fan-out every destination has a cursor of its own, in round robin they share one. Every
// message is sent in order, batches of at most `batch`, at most `max_in_flight` at a time. A failed
// batch is sent again, oldest first and before anything new, after a backoff of the destination
// that failed; while a destination fails, one batch at a time probes it. So with one destination
// and max_in_flight = 1 messages arrive in order, and twice only where an answer was lost.
//
// Pure: no I/O; time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "bridge/backlog.h"

namespace rivulet {

struct WindowConfig {
  std::uint64_t batch = 1;          // messages a request
  std::uint64_t max_in_flight = 1;  // requests at a time
  Duration batch_delay{};           // how long a batch that is not full may wait for more
  BackoffConfig backoff;
};

/// Messages first .. first + count - 1 without their bytes, and how often they failed together.
struct BatchRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t tries = 0;

  std::uint64_t end() const { return first + count; }
};

class DeliveryCursor {
 public:
  explicit DeliveryCursor(std::uint64_t begin) : next_(begin) {}

  struct Taken {
    MessageBatch batch;
    std::uint64_t tries = 0;
  };
  /// The next batch to send: the oldest of those to send again, or new messages. Nothing when there
  /// is none, or it is too early (WakeAt): a batch may wait to be filled, and a backlog that cannot
  /// be read is asked again after a second.
  std::optional<Taken> Take(Backlog* backlog, const WindowConfig& config, MonoTime now);
  /// O(runs to send again).
  void SendAgain(const BatchRange& run);
  /// Forgets what lies before `start`, and says what that was.
  std::vector<BatchRange> SkipTo(std::uint64_t start);

  /// When to ask Take() again although nothing has been appended or is to be sent again.
  std::optional<MonoTime> WakeAt() const;
  /// Little or nothing follows: no batch waits to be filled from now on.
  void HurryUp();
  /// The first message that is still to be sent. O(1).
  std::uint64_t oldest() const { return again_.empty() ? next_ : again_.back().first; }

 private:
  MessageBatch Read(Backlog* backlog, std::uint64_t first, std::uint64_t count, MonoTime now);

  std::uint64_t next_;                 // the first message never sent
  std::vector<BatchRange> again_;      // newest first: the oldest is at the back
  std::optional<MonoTime> batch_due_;  // when a batch that is not full is sent all the same
  std::optional<MonoTime> read_at_;    // when a backlog that could not be read is asked again
  bool no_more_ = false;
};

class DeliveryWindow {
 public:
  DeliveryWindow(const WindowConfig& config, std::uint64_t seed)
      : config_(config), backoff_(config.backoff, seed) {}

  const WindowConfig& config() const { return config_; }
  /// Not full, and no backoff runs.
  bool Ready(MonoTime now) const { return HasRoom() && (!retry_at_ || now >= *retry_at_); }
  /// Forgets a backoff that is over.
  void Wake(MonoTime now);
  /// In flight from here on, until one of the next two, which give it back.
  void Sent(const BatchRange& run) { in_flight_.push_back(run); }
  /// There was an answer: the destination is well.
  BatchRange Answered(const MessageBatch& batch);
  /// There was none, or none that helps: the destination gets nothing before its backoff is over,
  /// and before `retry_after` from now.
  BatchRange Failed(const MessageBatch& batch, MonoTime now, Duration retry_after);
  /// The run of a batch in flight.
  const BatchRange& Find(const MessageBatch& batch) const;

  bool HasRoom() const { return in_flight_.size() < (failing_ ? 1 : config_.max_in_flight); }
  /// When the backoff is over, if one runs.
  const std::optional<MonoTime>& retry_at() const { return retry_at_; }
  /// Forgets the backoff: the next try is now.
  void RetryNow() { retry_at_.reset(); }
  /// The first message in flight, or `otherwise` when that comes before.
  std::uint64_t OldestOr(std::uint64_t otherwise) const;
  /// Between a failure and the next answer.
  bool failing() const { return failing_; }
  std::size_t in_flight() const { return in_flight_.size(); }

 private:
  BatchRange TakeOut(const MessageBatch& batch);

  WindowConfig config_;
  JitterBackoff backoff_;
  std::vector<BatchRange> in_flight_;  // in no order
  std::optional<MonoTime> retry_at_;
  bool failing_ = false;
};

}  // namespace rivulet
