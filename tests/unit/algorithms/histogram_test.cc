#include "algorithms/histogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

using rivulet::Histogram;
using rivulet::HistogramScale;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> Drawn(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> draw(1, 2);
  std::vector<double> values(count);
  for (double& value : values) value = draw(random);
  return values;
}

Histogram Of(const HistogramScale& scale, const std::vector<double>& values) {
  Histogram histogram(scale);
  for (const double value : values) histogram.Update(value);
  return histogram;
}

std::vector<HistogramScale> Scales() {
  return {*HistogramScale::Fixed(0.5, 100, 64), *HistogramScale::Log(0.01, 1000, 10),
          HistogramScale::Integers()};
}

// Definition 1 of Hyndman and Fan.
double ExactQuantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double rank = std::max(1.0, std::ceil(q * static_cast<double>(values.size())));
  return values[static_cast<std::size_t>(rank) - 1];
}

}  // namespace

TEST_CASE("histogram: of nothing there are no buckets and no quantiles") {
  for (const HistogramScale& scale : Scales()) {
    const Histogram histogram(scale);
    CHECK(histogram.count() == 0);
    CHECK(histogram.Buckets().empty());
    CHECK(std::isnan(histogram.Quantile(0.5)));
  }
}

TEST_CASE("histogram: seven values counted by hand") {
  const auto histogram = Of(*HistogramScale::Fixed(0, 10, 5), {1, 1.5, 2, 9.99, 10, -1, 3});
  const auto buckets = histogram.Buckets();
  REQUIRE(buckets.size() == 5);
  CHECK(buckets[0].low == -kInfinity);
  CHECK(buckets[0].high == 0);
  CHECK(buckets[0].count == 1);
  CHECK(buckets[1].index == 0);
  CHECK(buckets[1].count == 2);
  CHECK(buckets[2].low == 2);
  CHECK(buckets[2].high == 4);
  CHECK(buckets[2].count == 2);
  CHECK(buckets[3].index == 4);
  CHECK(buckets[3].count == 1);
  CHECK(buckets[4].high == kInfinity);
  CHECK(buckets[4].count == 1);
  CHECK(histogram.underflow() == 1);
  CHECK(histogram.overflow() == 1);
  CHECK(histogram.count() == 7);
}

TEST_CASE("histogram: a NaN is told apart, infinities are beyond the ends") {
  for (const HistogramScale& scale : Scales()) {
    const auto histogram = Of(scale, {std::nan(""), kInfinity, -kInfinity, 1e308, 50});
    CHECK(histogram.ignored() == 1);
    CHECK(histogram.count() == 4);
    CHECK(histogram.underflow() == 1);
    CHECK(histogram.overflow() == 2);
  }
}

TEST_CASE("histogram: integers are counted exactly, small and large and negative") {
  std::mt19937_64 random(2);
  Histogram histogram(HistogramScale::Integers());
  std::map<std::int64_t, std::uint64_t> truth;
  for (int i = 0; i < 5000; ++i) {
    const auto value = static_cast<std::int64_t>(random() % 9000) - 1000;
    histogram.Update(static_cast<double>(value), 3);
    truth[value] += 3;
  }
  const auto buckets = histogram.Buckets();
  REQUIRE(buckets.size() == truth.size());
  std::size_t i = 0;
  for (const auto& [value, count] : truth) {
    CHECK(buckets[i].index == value);
    CHECK(buckets[i].count == count);
    ++i;
  }
}

TEST_CASE("histogram: integers beyond the most that are held count as overflow") {
  Histogram histogram(HistogramScale::Integers(), 3);
  for (const double value : {1, 1'000'000, -5, 7, 8'000'000, 1, -5}) histogram.Update(value);
  CHECK(histogram.overflow() == 2);
  CHECK(histogram.count() == 7);
  CHECK(histogram.Buckets().size() == 4);
  CHECK(histogram.Buckets()[1].count == 2);
  auto loaded = Histogram::Load(histogram.Save());
  REQUIRE(loaded.has_value());
  loaded->Update(9);
  CHECK(loaded->overflow() == 3);
}

TEST_CASE("histogram: a quantile is in the bucket of the exact one") {
  const auto values = Drawn(3000, 3);
  for (const HistogramScale& scale : Scales()) {
    const Histogram histogram = Of(scale, values);
    for (double q = 0; q <= 1; q += 0.0625) {
      const double exact = ExactQuantile(values, q);
      const std::int64_t index = scale.IndexOf(exact);
      if (index == scale.underflow()) {
        CHECK(histogram.Quantile(q) == scale.low());
      } else if (index == scale.overflow()) {
        CHECK(histogram.Quantile(q) == scale.high());
      } else {
        CHECK(scale.IndexOf(histogram.Quantile(q)) == index);
      }
    }
  }
}

// By hand: 100 values spread over [0, 100) one a unit; ranks stand in the middle of their share.
TEST_CASE("histogram: a quantile is interpolated within its bucket") {
  Histogram histogram(*HistogramScale::Fixed(0, 100, 10));
  for (int i = 0; i < 100; ++i) histogram.Update(i + 0.5);
  CHECK(histogram.Quantile(0.5) == doctest::Approx(49.5));
  CHECK(histogram.Quantile(0.99) == doctest::Approx(98.5));
  CHECK(histogram.Quantile(0) == doctest::Approx(0.5));
  CHECK(histogram.Quantile(1) == doctest::Approx(99.5));
}

TEST_CASE("histogram: integer quantiles are exact") {
  std::vector<double> values;
  for (const double value : Drawn(999, 4)) values.push_back(std::floor(value));
  const auto histogram = Of(HistogramScale::Integers(), values);
  for (const double q : {0.0, 0.25, 0.5, 0.9, 0.99, 1.0}) {
    CHECK(histogram.Quantile(q) == ExactQuantile(values, q));
  }
}

TEST_CASE("histogram: merged parts are the whole, in any order") {
  const auto a = Drawn(1000, 5);
  const auto b = Drawn(1000, 6);
  const auto c = Drawn(10, 7);
  auto all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  all.push_back(std::nan(""));
  for (const HistogramScale& scale : Scales()) {
    const std::string whole = Of(scale, all).Save();
    auto left = Of(scale, a);
    auto right = Of(scale, b);
    auto last = Of(scale, c);
    last.Update(std::nan(""));
    auto right_first = right;
    CHECK(left.Merge(right));
    CHECK(left.Merge(last));
    CHECK(left.Save() == whole);
    CHECK(right_first.Merge(last));
    CHECK(right_first.Merge(Of(scale, a)));
    CHECK(right_first.Save() == whole);
    CHECK(left.Merge(Histogram(scale)));
    CHECK(left.Save() == whole);
    CHECK(left.Merge(left));
    CHECK(left.count() == 2 * (all.size() - 1));
  }
}

TEST_CASE("histogram: another scale is not merged") {
  auto histogram = Of(*HistogramScale::Fixed(0, 10, 5), {1});
  CHECK_FALSE(histogram.Merge(Of(*HistogramScale::Fixed(0, 10, 6), {1})));
  CHECK_FALSE(histogram.Merge(Of(*HistogramScale::Log(1, 10, 5), {1})));
  CHECK(histogram.count() == 1);
}

TEST_CASE("histogram: counts by index, as a store keeps them, make the same histogram") {
  for (const HistogramScale& scale : Scales()) {
    const auto histogram = Of(scale, Drawn(500, 8));
    std::vector<std::pair<std::int64_t, std::uint64_t>> kept;
    for (const auto& bucket : histogram.Buckets()) kept.emplace_back(bucket.index, bucket.count);
    std::reverse(kept.begin(), kept.end());
    CHECK(Histogram::FromBuckets(scale, kept).Save() == histogram.Save());
  }
  const auto foreign = Histogram::FromBuckets(*HistogramScale::Fixed(0, 1, 2), {{9, 1}, {-9, 2}});
  CHECK(foreign.overflow() == 1);
  CHECK(foreign.underflow() == 2);
}

TEST_CASE("histogram: as JSON") {
  const auto histogram = Of(*HistogramScale::Fixed(0, 4, 4), {1.5, 1.5, -1, 9});
  CHECK(histogram.Json() ==
        R"({"count":4,"ignored":0,"underflow":1,"overflow":1,"p50":1.25,"p90":4,"p99":4,)"
        R"("buckets":[[1,2,2]]})");
}

TEST_CASE("histogram: a loaded one goes on exactly as the saved one") {
  for (const HistogramScale& scale : Scales()) {
    auto saved = Of(scale, Drawn(300, 9));
    saved.Update(-12);
    saved.Update(std::nan(""));
    auto loaded = Histogram::Load(saved.Save(), &scale);
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->count() == saved.count());
    saved.Update(17);
    loaded->Update(17);
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->Quantile(0.7) == saved.Quantile(0.7));
  }
  const auto other = *HistogramScale::Fixed(0, 1, 2);
  CHECK_FALSE(Histogram::Load(Histogram(HistogramScale::Integers()).Save(), &other).has_value());
}

TEST_CASE("histogram: bytes that are cut, longer or changed are not loaded") {
  for (const HistogramScale& scale : Scales()) {
    const std::string bytes = Of(scale, {1, 2, 30}).Save();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(Histogram::Load(bytes.substr(0, size)).has_value());
    }
    CHECK_FALSE(Histogram::Load(bytes + "x").has_value());
    std::string announced = bytes;
    announced[32 + 6] = '\x7f';  // a division of 2^54
    CHECK_FALSE(Histogram::Load(announced).has_value());
    std::string other = bytes;
    other[7] = '2';
    CHECK_FALSE(Histogram::Load(other).has_value());
  }
}
