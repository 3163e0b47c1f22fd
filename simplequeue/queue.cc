#include "simplequeue/queue.h"

#include <algorithm>

namespace rivulet {

Queue::Queue(std::string name, QueueLimits limits, Arena* arena)
    : name_(std::move(name)), limits_(limits), arena_(arena) {}

Queue::~Queue() { Forget(depth_, bytes_); }

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

void Queue::Front(std::uint64_t max, std::vector<Message>* out) const {
  out->clear();
  for (const Run& run : ready_) {
    for (std::uint64_t done = 0; done < run.count && out->size() < max;) {
      const auto places = table_.FindFrom(run.first_id + done);
      const std::uint64_t count =
          std::min({run.count - done, max - out->size(), std::uint64_t{places.size()}});
      for (std::uint64_t i = 0; i < count; ++i, ++done) {
        out->push_back({run.first_id + done, arena_->Read(places[i])});
      }
    }
    if (out->size() >= max) return;
  }
}

std::uint64_t Queue::FrontBytes() const {
  return arena_->Read(table_.Find(ready_.front().first_id)).size();
}

void Queue::TakeFront() {
  Forget(1, FrontBytes());
  ++stats_.gets;
}

void Queue::Take(const std::vector<Message>& front) {
  std::uint64_t bytes = 0;
  for (const Message& message : front) bytes += message.body.size();
  Forget(front.size(), bytes);
  stats_.gets += front.size();
}

void Queue::OverflowFront() {
  Forget(1, FrontBytes());
  ++stats_.overflow;
}

void Queue::Forget(std::uint64_t count, std::uint64_t bytes) {
  bytes_ -= bytes;
  depth_ -= count;
  while (count > 0) {
    Run& run = ready_.front();
    const auto places = table_.FindFrom(run.first_id);
    const std::uint64_t together = std::min({count, run.count, std::uint64_t{places.size()}});
    // Neighbours mostly share a block: it is told once.
    std::uint32_t block = places[0].block;
    std::uint32_t bodies = 0;
    for (std::uint64_t i = 0; i < together; ++i) {
      if (places[i].block != block) {
        arena_->Release(block, bodies);
        block = places[i].block;
        bodies = 0;
      }
      ++bodies;
    }
    arena_->Release(block, bodies);
    table_.Remove(run.first_id, together);
    run.first_id += together;
    run.position += together;
    run.count -= together;
    if (run.count == 0) ready_.pop_front();
    count -= together;
  }
}

void Queue::ResetStats() {
  stats_ = {};
  stats_.depth_high_water = depth_;
}

}  // namespace rivulet
