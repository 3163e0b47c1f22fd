#include "pubsub/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/names.h"
#include "journal/format.h"

namespace rivulet {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"none", "topic", "messages", "key", "sequence"};

std::uint64_t Nanoseconds(WallTime time) {
  const std::int64_t ns = time.time_since_epoch().count();
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(ns, 0, kMaxTopicRecordNs));
}

WallTime FromNanoseconds(std::uint64_t ns) {
  return WallTime(Duration(static_cast<std::int64_t>(ns)));
}

void Begin(std::string* out, TopicRecordType type) { *out += static_cast<char>(type); }

// Takes fields off a record. After the first that is not there or wrong nothing more is read, and
// error() says what it was.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t Number(std::string_view what, std::uint64_t high = UINT64_MAX) {
    if (!error_.empty()) return 0;
    std::uint64_t value = 0;
    if (!TakeNumber(&rest_, &value)) {
      error_ = fmt::format("{} is missing", what);
    } else if (value > high) {
      error_ = fmt::format("{} is {}, must be at most {}", what, value, high);
    } else {
      return value;
    }
    return 0;
  }
  std::uint32_t Topic() { return static_cast<std::uint32_t>(Number("topic", UINT32_MAX)); }
  WallTime Time(std::string_view what) { return FromNanoseconds(Number(what, kMaxTopicRecordNs)); }
  std::string_view Rest() { return std::exchange(rest_, {}); }
  void Refuse(std::string error) {
    if (error_.empty()) error_ = std::move(error);
  }
  bool at_end() const { return rest_.empty(); }
  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }

 private:
  std::string_view rest_;
  std::string error_;
};

void DecodeTopic(FieldReader* fields, TopicRecord* record) {
  record->topic = fields->Topic();
  record->next_offset = fields->Number("next offset");
  record->name = fields->Rest();
  if (fields->ok() && !IsName(record->name)) {
    fields->Refuse(fmt::format("topic's name {}", kNameRule));
  }
}

void DecodeMessages(std::string_view bytes, TopicRecord* record, FieldReader* fields) {
  if (!DecodeRun(bytes, &record->run)) return fields->Refuse("a field before the messages is bad");
  record->topic = record->run.topic;
  record->count = 0;
  record->body_bytes = 0;
  std::string_view rest = record->run.messages;
  std::string_view body;
  while (TakeMessage(&rest, &body)) {
    ++record->count;
    record->body_bytes += body.size();
  }
  if (!rest.empty()) {
    fields->Refuse(fmt::format("message {} is cut", record->count));
  } else if (record->count == 0) {
    fields->Refuse("there is no message in it");
  } else if (record->run.first_offset > UINT64_MAX - record->count ||
             record->run.first_sequence > UINT64_MAX - record->count) {
    fields->Refuse("its last offset or sequence is too large");
  }
}

void DecodeKey(FieldReader* fields, TopicRecord* record) {
  record->topic = fields->Topic();
  record->published = {};
  record->published.first_offset = fields->Number("first offset");
  record->published.messages = fields->Number("messages");
  record->published.clients = fields->Number("clients");
  record->published.until = fields->Time("until");
  record->key = fields->Rest();
  if (record->key.empty()) fields->Refuse("key is missing");
}

}  // namespace

std::string_view TopicRecordTypeName(TopicRecordType type) {
  return kNames[static_cast<std::size_t>(type)];
}

void EncodeTopic(std::string* out, std::uint32_t topic, std::uint64_t next_offset,
                 std::string_view name) {
  Begin(out, TopicRecordType::kTopic);
  AppendVarint(out, topic);
  AppendVarint(out, next_offset);
  *out += name;
}

void EncodeRunHead(std::string* out, const MessageRun& run) {
  Begin(out, TopicRecordType::kMessages);
  AppendVarint(out, run.topic);
  AppendVarint(out, run.first_offset);
  AppendVarint(out, run.first_sequence - run.first_offset);
  AppendVarint(out, Nanoseconds(run.time));
}

void EncodePublishKey(std::string* out, std::uint32_t topic, const PublishedUnderKey& what,
                      std::string_view key) {
  Begin(out, TopicRecordType::kKey);
  AppendVarint(out, topic);
  AppendVarint(out, what.first_offset);
  AppendVarint(out, what.messages);
  AppendVarint(out, what.clients);
  AppendVarint(out, Nanoseconds(what.until));
  *out += key;
}

void EncodeSequence(std::string* out, std::uint64_t next_sequence, WallTime last_time) {
  Begin(out, TopicRecordType::kSequence);
  AppendVarint(out, next_sequence);
  AppendVarint(out, Nanoseconds(last_time));
}

void AppendMessage(std::string* messages, std::string_view body) {
  AppendVarint(messages, body.size());
  messages->append(body);
}

bool TakeMessage(std::string_view* messages, std::string_view* body) {
  std::string_view rest = *messages;
  std::uint64_t bytes = 0;
  if (!TakeNumber(&rest, &bytes) || bytes > rest.size()) return false;
  *body = rest.substr(0, bytes);
  *messages = rest.substr(bytes);
  return true;
}

bool IsRunOf(std::string_view bytes, std::uint32_t topic) {
  if (bytes.empty() || bytes.front() != static_cast<char>(TopicRecordType::kMessages)) return false;
  bytes.remove_prefix(1);
  std::uint64_t number = 0;
  return TakeNumber(&bytes, &number) && number == topic;
}

bool DecodeRun(std::string_view bytes, MessageRun* run) {
  if (bytes.empty() || bytes.front() != static_cast<char>(TopicRecordType::kMessages)) return false;
  bytes.remove_prefix(1);
  std::uint64_t topic = 0;
  std::uint64_t distance = 0;
  std::uint64_t ns = 0;
  if (!TakeNumber(&bytes, &topic) || !TakeNumber(&bytes, &run->first_offset) ||
      !TakeNumber(&bytes, &distance) || !TakeNumber(&bytes, &ns)) {
    return false;
  }
  if (topic > UINT32_MAX || ns > kMaxTopicRecordNs) return false;
  run->topic = static_cast<std::uint32_t>(topic);
  run->first_sequence = run->first_offset + distance;
  run->time = FromNanoseconds(ns);
  run->messages = bytes;
  return true;
}

Status DecodeTopicRecord(std::string_view bytes, TopicRecord* record) {
  const auto type = bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  if (type == 0 || type >= kNames.size()) {
    return {StatusCode::kCorrupt,
            fmt::format("record: type {}, must be 1 to {}", type, kNames.size() - 1)};
  }
  record->type = static_cast<TopicRecordType>(type);
  FieldReader fields(bytes.substr(1));
  switch (record->type) {
    case TopicRecordType::kTopic:
      DecodeTopic(&fields, record);
      break;
    case TopicRecordType::kMessages:
      DecodeMessages(bytes, record, &fields);
      break;
    case TopicRecordType::kKey:
      DecodeKey(&fields, record);
      break;
    case TopicRecordType::kSequence:
      record->next_sequence = fields.Number("next sequence");
      record->last_time = fields.Time("time");
      if (!fields.at_end()) fields.Refuse("there are bytes behind it");
      break;
  }
  if (fields.ok()) return {};
  return {StatusCode::kCorrupt,
          fmt::format("{} record: {}", TopicRecordTypeName(record->type), fields.error())};
}

}  // namespace rivulet
