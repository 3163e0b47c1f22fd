#include "algorithms/covariance.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

using rivulet::Covariance;

namespace {

using Pairs = std::vector<std::pair<double, double>>;

Covariance Of(const Pairs& pairs) {
  Covariance covariance;
  for (const auto& [x, y] : pairs) covariance.Update(x, y);
  return covariance;
}

Covariance MergedInPieces(const Pairs& pairs, std::size_t pieces) {
  Covariance merged;
  for (std::size_t i = 0; i < pieces; ++i) {
    Covariance piece;
    for (std::size_t at = i; at < pairs.size(); at += pieces) {
      piece.Update(pairs[at].first, pairs[at].second);
    }
    merged.Merge(piece);
  }
  return merged;
}

// What the numbers say by the definitions, in two passes of long double.
struct TwoPass {
  long double covariance = 0, variance_x = 0, variance_y = 0, correlation = 0;

  explicit TwoPass(const Pairs& pairs) {
    const auto n = static_cast<long double>(pairs.size());
    long double mean_x = 0, mean_y = 0;
    for (const auto& [x, y] : pairs) {
      mean_x += x / n;
      mean_y += y / n;
    }
    for (const auto& [x, y] : pairs) {
      covariance += (x - mean_x) * (y - mean_y) / (n - 1);
      variance_x += (x - mean_x) * (x - mean_x) / (n - 1);
      variance_y += (y - mean_y) * (y - mean_y) / (n - 1);
    }
    correlation = covariance / std::sqrt(variance_x * variance_y);
  }
};

double RelativeError(double value, long double truth) {
  return static_cast<double>(std::abs((value - truth) / truth));
}

Pairs Drawn(std::size_t count, double slope) {
  std::mt19937_64 random(20261121);
  std::normal_distribution<double> normal;
  Pairs pairs(count);
  for (auto& [x, y] : pairs) {
    x = 1000 + 15 * normal(random);
    y = -3 + slope * x + 20 * normal(random);
  }
  return pairs;
}

void CheckNear(const Covariance& a, const Covariance& b) {
  CHECK(a.count() == b.count());
  CHECK(a.mean_x() == doctest::Approx(b.mean_x()).epsilon(1e-13));
  CHECK(a.mean_y() == doctest::Approx(b.mean_y()).epsilon(1e-13));
  CHECK(a.sum_xx() == doctest::Approx(b.sum_xx()).epsilon(1e-12));
  CHECK(a.sum_yy() == doctest::Approx(b.sum_yy()).epsilon(1e-12));
  CHECK(a.sum_xy() == doctest::Approx(b.sum_xy()).epsilon(1e-12));
}

}  // namespace

TEST_CASE("covariance: of nothing everything but the count is undefined") {
  const Covariance none;
  CHECK(none.count() == 0);
  for (const double value :
       {none.mean_x(), none.mean_y(), none.population_covariance(), none.sample_covariance(),
        none.sample_variance_x(), none.sample_variance_y(), none.correlation()}) {
    CHECK(std::isnan(value));
  }
}

TEST_CASE("covariance: one pair has means, and no covariance of a sample") {
  const Covariance one = Of({{2, -3}});
  CHECK(one.mean_x() == 2);
  CHECK(one.mean_y() == -3);
  CHECK(one.population_covariance() == 0);
  CHECK(std::isnan(one.sample_covariance()));
  CHECK(std::isnan(one.correlation()));
}

// By hand: means 3 and 4; distances (-2,-3) (-1,0) (0,1) (1,-1) (2,3): sums 10, 20, 11.
TEST_CASE("covariance: five pairs counted by hand") {
  const Covariance five = Of({{1, 1}, {2, 4}, {3, 5}, {4, 3}, {5, 7}});
  CHECK(five.sample_covariance() == doctest::Approx(11.0 / 4).epsilon(1e-15));
  CHECK(five.population_covariance() == doctest::Approx(11.0 / 5).epsilon(1e-15));
  CHECK(five.sample_variance_x() == doctest::Approx(10.0 / 4).epsilon(1e-15));
  CHECK(five.sample_variance_y() == doctest::Approx(20.0 / 4).epsilon(1e-15));
  CHECK(five.correlation() == doctest::Approx(11 / std::sqrt(200.0)).epsilon(1e-15));
}

TEST_CASE("covariance: pairs on a line correlate with 1 or -1, with a constant not at all") {
  Covariance rising, falling, constant;
  for (int i = 0; i < 100; ++i) {
    rising.Update(i, 3 * i + 7);
    falling.Update(i, -0.25 * i);
    constant.Update(i, 0.1);
  }
  CHECK(rising.correlation() == doctest::Approx(1).epsilon(1e-15));
  CHECK(falling.correlation() == doctest::Approx(-1).epsilon(1e-15));
  CHECK(rising.correlation() <= 1);
  CHECK(falling.correlation() >= -1);
  CHECK(std::isnan(constant.correlation()));
  CHECK(constant.sample_covariance() == 0);
}

// Moving the values moves no covariance, so the truth is a sum of whole numbers, exact in 64 bits;
// sums of products of the values themselves would keep no digit here.
TEST_CASE("covariance: a billion added to both keeps 9 digits, merged too") {
  Pairs pairs;
  std::int64_t n = 0, sum_x = 0, sum_y = 0, sum_xy = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    const std::int64_t x = i * 7919 % 101;
    const std::int64_t y = (x + i * 104729 % 53) / 2;
    pairs.emplace_back(1e9 + static_cast<double>(x), 1e9 + static_cast<double>(y));
    ++n;
    sum_x += x;
    sum_y += y;
    sum_xy += x * y;
  }
  const auto truth = static_cast<long double>(n * sum_xy - sum_x * sum_y) /
                     static_cast<long double>(n) / static_cast<long double>(n - 1);
  for (const Covariance& covariance : {Of(pairs), MergedInPieces(pairs, 7)}) {
    CHECK(RelativeError(covariance.sample_covariance(), truth) < 1e-9);
  }
}

TEST_CASE("covariance: drawn pairs agree with two passes in long double") {
  for (const double slope : {2.0, -0.7}) {
    const Pairs pairs = Drawn(20000, slope);
    const TwoPass truth(pairs);
    for (const Covariance& covariance : {Of(pairs), MergedInPieces(pairs, 9)}) {
      CHECK(RelativeError(covariance.sample_covariance(), truth.covariance) < 1e-12);
      CHECK(RelativeError(covariance.sample_variance_x(), truth.variance_x) < 1e-12);
      CHECK(RelativeError(covariance.sample_variance_y(), truth.variance_y) < 1e-12);
      CHECK(RelativeError(covariance.correlation(), truth.correlation) < 1e-12);
    }
  }
}

TEST_CASE("covariance: merging is associative, commutative, and nothing is its identity") {
  const Pairs pairs = Drawn(3000, 1.5);
  const auto part = [&](std::size_t from, std::size_t to) {
    return Of(Pairs(pairs.begin() + static_cast<std::ptrdiff_t>(from),
                    pairs.begin() + static_cast<std::ptrdiff_t>(to)));
  };
  const Covariance a = part(0, 10), b = part(10, 1500), c = part(1500, 3000);
  Covariance ab_c = a;
  ab_c.Merge(b);
  Covariance ba = b;
  ba.Merge(a);
  CheckNear(ab_c, ba);
  ab_c.Merge(c);
  Covariance bc = b;
  bc.Merge(c);
  Covariance a_bc = a;
  a_bc.Merge(bc);
  CheckNear(ab_c, a_bc);
  CheckNear(ab_c, Of(pairs));

  Covariance same = a;
  same.Merge(Covariance());
  CHECK(same.Save() == a.Save());
  Covariance none;
  none.Merge(a);
  CHECK(none.Save() == a.Save());
}

TEST_CASE("covariance: merged with itself it counts every pair twice") {
  const Pairs pairs = {{1, 2}, {3, 5}, {4, -1}};
  Covariance twice = Of(pairs);
  twice.Merge(twice);
  Pairs both = pairs;
  both.insert(both.end(), pairs.begin(), pairs.end());
  CheckNear(twice, Of(both));
}

TEST_CASE("covariance: numbers at the end of the range make no correlation beyond 1") {
  Covariance covariance = Of({{1e308, -1e308}, {-1e308, 1e308}, {5, 7}});
  CHECK(covariance.count() == 3);
  CHECK_FALSE(std::abs(covariance.correlation()) > 1);
  CHECK(covariance.Json().find("inf") == std::string::npos);
}

TEST_CASE("covariance: its JSON names what it knows, and what it does not know is null") {
  CHECK(Of({{1, 2}, {3, 6}}).Json() ==
        R"({"count":2,"mean_x":2,"mean_y":4,"variance_x":2,"variance_y":8,)"
        R"("covariance":4,"correlation":1})");
  CHECK(Covariance().Json() ==
        R"({"count":0,"mean_x":null,"mean_y":null,"variance_x":null,"variance_y":null,)"
        R"("covariance":null,"correlation":null})");
}

TEST_CASE("covariance: a loaded one goes on exactly as the saved one") {
  Covariance saved = Of({{0.1, 7}, {-7.25, 1e300}, {3, 3}});
  auto loaded = Covariance::Load(saved.Save());
  REQUIRE(loaded.has_value());
  CHECK(loaded->Save() == saved.Save());
  saved.Update(17, 0.3);
  loaded->Update(17, 0.3);
  CHECK(loaded->Save() == saved.Save());
}

TEST_CASE("covariance: bytes that are cut, longer or of another version are not loaded") {
  const std::string bytes = Of({{1, 2}, {2, 3}}).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Covariance::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Covariance::Load(bytes + "x").has_value());
  std::string other = bytes;
  other[7] = '2';
  CHECK_FALSE(Covariance::Load(other).has_value());
}
