// Random numbers: 64 bits, evenly distributed, normal, gamma and beta.
//
// Source: the generator is xoshiro256++ (D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom
// Number Generators", ACM TOMS 47, 2021), its state made from a seed by SplitMix64 (G. L. Steele,
// D. Lea, C. H. Flood, OOPSLA 2014). Below: D. Lemire, "Fast Random Integer Generation in an
// Interval", ACM TOMACS 29 (2019). Normal: G. Marsaglia, W. W. Tsang, "The Ziggurat Method for
// Generating Random Variables", JSS 5 (2000), all of whose parts come from different bits of one
// number, which the published code's do not (J. A. Doornik, 2005). Gamma: G. Marsaglia, W. W.
// Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26 (2000). Beta: two gammas, of
// which small ones are taken as logarithms (those of shape 0.001 are mostly below the least
// double).
//
// Error: none but that of doubles: the methods are exact. Not for secrets: who sees some numbers
// knows the next. Memory: 32 bytes, and 4 KiB of tables that all share. Cost, of one core of 2020:
// 1 ns for 64 bits, 3 for Normal, 12 for Gamma, 25 for Beta, 80 where a shape is below 1. The
// numbers that a seed gives are the same on every machine as far as its floating point and its
// exp and log are the same.
//
//   Random random(seed);                       // of its own for each thread
//   const double rate = random.Beta(1 + clicks, 1 + misses);
//   const std::uint64_t die = 1 + random.Below(6);
//   std::shuffle(items.begin(), items.end(), random);
//   std::string saved = random.Save();         // goes on with the same numbers
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "algorithms/ziggurat.h"

namespace rivulet {

/// A std::uniform_random_bit_generator. Copies give the same numbers. Not thread-safe.
class Random {
 public:
  // The names that the standard's algorithms ask for.
  // NOLINTNEXTLINE(readability-identifier-naming)
  using result_type = std::uint64_t;

  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      std::uint64_t z = seed += 0x9e3779b97f4a7c15;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  /// 64 even bits.
  std::uint64_t Next() {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  std::uint64_t operator()() { return Next(); }
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return std::numeric_limits<std::uint64_t>::max(); }

  /// Even in (0, 1): never 0, never 1, all odd multiples of 2^-53 as likely as each other.
  double Uniform() { return (static_cast<double>(Next() >> 12) + 0.5) * 0x1p-52; }

  /// Even in [0, n), each as likely as any other. 0 for n = 0.
  std::uint64_t Below(std::uint64_t n) {
    Wide product = Wide{Next()} * n;
    if (static_cast<std::uint64_t>(product) < n) [[unlikely]] {
      const std::uint64_t uneven = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < uneven) product = Wide{Next()} * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// True with probability `p`; never for p <= 0, always for p >= 1.
  bool Chance(double p) { return Uniform() < p; }

  /// Normal, of mean 0 and variance 1.
  double Normal() {
    const std::uint64_t bits = Next();
    const std::size_t layer = bits % NormalZiggurat::kLayers;
    // The upper 53 bits, as a number in [-1, 1); the layer is of the lower 8.
    const double side = static_cast<double>(static_cast<std::int64_t>(bits) >> 11) * 0x1p-52;
    const double x = side * kNormalZiggurat.edge[layer];
    if (std::abs(x) < kNormalZiggurat.edge[layer + 1]) [[likely]]
      return x;
    return NormalAtEdge(layer, x);
  }

  /// Shapes of gamma and beta below this count as this: of less, logarithms are no doubles.
  static constexpr double kLeastShape = 1e-300;

  /// Gamma, of scale 1: mean and variance are `shape`, of kLeastShape to 1e150. Of shapes far below
  /// 1 many draws are 0, the nearest double; LogOfGamma() tells them apart.
  double Gamma(double shape) {
    if (shape < 1) [[unlikely]]
      return std::exp(LogOfGamma(shape));
    return GammaOfAtLeastOne(shape);
  }
  /// The logarithm of such a draw; finite.
  double LogOfGamma(double shape) {
    if (shape >= 1) return std::log(GammaOfAtLeastOne(shape));
    shape = std::max(shape, kLeastShape);
    // A gamma of shape + 1, times a uniform to the power of 1/shape.
    const double boosted = std::log(GammaOfAtLeastOne(shape + 1));
    return boosted + std::log(Uniform()) / shape;
  }

  /// Beta, of mean a/(a + b). Both shapes of kLeastShape to 1e150. In [0, 1]: 0 and 1 come out
  /// where they are the double nearest to the draw.
  double Beta(double a, double b) {
    if (a < 1 || b < 1) [[unlikely]]
      return BetaByLogs(a, b);
    const double x = GammaOfAtLeastOne(a);
    return x / (x + GammaOfAtLeastOne(b));
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    for (const std::uint64_t word : state_) PutUint64(&bytes, word);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Random> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    Random loaded(0);
    std::uint64_t any = 0;
    for (std::uint64_t& word : loaded.state_) any |= word = reader.Uint64();
    // Of a state of zeros nothing but zeros comes.
    if (!reader.Finished() || any == 0) return std::nullopt;
    return loaded;
  }

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr std::uint64_t kFormat = 0x31'6d'6f'64'6e'61'72'20ULL;  // " random1"

  /// Outside the part of a layer that is surely under the curve.
  [[gnu::noinline]] double NormalAtEdge(std::size_t layer, double x) {
    if (layer == 0) {
      double beyond;
      double e;
      do {
        beyond = -std::log(Uniform()) / NormalZiggurat::kTail;
        e = -std::log(Uniform());
      } while (2 * e <= beyond * beyond);
      const double tail = NormalZiggurat::kTail + beyond;
      return x < 0 ? -tail : tail;
    }
    const double low = kNormalZiggurat.height[layer];
    const double high = kNormalZiggurat.height[layer + 1];
    if (low + (high - low) * Uniform() < std::exp(-x * x / 2)) return x;
    return Normal();
  }

  double GammaOfAtLeastOne(double shape) {
    const double d = shape - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    while (true) {
      const double x = Normal();
      const double root = 1 + c * x;
      if (root <= 0) [[unlikely]]
        continue;
      const double v = root * root * root;
      const double u = Uniform();
      const double x2 = x * x;
      if (u < 1 - 0.0331 * x2 * x2) [[likely]]
        return d * v;
      if (std::log(u) < x2 / 2 + d * (1 - v + std::log(v))) return d * v;
    }
  }

  [[gnu::noinline]] double BetaByLogs(double a, double b) {
    const double x = LogOfGamma(a);
    return 1 / (1 + std::exp(LogOfGamma(b) - x));
  }

  std::array<std::uint64_t, 4> state_;
};

}  // namespace rivulet
