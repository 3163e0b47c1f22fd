#include "queuereader/source/queue_pop_source.h"

#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "queuereader/source/frames.h"

namespace rivulet {
namespace {

// A queue that went silent may still be alive: what it sends later would be lost, so be patient.
constexpr Duration kFetchIdleTimeout = std::chrono::seconds(60);

}  // namespace

QueuePopSource::QueuePopSource(EventLoop& loop, const Clock& clock, QueueSourceConfig config,
                               std::vector<QueueOrigin> origins)
    : clock_(clock),
      config_(std::move(config)),
      origins_(std::move(origins)),
      hosts_(origins_.size(), config_.failed_pause),
      client_(loop),
      putter_(loop, client_, origins_, config_.failed_pause,
              [this](std::uint64_t token, Settled how, const Status& why) {
                events_.settled(token, how, why);
              }),
      tell_settled_(loop, [this] { TellSettled(); }) {}

void QueuePopSource::Fetch() {
  hosts_.StartRound();
  AskNext();
}

void QueuePopSource::AskNext() {
  if (const auto host = hosts_.Next(clock_.Now())) return Ask(*host);
  EndRound();
}

void QueuePopSource::Ask(std::size_t host) {
  answer_.clear();
  const bool many = config_.mget_items > 0;
  ClientRequest request = origins_[host].Ask(
      many ? fmt::format("/mget?items={}&format=framed", config_.mget_items) : "/get");
  request.idle_timeout = kFetchIdleTimeout;
  request.max_body_bytes = 0;  // what was asked for has left the queue, however long it is
  request.on_data = [this](std::string_view data) {
    answer_ += data;
    return ClientFlow::kContinue;
  };
  fetch_ = client_.Start(std::move(request), [this, host](const ClientResponse& response) {
    OnFetched(host, response);
  });
}

void QueuePopSource::OnFetched(std::size_t host, const ClientResponse& response) {
  const bool answered = response.code >= 200 && response.code < 300;
  if (answered && !response.status.ok()) {
    LogWarning("{}; the whole messages in it are run", response.Describe());
  }
  const bool framed = response.header(kFormatField) == kFormatFramed;
  if (answered && Deliver(host, framed, response.status.ok())) return;
  if (response.ok()) {
    hosts_.OnEmpty(host);
  } else {
    failure_ = Status(StatusCode::kUnavailable, DescribeAnswer(response, answer_));
    hosts_.OnFailed(host, clock_.Now());
    if (origins_.size() > 1) LogWarning("{}; trying the next source", failure_.message());
  }
  AskNext();
}

bool QueuePopSource::Deliver(std::size_t host, bool framed, bool whole) {
  if (answer_.empty()) return false;
  Batch batch;
  const auto origin = static_cast<std::uint32_t>(host);
  if (config_.mget_items > 0) {
    batch.messages.reserve(std::min<std::uint64_t>(config_.mget_items, answer_.size()));
    CutPopped(answer_, origin, framed, whole, &batch.messages);
  } else if (whole) {
    Delivery message;
    message.size = answer_.size();
    message.origin = origin;
    batch.messages.push_back(message);
  }
  if (batch.messages.empty()) return false;
  hosts_.OnMessages(host);
  batch.state = Batch::State::kMessages;
  batch.bytes = std::move(answer_);
  events_.fetched(std::move(batch));
  return true;
}

void QueuePopSource::EndRound() {
  Batch batch;
  batch.state = hosts_.any_answered() ? Batch::State::kEmpty : Batch::State::kFailed;
  if (!hosts_.any_answered()) batch.status = failure_;
  events_.fetched(std::move(batch));
}

void QueuePopSource::Settle(std::vector<Settlement> settlements) {
  for (Settlement& settlement : settlements) {
    if (GoesBack(settlement)) {
      putter_.Put(std::move(settlement));
    } else {
      settled_at_once_.push_back(settlement.token);
    }
  }
  if (!settled_at_once_.empty()) tell_settled_.Schedule();
}

void QueuePopSource::TellSettled() {
  for (const std::uint64_t token : std::exchange(settled_at_once_, {})) {
    if (abandoned_) return;
    events_.settled(token, Settled::kDone, Status::Ok());
  }
}

void QueuePopSource::AskDrained(std::function<void(bool drained)> answer) {
  drained_question_ = std::make_unique<DrainedQuestion>(client_, origins_, std::move(answer));
}

std::vector<std::string> QueuePopSource::Abandon() {
  abandoned_ = true;
  settled_at_once_.clear();
  drained_question_.reset();
  fetch_.Cancel();
  return putter_.Abandon();
}

}  // namespace rivulet
