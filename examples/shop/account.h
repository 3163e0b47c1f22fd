// Whether a day adds up: what was sent, and what the bandit says that it has learned of it.
#pragma once

#include <cstdint>
#include <cstdio>

#include "base/print.h"
#include "base/status.h"
#include "examples/shop/learned.h"

namespace rivulet::shop {

/// What was sent and answered 2xx, so that it must be learned; and what was not.
struct Sent {
  std::uint64_t impressions = 0;
  std::uint64_t clicks = 0;
  std::uint64_t refused = 0;      // events that the collector did not take
  std::uint64_t turned_away = 0;  // visitors whom the shop did not answer
  std::uint64_t by_bandit = 0;    // visitors whose picture the bandit chose
};

/// What was learned since `before`.
inline Result<Learned> Since(Learned now, const Learned& before) {
  if (now.impressions < before.impressions || now.clicks < before.clicks ||
      now.late < before.late) {
    return InvalidArgument("the bandit has forgotten what it knew before the day");
  }
  now.impressions -= before.impressions;
  now.clicks -= before.clicks;
  now.late -= before.late;
  return now;
}

/// A day on which parts of the shop were gone proves nothing.
inline bool WereAnswered(const Sent& sent, std::uint64_t visitors, bool by_bandit) {
  const std::uint64_t unanswered = sent.turned_away + sent.refused;
  bool well = 100 * unanswered <= visitors;
  if (unanswered > 0) {
    Print(stderr, "crowd: {} of {} visitors were not answered, and {} events not taken\n",
          sent.turned_away, visitors, sent.refused);
  }
  const std::uint64_t answered = visitors - sent.turned_away;
  if (by_bandit && 10 * sent.by_bandit < 9 * answered) {
    Print(stderr, "crowd: the bandit chose for {} of {} visitors\n", sent.by_bandit, answered);
    well = false;
  }
  return well;
}

/// The day's last line. False when something was lost or, where nobody else came (`alone`), counted
/// twice.
inline bool SaySums(const Sent& sent, const Learned& learned, bool alone) {
  const auto missing = [](std::uint64_t of, std::uint64_t seen) {
    return of > seen ? of - seen : 0;
  };
  const std::uint64_t lost =
      missing(sent.impressions, learned.impressions) + missing(sent.clicks, learned.clicks);
  const std::uint64_t more =
      missing(learned.impressions, sent.impressions) + missing(learned.clicks, sent.clicks);
  Print(stdout, "{} impressions and {} clicks sent; {} learned, {} late, {} lost\n",
        sent.impressions, sent.clicks, learned.impressions + learned.clicks - learned.late,
        learned.late, lost);
  if (more > 0) {
    Print(stdout, "{} more than were sent: {}\n", more,
          alone ? "counted twice" : "of a browser, maybe yours");
  }
  // What was sent and not answered in time may have arrived all the same.
  return lost == 0 && (!alone || more <= sent.refused);
}

}  // namespace rivulet::shop
