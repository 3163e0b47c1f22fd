// How long to pause after failures: the backoff timer of the original readers.
//
// Two counters: a short one that ten failures in a row fill (a quarter of the maximum) and a long
// one that 250 fill (the rest). A failure adds a unit to both, a success takes one from both. With
// the maximum of 120 s the first failure gives 3.36 s. O(1), no clock.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace rivulet {

class Backoff {
 public:
  static constexpr int kShortUnits = 10;
  static constexpr int kLongUnits = 250;

  /// `max` is the longest pause; zero never pauses.
  explicit Backoff(Duration max)
      : short_unit_(max / 4 / kShortUnits), long_unit_(max * 3 / 4 / kLongUnits) {}

  void Success() {
    short_ = std::max(short_ - 1, 0);
    long_ = std::max(long_ - 1, 0);
  }
  void Failure() {
    short_ = std::min(short_ + 1, kShortUnits);
    long_ = std::min(long_ + 1, kLongUnits);
  }
  Duration interval() const { return short_unit_ * short_ + long_unit_ * long_; }

 private:
  Duration short_unit_;
  Duration long_unit_;
  int short_ = 0;
  int long_ = 0;
};

}  // namespace rivulet
