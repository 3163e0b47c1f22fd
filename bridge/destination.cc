#include "bridge/destination.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "base/units.h"

namespace rivulet {

namespace {

constexpr Duration kRefusalLogEvery = std::chrono::seconds(1);

std::string EndpointOf(const DestinationConfig& config) {
  // As far as a log may show it: no user, no query, and nothing of a message.
  std::string_view url = config.post ? config.post_url : config.get_url.before;
  url = url.substr(0, url.find_first_of("?#"));
  const auto scheme = std::min(url.find("://"), url.size());
  const auto authority = std::min(scheme + 3, url.size());
  const auto path = std::min(url.find('/', authority), url.size());
  const auto user = url.substr(authority, path - authority).rfind('@');
  const auto host = user == std::string_view::npos ? authority : authority + user + 1;
  return fmt::format("{} {}{}", config.post ? "POST" : "GET", url.substr(0, authority),
                     url.substr(host));
}

// What a dead letter says of the answer: "400 missing data", or why there was none.
std::string AnswerOf(const ClientResponse& response) {
  if (response.code == 0) return response.status.message();
  std::string_view body = response.body;
  while (!body.empty() && (body.back() == '\n' || body.back() == '\r')) body.remove_suffix(1);
  return body.empty() ? fmt::format("{}", response.code)
                      : fmt::format("{} {}", response.code, body.substr(0, 200));
}

}  // namespace

std::string_view CircuitName(Circuit circuit) {
  switch (circuit) {
    case Circuit::kClosed:
      return "closed";
    case Circuit::kOpen:
      return "open";
    case Circuit::kHalfOpen:
      break;
  }
  return "half-open";
}

Destination::Destination(EventLoop& loop, const Clock& clock, Client& client, Forwarder& forwarder,
                         std::size_t index, DestinationConfig config, DeadLetters* dead_letters,
                         std::function<void()> on_progress)
    : clock_(clock),
      client_(client),
      forwarder_(forwarder),
      index_(index),
      config_(std::move(config)),
      dead_letters_(dead_letters),
      on_progress_(std::move(on_progress)),
      endpoint_(EndpointOf(config_)),
      wake_(loop, [this] { on_progress_(); }) {}

bool Destination::Pump() {
  const MonoTime now = clock_.Now();
  bool sent = false;
  while (auto batch = forwarder_.Next(index_, now)) {
    sent = true;
    Send(std::move(*batch));
  }
  if (const auto at = forwarder_.WakeAt(index_)) {
    if (!wake_.active() || wake_at_ != *at) wake_.Start(std::max<Duration>(*at - now, Duration()));
    wake_at_ = *at;
  } else if (wake_.active()) {
    wake_.Cancel();
  }
  return sent;
}

void Destination::Send(MessageBatch batch) {
  if (config_.dry_run) {
    PrintRequest(batch);
    return;
  }
  auto request = MakeDeliveryRequest(config_, batch);
  sent_.push_back({std::move(batch), {}, clock_.Now()});
  const auto sent = std::prev(sent_.end());
  sent->call = client_.Start(std::move(request), [this, sent](const ClientResponse& response) {
    OnAnswer(sent, response);
  });
}

void Destination::PrintRequest(const MessageBatch& batch) {
  const auto request = MakeDeliveryRequest(config_, batch);
  if (config_.post) {
    Print(stdout, "POST {} {} messages, {} bytes\n", request.url, batch.count,
          request.body.view().size());
  } else {
    Print(stdout, "GET {}\n", request.url);
  }
  ++stats_.requests;
  stats_.delivered += batch.count;
  forwarder_.Delivered(index_, batch);
  on_progress_();
}

void Destination::OnAnswer(std::list<Sent>::iterator sent, const ClientResponse& response) {
  const MessageBatch batch = std::move(sent->batch);
  latency_.Observe(clock_.Now() - sent->at);
  ++stats_.requests;
  sent_.erase(sent);
  DeliveryVerdict verdict = Judge(response);
  // What could not be asked for is a message's fault only where the message is in the URL.
  const bool unasked = response.code == 0 && verdict == DeliveryVerdict::kRefused;
  if (unasked && config_.post) verdict = DeliveryVerdict::kRetry;
  if (verdict != DeliveryVerdict::kDelivered) {
    stats_.last_error = EscapeControl(Describe(response));
    stats_.last_error_time = clock_.WallNow();
  }
  switch (verdict) {
    case DeliveryVerdict::kDelivered:
      OnDelivered(batch, response);
      break;
    case DeliveryVerdict::kRetry:
      OnFailed(batch, response);
      break;
    case DeliveryVerdict::kRefused:
      OnRefused(batch, response, false);
      break;
    case DeliveryVerdict::kRefusedBatch:
      OnRefused(batch, response, batch.count > 1);
      break;
  }
  on_progress_();
}

void Destination::OnDelivered(const MessageBatch& batch, const ClientResponse& response) {
  LogRecovery(response);
  stats_.delivered += batch.count;
  forwarder_.Delivered(index_, batch);
}

void Destination::OnRefused(const MessageBatch& batch, const ClientResponse& response, bool split) {
  LogRecovery(response);
  if (split) {
    ++stats_.retries;
    forwarder_.Refused(index_, batch, true);
  } else if (WriteDeadLetters(batch, response)) {
    forwarder_.Refused(index_, batch, false);
  } else {
    ++stats_.retries;
    forwarder_.Postponed(index_, batch, clock_.Now());
  }
}

void Destination::OnFailed(const MessageBatch& batch, const ClientResponse& response) {
  const MonoTime now = clock_.Now();
  const bool last = forwarder_.OnLastTry(index_, batch);
  if (last && WriteDeadLetters(batch, response)) {
    forwarder_.Failed(index_, batch, now, RetryAfter(response, clock_.WallNow()));
  } else {
    ++stats_.retries;
    // Connected, but no answer: it may have been taken, and will come twice then.
    if (response.code == 0 && response.request_sent) stats_.resent += batch.count;
    if (last) {
      forwarder_.Postponed(index_, batch, now);
    } else {
      forwarder_.Failed(index_, batch, now, RetryAfter(response, clock_.WallNow()));
    }
  }
  LogFailure(response, now);
}

bool Destination::WriteDeadLetters(const MessageBatch& batch, const ClientResponse& response) {
  if (dead_letters_ != nullptr) {
    const std::string answer = AnswerOf(response);
    std::string_view rest = batch.lines;
    while (!rest.empty()) {
      const auto size = batch.cut_at_newlines ? rest.find('\n') : rest.size() - 1;
      if (!dead_letters_->Add(endpoint_, answer, rest.substr(0, size)).ok()) return false;
      rest.remove_prefix(size + 1);
    }
  }
  stats_.refused += batch.count;
  LogRefusal(response, batch.count);
  return true;
}

// Not as the client says it: the path of a GET may be the message.
std::string Destination::Describe(const ClientResponse& response) const {
  return response.code == 0 ? fmt::format("{}: {}", endpoint_, response.status.message())
                            : fmt::format("{}: answered {}", endpoint_, response.code);
}

void Destination::LogFailure(const ClientResponse& response, MonoTime now) {
  if (failures_++ > 0) return;
  const auto again = forwarder_.window(index_).retry_at();
  const auto wait = again ? std::max<Duration>(*again - now, Duration::zero()) : Duration();
  LogWarning("{}; sending again from {} on, with backoff", Describe(response),
             FormatDuration(std::chrono::ceil<std::chrono::milliseconds>(wait)));
}

void Destination::LogRecovery(const ClientResponse& response) {
  if (failures_ > 0) LogInfo("{} again, after {} failures", Describe(response), failures_);
  failures_ = 0;
}

void Destination::LogRefusal(const ClientResponse& response, std::uint64_t messages) {
  const MonoTime now = clock_.Now();
  refusals_not_logged_ += messages;
  if (now < next_refusal_log_) return;
  next_refusal_log_ = now + kRefusalLogEvery;
  LogError("{}: {} messages refused and {}", Describe(response),
           std::exchange(refusals_not_logged_, 0),
           dead_letters_ != nullptr ? "put to the dead letters" : "lost");
}

Circuit Destination::circuit() const {
  const DeliveryWindow& window = forwarder_.window(index_);
  if (!window.failing()) return Circuit::kClosed;
  const auto& retry_at = window.retry_at();
  return retry_at && clock_.Now() < *retry_at ? Circuit::kOpen : Circuit::kHalfOpen;
}

}  // namespace rivulet
