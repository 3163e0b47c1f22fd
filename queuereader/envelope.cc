#include "queuereader/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rivulet {
namespace {

constexpr std::string_view kOurs[] = {"data", "tries", "retry_on", "started", "tasks_left"};
constexpr int kMaxTries = 1'000'000;
constexpr double kMaxUnixTime =
    std::chrono::duration<double>(kMaxRetryOn.time_since_epoch()).count();

Result<std::optional<WallTime>> ReadTime(const JsonValue& root, std::string_view name) {
  const JsonValue* value = FindMember(root, name);
  if (!value || value->IsNull()) return std::optional<WallTime>();
  std::optional<double> seconds = JsonNumber(value);
  if (!seconds || *seconds < 0 || *seconds > kMaxUnixTime) {
    return InvalidArgument(fmt::format("envelope: {} must be a unix time or null", name));
  }
  auto since_epoch = std::chrono::milliseconds(std::llround(*seconds * 1000));
  return std::optional<WallTime>(WallTime(since_epoch));
}

Status ReadTasksLeft(const JsonValue& value, std::vector<std::string_view>* out) {
  if (!value.IsArray()) return InvalidArgument("envelope: tasks_left must be a list of task names");
  for (const JsonValue& name : value.GetArray()) {
    if (!name.IsString()) {
      return InvalidArgument("envelope: tasks_left must be a list of task names");
    }
    std::string_view text = JsonText(name);
    if (std::find(out->begin(), out->end(), text) == out->end()) out->push_back(text);
  }
  return {};
}

std::size_t SkipSpace(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(" \t\r\n", at), text.size());
}

std::size_t SkipString(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

/// The end of the value that begins at `at`, in JSON known to be valid.
std::size_t SkipValue(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    char c = text[at];
    if (c == '"') {
      at = SkipString(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (depth == 0 &&
        (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
      return at;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return at;
}

/// The values of a valid JSON object's members as bytes, in order: as many, and in the same order,
/// as the parsed object has.
class RawMembers {
 public:
  explicit RawMembers(std::string_view object)
      : object_(object), at_(SkipSpace(object, SkipSpace(object, 0) + 1)) {}

  /// The next one; requires that there is one.
  void Next() {
    std::size_t name_end = SkipString(object_, at_);
    name_ = object_.substr(at_, name_end - at_);
    std::size_t value_at = SkipSpace(object_, SkipSpace(object_, name_end) + 1);
    std::size_t value_end = SkipValue(object_, value_at);
    value_ = object_.substr(value_at, value_end - value_at);
    at_ = SkipSpace(object_, SkipSpace(object_, value_end) + 1);
  }
  std::string_view name() const { return name_; }  // with its quotes, escapes as written
  std::string_view value() const { return value_; }

 private:
  std::string_view object_;
  std::size_t at_;
  std::string_view name_;
  std::string_view value_;
};

bool IsOurs(std::string_view name) {
  return std::find(std::begin(kOurs), std::end(kOurs), name) != std::end(kOurs);
}

std::string_view Trimmed(std::string_view text) {
  std::size_t begin = SkipSpace(text, 0);
  std::size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

/// Seconds, with milliseconds only where there are any; rounded up, so that nothing is early.
void AppendTime(std::string* out, WallTime time) {
  auto ms = std::chrono::ceil<std::chrono::milliseconds>(time.time_since_epoch()).count();
  if (ms % 1000 == 0) {
    fmt::format_to(std::back_inserter(*out), "{}", ms / 1000);
  } else {
    fmt::format_to(std::back_inserter(*out), "{}.{:03}", ms / 1000, ms % 1000);
  }
}

}  // namespace

Status ReadEnvelope(const JsonValue& root, Envelope* out) {
  out->wrapped = false;
  out->root = &root;
  out->data = &root;
  out->tries = 0;
  out->retry_on.reset();
  out->started.reset();
  out->names_tasks = false;
  out->tasks_left.clear();
  const JsonValue* data = root.IsObject() ? FindMember(root, "data") : nullptr;
  if (!data) return {};

  out->wrapped = true;
  out->data = data;
  if (const JsonValue* tries = FindMember(root, "tries")) {
    if (!tries->IsInt() || tries->GetInt() < 0 || tries->GetInt() > kMaxTries) {
      return InvalidArgument("envelope: tries must be a whole number from 0 to 1000000");
    }
    out->tries = tries->GetInt();
  }
  auto retry_on = ReadTime(root, "retry_on");
  if (!retry_on.ok()) return retry_on.status();
  out->retry_on = *retry_on;
  auto started = ReadTime(root, "started");
  if (!started.ok()) return started.status();
  out->started = *started;
  if (const JsonValue* tasks_left = FindMember(root, "tasks_left")) {
    out->names_tasks = true;
    return ReadTasksLeft(*tasks_left, &out->tasks_left);
  }
  return {};
}

std::string_view DataText(std::string_view message, const Envelope& envelope) {
  if (!envelope.wrapped) return Trimmed(message);
  RawMembers raw(message);
  for (const auto& member : envelope.root->GetObject()) {
    raw.Next();
    // Not by the bytes of its name, which may be written with escapes, or stand there twice.
    if (&member.value == envelope.data) return raw.value();
  }
  return {};
}

std::string WriteEnvelope(std::string_view message, const Envelope& envelope, const Retry& retry) {
  std::string out = "{\"data\":";
  out += DataText(message, envelope);
  fmt::format_to(std::back_inserter(out),
                 ",\"tries\":{},\"retry_on\":", std::clamp(retry.tries, 0, kMaxTries));
  if (retry.retry_on) {
    AppendTime(&out, std::min(*retry.retry_on, kMaxRetryOn));
  } else {
    out += "null";
  }
  out += ",\"started\":";
  AppendTime(&out, std::chrono::floor<std::chrono::seconds>(retry.started));
  out += ",\"tasks_left\":[";
  for (std::size_t i = 0; i < retry.tasks_left.size(); ++i) {
    if (i) out += ',';
    AppendJsonString(&out, retry.tasks_left[i]);
  }
  out += ']';
  if (!envelope.wrapped) return out += '}';
  RawMembers raw(message);
  for (const auto& member : envelope.root->GetObject()) {
    raw.Next();
    if (IsOurs(JsonText(member.name))) continue;
    fmt::format_to(std::back_inserter(out), ",{}:{}", raw.name(), raw.value());
  }
  return out += '}';
}

}  // namespace rivulet
