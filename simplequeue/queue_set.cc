#include "simplequeue/queue_set.h"

#include <fmt/format.h>

#include "base/names.h"

namespace rivulet {

QueueSet::QueueSet(QueueLimits limits, std::size_t max_queues)
    : limits_(limits), max_queues_(max_queues) {
  auto& slot = queues_[std::string(kDefaultQueue)];
  slot = std::make_unique<Queue>(std::string(kDefaultQueue), limits_, &arena_);
  default_queue_ = slot.get();
}

Queue* QueueSet::Find(std::string_view name) {
  const auto found = queues_.find(name);
  return found == queues_.end() ? nullptr : found->second.get();
}

Result<Queue*> QueueSet::FindOrMake(std::string_view name) {
  if (Queue* queue = Find(name)) return queue;
  if (!IsName(name)) {
    // The name itself may hold anything, so it is not repeated.
    return InvalidArgument(fmt::format("queue: {}", kNameRule));
  }
  if (queues_.size() >= max_queues_) {
    return Status(StatusCode::kExhausted,
                  fmt::format("queue={}: there are --max-queues={} already", name, max_queues_));
  }
  auto made = std::make_unique<Queue>(std::string(name), limits_, &arena_);
  Queue* queue = made.get();
  queues_.emplace(name, std::move(made));
  return queue;
}

}  // namespace rivulet
