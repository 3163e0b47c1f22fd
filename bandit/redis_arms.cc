#include "bandit/redis_arms.h"

#include <fmt/format.h>

#include <algorithm>
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

bool Same(const std::vector<RedisReply>& a, const std::vector<RedisReply>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const RedisReply& x, const RedisReply& y) {
                      return x.kind == y.kind && x.integer == y.integer && x.text == y.text &&
                             Same(x.elements, y.elements);
                    });
}

}  // namespace

RedisArms::RedisArms(EventLoop& loop, const Clock& clock, RedisAddress address,
                     ArmsReaderConfig config, BackoffConfig reconnect)
    : ArmsReader(loop, clock, std::move(config)),
      client_(loop, std::move(address), ClientOptions(clock, reconnect)) {
  for (std::size_t i = 0; i < kArmsAmounts; ++i) {
    const StoreBatch batch = QuestionOf(static_cast<ArmsAmount>(i)).Batch();
    requests_[i] = RedisBatch(batch).Request();
    requests_[i].patience = this->config().timeout;
  }
  if (this->config().refresh == Duration::zero()) ReadAhead(kReadingsAhead);
}

RedisArms::~RedisArms() = default;

void RedisArms::Ask(Number reading, ArmsAmount amount) {
  if (std::exchange(distrusted_, false)) {
    client_.Disconnect("sent an answer that is none to what was asked");
  }
  // While it is away nobody waits for it: the last known arms serve.
  if (!client_.ready() && client_.judged()) return Took(reading, client_.status(), {});
  client_.Send(requests_[static_cast<std::size_t>(amount)],
               [this, reading, amount](RedisOutcome outcome) {
                 OnOutcome(reading, amount, std::move(outcome));
               });
  // Nothing else of this turn goes with it.
  client_.Flush();
}

void RedisArms::OnOutcome(Number reading, ArmsAmount amount, RedisOutcome outcome) {
  if (!outcome.status.ok()) return Took(reading, std::move(outcome.status), {});
  if (amount == ArmsAmount::kCounters && last_arms_ == known().arms &&
      Same(outcome.replies, last_replies_)) {
    return Took(reading, known().arms, {});
  }
  const MonoTime began = Now();
  const auto arms = Understand(amount, std::move(outcome));
  // The client made replies of bytes before, which takes as long again.
  Took(reading, arms, 2 * (Now() - began));
}

Result<SharedArms> RedisArms::Understand(ArmsAmount amount, RedisOutcome outcome) {
  const ArmsQuestion& question = QuestionOf(amount);
  if (amount == ArmsAmount::kCounters) last_replies_ = outcome.replies;
  const StoreBatch batch = question.Batch();
  RedisBatch redis(batch);
  redis.Take(std::move(outcome.replies));
  if (redis.strange()) {
    distrusted_ = true;
    return Status(StatusCode::kUnavailable,
                  client_.address().Shown() + ": sent an answer that is none");
  }
  if (!redis.done()) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: {}", client_.address().Shown(), redis.passing()));
  }
  auto arms = question.Understand(redis.Replies(), known().arms);
  if (amount == ArmsAmount::kCounters) last_arms_ = arms.ok() ? *arms : nullptr;
  return arms;
}

}  // namespace rivulet
