#include "bandit/redis_arms.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "store/redis_batch.h"

namespace rivulet {
namespace {

RedisClientOptions ClientOptions(const Clock& clock, BackoffConfig reconnect) {
  RedisClientOptions options;
  options.clock = &clock;
  options.backoff = reconnect;
  options.seed = std::random_device()();
  return options;
}

}  // namespace

RedisArms::RedisArms(EventLoop& loop, const Clock& clock, RedisAddress address,
                     ArmsReaderConfig config, BackoffConfig reconnect)
    : ArmsReader(loop, clock, std::move(config)),
      client_(loop, std::move(address), ClientOptions(clock, reconnect)) {}

RedisArms::~RedisArms() = default;

void RedisArms::Ask(StoreBatch batch) {
  if (std::exchange(distrusted_, false)) {
    client_.Disconnect("sent an answer that is none to what was asked");
  }
  // While it is away nobody waits for it: the last known arms serve.
  if (!client_.ready() && client_.judged()) return Took(client_.status());
  batch_ = std::move(batch);
  redis_ = std::make_unique<RedisBatch>(batch_);
  RedisRequest request = redis_->Request();
  request.patience = config().timeout;
  client_.Send(std::move(request), [this](RedisOutcome outcome) { OnOutcome(std::move(outcome)); });
  // Nothing else of this turn goes with it.
  client_.Flush();
}

void RedisArms::OnOutcome(RedisOutcome outcome) {
  if (!outcome.status.ok()) return Took(std::move(outcome.status));
  redis_->Take(std::move(outcome.replies));
  if (redis_->strange()) {
    distrusted_ = true;
    return Took(Status(StatusCode::kUnavailable,
                       client_.address().Shown() + ": sent an answer that is none"));
  }
  if (!redis_->done()) {
    return Took(Status(StatusCode::kUnavailable,
                       fmt::format("{}: {}", client_.address().Shown(), redis_->passing())));
  }
  Took(redis_->Replies());
}

}  // namespace rivulet
