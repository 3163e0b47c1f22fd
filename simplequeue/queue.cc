#include "simplequeue/queue.h"

#include <algorithm>

namespace rivulet {

Queue::Queue(std::string name, QueueLimits limits, Arena* arena)
    : name_(std::move(name)), limits_(limits), arena_(arena) {}

Queue::~Queue() {
  while (depth_ > 0) DropFront();
}

bool Queue::Fits(std::uint64_t messages, std::uint64_t bytes) const {
  return (limits_.max_depth == 0 || depth_ + messages <= limits_.max_depth) &&
         (limits_.max_bytes == 0 || bytes_ + bytes <= limits_.max_bytes);
}

std::uint64_t Queue::Put(std::string_view body) {
  const std::uint64_t id = table_.Add(arena_->Append(body));
  PushReady(id);
  bytes_ += body.size();
  ++stats_.puts;
  stats_.depth_high_water = std::max(stats_.depth_high_water, depth_);
  return id;
}

void Queue::PushReady(std::uint64_t id) {
  if (!ready_.empty() && ready_.back().first_id + ready_.back().count == id) {
    ++ready_.back().count;
  } else {
    ready_.push_back({next_position_, id, 1});
  }
  ++next_position_;
  ++depth_;
}

bool Queue::Next(Cursor* cursor, Message* message) const {
  if (ready_.empty()) return false;
  std::uint64_t position = std::max(cursor->position, ready_.front().position);
  auto run = ready_.begin();
  if (position >= run->position + run->count) {
    run = std::upper_bound(ready_.begin(), ready_.end(), position,
                           [](std::uint64_t p, const Run& r) { return p < r.position + r.count; });
    if (run == ready_.end()) return false;
    position = std::max(position, run->position);
  }
  message->id = run->first_id + (position - run->position);
  message->body = arena_->Read(table_.Find(message->id));
  cursor->position = position + 1;
  return true;
}

void Queue::TakeFront() {
  DropFront();
  ++stats_.gets;
}

void Queue::OverflowFront() {
  DropFront();
  ++stats_.overflow;
}

void Queue::DropFront() {
  Run& run = ready_.front();
  const std::uint64_t id = run.first_id++;
  ++run.position;
  if (--run.count == 0) ready_.pop_front();
  const Arena::Location location = table_.Find(id);
  bytes_ -= arena_->Read(location).size();
  arena_->Release(location);
  table_.Remove(id);
  --depth_;
}

void Queue::ResetStats() {
  stats_ = {};
  stats_.depth_high_water = depth_;
}

}  // namespace rivulet
