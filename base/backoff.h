// Delays between retries: exponential, full jitter, capped.
//
// The n-th delay in a row is drawn evenly from [0, min(cap, first * 2^(n-1))], so that many clients
// that failed together do not come back together. Source: M. Brooker, "Exponential Backoff and
// Jitter", AWS Architecture Blog, 2015 ("full jitter").
//
//   JitterBackoff backoff({std::chrono::milliseconds(100), std::chrono::seconds(10)}, seed);
//   timer.Start(backoff.Next());   // after a failure
//   backoff.Reset();               // after a success
//
// No clock and no global random generator: the same seed gives the same delays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "base/clock.h"

namespace rivulet {

struct BackoffConfig {
  Duration first = std::chrono::milliseconds(100);  // the bound of the first delay; above zero
  Duration cap = std::chrono::seconds(10);          // the bound of every delay
};

class JitterBackoff {
 public:
  JitterBackoff(BackoffConfig config, std::uint64_t seed)
      : config_(config), bound_(std::min(config.first, config.cap)), random_(seed) {}

  /// The delay before the next try, after one more failure.
  Duration Next() {
    ++failures_;
    const Duration bound = bound_;
    bound_ = bound_ > config_.cap / 2 ? config_.cap : bound_ * 2;
    return Duration(std::uniform_int_distribution<Duration::rep>(0, bound.count())(random_));
  }
  void Reset() {
    failures_ = 0;
    bound_ = std::min(config_.first, config_.cap);
  }
  /// Failures since the last Reset().
  std::uint64_t failures() const { return failures_; }

 private:
  BackoffConfig config_;
  Duration bound_;  // of the next delay
  std::uint64_t failures_ = 0;
  std::mt19937_64 random_;
};

}  // namespace rivulet
