#include "bridge/source.h"

#include <charconv>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "base/units.h"

namespace rivulet {

namespace {

constexpr std::string_view kFramedType = "application/vnd.rivulet.framed";
// Three heartbeats, and a little for the way.
constexpr Duration kMaxQuiet = std::chrono::seconds(3 * kSourceHeartbeatSeconds + 5);

std::optional<std::uint64_t> NumberAtStart(std::string_view text) {
  std::uint64_t number = 0;
  const auto end = text.data() + text.size();
  if (std::from_chars(text.data(), end, number).ec != std::errc()) return std::nullopt;
  return number;
}

// The number behind `key` in "missed=25 next=42".
std::optional<std::uint64_t> NumberOf(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  return at == std::string_view::npos ? std::nullopt : NumberAtStart(text.substr(at + key.size()));
}

bool HasPositions(std::string_view content_type) {
  return content_type.starts_with(kFramedType) &&
         content_type.find("offsets=1", kFramedType.size()) != std::string_view::npos;
}

// A line that a pubsub says of itself: {"_heartbeat_":1763722800} or the word of a kick.
bool IsNoticeLine(std::string_view line) {
  constexpr std::string_view kHeartbeat = "{\"_heartbeat_\":";
  constexpr std::string_view kKick = "ERROR_TOO_SLOW. kicked for having ";
  if (line.starts_with(kKick)) return true;
  if (!line.starts_with(kHeartbeat) || line.back() != '}') return false;
  const auto value = line.substr(kHeartbeat.size(), line.size() - kHeartbeat.size() - 1);
  return !value.empty() && value.find_first_not_of("0123456789. ") == std::string_view::npos;
}

}  // namespace

struct PubsubSource::Lines {
  PubsubSource& source;

  void OnMessage(std::string_view message) {
    if (source.config_.positions && IsNoticeLine(message)) return;
    ++source.told_;
    source.sink_.OnMessage(message, source.position());
  }
  void OnTooLong() {
    ++source.told_;
    source.sink_.OnTooLong(source.position());
  }
};

PubsubSource::PubsubSource(EventLoop& loop, Client& client, SourceConfig config,
                           PubsubSource::Sink& sink)
    : client_(client),
      config_(std::move(config)),
      sink_(sink),
      lines_(config_.max_message_bytes),
      frames_(config_.max_message_bytes),
      backoff_(config_.backoff, config_.seed),
      reconnect_(loop, [this] { Connect(); }),
      silence_(loop, [this] { sink_.OnSilence(); }),
      quiet_(loop, [this] { GiveUp(); }),
      next_(config_.begin_at),
      current_(config_.first) {
  next_.resize(config_.urls.size());
}

void PubsubSource::Start() {
  stopped_ = false;
  WatchSilence();
  Connect();
}

void PubsubSource::Stop() {
  stopped_ = true;
  call_.Cancel();
  reconnect_.Cancel();
  silence_.Cancel();
  quiet_.Cancel();
}

void PubsubSource::Resume() {
  if (!paused_ || stopped_) return;
  paused_ = false;
  WatchSilence();
  WatchHeartbeats();
  call_.Resume();
}

void PubsubSource::WatchSilence() {
  if (config_.max_silence > Duration::zero() && !stopped_) silence_.Start(config_.max_silence);
}

// A server that hangs accepts all the same: its kernel does.
void PubsubSource::WatchAnswer() { quiet_.Start(config_.connect_timeout + config_.answer_timeout); }

void PubsubSource::WatchHeartbeats() {
  if (framed_ && !stopped_) {
    quiet_.Start(kMaxQuiet);
  } else {
    quiet_.Cancel();
  }
}

void PubsubSource::Connect() {
  LogInfo("following {}", shown_url());
  lines_.Reset();
  frames_.Reset();
  code_ = 0;
  framed_ = false;
  ++connects_;
  ClientRequest request;
  request.url = !config_.positions ? url()
                : by_lines_        ? UrlOfLines(url())
                                   : UrlFrom(url(), next_[current_]);
  request.headers = config_.headers;
  request.ca_file = config_.ca_file;
  request.connect_timeout = config_.connect_timeout;
  request.max_body_bytes = 0;
  request.on_head = [this](const ClientResponse& head) {
    if (OnHead(head)) return;
    // Its body is no stream, and may never end.
    call_.Cancel();
    OnEnd(head);
  };
  request.on_data = [this](std::string_view data) { return OnData(data); };
  call_ = client_.Start(std::move(request),
                        [this](const ClientResponse& response) { OnEnd(response); });
  WatchAnswer();
}

bool PubsubSource::OnHead(const ClientResponse& head) {
  code_ = head.code;
  if (code_ != 200) return false;
  framed_ = config_.positions && HasPositions(head.header("Content-Type"));
  if (framed_) BeginAt(head);
  WatchHeartbeats();
  return true;
}

void PubsubSource::BeginAt(const ClientResponse& head) {
  const std::string_view gap = head.header("X-Gap");
  if (!gap.empty()) TellGap(NumberOf(gap, "missed="));
  if (const auto first = NumberAtStart(head.header("X-Offset"))) {
    next_[current_] = first;
  } else if (const auto next = NumberOf(gap, "next=")) {
    next_[current_] = next;
  }
  sink_.OnPosition(position());
}

void PubsubSource::TellGap(std::optional<std::uint64_t> missed) {
  if (missed) {
    LogWarning("{}: {} messages were missed, which the source no longer keeps", shown_url(),
               *missed);
  } else {
    LogWarning("{}: messages were missed: the source began anew", shown_url());
  }
  missed_ += missed.value_or(0);
  sink_.OnGap(missed);
}

void PubsubSource::OnFrame(std::uint64_t position, std::string_view message) {
  next_[current_] = position + 1;
  ++told_;
  // Not position(): a copy of what was stored just now waits until it is in the cache.
  sink_.OnMessage(message, {current_, position + 1});
}

void PubsubSource::OnLongFrame(std::uint64_t position) {
  next_[current_] = position + 1;
  ++told_;
  sink_.OnTooLong(this->position());
}

void PubsubSource::OnNotice(std::string_view notice) {
  JsonDocument document;
  if (!document.Parse(notice).ok()) {
    LogWarning("{}: says {}", shown_url(), EscapeControl(notice.substr(0, 200)));
    return;
  }
  const JsonValue* gap = FindMember(document.root(), "_gap_");
  if (gap == nullptr) return;
  const JsonValue* missed = FindMember(*gap, "missed");
  const JsonValue* next = FindMember(*gap, "next");
  TellGap(missed != nullptr && missed->IsUint64() ? std::optional(missed->GetUint64())
                                                  : std::nullopt);
  if (next == nullptr || !next->IsUint64()) return;
  next_[current_] = next->GetUint64();
  sink_.OnPosition(position());
}

ClientFlow PubsubSource::OnData(std::string_view data) {
  const std::uint64_t told_before = told_;
  if (framed_) {
    if (!frames_.Feed(data, this)) {
      LogWarning("{}: sent what is no frame", shown_url());
      return ClientFlow::kAbort;
    }
    backoff_.Reset();
    WatchHeartbeats();
  } else {
    Lines lines{*this};
    lines_.Feed(data, lines);
  }
  if (told_ != told_before) {
    backoff_.Reset();
    WatchSilence();
  }
  if (stopped_ || !sink_.full()) return ClientFlow::kContinue;
  // Silence is ours now, not the source's.
  paused_ = true;
  silence_.Cancel();
  quiet_.Cancel();
  return ClientFlow::kPause;
}

void PubsubSource::GiveUp() {
  call_.Cancel();
  ClientResponse response;
  response.endpoint = "GET " + shown_url();
  response.status = {StatusCode::kUnavailable,
                     code_ == 0 ? "no answer in time" : "silent for longer than its heartbeats"};
  OnEnd(response);
}

void PubsubSource::ChooseNext() {
  if (framed_) return;
  const bool refused = config_.positions && !by_lines_ && code_ == 400;
  by_lines_ = refused;
  if (refused) {
    LogWarning("{}: refuses positions, or its URL (400): asked for lines, no position is kept",
               shown_url());
  }
  if (!refused) current_ = (current_ + 1) % config_.urls.size();
}

void PubsubSource::OnEnd(const ClientResponse& response) {
  quiet_.Cancel();
  // Without a length or chunks an end looks like a cut: what has no newline may be half a message.
  const bool whole =
      response.has_header("Content-Length") || response.has_header("Transfer-Encoding");
  if (response.status.ok() && response.code == 200 && whole && !framed_) {
    Lines lines{*this};
    lines_.Finish(lines);
  } else if (code_ == 200 && lines_.Reset()) {
    LogWarning("{}: ended within a message, whose first part is dropped", response.endpoint);
  }
  if (paused_) {
    paused_ = false;
    WatchSilence();
  }
  const Duration delay = backoff_.Next();
  ChooseNext();
  const auto shown = std::chrono::ceil<std::chrono::milliseconds>(delay);
  if (code_ == 200) {
    LogWarning("{}: the stream ended ({}); connecting again in {}", response.endpoint,
               response.status.ok() ? "closed" : response.status.message(), FormatDuration(shown));
  } else {
    LogWarning("{}; trying again in {}",
               code_ != 0 ? fmt::format("{}: answered {}, not 200", response.endpoint, code_)
                          : response.Describe(),
               FormatDuration(shown));
  }
  reconnect_.Start(delay);
}

}  // namespace rivulet
