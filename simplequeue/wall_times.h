// Between the monotonic times in memory and the wall times of records (simplequeue/record.h).
//
// What stands between them is read off both clocks at a time: a record keeps its distance from now,
// so that a step of the wall clock while the process runs moves nothing in memory, and one between
// two runs moves what was restored. Times that a record cannot hold are moved to its bounds.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "simplequeue/record.h"

namespace rivulet {

class WallTimes {
 public:
  WallTimes() = default;
  explicit WallTimes(const Clock& clock)
      : offset_ns_(std::clamp(
            (clock.WallNow().time_since_epoch() - clock.Now().time_since_epoch()).count(),
            -kMaxNs / 16, kMaxNs)) {}

  // What came from a record goes back to the same number, although the clocks are never read at
  // quite the same distance.

  /// The nearest.
  std::int64_t Nearest(MonoTime time) const { return (Nanoseconds(time) + kMs / 2) / kMs; }
  /// The next: for what must not happen sooner (but by 10 us). Not 0.
  std::int64_t Next(MonoTime time) const {
    return std::clamp<std::int64_t>((Nanoseconds(time) + kMs - kSlackNs) / kMs, 1, kMaxRecordMs);
  }
  /// `ms` is 0 to kMaxRecordMs.
  MonoTime FromMs(std::int64_t ms) const { return MonoTime(Duration(ms * kMs - offset_ns_)); }

 private:
  static constexpr std::int64_t kMs = 1'000'000;
  static constexpr std::int64_t kSlackNs = 10'000;
  static constexpr std::int64_t kMaxNs = kMaxRecordMs * kMs;

  // Of wall time, 0 to kMaxNs.
  std::int64_t Nanoseconds(MonoTime time) const {
    const std::int64_t ns = time.time_since_epoch().count();
    if (ns <= -offset_ns_) return 0;
    return ns >= kMaxNs - offset_ns_ ? kMaxNs : ns + offset_ns_;
  }

  std::int64_t offset_ns_ = 0;  // wall minus monotonic
};

/// A message of memory as a put record tells it.
inline StoredMessage ToStored(const MessageInfo& message, const WallTimes& times) {
  StoredMessage stored;
  stored.id = message.id;
  stored.state = message.state;
  stored.attempts = message.attempts;
  stored.position = message.position;
  stored.put_at_ms = times.Nearest(message.put_at);
  // The end of a lease is not kept: what was in flight is ready at the next start.
  if (message.state == MessageState::kDeferred) stored.due_ms = times.Next(message.due);
  if (message.ttl > Duration::zero()) {
    const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(message.ttl).count();
    stored.ttl_ms = std::min(ms, kMaxRecordMs - stored.put_at_ms);
  }
  return stored;
}

/// The reverse; the body is the record's.
inline MessageInfo FromStored(const StoredMessage& stored, std::string_view body,
                              const WallTimes& times) {
  MessageInfo message;
  message.id = stored.id;
  message.state = stored.state;
  message.attempts = stored.attempts;
  message.position = stored.position;
  message.put_at = times.FromMs(stored.put_at_ms);
  if (stored.state == MessageState::kDeferred) message.due = times.FromMs(stored.due_ms);
  message.ttl = std::chrono::milliseconds(stored.ttl_ms);
  message.body = body;
  return message;
}

}  // namespace rivulet
