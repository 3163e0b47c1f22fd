// The half of bridge/spool_record.h that tells records to people.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/base64.h"
#include "base/json.h"
#include "bridge/spool_record.h"
#include "journal/record_lines.h"

namespace rivulet {

namespace {

void AppendNumber(std::string* out, std::string_view name, std::uint64_t number) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": {}", name, number);
}

void AppendText(std::string* out, std::string_view name, std::string_view text) {
  fmt::format_to(std::back_inserter(*out), ", \"{}\": ", name);
  AppendJsonString(out, text);
}

std::string_view WithoutQuery(std::string_view url) { return url.substr(0, url.find('?')); }

// As many whole messages as fit, or the beginning of the first.
void AppendMessages(std::string* out, std::string_view messages, std::size_t max_bytes) {
  std::string_view message;
  std::string_view rest = messages;
  bool text = true;
  for (std::size_t bytes = 0; bytes < max_bytes && TakeSpoolMessage(&rest, &message);) {
    bytes += message.size();
    text = text && IsValidUtf8(message);
  }
  *out += text ? ", \"bodies\": [" : ", \"bodies_base64\": [";
  std::size_t room = max_bytes;
  for (bool first = true; room > 0 && TakeSpoolMessage(&messages, &message); first = false) {
    std::size_t shown = std::min(message.size(), room);
    if (shown < message.size() && !first) break;
    // Not inside a character.
    while (text && shown > 0 && shown < message.size() && (message[shown] & 0xc0) == 0x80) --shown;
    if (!first) *out += ", ";
    if (text) {
      AppendJsonString(out, message.substr(0, shown));
    } else {
      *out += '"';
      AppendBase64(out, message.substr(0, shown));
      *out += '"';
    }
    room -= std::min(message.size(), room);
  }
  *out += ']';
}

void AppendName(std::string* out, std::string_view kind, const std::vector<std::string>& names,
                std::uint64_t index) {
  AppendText(out, kind, index < names.size() ? names[index] : fmt::format("#{}", index));
}

/// [{"reader": name, "number": number}, ...]; remembers the names, of which two may be the same.
void AppendMarks(std::string* out, std::string_view kind, std::string_view number_name,
                 const std::vector<SpoolMark>& marks, std::vector<std::string>* names) {
  fmt::format_to(std::back_inserter(*out), ", \"{}s\": [", kind);
  names->clear();
  for (const auto& [name, number] : marks) {
    if (!names->empty()) *out += ", ";
    names->emplace_back(WithoutQuery(name));
    fmt::format_to(std::back_inserter(*out), "{{\"{}\": ", kind);
    AppendJsonString(out, names->back());
    AppendNumber(out, number_name, number);
    *out += '}';
  }
  *out += ']';
}

}  // namespace

void SpoolRecordDescriber::AppendMembers(std::string_view bytes, std::string* out) {
  if (const Status status = DecodeSpoolRecord(bytes, &record_); !status.ok()) {
    AppendUnknownRecord(out, bytes, status.message(), max_body_bytes_);
    return;
  }
  fmt::format_to(std::back_inserter(*out), "\"type\": \"{}\"", SpoolRecordTypeName(record_.type));
  switch (record_.type) {
    case SpoolRecordType::kRun:
      AppendNumber(out, "first", record_.run.first);
      AppendNumber(out, "messages", record_.count);
      AppendNumber(out, "bytes", record_.bytes);
      AppendMessages(out, record_.run.messages, max_body_bytes_);
      break;
    case SpoolRecordType::kDone:
      AppendName(out, "reader", readers_, record_.index);
      AppendNumber(out, "number", record_.number);
      break;
    case SpoolRecordType::kSource:
      AppendName(out, "source", sources_, record_.index);
      AppendNumber(out, "position", record_.number);
      break;
    case SpoolRecordType::kState:
      AppendNumber(out, "next", record_.number);
      AppendMarks(out, "reader", "number", record_.readers, &readers_);
      AppendMarks(out, "source", "position", record_.sources, &sources_);
      break;
  }
}

}  // namespace rivulet
