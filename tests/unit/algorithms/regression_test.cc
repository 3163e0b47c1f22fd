#include "algorithms/regression.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

using rivulet::LinearRegression;

namespace {

using Pairs = std::vector<std::pair<double, double>>;  // x, y

// NIST StRD, linear regression, Norris (ozone monitors): 36 observations.
const Pairs kNorris = {
    {0.2, 0.1},     {337.4, 338.8}, {118.2, 118.1}, {884.6, 888.0}, {10.1, 9.2},    {226.5, 228.1},
    {666.3, 668.5}, {996.3, 998.5}, {448.6, 449.1}, {777.0, 778.9}, {558.2, 559.2}, {0.4, 0.3},
    {0.6, 0.1},     {775.5, 778.1}, {666.9, 668.8}, {338.0, 339.3}, {447.5, 448.9}, {11.6, 10.8},
    {556.0, 557.7}, {228.1, 228.3}, {995.8, 998.0}, {887.6, 888.8}, {120.2, 119.6}, {0.3, 0.3},
    {0.3, 0.6},     {556.8, 557.6}, {339.1, 339.3}, {887.2, 888.0}, {999.0, 998.5}, {779.0, 778.9},
    {11.1, 10.2},   {118.3, 117.6}, {229.2, 228.9}, {669.1, 668.4}, {448.9, 449.2}, {0.5, 0.2}};

LinearRegression Of(const Pairs& pairs) {
  LinearRegression line;
  for (const auto& [x, y] : pairs) line.Update(x, y);
  return line;
}

LinearRegression MergedInPieces(const Pairs& pairs, std::size_t pieces) {
  LinearRegression merged;
  for (std::size_t i = 0; i < pieces; ++i) {
    LinearRegression piece;
    for (std::size_t at = i; at < pairs.size(); at += pieces) {
      piece.Update(pairs[at].first, pairs[at].second);
    }
    merged.Merge(piece);
  }
  return merged;
}

// NIST's "log relative error": the number of correct significant digits.
double Digits(double value, double certified) {
  return value == certified ? 17 : -std::log10(std::abs((value - certified) / certified));
}

}  // namespace

TEST_CASE("regression: NIST Norris, certified values, merged too") {
  for (const LinearRegression& line : {Of(kNorris), MergedInPieces(kNorris, 5)}) {
    CHECK(line.count() == 36);
    CHECK(Digits(line.slope(), 1.00211681802045) >= 13);
    CHECK(Digits(line.intercept(), -0.262323073774029) >= 12);
    CHECK(Digits(line.slope_error(), 0.429796848199937e-3) >= 10);
    CHECK(Digits(line.intercept_error(), 0.232818234301152) >= 10);
    CHECK(Digits(line.r2(), 0.999993745883712) >= 14);
    CHECK(Digits(line.residual_deviation(), 0.884796396144373) >= 10);
    CHECK(Digits(line.residual_variance(), 0.782864662630069) >= 10);
  }
}

// The certified line at 0 and 1.
TEST_CASE("regression: a prediction lies on the line, and is least sure far from the mean") {
  const LinearRegression line = Of(kNorris);
  CHECK(line.Predict(0) == doctest::Approx(-0.262323073774029).epsilon(1e-11));
  CHECK(line.Predict(1) == doctest::Approx(-0.262323073774029 + 1.00211681802045).epsilon(1e-11));
  CHECK(line.Predict(line.covariance().mean_x()) == line.covariance().mean_y());
  CHECK(line.PredictionError(line.covariance().mean_x()) ==
        doctest::Approx(0.884796396144373 * std::sqrt(1 + 1.0 / 36)).epsilon(1e-10));
  CHECK(line.PredictionError(0) > line.PredictionError(400));
}

TEST_CASE("regression: of nothing and of one point nothing is known") {
  for (const LinearRegression& line : {LinearRegression(), Of({{1, 2}})}) {
    for (const double value : {line.slope(), line.intercept(), line.r2(), line.residual_variance(),
                               line.slope_error(), line.intercept_error(), line.Predict(1)}) {
      CHECK(std::isnan(value));
    }
  }
}

TEST_CASE("regression: two points make a line and no error") {
  const LinearRegression line = Of({{1, 2}, {3, 8}});
  CHECK(line.slope() == doctest::Approx(3));
  CHECK(line.intercept() == doctest::Approx(-1));
  CHECK(line.r2() == doctest::Approx(1));
  CHECK(std::isnan(line.residual_variance()));
  CHECK(std::isnan(line.slope_error()));
}

TEST_CASE("regression: an x that never changes explains nothing") {
  const LinearRegression line = Of({{0.1, 2}, {0.1, 3}, {0.1, 9}});
  CHECK(std::isnan(line.slope()));
  CHECK(std::isnan(line.Predict(0.1)));
  CHECK(std::isnan(line.residual_variance()));
}

TEST_CASE("regression: points on a line leave no residual, and never one below zero") {
  LinearRegression line;
  for (int i = 0; i < 1000; ++i) line.Update(i * 0.1, 5 - i * 0.3);
  CHECK(line.slope() == doctest::Approx(-3).epsilon(1e-14));
  CHECK(line.intercept() == doctest::Approx(5).epsilon(1e-12));
  CHECK(line.residual_variance() >= 0);
  CHECK(line.residual_variance() < 1e-10);
}

// Closed form: x = 1..2n and y = x + e with e = +d, -d, -d, +d repeated, which is balanced and
// orthogonal to x: the line is y = x and the residuals are all d.
TEST_CASE("regression: balanced residuals by closed form, far from zero too") {
  for (const double offset : {0.0, 1e6}) {
    CAPTURE(offset);
    LinearRegression line;
    constexpr int kPoints = 400;
    for (int i = 0; i < kPoints; ++i) {
      const double e = i % 4 == 0 || i % 4 == 3 ? 0.5 : -0.5;
      line.Update(offset + i, offset + i + e);
    }
    CHECK(line.slope() == doctest::Approx(1).epsilon(1e-12));
    CHECK(line.intercept() == doctest::Approx(0).epsilon(1e-9 * (1 + offset)));
    CHECK(line.residual_variance() ==
          doctest::Approx(0.25 * kPoints / (kPoints - 2)).epsilon(1e-8));
    const double sum_xx = kPoints * (kPoints * kPoints - 1.0) / 12;
    CHECK(line.slope_error() ==
          doctest::Approx(std::sqrt(0.25 * kPoints / (kPoints - 2) / sum_xx)).epsilon(1e-8));
  }
}

// 95 % of the intervals slope +- 1.96 errors hold the true slope.
TEST_CASE("regression: the standard error of the slope is as large as it says") {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  int held = 0;
  constexpr int kTrials = 500;
  for (int trial = 0; trial < kTrials; ++trial) {
    LinearRegression line;
    for (int i = 0; i < 60; ++i) line.Update(i, 2 - 0.5 * i + 3 * normal(random));
    held += std::abs(line.slope() + 0.5) < 1.96 * line.slope_error() ? 1 : 0;
  }
  CHECK(held > 0.92 * kTrials);
  CHECK(held < 0.98 * kTrials);
}

TEST_CASE("regression: its JSON names what it knows, and what it does not know is null") {
  CHECK(Of({{0, 1}, {2, 5}}).Json() ==
        R"({"count":2,"slope":2,"intercept":1,"r2":1,"slope_error":null,"intercept_error":null,)"
        R"("residual_variance":null,"mean_x":1,"mean_y":3})");
}

TEST_CASE("regression: a loaded one goes on exactly as the saved one") {
  LinearRegression saved = Of(kNorris);
  auto loaded = LinearRegression::Load(saved.Save());
  REQUIRE(loaded.has_value());
  CHECK(loaded->Save() == saved.Save());
  saved.Update(17, 0.3);
  loaded->Update(17, 0.3);
  CHECK(loaded->Save() == saved.Save());
}

TEST_CASE("regression: bytes that are cut, longer or of another version are not loaded") {
  const std::string bytes = Of({{1, 2}, {2, 3}}).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(LinearRegression::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(LinearRegression::Load(bytes + "x").has_value());
  std::string other = bytes;
  other[7] = '2';
  CHECK_FALSE(LinearRegression::Load(other).has_value());
}
