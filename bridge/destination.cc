#include "bridge/destination.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace rivulet {

namespace {
constexpr Duration kMaxRetryAfter = std::chrono::minutes(5);
constexpr Duration kRefusalLogEvery = std::chrono::seconds(1);
}  // namespace

DeliveryVerdict Judge(const ClientResponse& response) {
  const int code = response.code;
  // The head is the answer, even where the rest of it never came.
  if (code >= 200 && code < 300) return DeliveryVerdict::kDelivered;
  if (!response.status.ok() && code == 0) {
    const bool hopeless = response.status.code() == StatusCode::kInvalidArgument;
    return hopeless ? DeliveryVerdict::kRefused : DeliveryVerdict::kRetry;
  }
  if (code < 400 || code >= 500 || code == 408 || code == 429) return DeliveryVerdict::kRetry;
  if (code == 400 || code == 413 || code == 414 || code == 422)
    return DeliveryVerdict::kRefusedBatch;
  return DeliveryVerdict::kRefused;
}

Duration RetryAfter(const ClientResponse& response) {
  const auto seconds = ParseUint(response.header("Retry-After"));
  if (!seconds.ok()) return Duration::zero();
  const auto capped = std::min<std::uint64_t>(*seconds, kMaxRetryAfter / std::chrono::seconds(1));
  return std::chrono::seconds(static_cast<std::int64_t>(capped));
}

Destination::Destination(EventLoop& loop, const Clock& clock, Client& client, Forwarder& forwarder,
                         std::size_t index, DestinationConfig config,
                         std::function<void()> on_progress)
    : clock_(clock),
      client_(client),
      forwarder_(forwarder),
      index_(index),
      config_(std::move(config)),
      on_progress_(std::move(on_progress)),
      wake_(loop, [this] { Pump(); }) {}

void Destination::Pump() {
  const MonoTime now = clock_.Now();
  while (auto batch = forwarder_.Next(index_, now)) Send(std::move(*batch));
  if (const auto at = forwarder_.WakeAt(index_)) {
    wake_.Start(*at - now);
  } else if (wake_.active()) {
    wake_.Cancel();
  }
}

void Destination::Send(MessageBatch batch) {
  ClientRequest request;
  request.headers = config_.headers;
  request.connect_timeout = config_.connect_timeout;
  request.timeout = config_.request_timeout;
  request.max_body_bytes = std::uint64_t{1} << 20;
  if (config_.post) {
    request.method = "POST";
    request.url = config_.post_url;
    request.body = ClientBody(config_.batched ? batch.lines : batch.message(), batch.owner);
  } else {
    request.url = config_.get_url.For(batch.message());
  }
  sent_.push_back({std::move(batch), {}});
  const auto sent = std::prev(sent_.end());
  sent->call = client_.Start(std::move(request), [this, sent](const ClientResponse& response) {
    OnAnswer(sent, response);
  });
}

void Destination::OnAnswer(std::list<Sent>::iterator sent, const ClientResponse& response) {
  MessageBatch batch = std::move(sent->batch);
  sent_.erase(sent);
  batch.owner.reset();  // lets the log use the block again
  const DeliveryVerdict verdict = Judge(response);
  if (verdict == DeliveryVerdict::kRetry) {
    const MonoTime now = clock_.Now();
    forwarder_.Failed(index_, batch, now, RetryAfter(response));
    if (failures_++ == 0) {
      const auto again = forwarder_.WakeAt(index_);
      const auto wait = again ? std::max<Duration>(*again - now, Duration::zero()) : Duration();
      LogWarning("{}; sending again from {} on, with backoff", response.Describe(),
                 FormatDuration(std::chrono::ceil<std::chrono::milliseconds>(wait)));
    }
  } else {
    if (failures_ > 0) LogInfo("{} again, after {} failures", response.Describe(), failures_);
    failures_ = 0;
    if (verdict == DeliveryVerdict::kDelivered) {
      forwarder_.Delivered(index_, batch);
    } else {
      const bool split = verdict == DeliveryVerdict::kRefusedBatch;
      forwarder_.Refused(index_, batch, split);
      if (!split || batch.count == 1) LogRefusal(response, batch.count);
    }
  }
  on_progress_();
}

void Destination::LogRefusal(const ClientResponse& response, std::uint64_t messages) {
  const MonoTime now = clock_.Now();
  refusals_not_logged_ += messages;
  if (now < next_refusal_log_) return;
  next_refusal_log_ = now + kRefusalLogEvery;
  LogError("{}: {} messages refused and lost", response.Describe(),
           std::exchange(refusals_not_logged_, 0));
}

}  // namespace rivulet
