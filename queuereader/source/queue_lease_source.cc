#include "queuereader/source/queue_lease_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "queuereader/source/frames.h"

namespace rivulet {
namespace {

// Beyond what was to be waited.
constexpr Duration kFetchIdleTimeout = std::chrono::seconds(10);
// While one queue is waited for, the others are not looked at.
constexpr Duration kPollAmongSeveral = std::chrono::seconds(1);
constexpr Duration kFirstRetry = std::chrono::milliseconds(100);
constexpr Duration kTouchTimeout = std::chrono::seconds(30);
constexpr Duration kLeastTouchTimeout = std::chrono::seconds(1);

}  // namespace

QueueLeaseSource::QueueLeaseSource(EventLoop& loop, const Clock& clock, QueueSourceConfig config,
                                   std::vector<QueueOrigin> origins)
    : clock_(clock),
      config_(std::move(config)),
      origins_(std::move(origins)),
      knows_leases_(origins_.size(), Leases::kUnknown),
      epochs_(origins_.size()),
      hosts_(origins_.size(), config_.failed_pause),
      client_(loop),
      putter_(loop, client_, origins_, config_.failed_pause,
              [this](std::uint64_t token, Settled how, const Status& why) {
                events_.settled(token, how, why);
              }),
      tell_settled_(loop, [this] { TellSettled(); }) {
  const BackoffConfig backoff{std::min(kFirstRetry, config_.failed_pause), config_.failed_pause};
  for (std::uint32_t origin = 0; origin < origins_.size(); ++origin) {
    settlers_.push_back(std::make_unique<QueueSettler>(
        loop, client_, origins_[origin], backoff,
        [this](std::uint64_t token, Settled how, const Status& why) {
          events_.settled(token, how, why);
        },
        [this, origin] { events_.doubted(origin); }));
  }
}

// What waits long gets a lease that began when nobody knows: it is taken to have begun with the
// question, so that much of it must be left when the answer comes.
Duration QueueLeaseSource::PollTime() const {
  Duration time = std::min(config_.long_poll, config_.lease / 4);
  if (origins_.size() > 1) time = std::min(time, kPollAmongSeveral);
  return time;
}

void QueueLeaseSource::Fetch() {
  fetch_since_ = clock_.Now();
  awaited_ = false;
  StartRound();
}

void QueueLeaseSource::StartRound() {
  hosts_.StartRound();
  const bool alone = origins_.size() == 1 && knows_leases_.front() == Leases::kYes && !was_away_;
  if (alone && PollTime() > Duration::zero()) return Ask(0, PollTime());
  AskNext();
}

void QueueLeaseSource::AskNext() {
  if (const auto host = hosts_.Next(clock_.Now())) return Ask(*host, {});
  EndRound();
}

void QueueLeaseSource::EndRound() {
  if (!hosts_.any_answered()) return GiveOn(Batch::State::kFailed, failure_);
  if (!awaited_ && clock_.Now() - fetch_since_ < config_.long_poll) {
    for (std::size_t tried = 0; tried < origins_.size(); ++tried) {
      const std::size_t host = hosts_.NextInTurn(clock_.Now());
      if (knows_leases_[host] == Leases::kYes) return Ask(host, PollTime());
    }
  }
  GiveOn(Batch::State::kEmpty);
}

void QueueLeaseSource::Ask(std::size_t host, Duration wait) {
  answer_.clear();
  asked_ = host;
  asked_at_ = clock_.Now();
  waits_ = wait;
  std::string path =
      fmt::format("/mget?items={}&lease={}&format=framed",
                  std::max<std::uint64_t>(config_.mget_items, 1), TimeParameter(config_.lease));
  if (wait > Duration::zero()) path += "&wait=" + TimeParameter(wait);
  ClientRequest request = origins_[host].Ask(path);
  request.idle_timeout = wait + kFetchIdleTimeout;
  request.max_body_bytes = 0;  // what was asked for is this reader's, however long it is
  request.on_data = [this](std::string_view data) {
    answer_ += data;
    return ClientFlow::kContinue;
  };
  fetch_ = client_.Start(std::move(request),
                         [this](const ClientResponse& response) { OnFetched(response); });
}

void QueueLeaseSource::OnFetched(const ClientResponse& response) {
  const bool answered = response.code >= 200 && response.code < 300;
  if (answered && Deliver(response)) return;
  if (response.ok()) {
    hosts_.OnEmpty(asked_);
    // That it answers again is told before a long poll is waited for.
    if (std::exchange(was_away_, false)) return GiveOn(Batch::State::kEmpty);
    const bool polled = waits_ > Duration::zero();
    if (!polled) return AskNext();
    // One that does not wait must not be asked again and again.
    const bool waited = clock_.Now() - asked_at_ >= waits_ / 2;
    const bool enough = clock_.Now() - fetch_since_ >= config_.long_poll;
    return waited && !enough ? StartRound() : GiveOn(Batch::State::kEmpty);
  }
  failure_ = Status(StatusCode::kUnavailable, DescribeAnswer(response, answer_));
  if (!response.status.ok()) events_.doubted(static_cast<std::uint32_t>(asked_));
  hosts_.OnFailed(asked_, clock_.Now());
  was_away_ = true;
  if (origins_.size() > 1) LogWarning("{}; trying the next source", failure_.message());
  if (waits_ > Duration::zero() && origins_.size() > 1) return StartRound();
  AskNext();
}

bool QueueLeaseSource::Deliver(const ClientResponse& response) {
  Leases& knows = knows_leases_[asked_];
  const std::string_view message_ids = response.header("X-Message-Ids");
  if (response.code == 204 || !message_ids.empty()) knows = Leases::kYes;
  Batch batch;
  const auto origin = static_cast<std::uint32_t>(asked_);
  batch.messages.reserve(std::min<std::uint64_t>(config_.mget_items, answer_.size() / 30));
  std::size_t used = CutLeases(answer_, origin, &batch.messages);
  if (!batch.messages.empty()) {
    knows = Leases::kYes;
    batch.leased_until = asked_at_ + config_.lease;
    const Delivery& first = batch.messages.front();
    const std::string_view receipt =
        std::string_view(answer_).substr(first.receipt_offset, first.receipt_size);
    const std::uint32_t epoch = ReadReceipt(receipt)->epoch;
    batch.incarnation = IncarnationOf(ReadIncarnation(message_ids, epoch), config_.queuename);
    if (epochs_[asked_].value_or(epoch) != epoch) events_.doubted(origin);
    epochs_[asked_] = epoch;
  } else if (message_ids.empty() && response.code == 200 &&
             (response.status.ok() || knows == Leases::kNo)) {
    if (knows != Leases::kNo) KnowsNoLeases();
    const bool framed = response.header(kFormatField) == kFormatFramed;
    used = CutPopped(answer_, origin, framed, response.status.ok(), &batch.messages);
  }
  if (used < answer_.size()) {
    LogWarning("{}; the whole messages in it are run", response.status.ok()
                                                           ? response.endpoint + ": a broken answer"
                                                           : response.Describe());
  }
  if (batch.messages.empty()) return false;
  hosts_.OnMessages(asked_);
  was_away_ = false;
  batch.state = Batch::State::kMessages;
  batch.bytes = std::move(answer_);
  events_.fetched(std::move(batch));
  return true;
}

void QueueLeaseSource::KnowsNoLeases() {
  knows_leases_[asked_] = Leases::kNo;
  LogWarning(
      "{}: this queue knows no leases: what is read of it has left it, and is lost with this "
      "reader; lease=0 says that this is meant",
      origins_[asked_].name());
}

void QueueLeaseSource::GiveOn(Batch::State state, Status status) {
  Batch batch;
  batch.state = state;
  batch.status = std::move(status);
  events_.fetched(std::move(batch));
}

bool QueueLeaseSource::CancelFetch() {
  if (!fetch_.active()) return true;
  if (knows_leases_[asked_] != Leases::kYes) {
    awaited_ = true;
    return false;
  }
  fetch_.Cancel();
  return true;
}

void QueueLeaseSource::Settle(std::vector<Settlement> settlements) {
  for (Settlement& settlement : settlements) {
    if (!settlement.receipt.empty()) {
      QueueSettler& settler = *settlers_[settlement.origin];
      settler.Add(std::move(settlement));
    } else if (GoesBack(settlement)) {
      putter_.Put(std::move(settlement));
    } else {
      settled_at_once_.push_back(settlement.token);
    }
  }
  for (const auto& settler : settlers_) settler->Send();
  if (!settled_at_once_.empty()) tell_settled_.Schedule();
}

void QueueLeaseSource::TellSettled() {
  for (const std::uint64_t token : std::exchange(settled_at_once_, {})) {
    if (abandoned_) return;
    events_.settled(token, Settled::kDone, Status::Ok());
  }
}

void QueueLeaseSource::Touch(std::uint32_t origin, std::vector<std::string> receipts,
                             std::function<void(const Status& status)> answer) {
  std::string body;
  for (const std::string& receipt : receipts) body.append(receipt).push_back('\n');
  ClientRequest request = origins_[origin].Ask("/touch?lease=" + TimeParameter(config_.lease));
  request.method = "POST";
  request.body = std::move(body);
  // So that there is time for another try.
  request.timeout = std::clamp<Duration>(config_.lease / 3, kLeastTouchTimeout, kTouchTimeout);
  const auto touch = touches_.emplace(touches_.end());
  *touch = client_.Start(std::move(request), [this, origin, touch, answer = std::move(answer)](
                                                 const ClientResponse& response) {
    touches_.erase(touch);
    answer(OnTouched(origin, response));
  });
}

Status QueueLeaseSource::OnTouched(std::uint32_t origin, const ClientResponse& response) {
  std::vector<MissedReceipt> missed;
  if (!response.status.ok()) events_.doubted(origin);
  if (!response.ok() || !ReadReceiptAnswer(response.body, "touched", &missed)) {
    return {StatusCode::kUnavailable, DescribeAnswer(response, response.body)};
  }
  if (!missed.empty()) {
    std::vector<std::string> lost;
    lost.reserve(missed.size());
    for (const MissedReceipt& one : missed) lost.emplace_back(one.receipt);
    events_.lost(origin, lost);
  }
  return {};
}

void QueueLeaseSource::AskDrained(std::function<void(bool drained)> answer) {
  drained_question_ = std::make_unique<DrainedQuestion>(client_, origins_, std::move(answer));
}

Status QueueLeaseSource::settling_status() const {
  for (const auto& settler : settlers_) {
    if (!settler->status().ok()) return settler->status();
  }
  return {};
}

std::size_t QueueLeaseSource::unsettled() const {
  std::size_t unsettled = putter_.waiting() + settled_at_once_.size();
  for (const auto& settler : settlers_) unsettled += settler->unsettled();
  return unsettled;
}

std::vector<std::string> QueueLeaseSource::Abandon() {
  abandoned_ = true;
  settled_at_once_.clear();
  for (const auto& settler : settlers_) settler->Abandon();
  touches_.clear();
  fetch_.Cancel();
  drained_question_.reset();
  return putter_.Abandon();
}

}  // namespace rivulet
