// The tables of the normal distribution's ziggurat for Random::Normal() (algorithms/random.h): 256
// layers of equal area under exp(-x^2/2), computed by the compiler.
//
// Source: G. Marsaglia, W. W. Tsang, "The Ziggurat Method for Generating Random Variables", Journal
// of Statistical Software 5 (2000). The edge of the lowest layer is theirs to more digits: the one
// with which the layers end at height 1. Memory: 4 KiB.
#pragma once

#include <array>
#include <cstddef>

namespace rivulet {

/// Layer i is as wide as edge[i], and all of it below edge[i + 1] is under the curve. Layer 0 is
/// the lowest: its rectangle has the area of the tail too, and what falls beyond edge[1] is of the
/// tail.
struct NormalZiggurat {
  static constexpr std::size_t kLayers = 256;
  /// Where the tail begins.
  static constexpr double kTail = 3.654152885361009;
  /// Of each layer.
  static constexpr double kArea = 0.004928673233974655;

  std::array<double, kLayers + 1> edge{};
  /// exp(-x^2/2) at these.
  std::array<double, kLayers + 1> height{};
};

namespace ziggurat {

// The standard library's are not constexpr. Of 0 <= x < 8, and 0 < x <= 1.
constexpr double ExpOfMinus(double x) {
  double scale = 1;
  for (; x > 0.5; x -= 0.5) scale *= 0.60653065971263342;
  double term = 1;
  double sum = 1;
  for (int i = 1; i < 16; ++i) {
    term *= -x / i;
    sum += term;
  }
  return scale * sum;
}

constexpr double MinusLog(double x) {
  double log = 0;
  for (; x < 0.70710678118654757; x *= 2) log += 0.69314718055994531;
  const double z = (1 - x) / (1 + x);
  double power = z;
  for (int i = 1; i < 24; i += 2) {
    log += 2 * power / i;
    power *= z * z;
  }
  return log;
}

constexpr double SquareRoot(double x) {
  double root = x > 1 ? x : 1;
  for (double next = (root + x / root) / 2; next < root; next = (root + x / root) / 2) root = next;
  return root;
}

constexpr NormalZiggurat MakeNormal() {
  NormalZiggurat tables;
  double x = NormalZiggurat::kTail;
  double height = ExpOfMinus(x * x / 2);
  tables.edge[0] = NormalZiggurat::kArea / height;
  tables.height[0] = 0;  // of the base
  for (std::size_t i = 1; i < NormalZiggurat::kLayers; ++i) {
    tables.edge[i] = x;
    tables.height[i] = height;
    height += NormalZiggurat::kArea / x;
    x = height < 1 ? SquareRoot(2 * MinusLog(height)) : 0;
  }
  tables.edge[NormalZiggurat::kLayers] = 0;
  tables.height[NormalZiggurat::kLayers] = 1;
  return tables;
}

}  // namespace ziggurat

inline constexpr NormalZiggurat kNormalZiggurat = ziggurat::MakeNormal();

}  // namespace rivulet
