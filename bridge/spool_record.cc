#include "bridge/spool_record.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "journal/format.h"

namespace rivulet {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"none", "run", "done", "source", "state"};

void AppendMarks(std::string* out, const std::vector<SpoolMark>& marks) {
  AppendVarint(out, marks.size());
  for (const auto& [name, number] : marks) {
    AppendVarint(out, name.size());
    *out += name;
    AppendVarint(out, number);
  }
}

bool TakeMarks(std::string_view* bytes, std::vector<SpoolMark>* marks) {
  marks->clear();
  std::uint64_t count = 0;
  if (!TakeNumber(bytes, &count)) return false;
  for (; count > 0; --count) {
    SpoolMark mark;
    // A name has the form of a message.
    if (!TakeSpoolMessage(bytes, &mark.first) || !TakeNumber(bytes, &mark.second)) return false;
    marks->push_back(mark);
  }
  return true;
}

// Each of the next gives what is wrong, or nothing.

std::string DecodeMessages(std::string_view bytes, SpoolRecord* record) {
  if (!DecodeSpoolRun(bytes, &record->run)) return "its first number is missing";
  record->count = 0;
  record->bytes = 0;
  std::string_view rest = record->run.messages;
  std::string_view message;
  while (TakeSpoolMessage(&rest, &message)) {
    ++record->count;
    record->bytes += message.size();
  }
  if (!rest.empty()) return fmt::format("message {} is cut", record->count);
  if (record->count == 0) return "there is no message in it";
  if (record->run.first > UINT64_MAX - record->count) return "its last number is too large";
  return {};
}

std::string DecodeMark(std::string_view rest, SpoolRecord* record) {
  if (!TakeNumber(&rest, &record->index)) return "its index is missing";
  if (!TakeNumber(&rest, &record->number)) return "its number is missing";
  return rest.empty() ? "" : "there are bytes behind it";
}

std::string DecodeState(std::string_view rest, SpoolRecord* record) {
  if (!TakeNumber(&rest, &record->number)) return "the next number is missing";
  if (!TakeMarks(&rest, &record->readers)) return "its readers are cut";
  if (!TakeMarks(&rest, &record->sources)) return "its sources are cut";
  return rest.empty() ? "" : "there are bytes behind it";
}

}  // namespace

std::string_view SpoolRecordTypeName(SpoolRecordType type) {
  return kNames[static_cast<std::size_t>(type)];
}

void EncodeSpoolRunHead(std::string* out, std::uint64_t first) {
  *out += static_cast<char>(SpoolRecordType::kRun);
  AppendVarint(out, first);
}

void EncodeSpoolDone(std::string* out, std::uint64_t reader, std::uint64_t number) {
  *out += static_cast<char>(SpoolRecordType::kDone);
  AppendVarint(out, reader);
  AppendVarint(out, number);
}

void EncodeSpoolSource(std::string* out, std::uint64_t source, std::uint64_t position) {
  *out += static_cast<char>(SpoolRecordType::kSource);
  AppendVarint(out, source);
  AppendVarint(out, position);
}

void EncodeSpoolState(std::string* out, std::uint64_t next, const std::vector<SpoolMark>& readers,
                      const std::vector<SpoolMark>& sources) {
  *out += static_cast<char>(SpoolRecordType::kState);
  AppendVarint(out, next);
  AppendMarks(out, readers);
  AppendMarks(out, sources);
}

void AppendSpoolMessage(std::string* messages, std::string_view message) {
  if (message.size() < 0x80) {
    messages->push_back(static_cast<char>(message.size()));
  } else {
    AppendVarint(messages, message.size());
  }
  messages->append(message);
}

bool TakeSpoolMessage(std::string_view* messages, std::string_view* message) {
  std::string_view rest = *messages;
  std::uint64_t bytes = 0;
  if (!TakeNumber(&rest, &bytes) || bytes > rest.size()) return false;
  *message = rest.substr(0, bytes);
  *messages = rest.substr(bytes);
  return true;
}

bool DecodeSpoolRun(std::string_view bytes, SpoolRun* run) {
  if (bytes.empty() || bytes.front() != static_cast<char>(SpoolRecordType::kRun)) return false;
  bytes.remove_prefix(1);
  if (!TakeNumber(&bytes, &run->first)) return false;
  run->messages = bytes;
  return true;
}

Status DecodeSpoolRecord(std::string_view bytes, SpoolRecord* record) {
  const auto type = bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  if (type == 0 || type >= kNames.size()) {
    return {StatusCode::kCorrupt,
            fmt::format("record: type {}, must be 1 to {}", type, kNames.size() - 1)};
  }
  record->type = static_cast<SpoolRecordType>(type);
  std::string wrong;
  switch (record->type) {
    case SpoolRecordType::kRun:
      wrong = DecodeMessages(bytes, record);
      break;
    case SpoolRecordType::kDone:
    case SpoolRecordType::kSource:
      wrong = DecodeMark(bytes.substr(1), record);
      break;
    case SpoolRecordType::kState:
      wrong = DecodeState(bytes.substr(1), record);
      break;
  }
  if (wrong.empty()) return {};
  return {StatusCode::kCorrupt,
          fmt::format("{} record: {}", SpoolRecordTypeName(record->type), wrong)};
}

}  // namespace rivulet
