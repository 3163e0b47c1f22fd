// What a queue tells of every change that must survive a restart. The heart calls it, in the order
// of the changes; simplequeue/durability.h writes it to the journal; a queue in memory has none.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

class Queue;

enum class MessageState : std::uint8_t { kReady, kInFlight, kDeferred, kDead };

/// All that is known of a message. `body` is valid until the message leaves or another is put.
struct MessageInfo {
  std::uint64_t id = 0;
  MessageState state = MessageState::kReady;
  std::uint32_t attempts = 0;  // leases taken; a kick makes it 0 again
  /// The order of leaving among ready messages, or of burying among dead ones. A message that is
  /// ready for the first time has FreshPosition(id).
  std::uint64_t position = 0;
  MonoTime put_at{};
  MonoTime due{};                   // in flight: end of the lease; deferred: when it is ready
  Duration ttl = Duration::zero();  // after put_at; zero: for ever. Milliseconds count
  std::string_view body;
};

/// Ids one behind the other.
struct IdRun {
  std::uint64_t first_id = 0;
  std::uint64_t count = 0;
};

/// What returns to ready goes behind message `id` when position is FreshPosition(id) + n, n > 0.
inline constexpr int kPositionBits = 24;
constexpr std::uint64_t FreshPosition(std::uint64_t id) { return id << kPositionBits; }

class QueueLog {
 public:
  virtual ~QueueLog() = default;
  /// A new message, or all of a message anew (its body was replaced). `key` is empty without one.
  virtual void OnPut(const Queue& queue, const MessageInfo& message, std::string_view key) = 0;
  virtual void OnLease(const Queue& queue, std::span<const IdRun> ids) = 0;
  /// Finished, taken, expired, emptied or moved out. Returns the number under which
  /// Queue::Committed() will be told that it is safe.
  virtual std::uint64_t OnForget(const Queue& queue, std::span<const IdRun> ids) = 0;
  /// Ready again, in this order from `position` on. `kicked`: with no attempts.
  virtual void OnReturn(const Queue& queue, std::uint64_t position, bool kicked,
                        std::span<const IdRun> ids) = 0;
  virtual void OnDefer(const Queue& queue, MonoTime due, std::span<const IdRun> ids) = 0;
  virtual void OnBury(const Queue& queue, std::uint64_t position, std::span<const IdRun> ids) = 0;
  virtual void OnPause(const Queue& queue) = 0;
};

}  // namespace rivulet
