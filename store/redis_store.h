// The store that a Redis server keeps: --store=redis://HOST:PORT/DB. Many programs may share it.
//
// Plain for other clients: a counter is a Redis string of digits, a hash a Redis hash, a sorted set
// a Redis sorted set, a distinct count a Redis HyperLogLog; what the store needs for itself is at
// keys that begin with "rivulet|". Commands of a pipelined batch are Redis's own (HINCRBY,
// ZINCRBY…); an atomic batch, and what Redis has no command for, is one script (redis_script.h).
// What is kept of the decay of a set goes with it where an atomic batch removes it; where Redis
// lets it expire, or a pipelined command removes it, when the next is made at its key. Sums of
// HashAdd() are rounded as Redis rounds them, in decimals, where a batch is pipelined. The '|' and
// '%' of a scope of Once() stand in its keys as %7C and %25, so that no two share one.
//
// A server that is away, or that answers LOADING, OOM, READONLY, NOPERM… is waited for. A batch
// whose connection was lost is sent again where that changes nothing: what is read, set or deleted,
// and what stands behind Once() with an id. Else Run() answers kUnknownOutcome. A reply that is
// larger than the options allow is kTooLarge.
//
// Needs Redis 6.2 or later, or what speaks its protocol, one server and no cluster. A user with
// rights to some commands alone needs EVAL and EVALSHA, and for each command of a batch what
// redis_script.cc lists under `changes`: an atomic batch is refused with NOPERM before anything is
// written. Without BITFIELD, Once() does with SETBIT, an id at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "store/hosted_store.h"
#include "store/redis_client.h"

namespace rivulet {

class RedisBatch;

struct RedisStoreOptions {
  const Clock* clock = nullptr;  // required; outlives the store
  /// How long Run() waits for a server that is away; nothing: for ever.
  std::optional<Duration> patience{};
  /// Its first line is the password, in place of the address's. Empty: none.
  std::string password_file{};
  std::size_t max_reply_bytes = std::size_t{512} << 20;
};

/// Everything happens on the thread that calls: the connection lives on while nobody calls, but
/// nothing is read from it.
class RedisStore final : public HostedStore {
 public:
  /// kInvalidArgument where the server refuses the password or has no such DB, or is no Redis.
  /// Where it is away, or says nothing for a second: kUnavailable after the patience, or a store
  /// all the same where there is none.
  static Result<std::unique_ptr<RedisStore>> Open(RedisAddress address, RedisStoreOptions options);
  ~RedisStore() override;

  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override;
  /// Of the database's keys. Those of the store itself alone where `prefix` begins like theirs.
  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                        std::size_t most) override;
  void Interrupt() override;
  std::optional<MonoTime> last_waited() const override;
  StoreReport Report() const override;

 private:
  struct Waiting;

  RedisStore(RedisAddress address, RedisStoreOptions options);

  Status AwaitFirstVerdict();
  /// One request and its outcome; waits as `waiting` allows.
  RedisOutcome Exchange(RedisRequest request, Waiting* waiting);
  /// After a passing refusal. An error when there is no more patience.
  Status WaitAgain(const std::string& why, Waiting* waiting);
  Status NoMorePatience(const Waiting& waiting, const std::string& why) const;
  Status RunAll(RedisBatch* batch, Waiting* waiting);
  void NameKinds(RedisBatch* batch, Waiting* waiting);
  void Turn(Duration at_most, bool away, Waiting* waiting);
  void SayState(const Status& status);

  RedisStoreOptions options_;
  std::string url_;
  EventLoop loop_;
  RedisClient client_;
  JitterBackoff backoff_;
  bool said_away_ = false;
  std::string said_;

  std::atomic<bool> interrupted_ = false;
  std::atomic<MonoTime::rep> last_waited_ = 0;
  std::atomic<bool> waits_now_ = false;
  mutable std::mutex mutex_;
  StoreReport report_;  // guarded by mutex_
};

}  // namespace rivulet
