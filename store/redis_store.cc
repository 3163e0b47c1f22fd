#include "store/redis_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "store/redis_batch.h"
#include "store/store_text.h"
#include "store/store_url.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;

// How long a loop's turn may take: the time in which an Interrupt() that came too early is seen.
constexpr Duration kTurn = milliseconds(100);
// An answer that takes longer is waited for as for a server that is away.
constexpr Duration kSlowAnswer = milliseconds(250);
// After Interrupt(): what is under way may still be answered.
constexpr Duration kGrace = milliseconds(500);
// Of a server that answers nothing at all, at the start.
constexpr Duration kFirstVerdict = std::chrono::seconds(1);
constexpr BackoffConfig kAgain = {milliseconds(50), std::chrono::seconds(2)};

std::uint64_t RandomSeed() { return std::random_device()(); }

RedisClientOptions ClientOptions(const RedisStoreOptions& options) {
  RedisClientOptions client;
  client.clock = options.clock;
  client.seed = RandomSeed();
  client.max_reply_bytes = options.max_reply_bytes;
  // One batch at a time, which has its own limits.
  client.max_queued_bytes = static_cast<std::size_t>(-1);
  return client;
}

/// For MATCH.
std::string EscapedGlob(std::string_view prefix) {
  std::string glob;
  for (const char c : prefix) {
    if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\' || c == '^') glob += '\\';
    glob += c;
  }
  return glob;
}

std::string_view RedisType(StoreKind kind) {
  switch (kind) {
    case StoreKind::kHash:
      return "hash";
    case StoreKind::kSorted:
      return "zset";
    case StoreKind::kText:
      break;
  }
  return "string";
}

}  // namespace

// One call's patience.
struct RedisStore::Waiting {
  MonoTime began;
  std::optional<Duration> patience;
  std::optional<MonoTime> interrupted_at{};

  /// Longer than a server takes that is there: a wrong password is told later, then.
  bool lasts(MonoTime now) const { return now - began >= kFirstVerdict; }
  bool over(MonoTime now) const { return patience && now - began >= *patience; }
};

RedisStore::RedisStore(RedisAddress address, RedisStoreOptions options)
    : options_(std::move(options)),
      url_(address.Shown()),
      client_(loop_, std::move(address), ClientOptions(options_)),
      backoff_(kAgain, RandomSeed()) {
  report_.url = url_;
}

RedisStore::~RedisStore() = default;

Result<std::unique_ptr<RedisStore>> RedisStore::Open(RedisAddress address,
                                                     RedisStoreOptions options) {
  if (!options.password_file.empty()) {
    if (Status status = ReadRedisPassword(options.password_file, &address); !status.ok()) {
      return status;
    }
  }
  std::unique_ptr<RedisStore> store(new RedisStore(std::move(address), std::move(options)));
  const Status status = store->AwaitFirstVerdict();
  if (!status.ok()) return status;
  return store;
}

Status RedisStore::AwaitFirstVerdict() {
  Waiting waiting{options_.clock->Now(), options_.patience};
  while (!client_.ready()) {
    if (client_.status().code() == StatusCode::kInvalidArgument) return client_.status();
    if (!waiting.patience && (client_.judged() || waiting.lasts(options_.clock->Now()))) break;
    if (waiting.over(options_.clock->Now())) return NoMorePatience(waiting, "");
    Turn(kTurn, true, &waiting);
  }
  SayState(client_.status());
  return {};
}

Status RedisStore::NoMorePatience(const Waiting& waiting, const std::string& why) const {
  const Status& status = client_.status();
  std::string text = !why.empty()      ? fmt::format("{}: {}", url_, why)
                     : !status.ok()    ? status.message()
                     : client_.ready() ? url_ + ": no answer"
                                       : url_ + ": no connection";
  if (interrupted_) return {StatusCode::kUnavailable, text + " (the wait was interrupted)"};
  return {StatusCode::kUnavailable, fmt::format("{} (for {} ms)", text,
                                                std::chrono::duration_cast<milliseconds>(
                                                    waiting.patience.value_or(Duration::zero()))
                                                    .count())};
}

void RedisStore::SayState(const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    report_.status = status;
    report_.connects = client_.connects();
  }
  if (status.ok()) {
    if (said_away_) LogInfo("{} answers again", url_);
    said_away_ = false;
    said_.clear();
  } else if (said_ != status.message()) {
    LogWarning("{}; it is waited for", status.message());
    said_away_ = true;
    said_ = status.message();
  }
}

void RedisStore::Turn(Duration at_most, bool away, Waiting* waiting) {
  const MonoTime before = options_.clock->Now();
  if (interrupted_ && !waiting->interrupted_at) waiting->interrupted_at = before;
  if (away) {
    last_waited_ = before.time_since_epoch().count();
    waits_now_ = true;
    if (!client_.ready() && !client_.status().ok()) SayState(client_.status());
  }
  Duration wait = std::min(at_most, kTurn);
  if (waiting->patience) {
    wait = std::min(
        wait, std::max<Duration>(waiting->began + *waiting->patience - before, milliseconds(1)));
  }
  loop_.RunOnce(wait);
  if (away) {
    const MonoTime now = options_.clock->Now();
    last_waited_ = now.time_since_epoch().count();
    waits_now_ = false;
    const std::lock_guard lock(mutex_);
    report_.waited += now - before;
  }
}

RedisOutcome RedisStore::Exchange(RedisRequest request, Waiting* waiting) {
  RedisOutcome outcome;
  bool done = false;
  // A connection that the server closed meanwhile is seen before anything is sent on it.
  client_.CheckAlive();
  const MonoTime began = options_.clock->Now();
  client_.Send(std::move(request), [&](RedisOutcome given) {
    outcome = std::move(given);
    done = true;
  });
  client_.Flush();
  MonoTime now = began;
  while (!done) {
    const bool ready = client_.ready();
    Turn(kTurn, !ready || now - began > kSlowAnswer, waiting);
    if (done) break;
    now = options_.clock->Now();
    const bool interrupted = waiting->interrupted_at.has_value() || interrupted_;
    if (!client_.ready() && (interrupted || waiting->over(now))) {
      client_.GiveUp("no connection");
    } else if (interrupted && waiting->interrupted_at && now - *waiting->interrupted_at > kGrace) {
      client_.GiveUp("the wait for an answer was interrupted");
    }
  }
  return outcome;
}

Status RedisStore::WaitAgain(const std::string& why, Waiting* waiting) {
  SayState({StatusCode::kUnavailable, fmt::format("{}: {}", url_, why)});
  const MonoTime until = options_.clock->Now() + backoff_.Next();
  while (true) {
    const MonoTime now = options_.clock->Now();
    if (interrupted_ || waiting->over(now)) return NoMorePatience(*waiting, why);
    if (now >= until) return {};
    Turn(until - now, true, waiting);
  }
}

Status RedisStore::RunAll(RedisBatch* batch, Waiting* waiting) {
  while (!batch->done()) {
    RedisOutcome outcome = Exchange(batch->Request(), waiting);
    if (outcome.status.code() == StatusCode::kUnavailable) {
      return NoMorePatience(*waiting, "");
    }
    batch->Take(std::move(outcome.replies));
    if (batch->strange()) client_.Disconnect("sent an answer that is none to what was asked");
    if (batch->done()) break;
    if (!outcome.status.ok()) {
      if (!batch->repeatable()) {
        return {StatusCode::kUnknownOutcome,
                fmt::format("{}; of {} commands {} were answered, and others may have been done",
                            outcome.status.message(), batch->commands(), batch->answered())};
      }
      if (outcome.status.code() == StatusCode::kTooLarge) return outcome.status;
      if (interrupted_ || waiting->over(options_.clock->Now())) {
        return NoMorePatience(*waiting, outcome.status.message());
      }
      continue;
    }
    if (batch->passing().empty()) continue;
    Status waited = WaitAgain(batch->passing(), waiting);
    if (!waited.ok()) return waited;
  }
  backoff_.Reset();
  return {};
}

void RedisStore::NameKinds(RedisBatch* batch, Waiting* waiting) {
  RedisRequest request;
  for (const std::size_t command : batch->wrong_kinds()) {
    request.Add({"TYPE", batch->key(command)});
  }
  const RedisOutcome outcome = Exchange(std::move(request), waiting);
  for (std::size_t i = 0; i < outcome.replies.size(); ++i) {
    // "none": it has gone meanwhile.
    const RedisReply& reply = outcome.replies[i];
    if (reply.kind == RedisReply::Kind::kStatus && reply.text != "none") {
      batch->NameKind(batch->wrong_kinds()[i], reply.text);
    }
  }
}

Result<std::vector<StoreReply>> RedisStore::Run(const StoreBatch& batch) {
  RedisBatch redis(batch);
  Waiting waiting{options_.clock->Now(), batch.patience() ? batch.patience() : options_.patience};
  const Status ran = RunAll(&redis, &waiting);
  if (ran.ok() && !redis.wrong_kinds().empty()) NameKinds(&redis, &waiting);
  const bool reached = ran.ok() && client_.ready();
  if (reached && (said_away_ || client_.connects() != report_.connects)) SayState({});
  Result<std::vector<StoreReply>> replies = ran.ok() ? redis.Replies() : ran;
  const std::lock_guard lock(mutex_);
  if (!ran.ok()) report_.status = client_.ready() ? ran : client_.status();
  if (reached) report_.status = {};
  report_.commands += redis.answered();
  if (ran.code() == StatusCode::kUnknownOutcome) {
    report_.unknown += redis.commands() - redis.answered();
  }
  if (!replies.ok()) {
    if (ran.ok()) report_.failed += redis.commands();
  } else {
    report_.failed += static_cast<std::uint64_t>(std::count_if(
        replies->begin(), replies->end(),
        [](const StoreReply& reply) { return reply.kind == StoreReply::Kind::kFailed; }));
  }
  return replies;
}

Result<std::vector<std::string>> RedisStore::Keys(std::string_view prefix, StoreKind kind,
                                                  std::size_t most) {
  Waiting waiting{options_.clock->Now(), options_.patience};
  const std::string glob = EscapedGlob(prefix) + "*";
  const bool own = prefix.starts_with(StoreBatch::kOwnPrefix);
  std::unordered_set<std::string> found;
  std::string cursor = "0";
  do {
    RedisRequest request;
    request.Add({"SCAN", cursor, "MATCH", glob, "COUNT", "1000", "TYPE", RedisType(kind)});
    RedisOutcome outcome = Exchange(std::move(request), &waiting);
    if (outcome.status.code() == StatusCode::kUnknownOutcome) {
      if (interrupted_ || waiting.over(options_.clock->Now())) {
        return NoMorePatience(waiting, outcome.status.message());
      }
      continue;
    }
    if (!outcome.status.ok()) return NoMorePatience(waiting, "");
    RedisReply& reply = outcome.replies.front();
    if (reply.kind == RedisReply::Kind::kError && IsPassingRedisError(reply.text)) {
      Status waited = WaitAgain(reply.text, &waiting);
      if (!waited.ok()) return waited;
      continue;
    }
    if (reply.elements.size() != 2) {
      return InvalidArgument(fmt::format("{}: SCAN answered {}", url_,
                                         reply.kind == RedisReply::Kind::kError
                                             ? reply.text
                                             : std::string(RedisKindName(reply.kind))));
    }
    cursor = reply.elements[0].text;
    for (RedisReply& key : reply.elements[1].elements) {
      if (own || !key.text.starts_with(StoreBatch::kOwnPrefix)) found.insert(std::move(key.text));
    }
    if (found.size() > most) {
      return Status(StatusCode::kTooLarge, fmt::format("{}: more than {} keys begin with {}", url_,
                                                       most, ShownBytes(prefix)));
    }
    if (cursor == "0") break;
  } while (true);
  return std::vector<std::string>(found.begin(), found.end());
}

void RedisStore::Interrupt() {
  interrupted_ = true;
  loop_.Post([] {});
}

std::optional<MonoTime> RedisStore::last_waited() const {
  if (waits_now_) return options_.clock->Now();
  const MonoTime::rep at = last_waited_;
  if (at == 0) return std::nullopt;
  return MonoTime(Duration(at));
}

StoreReport RedisStore::Report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace rivulet
