#include "pubsub/params.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/names.h"
#include "base/units.h"
#include "http/request.h"
#include "http/websocket.h"
#include "pubsub/publish_keys.h"

namespace rivulet {

namespace {

constexpr Duration kLeastHeartbeat = std::chrono::milliseconds(100);
constexpr Duration kMostHeartbeat = std::chrono::hours(24);

// A client's text as an error may repeat it: escaped, and cut.
std::string Repeated(std::string_view text) {
  constexpr std::size_t kMostBytes = 64;
  if (text.size() <= kMostBytes) return EscapeControl(text);
  return EscapeControl(text.substr(0, kMostBytes)) + "...";
}

Status Wrong(std::string_view name, std::string_view value, std::string_view rule) {
  return InvalidArgument(fmt::format("{}={}: must be {}", name, Repeated(value), rule));
}

// One of the words of a table, or nothing when the parameter is not there.
template <typename Value, std::size_t kSize>
Status WordParam(const Request& request, std::string_view name,
                 const std::pair<std::string_view, Value> (&words)[kSize], std::string_view rule,
                 std::optional<Value>* value) {
  const auto text = request.Param(name);
  if (!text) return Status::Ok();
  const auto* const word =
      std::find_if(std::begin(words), std::end(words),
                   [&text](const auto& entry) { return entry.first == *text; });
  if (word == std::end(words)) return Wrong(name, *text, rule);
  *value = word->second;
  return Status::Ok();
}

constexpr std::pair<std::string_view, bool> kSwitch[] = {{"0", false}, {"1", true}};

// As atoi() of the original: a number other than 0 asks for multipart, anything else for lines.
bool AsksForMultipart(std::string_view value) {
  value.remove_prefix(std::min(value.find_first_not_of(" \t\n\v\f\r"), value.size()));
  if (!value.empty() && (value.front() == '+' || value.front() == '-')) value.remove_prefix(1);
  const std::string_view digits = value.substr(0, value.find_first_not_of("0123456789"));
  return digits.find_first_not_of('0') != std::string_view::npos;
}

bool AcceptsEventStream(const Request& request) {
  const auto accept = request.Header("Accept");
  return accept && accept->find("text/event-stream") != std::string_view::npos;
}

bool IsPosition(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<Framing> FramingOf(const Request& request) {
  static constexpr std::pair<std::string_view, Framing> kFormats[] = {
      {"lines", Framing::kLines},
      {"multipart", Framing::kMultipart},
      {"sse", Framing::kSse},
      {"framed", Framing::kFramed}};
  std::optional<Framing> format;
  if (Status s = WordParam(request, "format", kFormats, "lines, multipart, sse or framed", &format);
      !s.ok()) {
    return s;
  }
  std::optional<bool> offsets;
  if (Status s = WordParam(request, "offsets", kSwitch, "0 or 1", &offsets); !s.ok()) return s;
  const auto multipart = request.Param("multipart");
  if (AsksForWebSocket(request)) {
    if (format) return InvalidArgument("format: must be left out with a WebSocket");
    return offsets.value_or(false) ? Framing::kWebSocketAt : Framing::kWebSocket;
  }
  // With both, format= counts: who asks servers that do not know it gives multipart= for those.
  if (!format && AcceptsEventStream(request)) format = Framing::kSse;
  if (!format && multipart && !AsksForMultipart(*multipart)) format = Framing::kLines;
  const Framing framing = format.value_or(Framing::kMultipart);
  if (!offsets.value_or(false) || framing == Framing::kSse) return framing;
  if (framing == Framing::kLines) return Framing::kLinesAt;
  if (framing == Framing::kFramed) return Framing::kFramedAt;
  return InvalidArgument(
      "offsets=1: must come with format=lines, format=framed, format=sse or a WebSocket");
}

// A position as `id:` told it, "17" or "17 clicks 4", of the last message that was read.
Result<ReplayStart> AfterEvent(std::string_view name, std::string_view id) {
  const auto last = ParseUint(id.substr(0, id.find(' ')));
  if (!last.ok()) {
    return Wrong(name, id,
                 "the id of an event, which is a number, or a number, a topic and a number");
  }
  ReplayStart start;
  start.kind = ReplayStart::Kind::kPosition;
  start.position = *last == UINT64_MAX ? *last : *last + 1;
  return start;
}

Result<ReplayStart> ParseSince(std::string_view text, WallTime now) {
  ReplayStart start;
  if (text == "now") return start;
  if (text == "earliest") {
    start.kind = ReplayStart::Kind::kEarliest;
    return start;
  }
  if (IsPosition(text)) {
    if (const auto position = ParseUint(text); position.ok()) {
      start.kind = ReplayStart::Kind::kPosition;
      start.position = *position;
      return start;
    }
  } else if (!text.empty() && text.back() >= 'a' && text.back() <= 'z') {
    if (const auto ago = ParseDuration(text); ago.ok()) {
      start.kind = ReplayStart::Kind::kTime;
      start.time = now - *ago;
      return start;
    }
  }
  return Wrong("since", text, "earliest, now, a position such as 17 or a time such as 5m");
}

Status ReadStart(const Request& request, WallTime now, SubscribeParams* params) {
  std::optional<Result<ReplayStart>> start;
  // An EventSource that comes back asks the same URL again and tells by this header what it has.
  if (const auto id = request.Header("Last-Event-ID"); id && !id->empty()) {
    start = AfterEvent("Last-Event-ID", *id);
    params->from_event_id = true;
  } else if (const auto parameter = request.Param("last_event_id");
             parameter && !parameter->empty()) {
    start = AfterEvent("last_event_id", *parameter);
    params->from_event_id = true;
  } else if (const auto since = request.Param("since")) {
    start = ParseSince(*since, now);
  }
  if (!start) return Status::Ok();
  if (!start->ok()) return start->status();
  params->start = **start;
  params->resumes = true;
  return Status::Ok();
}

Status ReadUntil(const Request& request, SubscribeParams* params) {
  const auto until = request.Param("until");
  if (!until) return Status::Ok();
  if (*until == "now") {
    params->until = SubscribeParams::Until::kNow;
    return Status::Ok();
  }
  const auto position = ParseUint(*until);
  if (!position.ok()) return Wrong("until", *until, "now or a position such as 17");
  params->until = SubscribeParams::Until::kPosition;
  params->until_position = *position;
  // One that comes back may have read to the end already.
  if (params->start.kind == ReplayStart::Kind::kPosition && !params->from_event_id &&
      *position < params->start.position) {
    return Wrong("until", *until,
                 fmt::format("at least since={}, where it begins", params->start.position));
  }
  return Status::Ok();
}

Status ReadFilter(const Request& request, SubscribeParams* params) {
  auto subject = request.Param("filter_subject");
  auto pattern = request.Param("filter_pattern");
  if (!subject && !pattern) return Status::Ok();
  if (!subject || !pattern) {
    return InvalidArgument(fmt::format("{}: must come with {}",
                                       subject ? "filter_subject" : "filter_pattern",
                                       subject ? "filter_pattern" : "filter_subject"));
  }
  params->filtered = true;
  params->filter_subject = std::move(*subject);
  params->filter_pattern = std::move(*pattern);
  return Status::Ok();
}

Status ReadHeartbeat(const Request& request, SubscribeParams* params) {
  const auto text = request.Param("heartbeat");
  if (!text) return Status::Ok();
  const auto heartbeat = ParseDuration(*text);
  const bool none = heartbeat.ok() && *heartbeat == Duration::zero();
  if (!none && (!heartbeat.ok() || *heartbeat < kLeastHeartbeat || *heartbeat > kMostHeartbeat)) {
    return Wrong("heartbeat", *text,
                 fmt::format("a time such as 30s, from {} to {}, or 0 for none",
                             FormatDuration(kLeastHeartbeat), FormatDuration(kMostHeartbeat)));
  }
  params->heartbeat = *heartbeat;
  return Status::Ok();
}

Status ReadSlow(const Request& request, SubscribeParams* params) {
  static constexpr std::pair<std::string_view, bool> kPolicies[] = {{"kick", false},
                                                                    {"skip", true}};
  std::optional<bool> skips;
  if (Status s = WordParam(request, "slow", kPolicies, "kick or skip", &skips); !s.ok()) return s;
  params->skips_when_slow = skips.value_or(false);
  return Status::Ok();
}

Result<PublishParams::Format> FormatOf(const Request& request) {
  using Format = PublishParams::Format;
  static constexpr std::pair<std::string_view, Format> kFormats[] = {{"lines", Format::kLines},
                                                                     {"framed", Format::kFramed}};
  std::optional<Format> format;
  if (Status s = WordParam(request, "format", kFormats, "lines or framed", &format); !s.ok()) {
    return s;
  }
  std::optional<bool> whole;
  if (Status s = WordParam(request, "whole", kSwitch, "0 or 1", &whole); !s.ok()) return s;
  if (whole.value_or(false) && format == Format::kFramed) {
    return InvalidArgument("whole=1 and format=framed exclude each other: give one of them");
  }
  if (AsksForWebSocket(request)) {
    if (format == Format::kFramed) {
      return InvalidArgument("format=framed: must be format=lines, or left out, with a WebSocket");
    }
    return format.value_or(Format::kWhole);
  }
  return whole.value_or(false) ? Format::kWhole : format.value_or(Format::kLines);
}

}  // namespace

Result<SubscribeParams> ParseSubscribe(const Request& request, WallTime now) {
  SubscribeParams params;
  const auto topic = request.Param("topic");
  auto selection = Selection::Parse(topic ? std::string_view(*topic) : kDefaultTopic);
  if (!selection.ok()) return selection.status();
  params.selection = std::move(*selection);
  const auto framing = FramingOf(request);
  if (!framing.ok()) return framing.status();
  params.framing = *framing;
  if (Status s = ReadStart(request, now, &params); !s.ok()) return s;
  if (Status s = ReadUntil(request, &params); !s.ok()) return s;
  if (Status s = ReadFilter(request, &params); !s.ok()) return s;
  if (Status s = ReadHeartbeat(request, &params); !s.ok()) return s;
  if (Status s = ReadSlow(request, &params); !s.ok()) return s;
  params.client = request.Param("client").value_or("");
  if (!params.client.empty() && !IsName(params.client)) {
    return InvalidArgument(fmt::format("client={}: {}", Repeated(params.client), kNameRule));
  }
  return params;
}

Result<PublishParams> ParsePublish(const Request& request) {
  PublishParams params;
  params.topic = request.Param("topic").value_or(std::string(kDefaultTopic));
  const auto format = FormatOf(request);
  if (!format.ok()) return format.status();
  params.format = *format;
  const auto key = request.Header("Idempotency-Key");
  if (!key) return params;
  if (key->empty() || key->size() > PublishKeys::kMaxKeyBytes) {
    return InvalidArgument(fmt::format("Idempotency-Key: must have 1 to {} bytes, not {}",
                                       PublishKeys::kMaxKeyBytes, key->size()));
  }
  if (request.method() == Method::kGet) {
    return InvalidArgument("Idempotency-Key: must come with the body of a POST or PUT");
  }
  params.key = *key;
  return params;
}

}  // namespace rivulet
