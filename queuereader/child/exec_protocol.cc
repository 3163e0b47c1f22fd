#include "queuereader/child/exec_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace rivulet {
namespace {

constexpr std::size_t kMaxShownBytes = 80;
constexpr std::size_t kMaxCounterBytes = 64;

std::size_t SkipSpace(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(" \t\r\n", at), text.size());
}

std::size_t SkipString(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// The end of the value that begins at `at`, in JSON known to be valid.
std::size_t SkipValue(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = SkipString(text, at);
    } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
      return at;
    } else {
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      ++at;
    }
  }
  return at;
}

/// The values in an array or object of valid JSON, one after the other, as the bytes they are
/// written with. A parsed document has them in the same order.
class RawValues {
 public:
  explicit RawValues(std::string_view container)
      : text_(container), at_(SkipSpace(container, 0)), is_object_(container[at_] == '{') {}
  std::string_view Next() {
    at_ = SkipSpace(text_, at_ + 1);  // past the bracket, or the comma
    if (is_object_) at_ = SkipSpace(text_, SkipSpace(text_, SkipString(text_, at_)) + 1);
    const std::size_t from = at_;
    at_ = SkipValue(text_, at_);
    std::string_view value = text_.substr(from, at_ - from);
    value.remove_suffix(value.size() - (value.find_last_not_of(" \t\r\n") + 1));
    return value;
  }

 private:
  std::string_view text_;
  std::size_t at_;
  bool is_object_;
};

Status WrongMember(std::string_view name, std::string_view right) {
  return InvalidArgument(fmt::format("\"{}\" must be {}", name, right));
}

std::string Excerpt(std::string_view line) {
  std::size_t end = line.size();
  if (end > kMaxShownBytes) {
    end = kMaxShownBytes;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
  }
  return fmt::format("'{}{}'", line.substr(0, end), end < line.size() ? "..." : "");
}

/// A document used again and again: answers are many.
Result<const JsonValue*> ParseLine(std::string_view line) {
  thread_local JsonDocument document;
  const Status parsed = document.Parse(line, {.require_object = true});
  if (!parsed.ok()) return InvalidArgument(parsed.message());
  return &std::as_const(document).root();
}

Result<bool> ReadBool(const JsonValue& root, std::string_view name, bool fallback) {
  const JsonValue* value = FindMember(root, name);
  if (value == nullptr) return fallback;
  if (!value->IsBool()) return WrongMember(name, "true or false");
  return value->GetBool();
}

Status ReadEmissions(const JsonValue& outputs, std::string_view raw, ChildAnswer* answer) {
  constexpr std::string_view kRight = R"({"OUTPUT":[MESSAGE,...]})";
  if (!outputs.IsObject()) return WrongMember("emit", kRight);
  RawValues lists(raw);
  for (const auto& output : outputs.GetObject()) {
    const std::string_view raw_list = lists.Next();
    if (!output.value.IsArray()) return WrongMember("emit", kRight);
    RawValues messages(raw_list);
    for (const JsonValue& message : output.value.GetArray()) {
      const std::string_view raw_message = messages.Next();
      answer->emissions.emplace_back(JsonText(output.name),
                                     message.IsString() ? JsonText(message) : raw_message);
    }
  }
  return {};
}

bool IsCounterName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxCounterBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

Status ReadCounters(const JsonValue& counters, ChildAnswer* answer) {
  constexpr std::string_view kRight =
      R"({"COUNTER":N}, of whole numbers under names of letters, digits and '_')";
  if (!counters.IsObject()) return WrongMember("count", kRight);
  for (const auto& counter : counters.GetObject()) {
    if (!counter.value.IsUint64() || !IsCounterName(JsonText(counter.name))) {
      return WrongMember("count", kRight);
    }
    answer->counters.emplace_back(JsonText(counter.name), counter.value.GetUint64());
  }
  return {};
}

Result<Outcome> ReadFailure(const JsonValue& root) {
  std::string why = "failed";
  if (const JsonValue* error = FindMember(root, "error"); error != nullptr && !error->IsNull()) {
    if (!error->IsString()) return WrongMember("error", "a string");
    why = JsonText(*error);
  }
  const auto backoff = ReadBool(root, "backoff", true);
  if (!backoff.ok()) return backoff.status();
  return *backoff ? Outcome::Failed(std::move(why)) : Outcome::FailedWithoutBackoff(std::move(why));
}

Status ReadAnswer(const JsonValue& root, std::string_view line, ChildAnswer* answer) {
  const auto drop = ReadBool(root, "drop", false);
  if (!drop.ok()) return drop.status();
  if (!*drop && FindMember(root, "ok") == nullptr) {
    return InvalidArgument(R"("ok" is missing)");
  }
  const auto done = ReadBool(root, "ok", true);
  if (!done.ok()) return done.status();
  if (!*done && *drop) return InvalidArgument(R"(says both that it failed and "drop")");

  RawValues values(line);
  bool has_data = false;
  for (const auto& member : root.GetObject()) {
    const std::string_view raw = values.Next();
    const std::string_view name = JsonText(member.name);
    if (name != "emit" && name != "count" && name != "data") continue;
    if (&member.value != FindMember(root, name)) continue;  // of two the first counts
    Status status;
    if (name == "emit") status = ReadEmissions(member.value, raw, answer);
    if (name == "count") status = ReadCounters(member.value, answer);
    if (!status.ok()) return status;
    if (name == "data" && *done && !*drop) {
      answer->outcome = Outcome::Replace(std::string(raw));
      has_data = true;
    }
  }
  if (*drop) {
    answer->outcome = Outcome::Drop();
  } else if (!*done) {
    auto failure = ReadFailure(root);
    if (!failure.ok()) return failure.status();
    answer->outcome = std::move(*failure);
  } else if (!has_data) {
    answer->outcome = Outcome::Done();
  }
  return {};
}

}  // namespace

Result<ChildAnswer> ParseExecAnswer(std::string_view line) {
  ChildAnswer answer;
  // What nearly every answer is; the second as Python writes it.
  if (line == R"({"ok":true})" || line == R"({"ok": true})") return answer;
  const auto root = ParseLine(line);
  Status status = root.ok() ? ReadAnswer(**root, line, &answer) : root.status();
  if (status.ok()) return answer;
  return InvalidArgument(fmt::format(
      R"(answered {}, which is no answer ({}): it must be {{"ok":true}} or {{"ok":false,"error":"..."}})",
      Excerpt(line), status.message()));
}

Result<std::string> ParseExecState(std::string_view line) {
  const auto root = ParseLine(line);
  const JsonValue* state = root.ok() ? FindMember(**root, "state") : nullptr;
  if (state != nullptr) {
    RawValues values(line);
    for (const auto& member : (*root)->GetObject()) {
      const std::string_view raw = values.Next();
      if (&member.value == state) return std::string(raw);
    }
  }
  return InvalidArgument(fmt::format(
      R"(answered {{"_save_":true}} with {}: it must be {{"state":...}})", Excerpt(line)));
}

Status ParseExecLoaded(std::string_view line) {
  const auto answer = ParseExecAnswer(line);
  if (!answer.ok()) return answer.status();
  if (answer->outcome.kind() == Outcome::Kind::kDone) return {};
  return InvalidArgument(
      fmt::format(R"(answered {{"_load_":...}} with {}: it must be {{"ok":true}})", Excerpt(line)));
}

void ExecDialect::AppendMessage(std::string* out, const Message& message) {
  const std::size_t begin = out->size();
  *out += message.text();
  // Between two tokens: within a string JSON has no raw newline.
  for (std::size_t at = begin; (at = out->find('\n', at)) != std::string::npos;) (*out)[at] = ' ';
  *out += '\n';
  if (state_ != nullptr) state_->Asked(out->substr(begin));
}

std::string ExecDialect::WhyNot(const Message& message) const {
  if (state_ == nullptr || (!message.Has("_save_") && !message.Has("_load_"))) return {};
  return "has a member _save_ or _load_, which are ours with state=yes";
}

ChildDialect::Took ExecDialect::Take(std::string_view* bytes, Context&, ChildAnswer* answer,
                                     std::string*, std::string* why) {
  const std::size_t end = bytes->find('\n');
  if (end == std::string_view::npos) return Took::kNothing;
  auto parsed = ParseExecAnswer(bytes->substr(0, end));
  bytes->remove_prefix(end + 1);
  if (!parsed.ok()) {
    *why = parsed.status().message();
    return Took::kBroken;
  }
  if (state_ != nullptr) state_->Answered();
  *answer = std::move(*parsed);
  if (!answer->emissions.empty()) CheckOutputs(answer);
  return Took::kAnswer;
}

// Before anything of the message is emitted: all of it, or nothing.
void ExecDialect::CheckOutputs(ChildAnswer* answer) const {
  for (const auto& [output, message] : answer->emissions) {
    if (std::find(outputs_.begin(), outputs_.end(), output) != outputs_.end()) continue;
    answer->outcome = Outcome::Failed(
        fmt::format("emits to '{}', which is no output: needs --output={}=URL", output, output));
    answer->emissions.clear();
    return;
  }
}

}  // namespace rivulet
