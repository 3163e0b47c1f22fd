#include "pubsub/topic_restorer.h"

#include <fmt/format.h>

#include <algorithm>

#include "pubsub/publish_keys.h"
#include "pubsub/topic_set.h"

namespace rivulet {

Status TopicRestorer::Visit(std::string_view record, const RecordPlace& place) {
  if (Status status = DecodeTopicRecord(record, &record_); !status.ok()) return status;
  switch (record_.type) {
    case TopicRecordType::kTopic:
      return VisitTopic();
    case TopicRecordType::kSequence:
      counts_.next_sequence = std::max(counts_.next_sequence, record_.next_sequence);
      counts_.last_time = std::max(counts_.last_time, record_.last_time);
      return {};
    case TopicRecordType::kKey:
      found_keys_.push_back(
          {record_.topic, std::string(record_.key), record_.published, place.segment});
      return {};
    case TopicRecordType::kMessages:
      break;
  }
  const MessageRun& run = record_.run;
  const PlacedRun placed{run.first_offset,   record_.count, run.first_sequence, run.time,
                         record_.body_bytes, place,         place.batch_end};
  if (last_ == nullptr || last_number_ != run.topic) {
    const auto found = restored_.find(run.topic);
    if (found == restored_.end()) {
      if (salvage_) {
        nameless_[run.topic].push_back(placed);
        return {};
      }
      return {StatusCode::kCorrupt,
              fmt::format("messages record: topic {} must have been named before", run.topic)};
    }
    last_number_ = run.topic;
    last_ = &found->second;
  }
  VisitRun(placed);
  return {};
}

Status TopicRestorer::VisitTopic() {
  const auto topic = topics_->Restore(record_.name, record_.topic, record_.next_offset);
  if (!topic.ok()) {
    return {StatusCode::kCorrupt, fmt::format("topic record: {}", topic.status().message())};
  }
  Restored& restored = restored_[record_.topic];
  if (restored.topic != nullptr && restored.topic != *topic) {
    return {StatusCode::kCorrupt,
            fmt::format("topic record: number {} is of topic \"{}\" and of topic \"{}\"",
                        record_.topic, restored.topic->name(), (*topic)->name())};
  }
  restored.topic = *topic;
  restored.past = static_cast<DiskPast*>((*topic)->past());
  restored.next_offset = std::max(restored.next_offset, record_.next_offset);
  last_number_ = record_.topic;
  last_ = &restored;
  if (nameless_.empty()) return {};
  const auto waiting = nameless_.extract(record_.topic);
  if (waiting.empty()) return {};
  for (const PlacedRun& run : waiting.mapped()) VisitRun(run);
  return {};
}

/// Of the topic last_.
void TopicRestorer::VisitRun(const PlacedRun& run) {
  last_->next_offset = std::max(last_->next_offset, run.first_offset + run.messages);
  counts_.next_sequence = std::max(counts_.next_sequence, run.first_sequence + run.messages);
  counts_.last_time = std::max(counts_.last_time, run.time);
  if (last_->past != nullptr) last_->past->Restore(run);
}

RestoredTopics TopicRestorer::End(WallTime now) {
  while (!nameless_.empty()) {
    record_.topic = nameless_.begin()->first;
    const std::string name = fmt::format("nameless-{}", record_.topic);
    record_.name = name;
    record_.next_offset = 0;
    // A number or name that cannot be a topic's.
    if (!VisitTopic().ok()) nameless_.erase(record_.topic);
  }
  for (const auto& [number, restored] : restored_) {
    topics_->RestoreOffset(restored.topic, restored.next_offset);
    ++counts_.topics;
    if (restored.past == nullptr) continue;
    restored.past->EndRestore(restored.next_offset, salvage_);
    restored.past->Trim(now);
    const RunAmount& kept = restored.past->kept();
    counts_.messages += kept.messages;
    counts_.bytes += kept.bytes;
  }
  topics_->RestoreSequence(counts_.next_sequence, counts_.last_time);
  EndKeys(now);
  return counts_;
}

void TopicRestorer::EndKeys(WallTime now) {
  // In the order of the files where their time is the same: the later one counts.
  std::stable_sort(found_keys_.begin(), found_keys_.end(),
                   [](const Key& a, const Key& b) { return a.what.until < b.what.until; });
  for (const Key& key : found_keys_) {
    const auto topic = restored_.find(key.topic);
    if (key.what.until <= now || topic == restored_.end()) continue;
    const std::string& name = topic->second.topic->name();
    keys_->Add(name, key.key, key.what);
    keys_->SetPlace(name, key.key, key.segment);
  }
  counts_.keys = keys_->size();
}

}  // namespace rivulet
