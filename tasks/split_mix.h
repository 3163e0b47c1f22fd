// SplitMix64: a small generator of random numbers, whose whole state is one number.
//
// Source: G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators",
// OOPSLA 2014. Period 2^64, passes BigCrush. Not for secrets. A nanosecond a number.
#pragma once

#include <cstdint>

namespace rivulet {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// True with this probability: never for 0, always for 1.
  bool Chance(double probability) {
    constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53
    return static_cast<double>(Next() >> 11) * kUnit < probability;
  }

  /// A generator with that seed goes on as this one.
  std::uint64_t state() const { return state_; }

 private:
  std::uint64_t state_;
};

}  // namespace rivulet
