#include "queuereader/queue_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "queuereader/frames.h"

namespace rivulet {
namespace {

constexpr Duration kConnectTimeout = std::chrono::seconds(5);
// A queue that went silent may still be alive: what it sends later would be lost, so be patient.
constexpr Duration kFetchIdleTimeout = std::chrono::seconds(60);
constexpr Duration kPutTimeout = std::chrono::seconds(30);

/// Will the same request be answered otherwise later?
bool MayHeal(const ClientResponse& response) {
  if (!response.status.ok()) return response.status.code() != StatusCode::kInvalidArgument;
  return response.code >= 500 || response.code == 408 || response.code == 429 ||
         response.code == 401 || response.code == 403 || response.code == 404;
}

}  // namespace

Result<std::unique_ptr<QueueSource>> QueueSource::Open(EventLoop& loop, const Clock& clock,
                                                       QueueSourceConfig config) {
  auto urls = config.urls;
  auto source = std::make_unique<QueueSource>(loop, clock, std::move(config));
  for (const std::string& url : urls) {
    if (Status status = source->AddQueue(url); !status.ok()) return status;
  }
  return source;
}

QueueSource::QueueSource(EventLoop& loop, const Clock& clock, QueueSourceConfig config)
    : clock_(clock),
      config_(std::move(config)),
      client_(loop),
      put_pause_(loop, [this] { SendNext(); }) {}

Status QueueSource::AddQueue(const std::string& url) {
  std::size_t host = url.find("://") + 3;
  if (url.find('#') != std::string::npos || url.find_first_of("/?", host) == host ||
      url.find_first_of(" \t\r\n") != std::string::npos) {
    return InvalidArgument(fmt::format("--source={} must be http://HOST:PORT", url));
  }
  Queue queue;
  std::size_t question = url.find('?');
  queue.url = url.substr(0, question);
  while (queue.url.ends_with('/')) queue.url.pop_back();
  if (config_.queuename != "default") queue.parameters = "&queue=" + config_.queuename;
  if (question != std::string::npos && question + 1 < url.size()) {
    queue.parameters += "&" + url.substr(question + 1);
  }
  queues_.push_back(std::move(queue));
  return {};
}

void QueueSource::Fetch() {
  asked_ = 0;
  saw_empty_ = false;
  FetchNext();
}

void QueueSource::FetchNext() {
  bool all_paused = std::all_of(queues_.begin(), queues_.end(),
                                [this](const Queue& queue) { return Paused(queue); });
  while (asked_ < queues_.size() && !all_paused && Paused(queues_[current_])) {
    current_ = (current_ + 1) % queues_.size();
    ++asked_;
  }
  if (asked_ == queues_.size()) return EndRound();
  ++asked_;
  FetchFrom(current_);
}

void QueueSource::FetchFrom(std::size_t index) {
  const Queue& queue = queues_[index];
  answer_.clear();
  ClientRequest request;
  request.url = fmt::format("{}/mget?items={}&format=framed{}", queue.url, config_.mget_items,
                            queue.parameters);
  request.connect_timeout = kConnectTimeout;
  request.idle_timeout = kFetchIdleTimeout;
  request.max_body_bytes = 0;  // what was asked for has left the queue, however long it is
  request.on_data = [this](std::string_view data) {
    answer_ += data;
    return ClientFlow::kContinue;
  };
  fetch_ = client_.Start(std::move(request), [this, index](const ClientResponse& response) {
    OnFetched(index, response);
  });
}

void QueueSource::OnFetched(std::size_t index, const ClientResponse& response) {
  bool answered = response.code >= 200 && response.code < 300;
  if (answered && Deliver(index, response.status.ok())) {
    if (!response.ok()) LogWarning("{}; the whole messages in it are run", response.Describe());
    return;
  }
  if (response.ok()) {
    saw_empty_ = true;
    queues_[index].retry_at = {};
  } else {
    failure_ = Status(StatusCode::kUnavailable, response.Describe());
    queues_[index].retry_at = clock_.Now() + config_.failed_pause;
    if (queues_.size() > 1) LogWarning("{}; trying the next source", failure_.message());
  }
  current_ = (index + 1) % queues_.size();
  FetchNext();
}

bool QueueSource::Deliver(std::size_t index, bool whole) {
  if (answer_.empty()) return false;
  Batch batch;
  auto origin = static_cast<std::uint32_t>(index);
  batch.messages.reserve(config_.mget_items);
  if (LooksFramed(answer_)) {
    std::size_t used = CutFrames(answer_, origin, &batch.messages);
    // Whatever it is, it has left the queue: the reader will set it aside.
    if (whole && used < answer_.size()) {
      batch.messages.push_back({used, answer_.size() - used, origin, false});
    }
  } else {
    CutLines(answer_, origin, &batch.messages);
  }
  if (batch.messages.empty()) return false;
  batch.state = Batch::State::kMessages;
  batch.bytes = std::move(answer_);
  queues_[index].retry_at = {};
  events_.fetched(std::move(batch));
  return true;
}

void QueueSource::EndRound() {
  Batch batch;
  batch.state = saw_empty_ ? Batch::State::kEmpty : Batch::State::kFailed;
  if (!saw_empty_) batch.status = failure_;
  events_.fetched(std::move(batch));
}

void QueueSource::Requeue(std::uint32_t origin, std::string body) {
  requeues_.push_back({origin, std::make_shared<const std::string>(std::move(body)), 0});
  if (requeues_.size() == 1) SendNext();
}

void QueueSource::SendNext() {
  if (requeues_.empty()) return;
  const Pending& pending = requeues_.front();
  const Queue& queue = queues_[(pending.origin + pending.tried) % queues_.size()];
  ClientRequest request;
  request.method = "POST";
  request.url = queue.url + "/put";
  if (!queue.parameters.empty()) request.url += "?" + queue.parameters.substr(1);
  request.body = pending.body;
  request.connect_timeout = kConnectTimeout;
  request.timeout = kPutTimeout;
  put_ = client_.Start(std::move(request),
                       [this](const ClientResponse& response) { OnPut(response); });
}

void QueueSource::OnPut(const ClientResponse& response) {
  Pending& pending = requeues_.front();
  if (!response.ok() && MayHeal(response)) {
    bool all_tried = ++pending.tried % queues_.size() == 0;
    if (!all_tried) return SendNext();
    LogWarning("{}; the message is put back in {:.3g} s", response.Describe(),
               std::chrono::duration<double>(config_.failed_pause).count());
    return put_pause_.Start(config_.failed_pause);
  }
  std::shared_ptr<const std::string> body = std::move(pending.body);
  requeues_.pop_front();
  if (response.ok()) {
    events_.requeued();
  } else {
    events_.refused(*body, Status(StatusCode::kInvalidArgument, response.Describe()));
  }
  if (!put_.active() && !put_pause_.active()) SendNext();
}

std::vector<std::string> QueueSource::TakePending() {
  put_.Cancel();
  put_pause_.Cancel();
  std::vector<std::string> bodies;
  for (const Pending& pending : requeues_) bodies.push_back(*pending.body);
  requeues_.clear();
  return bodies;
}

std::string QueueSource::name() const {
  std::string all;
  for (const Queue& queue : queues_) all += (all.empty() ? "" : ", ") + queue.url;
  return fmt::format("{} queue {}", all, config_.queuename);
}

}  // namespace rivulet
