// So many messages a second, evenly: a token bucket.
//
// Tokens come one after the other at the rate, the first at once. Whoever takes them when NextAt()
// says takes them in bursts of a hundredth of a second, or singly where they are rarer. What was
// not taken is kept for a tenth of a second, so that a late timer costs nothing and a long wait
// brings no flood. In any span of T seconds at most rate * (T + 0.1) + 1 are given. Pure.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/clock.h"

namespace rivulet {

class RateLimit {
 public:
  /// `rate`: messages a second, more than 0.
  RateLimit(double rate, MonoTime now)
      : rate_(rate), most_(1 + rate * kKeptSeconds), tokens_(1), counted_(now) {}

  /// Messages that may go now.
  std::uint64_t Allowed(MonoTime now) {
    Count(now);
    return static_cast<std::uint64_t>(tokens_);
  }
  /// Must be allowed.
  void Take(std::uint64_t messages) { tokens_ -= static_cast<double>(messages); }
  /// When a burst is due.
  MonoTime NextAt(MonoTime now) {
    Count(now);
    const double missing = std::max(1.0, rate_ * kBurstSeconds) - tokens_;
    if (missing <= 0) return now;
    // Rounded up: a moment too early would be asked for again.
    const double wait = std::ceil(missing / rate_ * 1e9) + 1;
    return now + Duration(static_cast<Duration::rep>(std::min(wait, kLongestWait)));
  }

 private:
  static constexpr double kKeptSeconds = 0.1;
  static constexpr double kBurstSeconds = 0.01;
  static constexpr double kLongestWait = 1e15;  // nanoseconds

  void Count(MonoTime now) {
    const double seconds = std::chrono::duration<double>(now - counted_).count();
    tokens_ = std::min(most_, tokens_ + seconds * rate_);
    counted_ = now;
  }

  double rate_;
  double most_;
  double tokens_;
  MonoTime counted_;
};

}  // namespace rivulet
