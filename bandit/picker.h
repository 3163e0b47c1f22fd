// Draws items from arms: what GET /item does without HTTP.
//
// Made of a reading of the store; what every draw needs of it is laid out once, in flat arrays, and
// a draw allocates nothing (once its buffers have grown). What it draws is learned from by nobody:
// the task counts what was shown.
//
// Cost of a pick of one among 10 arms: 0.3 us for thompson; of 1,000: 25 us; others cost less, but
// those with a context: d^2 an arm. Use(): O(arms), and O(d^3) for each arm whose sums are others
// than before.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/bandit/best.h"
#include "algorithms/bandit/beta_thompson.h"
#include "algorithms/bandit/linear_arm.h"
#include "algorithms/random.h"
#include "bandit/api_options.h"
#include "tasks/bandit_arms.h"

namespace rivulet {

enum class PickPolicy : std::uint8_t {
  kThompson,
  kUcb1,
  kEpsilonGreedy,
  kLinUcb,
  kLinearThompson,
  kUniform,
};

struct PickRules {
  PickPolicy policy = PickPolicy::kThompson;
  BetaPrior prior = BetaPrior::kUniform;
  double epsilon = 0.1;
  double alpha = 1;
  std::size_t context_size = 0;  // d, x_0 included
};
PickRules MakePickRules(const BanditApiOptions& options);

/// Borrows what it names for the pick.
struct PickRequest {
  std::size_t items = 1;
  std::span<const std::string_view> exclude{};
  /// d numbers, the first of them 1; of policies without a context: not looked at.
  std::span<const double> context{};
};

class Picker {
 public:
  explicit Picker(PickRules rules) : rules_(rules) {}

  /// Draws from these from now on. What was picked is still known of the arms that are in both.
  void Use(std::shared_ptr<const BanditArms> arms);
  /// nullptr before the first Use().
  const std::shared_ptr<const BanditArms>& arms() const { return arms_; }
  std::size_t size() const { return arms_ == nullptr ? 0 : arms_->arms.size(); }

  /// The best of `request.items` different arms, the best first, each with the score it was drawn
  /// at; fewer where there are fewer, none where all are excluded. Valid until the next pick. Ids
  /// that are none of the set may be excluded. Of ucb1 and what else draws nothing, arms that score
  /// the same take turns at random.
  std::span<const ScoredArm> Pick(const PickRequest& request, Random& random);
  const BanditArm& arm(std::size_t index) const { return arms_->arms[index]; }

  /// This arm was answered: a count of this process, which no draw looks at.
  void NotePicked(std::size_t index) { ++picked_[index]; }
  std::uint64_t picked(std::size_t index) const { return picked_[index]; }
  /// Arms whose sums cannot be used (they are none of numbers), by id: they are drawn as unknown.
  const std::vector<std::string>& unusable() const { return unusable_; }
  const BetaPosterior& posterior(std::size_t index) const { return posteriors_[index]; }
  const PickRules& rules() const { return rules_; }

 private:
  void LayOut();
  /// Of arms that were there before, `before` by id.
  void KeepPicked(const BanditArms* before);
  void UpdateLinear(const BanditArms* before);
  void SetBarred(std::span<const std::string_view> ids, bool barred);
  /// Calls `choose` with a function from an arm's index to its score, drawn now.
  template <typename Choose>
  auto WithScores(std::span<const double> context, Random& random, Choose choose);
  std::span<const ScoredArm> PickGreedily(std::size_t items, Random& random);

  PickRules rules_;
  std::shared_ptr<const BanditArms> arms_;
  // By arm.
  std::vector<BetaPosterior> posteriors_;
  std::vector<double> fixed_;  // scores that are the same in every pick
  std::vector<LinearArm> linear_;
  std::vector<std::string> unusable_;
  std::vector<std::uint64_t> picked_;
  std::vector<std::uint8_t> barred_;  // not to be chosen by this pick
  std::size_t barred_count_ = 0;

  std::vector<ScoredArm> chosen_;
};

}  // namespace rivulet
