#include "algorithms/moments.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

using rivulet::Moments;

namespace {

Moments Of(const std::vector<double>& values) {
  Moments moments;
  for (const double value : values) moments.Update(value);
  return moments;
}

// The independent truth: two passes in long double, by the definitions.
struct TwoPass {
  long double mean = 0, variance = 0, skewness = 0, kurtosis = 0;

  explicit TwoPass(const std::vector<double>& values) {
    const auto n = static_cast<long double>(values.size());
    for (const double x : values) mean += x;
    mean /= n;
    long double m2 = 0, m3 = 0, m4 = 0;
    for (const double x : values) {
      const long double d = x - mean;
      m2 += d * d;
      m3 += d * d * d;
      m4 += d * d * d * d;
    }
    variance = m2 / (n - 1);
    skewness = m3 / n / std::pow(m2 / n, 1.5L);
    kurtosis = m4 / n / (m2 / n * m2 / n) - 3;
  }
};

double RelativeError(double value, long double truth) {
  return static_cast<double>(std::abs((value - truth) / truth));
}

// NIST's "log relative error": the number of correct significant digits.
double Digits(double value, double certified) {
  return value == certified ? 17 : -std::log10(std::abs(value - certified) / certified);
}

// NIST StRD NumAcc3 and NumAcc4: 1,001 values each around a large mean, deviation 0.1.
std::vector<double> NumAcc(double base, int pairs) {
  std::vector<double> values = {base + 0.2};
  for (int i = 0; i < pairs; ++i) {
    values.push_back(base + 0.1);
    values.push_back(base + 0.3);
  }
  return values;
}

Moments MergedInPieces(const std::vector<double>& values, std::size_t pieces) {
  Moments merged;
  for (std::size_t i = 0; i < pieces; ++i) {
    Moments piece;
    for (std::size_t at = i; at < values.size(); at += pieces) piece.Update(values[at]);
    merged.Merge(piece);
  }
  return merged;
}

std::vector<double> Drawn(std::size_t count, const std::function<double(std::mt19937_64&)>& draw) {
  std::mt19937_64 random(20261121);
  std::vector<double> values(count);
  for (double& value : values) value = draw(random);
  return values;
}

}  // namespace

TEST_CASE("moments: of nothing everything but the count is undefined") {
  const Moments moments;
  CHECK(moments.count() == 0);
  for (const double value :
       {moments.mean(), moments.min(), moments.max(), moments.sample_variance(), moments.stddev(),
        moments.population_variance(), moments.skewness(), moments.excess_kurtosis()}) {
    CHECK(std::isnan(value));
  }
}

TEST_CASE("moments: one value has a mean and a population variance of zero, no sample variance") {
  const Moments moments = Of({-4.5});
  CHECK(moments.count() == 1);
  CHECK(moments.mean() == -4.5);
  CHECK(moments.min() == -4.5);
  CHECK(moments.max() == -4.5);
  CHECK(moments.population_variance() == 0);
  CHECK(std::isnan(moments.sample_variance()));
  CHECK(std::isnan(moments.skewness()));
}

TEST_CASE("moments: equal values have no variance and no skewness") {
  const Moments moments = Of({0.1, 0.1, 0.1});
  CHECK(moments.mean() == 0.1);
  CHECK(moments.stddev() == 0);
  CHECK(std::isnan(moments.skewness()));
  CHECK(std::isnan(moments.excess_kurtosis()));
}

// By hand: 2 4 4 4 5 5 7 9 has the mean 5; sums of powers of the distances 32, 42, 356.
TEST_CASE("moments: eight values counted by hand") {
  const Moments moments = Of({2, 4, 4, 4, 5, 5, 7, 9});
  CHECK(moments.count() == 8);
  CHECK(moments.mean() == doctest::Approx(5).epsilon(1e-15));
  CHECK(moments.population_variance() == doctest::Approx(4).epsilon(1e-15));
  CHECK(moments.sample_variance() == doctest::Approx(32.0 / 7).epsilon(1e-15));
  CHECK(moments.stddev() == doctest::Approx(std::sqrt(32.0 / 7)).epsilon(1e-15));
  CHECK(moments.skewness() == doctest::Approx(42.0 / 8 / 8).epsilon(1e-14));
  CHECK(moments.excess_kurtosis() == doctest::Approx(356.0 / 8 / 16 - 3).epsilon(1e-13));
  CHECK(moments.min() == 2);
  CHECK(moments.max() == 9);
}

// Closed form for 1..n: variance (n^2-1)/12, excess kurtosis -6(n^2+1)/(5(n^2-1)).
TEST_CASE("moments: the numbers 1 to 1000 by closed form") {
  std::vector<double> values;
  for (int i = 1; i <= 1000; ++i) values.push_back(i);
  const Moments moments = Of(values);
  const double n2 = 1e6;
  CHECK(moments.mean() == doctest::Approx(500.5).epsilon(1e-14));
  CHECK(moments.population_variance() == doctest::Approx((n2 - 1) / 12).epsilon(1e-13));
  CHECK(std::abs(moments.skewness()) < 1e-12);
  CHECK(moments.excess_kurtosis() ==
        doctest::Approx(-6 * (n2 + 1) / (5 * (n2 - 1))).epsilon(1e-12));
}

TEST_CASE("moments: drawn values agree with two passes in long double") {
  std::exponential_distribution<double> exponential(0.5);
  std::normal_distribution<double> normal(-3, 7);
  for (const auto& values : {Drawn(20000, [&](auto& random) { return exponential(random); }),
                             Drawn(20000, [&](auto& random) { return normal(random); })}) {
    const TwoPass truth(values);
    for (const Moments& moments : {Of(values), MergedInPieces(values, 7)}) {
      CHECK(RelativeError(moments.mean(), truth.mean) < 1e-12);
      CHECK(RelativeError(moments.sample_variance(), truth.variance) < 1e-12);
      CHECK(std::abs(moments.skewness() - static_cast<double>(truth.skewness)) < 1e-11);
      CHECK(std::abs(moments.excess_kurtosis() - static_cast<double>(truth.kurtosis)) < 1e-10);
    }
  }
}

TEST_CASE("moments: NIST NumAcc3 keeps 9 digits of the deviation, merged too") {
  const auto values = NumAcc(1e6, 500);
  for (const Moments& moments : {Of(values), MergedInPieces(values, 3)}) {
    CHECK(Digits(moments.mean(), 1000000.2) > 14);
    CHECK(Digits(moments.stddev(), 0.1) >= 9);
  }
}

TEST_CASE("moments: NIST NumAcc4 keeps 8 digits of the deviation, merged too") {
  const auto values = NumAcc(1e7, 500);
  for (const Moments& moments : {Of(values), MergedInPieces(values, 3)}) {
    CHECK(Digits(moments.mean(), 10000000.2) > 14);
    CHECK(Digits(moments.stddev(), 0.1) >= 8);
  }
}

TEST_CASE("moments: merged skewness and kurtosis are within 1e-11 of unmerged") {
  std::gamma_distribution<double> gamma(2, 3);
  const auto values = Drawn(10000, [&](auto& random) { return gamma(random); });
  const Moments whole = Of(values);
  for (const std::size_t pieces : {2, 3, 10, 100, 9999}) {
    const Moments merged = MergedInPieces(values, pieces);
    CHECK(merged.count() == whole.count());
    CHECK(std::abs(merged.skewness() - whole.skewness()) < 1e-11);
    CHECK(std::abs(merged.excess_kurtosis() - whole.excess_kurtosis()) < 1e-11);
    CHECK(merged.min() == whole.min());
    CHECK(merged.max() == whole.max());
  }
}

TEST_CASE("moments: merging nothing changes nothing, and into nothing copies") {
  const Moments some = Of({1, 2, 4});
  Moments merged = some;
  merged.Merge(Moments());
  CHECK(merged.Save() == some.Save());
  Moments empty;
  empty.Merge(some);
  CHECK(empty.Save() == some.Save());
}

TEST_CASE("moments: merged with itself it counts every value twice") {
  Moments moments = Of({1, 2, 6});
  moments.Merge(moments);
  const Moments twice = Of({1, 2, 6, 1, 2, 6});
  CHECK(moments.count() == 6);
  CHECK(moments.sample_variance() == doctest::Approx(twice.sample_variance()));
  CHECK(moments.skewness() == doctest::Approx(twice.skewness()));
}

TEST_CASE("moments: a loaded one goes on exactly as the saved one") {
  Moments saved = Of({0.1, -7.25, 1e300, 3});
  auto loaded = Moments::Load(saved.Save());
  REQUIRE(loaded.has_value());
  CHECK(loaded->Save() == saved.Save());
  saved.Update(17);
  loaded->Update(17);
  CHECK(loaded->Save() == saved.Save());
  const auto empty = Moments::Load(Moments().Save());
  REQUIRE(empty.has_value());
  CHECK(empty->count() == 0);
}

TEST_CASE("moments: bytes that are cut, longer or of another version are not loaded") {
  const std::string bytes = Of({1, 2}).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Moments::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Moments::Load(bytes + "x").has_value());
  std::string other = bytes;
  other[7] = '2';
  CHECK_FALSE(Moments::Load(other).has_value());
}

TEST_CASE("moments: skewness and kurtosis over the range that is promised") {
  const std::vector<double> values = {1, 2, 3, 5, 8, 13, 21, 34};
  const Moments plain = Of(values);
  for (const double scale : {1e-75, 1e-60, 1e60, 1e73}) {
    std::vector<double> scaled;
    for (const double value : values) scaled.push_back(value * scale);
    CHECK(Of(scaled).skewness() == doctest::Approx(plain.skewness()).epsilon(1e-12));
    CHECK(Of(scaled).excess_kurtosis() == doctest::Approx(plain.excess_kurtosis()).epsilon(1e-12));
  }
  for (const double scale : {1e-148, 1e148}) {
    std::vector<double> scaled;
    for (const double value : values) scaled.push_back(value * scale);
    CHECK(Of(scaled).stddev() / scale == doctest::Approx(plain.stddev()).epsilon(1e-12));
  }
}
