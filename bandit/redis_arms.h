// Arms that a Redis server has: --store=redis://… Read over a connection of their own, on the loop.
// What is asked in one turn of it shares a reading, which is one HGETALL and one HGET in one
// request; where a reading serves requests (--refresh=0), up to kReadingsAhead are under way, so
// that none waits for another's answer before its own is asked.
//
// Replies of many arms are understood on a thread of their own, so that picks are answered
// meanwhile: of 1,000 arms the loop only takes the bytes apart.
//
// Cost of a pick that waits for a reading of 10 arms: 9 us of the loop, where 8 clients share them
// (bench/RESULTS.md); without a reading 6.
// Thread: the loop's.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bandit/arms_reader.h"
#include "journal/helper.h"
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
  /// Of the one thread that understands replies now: the loop's, or, while any are with it, the
  /// helper's.
  struct Memory {
    SharedArms known;  // by the last reading that was well
    // The last replies to a question for counters, and what is known by them; nullptr: nothing.
    std::vector<RedisReply> replies;
    SharedArms of_replies;
  };
  struct Understanding;

  void OnOutcome(Number reading, ArmsAmount amount, RedisOutcome outcome);
  static Result<SharedArms> Understand(Understanding* work);
  void OnUnderstood(Number reading, const Understanding& work, Duration took);

  std::array<RedisRequest, kArmsAmounts> requests_;
  Memory memory_;
  bool distrusted_ = false;      // the connection: its last answer was none
  std::size_t with_helper_ = 0;  // readings that it has not told yet
  RedisClient client_;
  Helper helper_;  // last: waits for its thread, which has memory_
};

}  // namespace rivulet
