// Arms that a Redis server has: --store=redis://… Read over a connection of their own, on the loop:
// what is asked in one turn of it, or while a reading is under way, shares the next reading, which
// is one HGETALL and one HGET in one request.
//
// Thread: the loop's.
#pragma once

#include <memory>

#include "bandit/arms_reader.h"
#include "store/redis_client.h"

namespace rivulet {

class RedisBatch;

class RedisArms final : public ArmsReader {
 public:
  /// Begins to connect. Both must outlive it.
  RedisArms(EventLoop& loop, const Clock& clock, RedisAddress address, ArmsReaderConfig config,
            BackoffConfig reconnect = {std::chrono::milliseconds(50), std::chrono::seconds(1)});
  ~RedisArms() override;

 protected:
  void Ask(StoreBatch batch) override;

 private:
  void OnOutcome(RedisOutcome outcome);

  // The reading in hand.
  StoreBatch batch_;
  std::unique_ptr<RedisBatch> redis_;
  bool distrusted_ = false;  // the connection: its last answer was none
  RedisClient client_;
};

}  // namespace rivulet
