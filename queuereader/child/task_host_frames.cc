#include "queuereader/child/task_host_frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <iterator>
#include <utility>

#include "base/frames.h"
#include "base/json.h"
#include "queuereader/child/store_frames.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxSizeDigits = 10;
constexpr int kMaxTries = 1'000'000'000;

char OutcomeLetter(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::kDone:
      return 'd';
    case Outcome::Kind::kFailed:
      return 'f';
    case Outcome::Kind::kFailedWithoutBackoff:
      return 'n';
    case Outcome::Kind::kDrop:
      return 'x';
    case Outcome::Kind::kReplace:
      return 'r';
  }
  return 'f';
}

std::optional<Outcome> OutcomeOf(char letter, std::string_view text) {
  switch (letter) {
    case 'd':
      return Outcome::Done();
    case 'f':
      return Outcome::Failed(std::string(text));
    case 'n':
      return Outcome::FailedWithoutBackoff(std::string(text));
    case 'x':
      return Outcome::Drop();
    case 'r':
      return Outcome::Replace(std::string(text));
    default:
      return std::nullopt;
  }
}

}  // namespace

HostTook TakeHostFrame(std::string_view* bytes, HostFrame* frame, std::string* why) {
  const std::size_t digits = std::min(bytes->find_first_not_of("0123456789"), bytes->size());
  const bool more = digits < bytes->size();
  std::size_t size = 0;
  std::from_chars(bytes->data(), bytes->data() + std::min(digits, kMaxSizeDigits), size);
  if (digits > kMaxSizeDigits || (more && (digits == 0 || (*bytes)[digits] != '\n'))) {
    *why = "said what is no frame";
    return HostTook::kBroken;
  }
  if (!more) return HostTook::kNothing;
  if (size == 0 || size > kMaxHostFrameBytes) {
    *why = fmt::format("began a frame of {} bytes; it must be 1 to {}", size, kMaxHostFrameBytes);
    return HostTook::kBroken;
  }
  if (bytes->size() < digits + 1 + size + 1) return HostTook::kNothing;
  if ((*bytes)[digits + 1 + size] != '\n') {
    *why = fmt::format("said a frame that does not end after its {} bytes", size);
    return HostTook::kBroken;
  }
  frame->letter = (*bytes)[digits + 1];
  frame->body = bytes->substr(digits + 2, size - 1);
  bytes->remove_prefix(digits + 1 + size + 1);
  return HostTook::kFrame;
}

void AppendHostFrame(std::string* out, char letter, std::initializer_list<std::string_view> body) {
  std::size_t size = 1;
  for (const std::string_view part : body) size += part.size();
  fmt::format_to(std::back_inserter(*out), FMT_STRING("{}\n{}"), size, letter);
  for (const std::string_view part : body) out->append(part);
  out->push_back('\n');
}

std::string_view TakeHostWord(std::string_view* text, char end) {
  const std::size_t at = text->find(end);
  const std::string_view word = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return word;
}

std::optional<std::int64_t> HostNumber(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return number;
}

void AppendHostMessage(std::string* out, std::uint64_t number, const Message& message) {
  char head[64];
  const auto end = fmt::format_to_n(head, sizeof head, "{} {} {} ", number, message.tries(),
                                    message.started().time_since_epoch().count())
                       .out;
  AppendHostFrame(out, 'M',
                  {std::string_view(head, static_cast<std::size_t>(end - head)), message.id(), "\n",
                   message.text()});
}

std::optional<HostMessageFrame> ReadHostMessage(std::string_view body) {
  HostMessageFrame message;
  const auto number = HostNumber(TakeHostWord(&body, ' '));
  const auto tries = HostNumber(TakeHostWord(&body, ' '));
  const auto started = HostNumber(TakeHostWord(&body, ' '));
  if (!number || *number < 0 || !tries || *tries < 0 || *tries > kMaxTries || !started) return {};
  message.number = static_cast<std::uint64_t>(*number);
  message.tries = static_cast<int>(*tries);
  message.started = WallTime(Duration(*started));
  message.id = TakeHostWord(&body, '\n');
  message.data = body;
  return message;
}

void AppendHostOutcome(std::string* out, std::uint64_t number, const Outcome& outcome) {
  char head[32];
  const auto end =
      fmt::format_to_n(head, sizeof head, "{} {}", number, OutcomeLetter(outcome.kind())).out;
  AppendHostFrame(out, 'O',
                  {std::string_view(head, static_cast<std::size_t>(end - head)), outcome.why()});
}

std::string WriteHostReady(const HostReady& ready) {
  std::string json =
      fmt::format("{{\"batch\":{},\"state\":{},\"views\":[", ready.batch, ready.has_state);
  for (std::size_t i = 0; i < ready.views.size(); ++i) {
    if (i) json += ',';
    AppendJsonString(&json, ready.views[i]);
  }
  return json + "]}";
}

Result<HostReady> ReadHostReady(std::string_view json) {
  JsonDocument document;
  if (Status status = document.Parse(json, {.require_object = true}); !status.ok()) return status;
  const JsonValue* batch = FindMember(document.root(), "batch");
  const JsonValue* state = FindMember(document.root(), "state");
  const JsonValue* views = FindMember(document.root(), "views");
  if (!batch || !batch->IsUint64() || batch->GetUint64() == 0 || !state || !state->IsBool() ||
      !views || !views->IsArray()) {
    return InvalidArgument(
        R"(must be {"batch":1 or more,"state":true or false,"views":[NAME,...]})");
  }
  HostReady ready{batch->GetUint64(), state->GetBool(), {}};
  for (const JsonValue& view : views->GetArray()) {
    if (!view.IsString()) return InvalidArgument("a view's name must be a string");
    ready.views.emplace_back(JsonText(view));
  }
  return ready;
}

void HostDialect::AppendMessage(std::string* out, const Message& message) {
  in_hand_.push_back({next_number_, &message});
  AppendHostMessage(out, next_number_++, message);
}

ChildDialect::Took HostDialect::Take(std::string_view* bytes, Context& context, ChildAnswer* answer,
                                     std::string* reply, std::string* why) {
  HostFrame frame;
  switch (TakeHostFrame(bytes, &frame, why)) {
    case HostTook::kNothing:
      return Took::kNothing;
    case HostTook::kBroken:
      return Took::kBroken;
    case HostTook::kFrame:
      break;
  }
  switch (frame.letter) {
    case 'O':
      return TakeOutcome(frame.body, answer, why);
    case 'E':
      return TakeEmission(frame.body, why);
    case 'C':
      return TakeCounter(frame.body, why);
    case 'L':
      context.Log(frame.body);
      return Took::kOther;
    case 'H':
      has_state_ = true;
      return Took::kOther;
    case 'B':
    case 'Q':
      return TakeStoreRequest(frame, context, reply, why);
    default:
      *why = fmt::format("said a frame of the unknown kind {:#04x}",
                         static_cast<unsigned char>(frame.letter));
      return Took::kBroken;
  }
}

ChildDialect::Took HostDialect::TakeOutcome(std::string_view body, ChildAnswer* answer,
                                            std::string* why) {
  const auto number = HostNumber(TakeHostWord(&body, ' '));
  auto outcome = body.empty() ? std::nullopt : OutcomeOf(body[0], body.substr(1));
  // Messages before it were given up with the child that had them.
  while (number && !in_hand_.empty() &&
         in_hand_.front().number < static_cast<std::uint64_t>(*number)) {
    in_hand_.pop_front();
  }
  if (!outcome || !number || in_hand_.empty() ||
      in_hand_.front().number != static_cast<std::uint64_t>(*number)) {
    *why = "answered what was not asked";
    return Took::kBroken;
  }
  *answer = std::exchange(answer_, {});
  answer->outcome = *std::move(outcome);
  if (has_state_) Remember(*in_hand_.front().message);
  replies_.clear();
  in_hand_.pop_front();
  return Took::kAnswer;
}

ChildDialect::Took HostDialect::TakeEmission(std::string_view body, std::string* why) {
  const std::string_view output = TakeHostWord(&body, '\n');
  if (std::find(outputs_.begin(), outputs_.end(), output) == outputs_.end()) {
    *why = "emitted to an output that is not there";
    return Took::kBroken;
  }
  answer_.emissions.emplace_back(output, body);
  return Took::kOther;
}

ChildDialect::Took HostDialect::TakeCounter(std::string_view body, std::string* why) {
  std::uint64_t by = 0;
  const std::string_view digits = TakeHostWord(&body, ' ');
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, by);
  if (digits.empty() || error != std::errc() || stop != end || body.empty()) {
    *why = "counted what is no counter";
    return Took::kBroken;
  }
  answer_.counters.emplace_back(body, by);
  return Took::kOther;
}

ChildDialect::Took HostDialect::TakeStoreRequest(const HostFrame& frame, Context& context,
                                                 std::string* reply, std::string* why) {
  const auto answer = AnswerStoreRequest(frame, context.store());
  if (!answer) {
    *why = "asked the store for what it cannot do";
    return Took::kBroken;
  }
  reply->append(*answer);
  replies_.append(*answer);
  return Took::kOther;
}

void HostDialect::Remember(const Message& message) {
  ReplayEntry entry;
  AppendHostMessage(&entry.message, 0, message);
  entry.replies = std::exchange(replies_, {});
  log_bytes_ += entry.message.size() + entry.replies.size();
  log_.push_back(std::move(entry));
}

void HostDialect::Restarted() {
  answer_ = {};
  replies_.clear();
}

void HostDialect::ForgetLog() {
  log_.clear();
  log_bytes_ = 0;
}

}  // namespace rivulet
