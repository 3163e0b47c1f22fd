// The half of pubsub/record.h that tells records to people.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/base64.h"
#include "base/json.h"
#include "pubsub/record.h"

namespace rivulet {

namespace {

void AppendNumber(std::string* out, std::string_view name, std::uint64_t number) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": {}", name, number);
}

void AppendText(std::string* out, std::string_view name, std::string_view text) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": ", name);
  AppendJsonString(out, text);
}

void AppendSeconds(std::string* out, std::string_view name, WallTime time) {
  const std::int64_t ns = time.time_since_epoch().count();
  fmt::format_to(std::back_inserter(*out), ", \"{}\": {}.{:09}", name, ns / 1'000'000'000,
                 ns % 1'000'000'000);
}

// As many whole messages as fit, or the beginning of the first.
void AppendBodies(std::string* out, std::string_view messages, std::size_t max_body_bytes) {
  std::string_view body;
  std::string_view rest = messages;
  bool text = true;
  std::size_t bytes = 0;
  while (TakeMessage(&rest, &body) && bytes < max_body_bytes) {
    bytes += body.size();
    text = text && IsValidUtf8(body);
  }
  *out += text ? ", \"bodies\": [" : ", \"bodies_base64\": [";
  std::size_t room = max_body_bytes;
  for (bool first = true; room > 0 && TakeMessage(&messages, &body); first = false) {
    std::size_t shown = std::min(body.size(), room);
    if (shown < body.size() && !first) break;
    // Not inside a character.
    while (text && shown > 0 && shown < body.size() && (body[shown] & 0xc0) == 0x80) --shown;
    if (!first) *out += ", ";
    if (text) {
      AppendJsonString(out, body.substr(0, shown));
    } else {
      *out += '"';
      AppendBase64(out, body.substr(0, shown));
      *out += '"';
    }
    room -= std::min(body.size(), room);
  }
  *out += ']';
}

void AppendUnknown(std::string* out, std::string_view record, std::string_view why,
                   std::size_t max_bytes) {
  *out += "\"type\": \"unknown\", \"why\": ";
  AppendJsonString(out, why);
  fmt::format_to(std::back_inserter(*out), ", \"bytes\": {}, \"hex\": \"", record.size());
  for (const char byte : record.substr(0, max_bytes)) {
    fmt::format_to(std::back_inserter(*out), "{:02x}", static_cast<unsigned char>(byte));
  }
  *out += '"';
}

}  // namespace

bool TopicRecordDescriber::AppendMembers(std::string_view record, std::string* out) {
  if (const Status status = DecodeTopicRecord(record, &record_); !status.ok()) {
    if (topic_.empty()) AppendUnknown(out, record, status.message(), max_body_bytes_);
    return topic_.empty();
  }
  if (record_.type == TopicRecordType::kSequence) {
    if (!topic_.empty()) return false;
    *out += "\"type\": \"sequence\"";
    AppendNumber(out, "next_sequence", record_.next_sequence);
    AppendSeconds(out, "time", record_.last_time);
    return true;
  }
  if (record_.type == TopicRecordType::kTopic) names_[record_.topic] = record_.name;
  const auto named = names_.find(record_.topic);
  const std::string topic =
      named == names_.end() ? fmt::format("#{}", record_.topic) : named->second;
  if (!topic_.empty() && topic != topic_) return false;
  fmt::format_to(std::back_inserter(*out), "\"type\": \"{}\"", TopicRecordTypeName(record_.type));
  AppendText(out, "topic", topic);
  if (record_.type == TopicRecordType::kTopic) {
    AppendNumber(out, "number", record_.topic);
    AppendNumber(out, "next_offset", record_.next_offset);
  } else if (record_.type == TopicRecordType::kKey) {
    AppendNumber(out, "first_offset", record_.published.first_offset);
    AppendNumber(out, "messages", record_.published.messages);
    AppendNumber(out, "clients", record_.published.clients);
    AppendSeconds(out, "until", record_.published.until);
    AppendText(out, "key", record_.key);
  } else {
    AppendNumber(out, "first_offset", record_.run.first_offset);
    AppendNumber(out, "first_sequence", record_.run.first_sequence);
    AppendSeconds(out, "time", record_.run.time);
    AppendNumber(out, "messages", record_.count);
    AppendNumber(out, "bytes", record_.body_bytes);
    AppendBodies(out, record_.run.messages, max_body_bytes_);
  }
  return true;
}

}  // namespace rivulet
