#include "algorithms/ewma.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using rivulet::Ewma;

namespace {

struct Point {
  double x;
  double at;
};

std::vector<Point> Drawn(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> value(20, 4);
  std::exponential_distribution<double> gap(2);
  std::vector<Point> points;
  double at = 1.7e9;  // as times since 1970 are
  for (std::size_t i = 0; i < count; ++i) points.push_back({value(random), at += gap(random)});
  return points;
}

Ewma Of(const std::vector<Point>& points, double half_life) {
  Ewma ewma(half_life);
  for (const auto& [x, at] : points) ewma.Update(x, at);
  return ewma;
}

// The definition, in long double: weights as of the newest time.
struct Weighted {
  long double weight = 0, mean = 0, variance = 0;

  Weighted(const std::vector<Point>& points, double half_life) {
    double newest = points.front().at;
    for (const auto& point : points) newest = std::max(newest, point.at);
    const auto weight_of = [&](const Point& point) {
      return std::exp2((static_cast<long double>(point.at) - newest) / half_life);
    };
    for (const auto& point : points) {
      weight += weight_of(point);
      mean += weight_of(point) * point.x;
    }
    mean /= weight;
    for (const auto& point : points) {
      variance += weight_of(point) * (point.x - mean) * (point.x - mean);
    }
    variance /= weight;
  }
};

void CheckAgrees(const Ewma& ewma, const Weighted& truth, double newest) {
  CHECK(ewma.mean() == doctest::Approx(static_cast<double>(truth.mean)).epsilon(1e-12));
  CHECK(ewma.variance() == doctest::Approx(static_cast<double>(truth.variance)).epsilon(1e-11));
  CHECK(ewma.Weight(newest) == doctest::Approx(static_cast<double>(truth.weight)).epsilon(1e-12));
}

}  // namespace

TEST_CASE("ewma: of nothing mean and variance are undefined, the rate is zero") {
  const Ewma ewma(10);
  CHECK(ewma.count() == 0);
  CHECK(std::isnan(ewma.mean()));
  CHECK(std::isnan(ewma.variance()));
  CHECK(ewma.PerSecond(5) == 0);
  CHECK(ewma.SumPerSecond(5) == 0);
}

// By hand: weights 1/4, 1/2, 1 of 1, 2, 6: mean 7.25/1.75.
TEST_CASE("ewma: three values a half-life apart, by hand") {
  const auto ewma = Of({{1, 0}, {2, 10}, {6, 20}}, 10);
  CHECK(ewma.mean() == doctest::Approx(7.25 / 1.75));
  CHECK(ewma.Weight(20) == doctest::Approx(1.75));
  CHECK(ewma.Weight(30) == doctest::Approx(0.875));
  CHECK(ewma.PerSecond(20) == doctest::Approx(1.75 * std::log(2) / 10));
  CHECK(ewma.SumPerSecond(20) == doctest::Approx(7.25 * std::log(2) / 10));
  CHECK(ewma.variance() == doctest::Approx((0.25 + 2 + 36) / 1.75 - 7.25 * 7.25 / 1.75 / 1.75));
}

TEST_CASE("ewma: irregular times agree with the definition") {
  for (const double half_life : {0.1, 5.0, 1000.0}) {
    const auto points = Drawn(2000, 1);
    CheckAgrees(Of(points, half_life), Weighted(points, half_life), points.back().at);
  }
}

TEST_CASE("ewma: the order of times does not matter") {
  auto points = Drawn(500, 2);
  const double newest = points.back().at;
  const Weighted truth(points, 30);
  std::shuffle(points.begin(), points.end(), std::mt19937(3));
  CheckAgrees(Of(points, 30), truth, newest);
  std::reverse(points.begin(), points.end());
  CheckAgrees(Of(points, 30), truth, newest);
}

// The sum of a geometric series: 5 a second for ever.
TEST_CASE("ewma: a steady stream's rate, and how it fades when the stream ends") {
  Ewma ewma(10);
  for (int i = 1; i <= 2000; ++i) ewma.Update(3, i * 0.2);
  CHECK(ewma.PerSecond(400) == doctest::Approx(5).epsilon(0.01));
  CHECK(ewma.SumPerSecond(400) == doctest::Approx(15).epsilon(0.01));
  CHECK(ewma.PerSecond(420) == doctest::Approx(1.25).epsilon(0.01));
  CHECK(ewma.mean() == doctest::Approx(3));
  CHECK(ewma.PerSecond(1e9) == 0);
  // An earlier time is taken as the newest.
  CHECK(ewma.PerSecond(0) == ewma.PerSecond(400));
}

TEST_CASE("ewma: after a pause without end only what is new counts") {
  Ewma ewma(1);
  ewma.Update(100, 0);
  ewma.Update(-4, 1e7);
  CHECK(ewma.mean() == -4);
  CHECK(ewma.variance() == 0);
  ewma.Update(50, 0);  // older than 1,000 half-lives: nothing but counted
  CHECK(ewma.mean() == -4);
  CHECK(ewma.count() == 3);
}

TEST_CASE("ewma: merged parts are the whole but for rounding, in any order") {
  const auto points = Drawn(900, 4);
  const double newest = points.back().at;
  const Weighted truth(points, 60);
  std::vector<Ewma> parts(3, Ewma(60));
  for (std::size_t i = 0; i < points.size(); ++i) {
    parts[i < 300 ? 0 : 1 + i % 2].Update(points[i].x, points[i].at);
  }
  std::vector<std::size_t> order = {0, 1, 2};
  do {
    Ewma left(60);
    for (const std::size_t i : order) CHECK(left.Merge(parts[i]));
    Ewma inner = parts[order[1]];
    CHECK(inner.Merge(parts[order[2]]));
    Ewma right = parts[order[0]];
    CHECK(right.Merge(inner));
    CheckAgrees(left, truth, newest);
    CheckAgrees(right, truth, newest);
    CHECK(left.count() == 900);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("ewma: merging nothing changes nothing, into nothing copies, itself doubles the weight") {
  auto ewma = Of(Drawn(20, 5), 60);
  const std::string saved = ewma.Save();
  CHECK(ewma.Merge(Ewma(60)));
  CHECK(ewma.Save() == saved);
  Ewma empty(60);
  CHECK(empty.Merge(ewma));
  CHECK(empty.Save() == saved);
  CHECK(ewma.Merge(ewma));
  CHECK(ewma.mean() == doctest::Approx(empty.mean()));
  CHECK(ewma.Weight(0) == doctest::Approx(2 * empty.Weight(0)));
  CHECK_FALSE(ewma.Merge(Ewma(61)));
  Ewma nothing(60);
  CHECK(nothing.Merge(Ewma(60)));
  CHECK(nothing.Save() == Ewma(60).Save());
}

TEST_CASE("ewma: as JSON") {
  CHECK(Ewma(10).Json(0) ==
        R"({"count":0,"mean":null,"stddev":null,"per_second":0,"half_life":10})");
  CHECK(Of({{2.5, 1}}, 10).Json(1) ==
        R"({"count":1,"mean":2.5,"stddev":0,"per_second":0.06931471805599453,"half_life":10})");
}

TEST_CASE("ewma: a loaded one goes on exactly as the saved one") {
  for (const std::size_t count : {0, 1, 50}) {
    auto saved = Of(Drawn(count, 6), 12.5);
    auto loaded = Ewma::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    for (const auto& [x, at] : Drawn(20, 7)) {
      saved.Update(x, at);
      loaded->Update(x, at);
    }
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("ewma: bytes that are cut, longer or changed are not loaded") {
  const std::string bytes = Of({{1, 2}}, 10).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Ewma::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Ewma::Load(bytes + "x").has_value());
  for (const std::size_t at : {7, 23, 39}) {  // version, half-life and weight below zero
    std::string other = bytes;
    other[at] = '\xbf';
    CHECK_FALSE(Ewma::Load(other).has_value());
  }
}

TEST_CASE("ewma: a large value long ago takes no digits of what came since") {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> power(-20, 20);
  std::uniform_real_distribution<double> gaps(-3, 2.5);
  for (int stream = 0; stream < 200; ++stream) {
    Ewma ewma(1);
    std::vector<Point> points;
    for (double at = 0; points.size() < 20; at += std::pow(10, gaps(random))) {
      points.push_back({std::pow(10, power(random)), at});
      ewma.Update(points.back().x, at);
    }
    long double weight = 0;
    long double sum = 0;
    for (const auto& [x, at] : points) {
      const long double share = std::exp2(static_cast<long double>(at - points.back().at));
      weight += share;
      sum += share * x;
    }
    const double mean = static_cast<double>(sum / weight);
    CHECK(std::abs(ewma.mean() - mean) <= 1e-13 * mean);
  }
  Ewma ewma(1);
  ewma.Update(1e20, 0);
  ewma.Update(1, 200);
  CHECK(ewma.mean() == 1);
}
