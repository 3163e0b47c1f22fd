#include "pubsub/record_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rivulet {

Status TopicRecordSummary::Visit(std::string_view record) {
  if (Status status = DecodeTopicRecord(record, &record_); !status.ok()) return status;
  ++by_type_[static_cast<std::size_t>(record_.type)];
  if (record_.type == TopicRecordType::kSequence) return {};
  Counted& topic = topics_[record_.topic];
  if (record_.type == TopicRecordType::kTopic) {
    topic.name = record_.name;
    topic.next_offset = std::max(topic.next_offset, record_.next_offset);
  } else if (record_.type == TopicRecordType::kKey) {
    ++topic.keys;
  } else {
    AddRun(&topic, record_.run);
  }
  return {};
}

void TopicRecordSummary::AddRun(Counted* topic, const MessageRun& run) {
  std::string_view rest = run.messages;
  std::string_view body;
  std::uint64_t offset = run.first_offset;
  for (; TakeMessage(&rest, &body); ++offset) {
    // Some are told twice: what is kept of a segment that is to go is told again.
    if (AddMessage(topic, offset)) topic->bytes += body.size();
  }
  topic->next_offset = std::max(topic->next_offset, offset);
}

/// False: it is known.
bool TopicRecordSummary::AddMessage(Counted* topic, std::uint64_t offset) {
  auto& offsets = topic->offsets;
  auto behind = offsets.upper_bound(offset);
  std::uint64_t end = offset + 1;
  if (behind != offsets.end() && behind->first == end) end = behind->second;
  const bool joins_behind = end > offset + 1;
  if (behind != offsets.begin()) {
    const auto before = std::prev(behind);
    if (offset < before->second) return false;
    if (offset == before->second) {
      before->second = end;
      if (joins_behind) offsets.erase(behind);
      return true;
    }
  }
  if (joins_behind) behind = offsets.erase(behind);
  offsets.emplace_hint(behind, offset, end);
  return true;
}

std::string TopicRecordSummary::Types() const {
  std::string out;
  for (std::size_t type = 1; type < kTypes; ++type) {
    fmt::format_to(std::back_inserter(out), "  {:<10}{}\n",
                   TopicRecordTypeName(static_cast<TopicRecordType>(type)), by_type_[type]);
  }
  return out;
}

std::string TopicRecordSummary::Table() {
  constexpr auto kRow = "{:<20} {:>12} {:>14} {:>13} {:>13} {:>6}\n";
  std::string out = "messages that are there (a start lets go of what is not to be retained)\n";
  fmt::format_to(std::back_inserter(out), kRow, "topic", "messages", "bytes", "first offset",
                 "next offset", "keys");
  for (const auto& [number, topic] : topics_) {
    std::uint64_t messages = 0;
    for (const auto& [from, to] : topic.offsets) messages += to - from;
    const std::uint64_t first =
        topic.offsets.empty() ? topic.next_offset : topic.offsets.begin()->first;
    fmt::format_to(std::back_inserter(out), kRow,
                   topic.name.empty() ? fmt::format("#{}", number) : topic.name, messages,
                   topic.bytes, first, topic.next_offset, topic.keys);
  }
  return out;
}

}  // namespace rivulet
