#include "simplequeue/restorer.h"

#include <fmt/format.h>

#include "simplequeue/queue_set.h"

namespace rivulet {

Queue* QueueRestorer::FindQueue(std::uint32_t number) {
  if (number != last_number_) {
    last_number_ = number;
    last_queue_ = queues_->FindByNumber(number);
  }
  return last_queue_;
}

Status QueueRestorer::Visit(std::string_view record) {
  if (Status status = DecodeRecord(record, &record_); !status.ok()) return status;
  if (record_.type == RecordType::kQueue) return VisitQueue();
  Queue* const queue = FindQueue(record_.queue);
  if (queue == nullptr && salvage_) {
    nameless_[record_.queue].emplace_back(record);
    return {};
  }
  if (queue == nullptr) {
    return {StatusCode::kCorrupt, fmt::format("{} record: queue {} must have been named before",
                                              RecordTypeName(record_.type), record_.queue)};
  }
  Apply(*queue);
  return {};
}

Status QueueRestorer::VisitQueue() {
  const Result<Queue*> queue = queues_->Restore(record_.name, record_.queue);
  if (!queue.ok()) {
    return {StatusCode::kCorrupt, fmt::format("queue record: {}", queue.status().message())};
  }
  last_number_ = 0;
  (*queue)->RestoreNextId(record_.next_id);
  (*queue)->RestorePaused(record_.paused);
  if (!nameless_.empty()) ApplyWaiting(**queue);
  return {};
}

void QueueRestorer::ApplyWaiting(Queue& queue) {
  const auto waiting = nameless_.extract(queue.number());
  if (waiting.empty()) return;
  const DecodedRecord visited = record_;
  for (const std::string& record : waiting.mapped()) {
    if (DecodeRecord(record, &record_).ok()) Apply(queue);
  }
  record_ = visited;
}

void QueueRestorer::Apply(Queue& queue) {
  switch (record_.type) {
    case RecordType::kQueue:
      break;
    case RecordType::kPut:
      queue.RestoreMessage(FromStored(record_.message, record_.body, times_), record_.key);
      break;
    case RecordType::kLease:
      for (const IdRun& run : record_.runs) queue.RestoreLease(run);
      break;
    case RecordType::kForget:
      for (const IdRun& run : record_.runs) queue.RestoreForget(run);
      break;
    case RecordType::kReturn:
      queue.RestoreReturn(record_.position, record_.kicked, record_.runs);
      break;
    case RecordType::kDefer:
      for (const IdRun& run : record_.runs) queue.RestoreDefer(times_.FromMs(record_.due_ms), run);
      break;
    case RecordType::kBury:
      queue.RestoreBury(record_.position, record_.runs);
      break;
    case RecordType::kKey:
      queue.RestoreKey(record_.key, record_.id, times_.FromMs(record_.until_ms));
      break;
  }
}

RestoredCounts QueueRestorer::End(MonoTime now) {
  RestoredCounts counts;
  while (!nameless_.empty()) {
    const std::uint32_t number = nameless_.begin()->first;
    const auto queue = queues_->Restore(fmt::format("nameless-{}", number), number);
    if (queue.ok()) {
      ApplyWaiting(**queue);
    } else {
      nameless_.erase(number);  // a number that cannot be a queue's
    }
  }
  for (const auto& [name, queue] : queues_->all()) {
    counts.had_been_in_flight += queue->in_flight();
    queue->EndRestore(now);
    ++counts.queues;
    counts.messages += queue->held();
    counts.ready += queue->depth();
    counts.deferred += queue->deferred();
    counts.dead += queue->dead();
  }
  return counts;
}

}  // namespace rivulet
