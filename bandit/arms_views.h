// Answers of GET /arms: the numbers and the picture of what is known of the arms.
//
// Either takes milliseconds of many arms, so it is made from the next turn of the loop on, one
// answer at a time and of that a part a turn, so that picks are answered between. What has not
// changed is not computed again: an arm's likely rates, the history, and, of arms that were not
// read anew, the picture.
//
// Thread: the loop's.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bandit/arms_json.h"
#include "bandit/likely_rates.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "http/reply.h"

namespace rivulet {

struct ArmsLook {
  bool as_picture = false;
  std::size_t most_arms = kShownArms;
  MonoTime since{};  // ItemAnswers::State()
};

class ArmsViews {
 public:
  using Report = std::function<ArmsReport(const ArmsLook&)>;

  /// `report` is asked when the answer's turn has come. `loop` must outlive it.
  ArmsViews(EventLoop& loop, Report report);

  void Answer(PendingReply reply, const ArmsLook& look);
  /// Parts that answers were made in, for tests.
  std::size_t parts() const { return parts_; }

 private:
  struct Waiting {
    PendingReply reply;
    ArmsLook look;
    std::unique_ptr<ArmsJson> json;  // once it is begun
  };
  void MakePart();
  static void Send(Waiting* waiting, std::string_view content_type, std::string_view body);
  const std::string& Picture(const Picker& picker);

  Report report_;
  LikelyRates likely_;
  ShownHistory history_;
  std::shared_ptr<const BanditArms> pictured_;
  std::string picture_;
  std::deque<Waiting> waiting_;
  std::size_t parts_ = 0;
  Timer next_part_;
};

}  // namespace rivulet
