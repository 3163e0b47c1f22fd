#include "bandit/arms_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace rivulet {
namespace {

bool SameCounters(const std::vector<BanditArm>& a, const std::vector<BanditArm>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const BanditArm& x, const BanditArm& y) {
                      return x.clicks == y.clicks && x.impressions == y.impressions && x.id == y.id;
                    });
}

bool SameSums(const std::vector<BanditArm>& a, const std::vector<BanditArm>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const BanditArm& x, const BanditArm& y) { return x.sums == y.sums; });
}

bool SameTotals(const BanditArms& a, const BanditArms& b) {
  return a.round == b.round && a.trouble == b.trouble && a.experiments == b.experiments &&
         a.impressions == b.impressions && a.clicks == b.clicks &&
         a.counted_impressions == b.counted_impressions && a.counted_clicks == b.counted_clicks &&
         std::equal(a.history.begin(), a.history.end(), b.history.begin(), b.history.end(),
                    [](const BanditRound& x, const BanditRound& y) {
                      return x.round == y.round && x.json == y.json;
                    });
}

Result<std::uint64_t> RoundOf(const StoreReply& reply, const BanditKeys& keys) {
  if (reply.kind == StoreReply::Kind::kFailed) return reply.status;
  if (reply.kind == StoreReply::Kind::kNothing) return std::uint64_t{0};
  std::uint64_t round = 0;
  const char* end = reply.text.data() + reply.text.size();
  const auto [at, error] = std::from_chars(reply.text.data(), end, round);
  if (error == std::errc() && at == end) return round;
  return InvalidArgument(fmt::format("the field round of {} must be a whole number", keys.state()));
}

}  // namespace

StoreBatch ArmsQuestion::Batch() const {
  StoreBatch batch;
  if (amount == ArmsAmount::kCounters) {
    batch.HashAll(keys.items);
    batch.HashGet(keys.state(), "round");
  } else {
    AskBandit(&batch, keys, HasSums() ? features : 0);
  }
  return batch;
}

Status ArmsQuestion::CheckSize(const StoreReply& counters) const {
  if (counters.items.size() <= 2 * kMostDrawnArms) return {};
  return {StatusCode::kTooLarge,
          fmt::format("the hash {} has {} fields: it must be a bandit of at most {} items",
                      keys.items, counters.items.size(), kMostDrawnArms)};
}

Status ArmsQuestion::CheckLost(const BanditArms& now, const SharedArms& known) const {
  const bool lost = now.arms.empty() && now.round == 0 && known != nullptr && known->round > 0 &&
                    !known->arms.empty();
  if (!lost) return {};
  return {StatusCode::kUnavailable,
          fmt::format("the store has lost the bandit: {} was there in round {}, and is not",
                      keys.items, known->round)};
}

Result<SharedArms> ArmsQuestion::Understand(const Result<std::vector<StoreReply>>& replies,
                                            const SharedArms& known) const {
  if (!replies.ok()) return replies.status();
  return amount == ArmsAmount::kCounters ? UnderstandCounters(*replies, known)
                                         : UnderstandTotals(*replies, known);
}

Result<SharedArms> ArmsQuestion::UnderstandCounters(const std::vector<StoreReply>& replies,
                                                    const SharedArms& known) const {
  for (const StoreReply& reply : replies) {
    if (reply.kind == StoreReply::Kind::kFailed) return reply.status;
  }
  if (Status status = CheckSize(replies.at(0)); !status.ok()) return status;
  BanditArms now;
  auto arms = ReadArms(replies.at(0).items, &now.trouble);
  if (!arms.ok()) return arms.status();
  auto round = RoundOf(replies.at(1), keys);
  if (!round.ok()) return round.status();
  now.arms = std::move(*arms);
  now.round = *round;
  if (Status status = CheckLost(now, known); !status.ok()) return status;
  const bool same = SameCounters(now.arms, known->arms);
  if (same && now.round == known->round && now.trouble == known->trouble) return known;
  if (!same && features > 0) return SharedArms();
  BanditArms bandit = *known;
  if (!same) bandit.arms = std::move(now.arms);
  bandit.round = now.round;
  bandit.trouble = std::move(now.trouble);
  return std::make_shared<const BanditArms>(std::move(bandit));
}

Result<SharedArms> ArmsQuestion::UnderstandTotals(const std::vector<StoreReply>& replies,
                                                  const SharedArms& known) const {
  if (!replies.empty()) {
    if (Status status = CheckSize(replies.front()); !status.ok()) return status;
  }
  auto bandit = ReadBandit(replies, HasSums() ? features : 0);
  if (!bandit.ok()) return bandit.status();
  if (Status status = CheckLost(*bandit, known); !status.ok()) return status;
  if (known == nullptr) return std::make_shared<const BanditArms>(std::move(*bandit));
  const bool same = SameCounters(bandit->arms, known->arms) &&
                    (!HasSums() || SameSums(bandit->arms, known->arms));
  if (same && SameTotals(*bandit, *known)) return known;
  if (features > 0 && !HasSums()) {
    if (!same) return SharedArms();
    bandit->arms = known->arms;
  }
  return std::make_shared<const BanditArms>(std::move(*bandit));
}

}  // namespace rivulet
