#include "ps_to_http/source.h"

#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace rivulet {

// Passes messages on and knows whether there were any.
struct PubsubSource::Counted {
  Sink& sink;
  std::uint64_t messages = 0;

  void OnMessage(std::string_view message) {
    ++messages;
    sink.OnMessage(message);
  }
  void OnTooLong() { sink.OnTooLong(); }
};

PubsubSource::PubsubSource(EventLoop& loop, Client& client, SourceConfig config, Sink& sink)
    : client_(client),
      config_(std::move(config)),
      sink_(sink),
      splitter_(config_.max_message_bytes),
      backoff_(config_.backoff, config_.seed),
      reconnect_(loop, [this] { Connect(); }),
      silence_(loop, [this] { sink_.OnSilence(); }) {}

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
}

void PubsubSource::Resume() {
  if (!paused_ || stopped_) return;
  paused_ = false;
  WatchSilence();
  call_.Resume();
}

void PubsubSource::WatchSilence() {
  if (config_.max_silence > Duration::zero()) silence_.Start(config_.max_silence);
}

void PubsubSource::Connect() {
  LogInfo("following {}", url().substr(0, url().find('?')));
  splitter_.Reset();
  code_ = 0;
  ClientRequest request;
  request.url = url();
  request.headers = config_.headers;
  request.connect_timeout = config_.connect_timeout;
  request.max_body_bytes = 0;
  request.on_head = [this](const ClientResponse& head) {
    code_ = head.code;
    if (code_ == 200) return;
    // Its body is no stream, and may never end.
    call_.Cancel();
    OnEnd(head);
  };
  request.on_data = [this](std::string_view data) { return OnData(data); };
  call_ = client_.Start(std::move(request),
                        [this](const ClientResponse& response) { OnEnd(response); });
}

ClientFlow PubsubSource::OnData(std::string_view data) {
  Counted counted{sink_};
  splitter_.Feed(data, counted);
  if (counted.messages > 0) {
    backoff_.Reset();
    if (config_.max_silence > Duration::zero()) silence_.Start(config_.max_silence);
  }
  if (stopped_ || !sink_.full()) return ClientFlow::kContinue;
  // Silence is ours now, not the source's.
  paused_ = true;
  silence_.Cancel();
  return ClientFlow::kPause;
}

void PubsubSource::OnEnd(const ClientResponse& response) {
  // Without a length or chunks an end looks like a cut: what has no newline may be half a message.
  const bool framed =
      response.has_header("Content-Length") || response.has_header("Transfer-Encoding");
  if (response.status.ok() && response.code == 200 && framed) {
    Counted counted{sink_};
    splitter_.Finish(counted);
  } else if (code_ == 200 && splitter_.Reset()) {
    LogWarning("{}: ended within a message, whose first part is dropped", response.endpoint);
  }
  if (paused_) {
    paused_ = false;
    WatchSilence();
  }
  const Duration delay = backoff_.Next();
  current_ = (current_ + 1) % config_.urls.size();
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
