#include "bridge/delivery_window.h"

#include <algorithm>
#include <cassert>

namespace rivulet {

namespace {
constexpr Duration kReadAgainAfter = std::chrono::seconds(1);
}  // namespace

std::optional<DeliveryCursor::Taken> DeliveryCursor::Take(Backlog* backlog,
                                                          const WindowConfig& config,
                                                          MonoTime now) {
  if (read_at_) {
    if (now < *read_at_) return std::nullopt;
    read_at_.reset();
  }
  if (!again_.empty()) {
    BatchRange& run = again_.back();
    const std::uint64_t tries = run.tries;
    auto batch = Read(backlog, run.first, std::min(run.count, config.batch), now);
    if (batch.count == 0) return std::nullopt;
    run = {batch.end(), run.count - batch.count, tries};
    if (run.count == 0) again_.pop_back();
    return Taken{std::move(batch), tries};
  }
  const std::uint64_t waiting = backlog->end() - next_;
  if (waiting == 0) {
    batch_due_.reset();
    return std::nullopt;
  }
  if (waiting < config.batch && config.batch_delay > Duration::zero() && !no_more_) {
    if (!batch_due_) batch_due_ = now + config.batch_delay;
    if (now < *batch_due_) return std::nullopt;
  }
  auto batch = Read(backlog, next_, config.batch, now);
  if (batch.count == 0) return std::nullopt;
  batch_due_.reset();
  next_ = batch.end();
  return Taken{std::move(batch), 0};
}

MessageBatch DeliveryCursor::Read(Backlog* backlog, std::uint64_t first, std::uint64_t count,
                                  MonoTime now) {
  auto batch = backlog->Slice(first, count);
  if (batch.count == 0) read_at_ = now + kReadAgainAfter;
  return batch;
}

void DeliveryCursor::SendAgain(const BatchRange& run) {
  const auto at = std::find_if(again_.begin(), again_.end(),
                               [&](const BatchRange& other) { return other.first < run.first; });
  again_.insert(at, run);
}

std::vector<BatchRange> DeliveryCursor::SkipTo(std::uint64_t start) {
  std::vector<BatchRange> skipped;
  while (!again_.empty() && again_.back().first < start) {
    BatchRange& run = again_.back();
    const std::uint64_t count = std::min(run.count, start - run.first);
    skipped.push_back({run.first, count, 0});
    run = {run.first + count, run.count - count, run.tries};
    if (run.count == 0) again_.pop_back();
  }
  if (next_ < start) {
    skipped.push_back({next_, start - next_, 0});
    next_ = start;
  }
  if (!skipped.empty()) read_at_.reset();
  return skipped;
}

std::optional<MonoTime> DeliveryCursor::WakeAt() const { return read_at_ ? read_at_ : batch_due_; }

void DeliveryCursor::HurryUp() {
  read_at_.reset();
  no_more_ = true;
  batch_due_.reset();
}

void DeliveryWindow::Wake(MonoTime now) {
  if (retry_at_ && now >= *retry_at_) retry_at_.reset();
}

BatchRange DeliveryWindow::Answered(const MessageBatch& batch) {
  failing_ = false;
  retry_at_.reset();
  backoff_.Reset();
  return TakeOut(batch);
}

BatchRange DeliveryWindow::Failed(const MessageBatch& batch, MonoTime now, Duration retry_after) {
  // Batches that were in flight together fail together: that is one failure, not many.
  if (!failing_ || !retry_at_) retry_at_ = now + backoff_.Next();
  retry_at_ = std::max(*retry_at_, now + retry_after);
  failing_ = true;
  return TakeOut(batch);
}

const BatchRange& DeliveryWindow::Find(const MessageBatch& batch) const {
  const auto at = std::ranges::find(in_flight_, batch.first, &BatchRange::first);
  assert(at != in_flight_.end());
  return *at;
}

BatchRange DeliveryWindow::TakeOut(const MessageBatch& batch) {
  const auto at = std::ranges::find(in_flight_, batch.first, &BatchRange::first);
  assert(at != in_flight_.end());
  const BatchRange taken = *at;
  *at = in_flight_.back();
  in_flight_.pop_back();
  return taken;
}

std::uint64_t DeliveryWindow::OldestOr(std::uint64_t otherwise) const {
  for (const BatchRange& run : in_flight_) otherwise = std::min(otherwise, run.first);
  return otherwise;
}

}  // namespace rivulet
