// The states of a statistic in the store, where many readers update them together.
//
// Layout, under a prefix P, for any client of a Redis to read:
//
//   P:form      a hash: `form` is the task with its arguments, on which all readers must agree
//   P:counts    a hash: `count` of messages in the states, `skipped`, `bad_keys`, `other_keys`
//   P:keys      of by=: a sorted set, how many messages there were of each key
//   P, or P|K   the state, or that of the key K; see the header of each statistic
//
// Exactly once: what a message does stands behind Once(P, message.id()) in an atomic batch of up to
// 500 messages, one round trip for all. Messages without an id (files, popped queues) count as
// often as they are run. `other_keys` is told to the store with the next batch.
//
// Thread: the one that runs tasks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/store.h"
#include "tasks/local_statistics.h"
#include "tasks/statistic.h"

namespace rivulet {

class SharedStatistics {
 public:
  static constexpr std::size_t kBatch = 500;

  struct Options {
    std::string prefix;
    std::string form;          // what P:form shall say
    std::size_t max_keys = 0;  // 0: one state without a key
  };
  /// The form and the store outlive it.
  SharedStatistics(const StatisticForm& form, Store* store, Options options);

  /// Of one message, into the batch in hand.
  void Update(std::string_view id, std::string_view key, const Observation& observation);
  void CountSkipped(std::string_view id) { CountOnly(id, "skipped"); }
  void CountBadKey(std::string_view id) { CountOnly(id, "bad_keys"); }

  /// Carries out the batch in hand and begins the next one, whatever becomes of it. Throws
  /// TaskUnusable where the store is away and the reader stops, and where others have put
  /// statistics of another form under the prefix.
  Status Commit();

  /// Asks the store, for at most some seconds.
  StatisticsFound Find(std::size_t most) const;

  std::uint64_t untold_other_keys() const { return untold_; }
  void set_untold_other_keys(std::uint64_t count);

 private:
  void Begin();
  void CountOnly(std::string_view id, std::string_view what);
  Status TryCommit();
  /// Puts the form into the store, or makes sure that it is there.
  Status AgreeOnForm();
  Result<std::vector<StoreReply>> AskStates(const std::vector<std::string>& keys,
                                            std::vector<std::size_t>* parts) const;
  void FindStates(const std::vector<std::string>& keys, const std::vector<std::uint64_t>& counts,
                  StatisticsFound* found) const;

  const StatisticForm& form_;
  Store* store_;
  const std::string prefix_;
  const std::string form_text_;
  const std::size_t max_keys_;
  const std::string form_key_;
  const std::string counts_key_;
  const std::string keys_key_;
  StoreBatch batch_{StoreBatch::Mode::kAtomic};
  std::string key_;                  // of the state in hand
  std::vector<std::size_t> admits_;  // which commands of the batch ask for room for a key
  std::uint64_t untold_ = 0;         // other_keys that the store does not know
  std::uint64_t telling_ = 0;        // of these, in the batch in hand
  bool all_have_ids_ = true;         // the messages of the batch in hand
};

}  // namespace rivulet
