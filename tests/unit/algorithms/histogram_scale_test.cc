#include "algorithms/histogram_scale.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using rivulet::HistogramScale;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The definition: bounds ascend, and the value is in the bucket whose bounds it is between.
void CheckWithin(const HistogramScale& scale, double x) {
  const std::int64_t index = scale.IndexOf(x);
  const bool within = scale.LowerBound(index) <= x && x < scale.UpperBound(index);
  if (!within) {
    CAPTURE(x);
    CAPTURE(index);
    CHECK(within);
  }
}

// At every bound, and a hair to either side.
void CheckBounds(const HistogramScale& scale) {
  CHECK(scale.LowerBound(0) == scale.low());
  CHECK(scale.UpperBound(scale.buckets() - 1) == scale.high());
  for (std::int64_t i = 0; i < scale.buckets(); ++i) {
    const double bound = scale.LowerBound(i);
    CheckWithin(scale, bound);
    CheckWithin(scale, std::nextafter(bound, kInfinity));
    if (i == 0) continue;
    CheckWithin(scale, std::nextafter(bound, -kInfinity));
    if (bound != scale.UpperBound(i - 1)) CHECK(bound == scale.UpperBound(i - 1));
  }
  CHECK(scale.IndexOf(scale.high()) == scale.overflow());
  CHECK(scale.IndexOf(std::nextafter(scale.low(), -kInfinity)) == scale.underflow());
  CHECK(scale.IndexOf(kInfinity) == scale.overflow());
  CHECK(scale.IndexOf(-kInfinity) == scale.underflow());
}

}  // namespace

TEST_CASE("histogram_scale: ten buckets from 0 to 100, by hand") {
  const auto scale = *HistogramScale::Fixed(0, 100, 10);
  CHECK(scale.buckets() == 10);
  CHECK(scale.IndexOf(0) == 0);
  CHECK(scale.IndexOf(35) == 3);
  CHECK(scale.LowerBound(3) == 30);
  CHECK(scale.UpperBound(3) == 40);
  CHECK(scale.IndexOf(40) == 4);
  CHECK(scale.IndexOf(-0.5) == -1);
  CHECK(scale.IndexOf(100) == 10);
  CHECK(scale.LowerBound(-1) == -kInfinity);
  CHECK(scale.UpperBound(-1) == 0);
  CHECK(scale.LowerBound(10) == 100);
  CHECK(scale.UpperBound(10) == kInfinity);
}

TEST_CASE("histogram_scale: tenths are written as tenths") {
  const auto scale = *HistogramScale::Fixed(0, 1, 10);
  const std::vector<double> tenths = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
  for (std::size_t i = 0; i < tenths.size(); ++i) {
    CHECK(scale.IndexOf(tenths[i]) == static_cast<std::int64_t>(i));
  }
}

TEST_CASE("histogram_scale: three buckets a decade from 1 to 1000, by hand") {
  const auto scale = *HistogramScale::Log(1, 1000, 3);
  CHECK(scale.buckets() == 9);
  CHECK(scale.LowerBound(3) == 10);
  CHECK(scale.LowerBound(6) == 100);
  CHECK(scale.LowerBound(1) == doctest::Approx(std::cbrt(10.0)).epsilon(1e-15));
  CHECK(scale.IndexOf(10) == 3);
  CHECK(scale.IndexOf(9.999999) == 2);
  CHECK(scale.IndexOf(1000) == 9);
  for (const double below : {0.0, -0.0, -5.0, 1e-300, 0.999}) CHECK(scale.IndexOf(below) == -1);
}

TEST_CASE("histogram_scale: the last logarithmic bucket ends where the scale does") {
  const auto scale = *HistogramScale::Log(1, 50, 1);
  CHECK(scale.buckets() == 2);
  CHECK(scale.UpperBound(1) == 50);
  CHECK(scale.IndexOf(49.9) == 1);
}

TEST_CASE("histogram_scale: bounds belong to the bucket that they begin, on every fixed scale") {
  for (const auto& row : std::vector<std::pair<double, double>>{{0, 1},
                                                                {-3, 7},
                                                                {0.1, 0.3},
                                                                {1e15, 1e15 + 10},
                                                                {-1e-300, 1e-300},
                                                                {1e300, 1.5e308},
                                                                {-8e307, 8e307}}) {
    const auto& low = row.first;
    const auto& high = row.second;
    for (const std::int64_t buckets : {1, 3, 7, 10, 100, 997}) {
      CAPTURE(low);
      CAPTURE(buckets);
      CheckBounds(*HistogramScale::Fixed(low, high, buckets));
    }
  }
}

TEST_CASE("histogram_scale: bounds belong to the bucket that they begin, on every log scale") {
  for (const auto& row : std::vector<std::pair<double, double>>{
           {1e-6, 86400}, {1, 2}, {0.7, 1e9}, {3e-308, 1.7e308}, {1, 1.0000001}}) {
    const auto& low = row.first;
    const auto& high = row.second;
    for (const std::int64_t per_decade : {1, 3, 9, 20, 100}) {
      CAPTURE(low);
      CAPTURE(per_decade);
      CheckBounds(*HistogramScale::Log(low, high, per_decade));
    }
  }
}

TEST_CASE("histogram_scale: values drawn over the scale lie within their bucket's bounds") {
  std::mt19937_64 random(1);
  const auto fixed = *HistogramScale::Fixed(-7.3, 12.9, 331);
  std::uniform_real_distribution<double> uniform(-9, 15);
  const auto log = *HistogramScale::Log(1e-3, 1e5, 250);
  std::uniform_real_distribution<double> exponent(-4, 6);
  for (int i = 0; i < 20000; ++i) {
    CheckWithin(fixed, uniform(random));
    CheckWithin(log, std::pow(10, exponent(random)));
  }
}

TEST_CASE("histogram_scale: every integer has its bucket, fractions are rounded down") {
  const auto scale = HistogramScale::Integers();
  CHECK(scale.IndexOf(7) == 7);
  CHECK(scale.IndexOf(7.9) == 7);
  CHECK(scale.IndexOf(-7) == -7);
  CHECK(scale.IndexOf(-7.1) == -8);
  CHECK(scale.IndexOf(-0.0) == 0);
  CHECK(scale.IndexOf(9007199254740991) == 9007199254740991);
  CHECK(scale.LowerBound(7) == 7);
  CHECK(scale.UpperBound(7) == 8);
  CHECK(scale.IndexOf(1e300) == scale.overflow());
  CHECK(scale.IndexOf(-1e300) == scale.underflow());
  CHECK(scale.IndexOf(9223372036854775808.0) == scale.overflow());
}

TEST_CASE("histogram_scale: what is no scale is none") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(HistogramScale::Fixed(1, 1, 10).has_value());
  CHECK_FALSE(HistogramScale::Fixed(2, 1, 10).has_value());
  CHECK_FALSE(HistogramScale::Fixed(nan, 1, 10).has_value());
  CHECK_FALSE(HistogramScale::Fixed(0, kInfinity, 10).has_value());
  CHECK_FALSE(HistogramScale::Fixed(-1.7e308, 1.7e308, 10).has_value());
  CHECK_FALSE(HistogramScale::Fixed(0, 5e-324, 10).has_value());
  CHECK_FALSE(HistogramScale::Fixed(0, 1, 0).has_value());
  CHECK_FALSE(HistogramScale::Fixed(0, 1, 65'537).has_value());
  CHECK_FALSE(HistogramScale::Log(0, 1, 10).has_value());
  CHECK_FALSE(HistogramScale::Log(-1, 1, 10).has_value());
  CHECK_FALSE(HistogramScale::Log(1, 1, 10).has_value());
  CHECK_FALSE(HistogramScale::Log(1, nan, 10).has_value());
  CHECK_FALSE(HistogramScale::Log(1, 10, 0).has_value());
  CHECK_FALSE(HistogramScale::Log(1e-300, 1e300, 2000).has_value());
}
