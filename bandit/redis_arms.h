// Arms that a Redis server has: --store=redis://… Read over a connection of their own, on the loop.
// What is asked in one turn of it shares a reading, which is one HGETALL and one HGET in one
// request; where a reading serves requests (--refresh=0), up to kReadingsAhead are under way, so
// that none waits for another's answer before its own is asked.
//
// Cost of a pick that waits for a reading of 10 arms: 14 us of the loop, where 8 clients share them
// (bench/RESULTS_bandit.md); without a reading 7.
// Thread: the loop's.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bandit/arms_reader.h"
#include "store/redis_client.h"

namespace rivulet {

class RedisArms final : public ArmsReader {
 public:
  static constexpr std::size_t kReadingsAhead = 2;

  /// Begins to connect. Both must outlive it.
  RedisArms(EventLoop& loop, const Clock& clock, RedisAddress address, ArmsReaderConfig config,
            BackoffConfig reconnect = {std::chrono::milliseconds(50), std::chrono::seconds(1)});
  ~RedisArms() override;

 protected:
  void Ask(Number reading, ArmsAmount amount) override;

 private:
  void OnOutcome(Number reading, ArmsAmount amount, RedisOutcome outcome);
  Result<SharedArms> Understand(ArmsAmount amount, RedisOutcome outcome);

  std::array<RedisRequest, kArmsAmounts> requests_;
  // The last replies to a question for counters, and what was known of them.
  std::vector<RedisReply> last_replies_;
  SharedArms last_arms_;
  bool distrusted_ = false;  // the connection: its last answer was none
  RedisClient client_;
};

}  // namespace rivulet
