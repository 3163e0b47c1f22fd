#include "bridge/forwarder.h"

#include <algorithm>

namespace rivulet {

Forwarder::Forwarder(const ForwarderConfig& config)
    : round_robin_(config.round_robin),
      share_bytes_(std::max<std::uint64_t>(
          1, config.max_pending_bytes / (round_robin_ ? config.destinations.size() : 1))),
      lanes_(round_robin_ ? config.destinations.size() : 1) {
  for (std::size_t i = 0; i < config.destinations.size(); ++i) {
    windows_.emplace_back(config.destinations[i], config.seed + i);
    LaneOf(i).readers.push_back(i);
  }
}

void Forwarder::Append(std::string_view message) {
  ++received_;
  lanes_[PickLane()].log.Append(message);
}

void Forwarder::TooLong() {
  ++received_;
  ++refused_;
}

bool Forwarder::full() const { return !Holds(share_bytes_); }
bool Forwarder::has_room() const { return Holds(share_bytes_ / 2 + 1); }

std::optional<MessageBatch> Forwarder::Next(std::size_t destination, MonoTime now) {
  return windows_[destination].Next(LaneOf(destination).log, now);
}

void Forwarder::Delivered(std::size_t destination, const MessageBatch& batch) {
  windows_[destination].Delivered(batch);
  Settle(&LaneOf(destination));
}

void Forwarder::Refused(std::size_t destination, const MessageBatch& batch, bool split) {
  Lane& lane = LaneOf(destination);
  if (windows_[destination].Refused(batch, lane.log, split) == 0) return;
  for (auto message = batch.first; message < batch.end(); ++message) lane.refused.insert(message);
  Settle(&lane);
}

void Forwarder::Failed(std::size_t destination, const MessageBatch& batch, MonoTime now,
                       Duration retry_after) {
  windows_[destination].Failed(batch, now, retry_after);
}

std::optional<MonoTime> Forwarder::WakeAt(std::size_t destination) const {
  return windows_[destination].WakeAt();
}

void Forwarder::RetryNow() {
  for (auto& window : windows_) window.RetryNow();
}

ForwarderCounts Forwarder::counts() const {
  return {received_, delivered_, refused_, received_ - delivered_ - refused_};
}

std::uint64_t Forwarder::pending_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& lane : lanes_) bytes += lane.log.held_bytes();
  return bytes;
}

bool Forwarder::AnyHealthy() const {
  return std::ranges::any_of(windows_, [](const auto& window) { return !window.failing(); });
}

bool Forwarder::Eligible(const Lane& lane, bool any_healthy) const {
  return !round_robin_ || !any_healthy || !windows_[lane.readers[0]].failing();
}

bool Forwarder::Holds(std::uint64_t bytes) const {
  const bool any_healthy = AnyHealthy();
  return std::ranges::any_of(lanes_, [&](const Lane& lane) {
    return Eligible(lane, any_healthy) && lane.log.held_bytes() < bytes;
  });
}

std::size_t Forwarder::PickLane() {
  if (lanes_.size() == 1) return 0;
  const bool any_healthy = AnyHealthy();
  std::size_t fallback = turn_;  // when all are full: what a read in progress still brings
  for (std::size_t i = lanes_.size(); i-- > 0;) {
    const std::size_t lane = (turn_ + i) % lanes_.size();
    if (Eligible(lanes_[lane], any_healthy)) fallback = lane;
  }
  std::size_t picked = fallback;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const std::size_t lane = (turn_ + i) % lanes_.size();
    if (Eligible(lanes_[lane], any_healthy) && lanes_[lane].log.held_bytes() < share_bytes_) {
      picked = lane;
      break;
    }
  }
  turn_ = (picked + 1) % lanes_.size();
  return picked;
}

void Forwarder::Settle(Lane* lane) {
  std::uint64_t done = lane->log.end();
  for (const auto reader : lane->readers) done = std::min(done, windows_[reader].oldest());
  if (done == lane->log.start()) return;
  const auto end = lane->refused.lower_bound(done);
  const auto refused = static_cast<std::uint64_t>(std::distance(lane->refused.begin(), end));
  lane->refused.erase(lane->refused.begin(), end);
  refused_ += refused;
  delivered_ += done - lane->log.start() - refused;
  lane->log.DropBefore(done);
}

}  // namespace rivulet
