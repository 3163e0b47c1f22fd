#include "bridge/delivery_window.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace rivulet {

std::optional<MessageBatch> DeliveryWindow::Next(const MessageLog& log, MonoTime now) {
  const std::uint64_t width = failing_ ? 1 : config_.max_in_flight;
  if (in_flight_.size() >= width) return std::nullopt;
  if (retry_at_) {
    if (now < *retry_at_) return std::nullopt;
    retry_at_.reset();
  }
  if (!again_.empty()) {
    in_flight_.push_back(std::move(again_.back()));
    again_.pop_back();
    return in_flight_.back();
  }
  const std::uint64_t waiting = log.end() - next_;
  if (waiting == 0) return std::nullopt;
  if (waiting < config_.batch && config_.batch_delay > Duration::zero()) {
    if (!batch_due_) batch_due_ = now + config_.batch_delay;
    if (now < *batch_due_) return std::nullopt;
  }
  batch_due_.reset();
  in_flight_.push_back(log.Slice(next_, config_.batch));
  next_ = in_flight_.back().end();
  return in_flight_.back();
}

void DeliveryWindow::Delivered(const MessageBatch& batch) { Answered(batch); }

std::uint64_t DeliveryWindow::Refused(const MessageBatch& batch, const MessageLog& log,
                                      bool split) {
  Answered(batch);
  if (!split || batch.count == 1) return batch.count;
  const std::uint64_t half = batch.count / 2;
  Again(log.Slice(batch.first, half));
  Again(log.Slice(batch.first + half, batch.count - half));
  return 0;
}

void DeliveryWindow::Failed(const MessageBatch& batch, MonoTime now, Duration retry_after) {
  Again(TakeOut(batch));
  // Batches that were in flight together fail together: that is one failure, not many.
  if (!failing_ || !retry_at_) retry_at_ = now + backoff_.Next();
  retry_at_ = std::max(*retry_at_, now + retry_after);
  failing_ = true;
}

std::optional<MonoTime> DeliveryWindow::WakeAt() const {
  const std::uint64_t width = failing_ ? 1 : config_.max_in_flight;
  if (in_flight_.size() >= width) return std::nullopt;  // its answer comes first
  return retry_at_ ? retry_at_ : batch_due_;
}

std::uint64_t DeliveryWindow::oldest() const {
  std::uint64_t first = again_.empty() ? next_ : again_.back().first;
  for (const MessageBatch& batch : in_flight_) first = std::min(first, batch.first);
  return first;
}

void DeliveryWindow::Answered(const MessageBatch& batch) {
  TakeOut(batch);
  failing_ = false;
  retry_at_.reset();
  backoff_.Reset();
}

MessageBatch DeliveryWindow::TakeOut(const MessageBatch& batch) {
  const auto at = std::ranges::find(in_flight_, batch.first, &MessageBatch::first);
  assert(at != in_flight_.end());
  MessageBatch taken = std::move(*at);
  in_flight_.erase(at);
  return taken;
}

void DeliveryWindow::Again(MessageBatch batch) {
  const auto at = std::find_if(again_.begin(), again_.end(), [&](const MessageBatch& other) {
    return other.first < batch.first;
  });
  again_.insert(at, std::move(batch));
}

}  // namespace rivulet
