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
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bandit/item_answers.h"
#include "bandit/picker.h"
#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

inline constexpr std::size_t kShownArms = 100;
inline constexpr std::size_t kMostShownArms = 1000;

/// Borrows.
struct ArmsReport {
  const Picker& picker;
  std::string_view policy;
  std::string_view prior;
  ArmsState state = ArmsState::kNone;
  Status status;
  std::optional<Duration> age;
  std::uint64_t picks = 0;
  std::uint64_t fallbacks = 0;
  Status health;
  WallTime start_time{};
  std::size_t most_arms = kShownArms;
};

/// 11 us an arm that is shown (its interval), up to 40 with many counts.
std::string ArmsJson(const ArmsReport& report);

/// The indexes of up to `most` arms, the best mean first; of equal ones that of more impressions.
std::vector<std::size_t> BestArms(const Picker& picker, std::size_t most);

/// True clicks by true impressions; nothing before the first impression.
std::optional<double> SeenRate(const BanditArm& arm);

}  // namespace rivulet
