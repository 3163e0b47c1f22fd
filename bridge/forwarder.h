// The heart of ps_to_http: which destination gets which message, when the source must wait, and
// what has become of every message.
//
// Every destination gets every message (fan-out), or, with round_robin, each message goes to one of
// them in turn; the turn passes over a destination that fails, or that has its share of the buffer
// full, while another takes messages. Pending messages are bounded: full() asks the caller to stop
// reading its source. In fan-out the slowest destination decides when the buffer is full; until
// then it delays no other. Pure: no I/O; time is an argument.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "bridge/delivery_window.h"
#include "bridge/message_log.h"

namespace rivulet {

struct ForwarderConfig {
  std::vector<WindowConfig> destinations;  // at least one
  bool round_robin = false;
  std::uint64_t max_pending_bytes = std::uint64_t{64} << 20;
  std::uint64_t seed = 0;  // of the backoffs
};

/// Messages, not requests: a message counts once, however many destinations it has.
/// received == delivered + refused + pending.
struct ForwarderCounts {
  std::uint64_t received = 0;
  std::uint64_t delivered = 0;  // by every destination it was meant for
  std::uint64_t refused = 0;    // lost: some destination will never take it, or it was too long
  std::uint64_t pending = 0;
};

class Forwarder {
 public:
  explicit Forwarder(const ForwarderConfig& config);

  /// Takes a message from the source; never refuses, see full().
  void Append(std::string_view message);
  /// Counts a message that was too long to take.
  void TooLong();

  /// The buffer is full: stop reading.
  bool full() const;
  /// Half of the buffer is free: read again.
  bool has_room() const;

  std::size_t destinations() const { return windows_.size(); }
  // As in DeliveryWindow, for one destination.
  std::optional<MessageBatch> Next(std::size_t destination, MonoTime now);
  void Delivered(std::size_t destination, const MessageBatch& batch);
  void Refused(std::size_t destination, const MessageBatch& batch, bool split);
  void Failed(std::size_t destination, const MessageBatch& batch, MonoTime now,
              Duration retry_after = {});
  std::optional<MonoTime> WakeAt(std::size_t destination) const;
  void RetryNow();

  ForwarderCounts counts() const;
  std::uint64_t pending_bytes() const;

 private:
  // A log and the destinations that read it: all of them in fan-out, one in round robin.
  struct Lane {
    MessageLog log;
    std::vector<std::size_t> readers;
    std::set<std::uint64_t> refused;  // messages still in the log that some reader refused
  };

  Lane& LaneOf(std::size_t destination) { return lanes_[round_robin_ ? destination : 0]; }
  bool Eligible(const Lane& lane, bool any_healthy) const;
  bool AnyHealthy() const;
  /// True when some lane that may get messages holds less than `bytes`.
  bool Holds(std::uint64_t bytes) const;
  std::size_t PickLane();
  void Settle(Lane* lane);

  bool round_robin_;
  std::uint64_t share_bytes_;  // of a lane
  std::vector<DeliveryWindow> windows_;
  std::vector<Lane> lanes_;
  std::size_t turn_ = 0;  // the lane after the last one used
  std::uint64_t received_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace rivulet
