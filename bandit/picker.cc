#include "bandit/picker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "algorithms/bandit/ucb1.h"

namespace rivulet {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kRidge = 1;

PickPolicy PolicyNamed(std::string_view name) {
  if (name == "ucb1") return PickPolicy::kUcb1;
  if (name == "epsilon-greedy") return PickPolicy::kEpsilonGreedy;
  if (name == "lin-ucb") return PickPolicy::kLinUcb;
  if (name == "linear-thompson") return PickPolicy::kLinearThompson;
  if (name == "uniform") return PickPolicy::kUniform;
  return PickPolicy::kThompson;
}

// Counters begin at 1.
double Seen(std::int64_t counter) {
  return static_cast<double>(std::max<std::int64_t>(0, counter - 1));
}

auto ArmBelow(const BanditArm& arm, std::string_view id) { return arm.id < id; }

}  // namespace

PickRules MakePickRules(const BanditApiOptions& options) {
  return {.policy = PolicyNamed(options.policy),
          .prior = options.prior == "counts" ? BetaPrior::kCounts : BetaPrior::kUniform,
          .epsilon = options.epsilon,
          .alpha = options.alpha,
          .context_size = ContextSize(options)};
}

void Picker::Use(std::shared_ptr<const BanditArms> arms) {
  if (arms == arms_) return;
  const std::shared_ptr<const BanditArms> before = std::exchange(arms_, std::move(arms));
  KeepPicked(before.get());
  if (rules_.context_size > 0) UpdateLinear(before.get());
  LayOut();
}

void Picker::LayOut() {
  posteriors_.clear();
  fixed_.clear();
  double impressions = 0;
  for (const BanditArm& arm : arms_->arms) {
    posteriors_.push_back(PosteriorOf(arm.clicks, arm.impressions, rules_.prior));
    impressions += Seen(arm.impressions);
  }
  if (rules_.policy == PickPolicy::kEpsilonGreedy) {
    for (const BetaPosterior& posterior : posteriors_) fixed_.push_back(posterior.mean());
  }
  if (rules_.policy == PickPolicy::kUcb1) {
    for (const BanditArm& arm : arms_->arms) {
      fixed_.push_back(Ucb1Score(Seen(arm.impressions), Seen(arm.clicks), impressions));
    }
  }
  barred_.assign(arms_->arms.size(), 0);
}

void Picker::KeepPicked(const BanditArms* before) {
  std::vector<std::uint64_t> kept(arms_->arms.size(), 0);
  std::size_t old = 0;
  for (std::size_t i = 0; before != nullptr && i < kept.size(); ++i) {
    while (old < before->arms.size() && before->arms[old].id < arms_->arms[i].id) ++old;
    if (old == before->arms.size()) break;
    if (before->arms[old].id == arms_->arms[i].id) kept[i] = picked_[old];
  }
  picked_ = std::move(kept);
}

void Picker::UpdateLinear(const BanditArms* before) {
  const std::size_t d = rules_.context_size;
  const std::size_t upper = d * (d + 1) / 2;
  const std::vector<double> nothing(upper + d, 0.0);
  const std::vector<std::string> unusable_before = std::exchange(unusable_, {});
  std::vector<LinearArm> linear;
  linear.reserve(arms_->arms.size());
  std::size_t old = 0;
  for (const BanditArm& arm : arms_->arms) {
    while (before != nullptr && old < before->arms.size() && before->arms[old].id < arm.id) ++old;
    const bool same = before != nullptr && old < before->arms.size() &&
                      before->arms[old].id == arm.id && before->arms[old].sums == arm.sums;
    if (same) {
      if (std::find(unusable_before.begin(), unusable_before.end(), arm.id) !=
          unusable_before.end()) {
        unusable_.push_back(arm.id);
      }
      linear.push_back(std::move(linear_[old]));
      continue;
    }
    const bool has_sums = arm.sums.size() == upper + d;
    const std::span<const double> sums = has_sums ? arm.sums : nothing;
    auto made = LinearArm::FromSums(sums.first(upper), sums.subspan(upper), kRidge);
    if (!made) unusable_.push_back(arm.id);
    linear.push_back(made ? *std::move(made) : LinearArm(d, kRidge));
  }
  linear_ = std::move(linear);
}

void Picker::SetBarred(std::span<const std::string_view> ids, bool barred) {
  for (const std::string_view id : ids) {
    const auto& arms = arms_->arms;
    const auto found = std::lower_bound(arms.begin(), arms.end(), id, ArmBelow);
    if (found == arms.end() || found->id != id) continue;
    std::uint8_t& mark = barred_[static_cast<std::size_t>(found - arms.begin())];
    if ((mark != 0) == barred) continue;
    mark = barred ? 1 : 0;
    barred_count_ = barred ? barred_count_ + 1 : barred_count_ - 1;
  }
}

template <typename Choose>
auto Picker::WithScores(std::span<const double> context, Random& random, Choose choose) {
  switch (rules_.policy) {
    case PickPolicy::kThompson:
      return choose(
          [&](std::size_t i) { return random.Beta(posteriors_[i].alpha, posteriors_[i].beta); });
    case PickPolicy::kLinUcb:
      return choose([&](std::size_t i) {
        const auto [mean, variance] = linear_[i].Predict(context);
        return mean + rules_.alpha * std::sqrt(variance);
      });
    case PickPolicy::kLinearThompson:
      // The score of an arm whose parameters are drawn from their normal distribution is itself
      // normal.
      return choose([&](std::size_t i) {
        const auto [mean, variance] = linear_[i].Predict(context);
        return mean + rules_.alpha * std::sqrt(variance) * random.Normal();
      });
    case PickPolicy::kUcb1:
    case PickPolicy::kEpsilonGreedy:
      return choose([&](std::size_t i) { return fixed_[i]; });
    case PickPolicy::kUniform:
      break;
  }
  return choose([&](std::size_t) { return random.Uniform(); });
}

std::span<const ScoredArm> Picker::Pick(const PickRequest& request, Random& random) {
  if (size() == 0) return {};
  SetBarred(request.exclude, true);
  const std::size_t items = std::min(request.items, size() - barred_count_);
  std::span<const ScoredArm> picked;
  if (items > 0 && rules_.policy == PickPolicy::kEpsilonGreedy) {
    picked = PickGreedily(items, random);
  } else if (items > 0) {
    chosen_.resize(items);
    // Where scores are the same the first wins: begin anywhere.
    const std::size_t first = fixed_.empty() ? 0 : random.Below(size());
    picked = WithScores(request.context, random, [&](auto score) {
      const auto score_unless_barred = [&](std::size_t i) {
        const std::size_t arm = i + first < size() ? i + first : i + first - size();
        return barred_[arm] != 0 ? kNever : score(arm);
      };
      return SeveralBestOf(size(), score_unless_barred, std::span(chosen_));
    });
    for (ScoredArm& one : chosen_) one.arm = (one.arm + first) % size();
  }
  if (barred_count_ > 0) SetBarred(request.exclude, false);
  return picked;
}

// Each place on its own is any of the arms that are left, or the best of them.
std::span<const ScoredArm> Picker::PickGreedily(std::size_t items, Random& random) {
  chosen_.clear();
  const std::size_t barred_before = barred_count_;
  while (chosen_.size() < items) {
    std::size_t arm = random.Below(size());
    if (random.Chance(rules_.epsilon)) {
      std::size_t skip = random.Below(size() - barred_before - chosen_.size());
      for (arm = 0; barred_[arm] != 0 || skip-- > 0; ++arm) continue;
    } else {
      const std::size_t first = arm;
      arm = BestOf(size(), [&](std::size_t i) {
        const std::size_t at = i + first < size() ? i + first : i + first - size();
        return barred_[at] != 0 ? kNever : fixed_[at];
      });
      arm = (arm + first) % size();
    }
    barred_[arm] = 1;
    chosen_.push_back({arm, fixed_[arm]});
  }
  for (const ScoredArm& one : chosen_) barred_[one.arm] = 0;
  return chosen_;
}

}  // namespace rivulet
