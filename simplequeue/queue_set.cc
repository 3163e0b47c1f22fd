#include "simplequeue/queue_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/names.h"

namespace rivulet {

QueueSet::QueueSet(QueueLimits limits, std::size_t max_queues, QueueLog* log)
    : limits_(limits), max_queues_(max_queues), log_(log), default_queue_(Make(kDefaultQueue, 1)) {}

Queue* QueueSet::Find(std::string_view name) {
  const auto found = queues_.find(name);
  return found == queues_.end() ? nullptr : found->second.get();
}

Queue* QueueSet::FindByNumber(std::uint32_t number) {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
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
  return Make(name, last_number_ + 1);
}

Queue* QueueSet::Make(std::string_view name, std::uint32_t number) {
  auto made = std::make_unique<Queue>(std::string(name), number, limits_, &arena_, log_);
  Queue* const queue = made.get();
  queue->agenda_ = &agenda_;
  queues_.emplace(name, std::move(made));
  by_number_.emplace(number, queue);
  last_number_ = std::max(last_number_, number);
  return queue;
}

Result<Queue*> QueueSet::Restore(std::string_view name, std::uint32_t number) {
  if (!IsName(name)) {
    return Status(StatusCode::kCorrupt, fmt::format("name of queue {}: {}", number, kNameRule));
  }
  Queue* const named = Find(name);
  Queue* const numbered = FindByNumber(number);
  if (named != nullptr && named == numbered) return named;
  if (named != nullptr) {
    return Status(StatusCode::kCorrupt,
                  fmt::format("queue={} has number {}, not {}", name, named->number(), number));
  }
  if (numbered != nullptr) {
    return Status(StatusCode::kCorrupt,
                  fmt::format("queue number {} is {}'s, not {}'s", number, numbered->name(), name));
  }
  if (number == 0 || number == UINT32_MAX) {
    return Status(StatusCode::kCorrupt,
                  fmt::format("queue={}: number {} must be 1 to {}", name, number, UINT32_MAX - 1));
  }
  return Make(name, number);
}

Queue* QueueSet::AdvanceNext(MonoTime now, std::size_t* max) {
  const QueueAgenda::Due due = agenda_.front();
  agenda_.PopFront();
  if (due.when != due.queue->noted_) return nullptr;  // left behind
  due.queue->noted_ = MonoTime::max();
  const bool became_ready = due.queue->AdvanceWithin(now, max);
  Note(*due.queue);
  return became_ready ? due.queue : nullptr;
}

}  // namespace rivulet
