#include "simplequeue/record_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/base64.h"
#include "base/json.h"

namespace rivulet {

namespace {

void AppendText(std::string* out, std::string_view name, std::string_view text) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": ", name);
  AppendJsonString(out, text);
}

void AppendNumber(std::string* out, std::string_view name, std::uint64_t number) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": {}", name, number);
}

void AppendSeconds(std::string* out, std::string_view name, std::int64_t ms) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": {}.{:03}", name, ms / 1000, ms % 1000);
}

void AppendBody(std::string* out, std::string_view body, std::size_t max_bytes) {
  AppendNumber(out, "bytes", body.size());
  if (!IsValidUtf8(body)) {
    *out += ", \"body_base64\": \"";
    AppendBase64(out, body.substr(0, max_bytes));
    *out += '"';
    return;
  }
  std::size_t shown = std::min(body.size(), max_bytes);
  // Not inside a character.
  while (shown > 0 && shown < body.size() && (body[shown] & 0xc0) == 0x80) --shown;
  AppendText(out, "body", body.substr(0, shown));
}

// Consecutive ids as FIRST-LAST.
void AppendIds(std::string* out, const std::vector<IdRun>& runs) {
  *out += ", \"ids\": \"";
  for (const IdRun& run : runs) {
    if (&run != runs.data()) *out += ',';
    fmt::format_to(std::back_inserter(*out), "{}", run.first_id);
    if (run.count > 1) {
      fmt::format_to(std::back_inserter(*out), "-{}", run.first_id + run.count - 1);
    }
  }
  *out += '"';
}

// "80+3": behind message 80, the third there.
void AppendPosition(std::string* out, std::uint64_t position) {
  const std::uint64_t id = position >> kPositionBits;
  fmt::format_to(std::back_inserter(*out), ", \"position\": \"{}+{}\"", id,
                 position - FreshPosition(id));
}

void AppendPut(std::string* out, const DecodedRecord& record, std::size_t max_body_bytes) {
  const StoredMessage& message = record.message;
  AppendNumber(out, "id", message.id);
  AppendText(out, "state", StateName(message.state));
  AppendNumber(out, "attempts", message.attempts);
  if (message.position != FreshPosition(message.id)) AppendPosition(out, message.position);
  AppendSeconds(out, "put_at", message.put_at_ms);
  if (message.due_ms != 0) AppendSeconds(out, "due", message.due_ms);
  if (message.ttl_ms != 0) AppendSeconds(out, "ttl", message.ttl_ms);
  if (!record.key.empty()) AppendText(out, "key", record.key);
  AppendBody(out, record.body, max_body_bytes);
}

}  // namespace

std::string_view StateName(MessageState state) {
  switch (state) {
    case MessageState::kReady:
      return "ready";
    case MessageState::kInFlight:
      return "in_flight";
    case MessageState::kDeferred:
      return "deferred";
    case MessageState::kDead:
      break;
  }
  return "dead";
}

void AppendRecordMembers(std::string* out, const DecodedRecord& record, std::string_view queue_name,
                         std::size_t max_body_bytes) {
  fmt::format_to(std::back_inserter(*out), "\"type\": \"{}\"", RecordTypeName(record.type));
  AppendText(out, "queue", queue_name);
  switch (record.type) {
    case RecordType::kQueue:
      AppendNumber(out, "number", record.queue);
      AppendNumber(out, "next_id", record.next_id);
      *out += record.paused ? ", \"paused\": true" : ", \"paused\": false";
      return;
    case RecordType::kPut:
      AppendPut(out, record, max_body_bytes);
      return;
    case RecordType::kKey:
      AppendNumber(out, "id", record.id);
      AppendSeconds(out, "until", record.until_ms);
      AppendText(out, "key", record.key);
      return;
    case RecordType::kLease:
    case RecordType::kForget:
      break;
    case RecordType::kReturn:
      AppendPosition(out, record.position);
      *out += record.kicked ? ", \"kicked\": true" : ", \"kicked\": false";
      break;
    case RecordType::kDefer:
      AppendSeconds(out, "due", record.due_ms);
      break;
    case RecordType::kBury:
      AppendPosition(out, record.position);
      break;
  }
  AppendIds(out, record.runs);
}

}  // namespace rivulet
