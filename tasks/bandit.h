// bandit:catalogue=FILE|URL[,…]: which of some items visitors click on, counted in the store for
// who chooses what to show (bandit(1)), and every so often other items are tried.
//
// This is the consumer of the published prototype; its refresh is tasks/bandit_refresh.h, its
// layout in the store, with what we added, tasks/bandit_arms.h.
//
//   key=items, experiments=experiments   names in the store
//   type=type             the field that names the event: impression=impression, click=click
//   item=item             the field of the item's id: a string, or a whole number
//   round=round           the field of the round in which it was shown, where the message has one:
//                         feedback of another round is late
//   arms=10               items in the set, 2 to 10,000
//   refresh=1000          impressions until the set is refreshed; 0: it stays as it was filled
//   catalogue=FILE|URL    where newcomers come from: tasks/bandit_catalogue.h
//   items=a+b+c           instead: these alone
//   priors=FILE           what is known of items from before:
//   {"item":"a","clicks":3,"impressions":60}
//                         a line; those begin each round at 1 + 3 and 1 + 60
//   prior=uniform         how a refresh reads the counters: uniform or counts (as the prototype)
//   keep=draws            or random: the refresh keeps a random half, the control of an experiment
//   features=a+b+c        of contextual bandits: numbers within context=context, at most 15, from
//   -1e6
//                         to 1e6; a missing one is 0. Impressions and clicks both carry the context
//   seed=N                of draws; default: random
//
// Feedback for an item that is not in the set, or of another round, is counted as late, and learns
// nothing. Other events are `skipped`; `malformed` are those of which the item, the round or a
// feature is not what it should be.
//
// Learns exactly once: what a message does stands behind Once(key, message.id()) in an atomic
// batch. Messages without an id (files, popped queues) learn as often as they are run.
//
// The set is filled and refreshed by Tick() or with a message, once the catalogue has answered, for
// which nothing waits: but feedback that comes first of all, for an empty set, waits for an answer
// on its way, 5 s at most. While a refresh fails, the set stays, and learning goes on; a failure is
// logged once until it succeeds. Feedback for an item whose counters cannot be read is late.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/task.h"
#include "store/store_batch.h"
#include "tasks/bandit_arms.h"
#include "tasks/bandit_refresh.h"

namespace rivulet {

class BanditTask final : public Task {
 public:
  explicit BanditTask(TaskArgs& args);

  Outcome Run(const Message& message, Context& context) override;
  /// So few that a refresh comes close to its number of impressions.
  std::size_t batch_size() const override { return batch_size_; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override;
  /// Fills and refreshes the set where that is due.
  void Tick() override;
  /// "rate" of an arm is that of what was counted of it, "mean" that of its posterior.
  void Summarize(Summary& summary) const override;

 private:
  struct Counts {
    std::uint64_t skipped = 0;
    std::uint64_t malformed = 0;
  };
  /// Of a message; views into it, and into what is kept for it until the next.
  struct Feedback {
    bool click = false;
    std::string_view item;
    std::string_view round;  // empty: it has none
  };

  /// Counts what is no feedback.
  std::optional<Feedback> Read(const Message& message, Counts* counts);
  bool ReadContext(const Message& message);
  void Learn(std::string_view id, const Feedback& feedback);
  /// Of a contextual bandit: the sums of the item.
  void LearnContext(const Feedback& feedback);
  /// What is seen, whether or not it counts.
  void LearnSeen(std::string_view id, const Feedback& feedback);
  Result<std::vector<StoreReply>> Commit();
  /// Tries to fill the set before feedback for it is lost.
  void FillFirst(Context& context);
  /// The store holds something for the item that no feedback can be added to.
  bool IsLeftOut(std::string_view item);
  /// `context`: whose log; nullptr: the program's.
  void Refresh(WallTime now, std::optional<Duration> patience, Context* context);

  const BanditKeys keys_;
  const std::string state_;
  const std::string linear_;
  const std::string type_;
  const std::string impression_;
  const std::string click_;
  const std::string item_;
  const std::string round_;
  const BetaPrior prior_;
  std::vector<std::string> features_;  // paths
  Store* const store_;
  std::size_t batch_size_ = 1;
  std::optional<BanditRefresh> refresh_;
  Counts counts_;
  std::uint64_t elsewhere_ = 0;
  bool failing_ = false;  // told already
  StoreBatch batch_{StoreBatch::Mode::kAtomic};
  bool all_have_ids_ = true;  // the messages of the batch in hand
  // Of the message in hand.
  std::string item_number_;
  std::string round_number_;
  std::vector<double> x_;
  std::vector<double> products_;
  std::string field_;
};

}  // namespace rivulet
