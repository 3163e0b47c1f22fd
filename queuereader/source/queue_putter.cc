#include "queuereader/source/queue_putter.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace rivulet {
namespace {

constexpr Duration kPutTimeout = std::chrono::seconds(30);

}  // namespace

QueuePutter::QueuePutter(EventLoop& loop, Client& client, const std::vector<QueueOrigin>& origins,
                         Duration pause, OnSettled on_settled)
    : client_(client),
      origins_(origins),
      pause_(pause),
      on_settled_(std::move(on_settled)),
      again_(loop, [this] { SendNext(); }) {}

void QueuePutter::Put(Settlement settlement) {
  waiting_.push_back({settlement.token, settlement.origin, settlement.delay,
                      std::make_shared<const std::string>(std::move(settlement.body)), 0});
  if (waiting_.size() == 1) SendNext();
}

void QueuePutter::SendNext() {
  if (waiting_.empty()) return;
  const Entry& entry = waiting_.front();
  const QueueOrigin& origin = origins_[(entry.origin + entry.tried) % origins_.size()];
  const bool delayed = entry.delay > Duration::zero();
  ClientRequest request =
      origin.Ask(delayed ? "/put?delay=" + TimeParameter(entry.delay) : std::string("/put"));
  request.method = "POST";
  request.body = entry.body;
  request.timeout = kPutTimeout;
  call_ = client_.Start(std::move(request),
                        [this](const ClientResponse& response) { OnAnswer(response); });
}

void QueuePutter::OnAnswer(const ClientResponse& response) {
  Entry& entry = waiting_.front();
  if (!response.ok() && MayHeal(response)) {
    const bool all_tried = ++entry.tried % origins_.size() == 0;
    if (!all_tried) return SendNext();
    LogWarning("{}; the message is put back in {}", DescribeAnswer(response, response.body),
               FormatDuration(pause_));
    return again_.Start(pause_);
  }
  const std::uint64_t token = entry.token;
  waiting_.pop_front();
  SendNext();
  if (response.ok()) return on_settled_(token, Settled::kDone, Status::Ok());
  on_settled_(token, Settled::kRefused, InvalidArgument(DescribeAnswer(response, response.body)));
}

std::vector<std::string> QueuePutter::Abandon() {
  call_.Cancel();
  again_.Cancel();
  std::vector<std::string> bodies;
  bodies.reserve(waiting_.size());
  for (const Entry& entry : waiting_) bodies.push_back(*entry.body);
  waiting_.clear();
  return bodies;
}

}  // namespace rivulet
