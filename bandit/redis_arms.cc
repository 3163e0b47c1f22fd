#include "bandit/redis_arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "store/redis_batch.h"

namespace rivulet {
namespace {

// Fields of a hash that are understood within some 40 us.
constexpr std::size_t kQuickFields = 200;

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
      client_(loop, std::move(address), ClientOptions(clock, reconnect)),
      helper_(loop, clock) {
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

struct RedisArms::Understanding {
  const ArmsQuestion& question;
  const RedisAddress& address;
  Memory* memory;
  RedisOutcome outcome;
  Result<SharedArms> arms = Status(StatusCode::kUnavailable, "not understood");
  bool strange = false;
};

void RedisArms::OnOutcome(Number reading, ArmsAmount amount, RedisOutcome outcome) {
  const bool many =
      !outcome.replies.empty() && outcome.replies.front().elements.size() > kQuickFields;
  const auto work = std::make_shared<Understanding>(Understanding{.question = QuestionOf(amount),
                                                                  .address = client_.address(),
                                                                  .memory = &memory_,
                                                                  .outcome = std::move(outcome)});
  if (!many && with_helper_ == 0) {
    const MonoTime began = Now();
    work->arms = Understand(work.get());
    return OnUnderstood(reading, *work, Now() - began);
  }
  ++with_helper_;
  helper_.Do(
      [work]() -> Status {
        work->arms = Understand(work.get());
        return {};
      },
      [this, reading, work](const Status&, Duration took) {
        --with_helper_;
        OnUnderstood(reading, *work, took);
      });
}

Result<SharedArms> RedisArms::Understand(Understanding* work) {
  if (!work->outcome.status.ok()) return work->outcome.status;
  Memory& memory = *work->memory;
  const bool counters = work->question.amount == ArmsAmount::kCounters;
  std::vector<RedisReply> replies = std::exchange(work->outcome.replies, {});
  if (counters && memory.of_replies == memory.known && Same(replies, memory.replies)) {
    return memory.known;
  }
  if (counters) {
    memory.replies = replies;
    memory.of_replies = nullptr;
  }
  const StoreBatch batch = work->question.Batch();
  RedisBatch redis(batch);
  redis.Take(std::move(replies));
  work->strange = redis.strange();
  if (work->strange) {
    return Status(StatusCode::kUnavailable,
                  work->address.Shown() + ": sent an answer that is none");
  }
  if (!redis.done()) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: {}", work->address.Shown(), redis.passing()));
  }
  auto arms = work->question.Understand(redis.Replies(), memory.known);
  if (!arms.ok() || *arms == nullptr) return arms;
  memory.known = *arms;
  if (counters) memory.of_replies = *arms;
  return arms;
}

void RedisArms::OnUnderstood(Number reading, const Understanding& work, Duration took) {
  distrusted_ = distrusted_ || work.strange;
  // The client made replies of bytes before, which takes as long again.
  Took(reading, work.arms, 2 * took);
}

}  // namespace rivulet
