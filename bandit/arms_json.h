// GET /arms?format=json: what is known of a bandit, arm by arm.
//
//   policy, prior, round, experiments, impressions, clicks, late, arms_total, picks, fallbacks;
//                       experiments, impressions, clicks, late and history are read once a second
//                       (and at a new round), the arms every --refresh
//   state               where /item answers from: current, last-known, fallback, none
//   status              "ok", or why the store could not be read, or what of it cannot be used
//   age                 seconds since the store was asked for what is shown; null: never
//   arms                the best by mean, as many as n= says:
//     item, clicks, impressions   as the store has them, with the 1 and 1 that they began with
//     rate                of true clicks by true impressions; null before the first
//     alpha, beta, mean, low, high   the posterior, and the interval that holds 95 % of it
//     picked              times that this process answered it
//   history             what each refresh did, the newest first, as the task wrote it
//   health, start_time  as in /stats
//
// Of many arms it takes milliseconds, so it is written a part at a time: see bandit/arms_views.h.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bandit/item_answers.h"
#include "bandit/likely_rates.h"
#include "bandit/picker.h"
#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

inline constexpr std::size_t kShownArms = 100;
inline constexpr std::size_t kMostShownArms = 1000;

/// Borrows, but for what ArmsJson() takes over.
struct ArmsReport {
  const Picker& picker;
  std::string_view policy;
  std::string_view prior;
  ArmsState state = ArmsState::kNone;
  Status status = {};
  std::optional<Duration> age = std::nullopt;
  std::uint64_t picks = 0;
  std::uint64_t fallbacks = 0;
  Status health = {};
  WallTime start_time{};
  std::size_t most_arms = kShownArms;
};

/// The history as JSON, round by round: parsed once, when it is first seen.
class ShownHistory {
 public:
  /// What is no JSON object is shown as the text it is.
  void AppendTo(std::string* out, const std::vector<BanditRound>& history);

 private:
  struct Shown {
    BanditRound round;
    std::string text;
  };
  std::vector<Shown> shown_;
};

/// What a part may cost at most: some 0.5 ms where the arms have thousands of clicks, 1.3 ms where
/// they have millions.
inline constexpr std::size_t kArmsJsonPart = 512;

class ArmsJson {
 public:
  /// Takes over what is known of the arms now; the report is not looked at again. Both caches must
  /// outlive it. Sorting 10,000 arms takes 1 ms.
  ArmsJson(const ArmsReport& report, LikelyRates* likely, ShownHistory* history);

  /// Writes on: an arm costs 1, one whose likely rates are not known kUnknown. True: it is
  /// complete.
  bool Continue(std::size_t cost);
  const std::string& text() const { return text_; }

 private:
  static constexpr std::size_t kUnknown = 16;
  struct Row {
    std::size_t arm = 0;
    std::uint64_t picked = 0;
  };
  BetaPosterior PosteriorOfRow(const Row& row) const;
  void AppendArm(const Row& row, const BetaPosterior& posterior);

  std::shared_ptr<const BanditArms> arms_;
  BetaPrior prior_;
  LikelyRates* likely_;
  ShownHistory* history_;
  std::vector<Row> rows_;
  std::size_t written_ = 0;
  std::string text_;
};

/// The indexes of up to `most` arms, the best mean first; of equal ones that of more impressions.
std::vector<std::size_t> BestArms(const Picker& picker, std::size_t most);

/// True clicks by true impressions; nothing before the first impression.
std::optional<double> SeenRate(const BanditArm& arm);

}  // namespace rivulet
