// How long to pause after failures: the backoff timer of the original readers.
//
// Two counters, each with a share of what lies between the least and the greatest pause: a short
// one (a quarter, filled by 10 failures) and a long one (the rest, filled by 250). A failure adds a
// unit to both, a success takes one from both. With 0 to 120 s the first failure gives 3.36 s; with
// .1 to 120 s and a long length of 1000, as its authors publish: 3.19 s, after a second one 6.27 s,
// after a success 3.19 s again, and after 25 more failures 32.41 s. O(1), no clock.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace rivulet {

struct TaskBackoffConfig {
  Duration min{};                            // the pause where nothing failed of late
  Duration max = std::chrono::seconds(120);  // zero never pauses
  double ratio = 0.25;                       // the short counter's share
  int short_length = 10;                     // failures that fill it; at least 1
  int long_length = 250;                     // failures that fill the long one; at least 1
};

class TaskBackoff {
 public:
  explicit TaskBackoff(TaskBackoffConfig config)
      : config_(config),
        short_max_(Scaled(Range(config), config.ratio)),
        long_max_(Scaled(Range(config), 1 - config.ratio)) {}

  void Success() {
    short_ = std::max(short_ - 1, 0);
    long_ = std::max(long_ - 1, 0);
  }
  void Failure() {
    short_ = std::min(short_ + 1, config_.short_length);
    long_ = std::min(long_ + 1, config_.long_length);
  }
  Duration interval() const {
    if (config_.max <= Duration::zero()) return {};
    return std::min(config_.min, config_.max) + short_max_ * short_ / config_.short_length +
           long_max_ * long_ / config_.long_length;
  }
  /// It has failed more often than it has not, of late: it may again.
  bool failing() const { return long_ > 0; }

 private:
  static Duration Range(const TaskBackoffConfig& config) {
    return std::max(config.max - config.min, Duration::zero());
  }
  static Duration Scaled(Duration duration, double by) {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::nano>(static_cast<double>(duration.count()) * by));
  }

  TaskBackoffConfig config_;
  Duration short_max_;
  Duration long_max_;
  int short_ = 0;
  int long_ = 0;
};

}  // namespace rivulet
