#include "algorithms/quantiles.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

using rivulet::Quantiles;
using rivulet::QuantileScale;

namespace {

using Random = std::mt19937_64;

std::vector<double> Drawn(std::size_t count, unsigned seed,
                          const std::function<double(Random&)>& draw) {
  Random random(seed);
  std::vector<double> values(count);
  for (double& value : values) value = draw(random);
  return values;
}

Quantiles Of(const std::vector<double>& values, double accuracy = 0.01,
             std::size_t max_buckets = Quantiles::kMaxBuckets) {
  Quantiles quantiles(accuracy, max_buckets);
  for (const double value : values) quantiles.Update(value);
  return quantiles;
}

double Lognormal(Random& random) { return std::lognormal_distribution<double>(0, 3)(random); }
double Normal(Random& random) { return std::normal_distribution<double>(1, 5)(random); }

// The paper's promise, against the sorted values.
void CheckAccuracy(const Quantiles& quantiles, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  for (int i = 0; i <= 100; ++i) {
    const double q = i / 100.0;
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
    const double most = quantiles.scale().accuracy() * (1 + 1e-9) * std::abs(values[rank]);
    const double error = std::abs(quantiles.Quantile(q) - values[rank]);
    if (!(error <= most)) {
      CAPTURE(q);
      CHECK(error <= most);
    }
  }
}

}  // namespace

TEST_CASE("quantiles: of nothing none is defined") {
  const Quantiles quantiles;
  CHECK(quantiles.count() == 0);
  CHECK(std::isnan(quantiles.Quantile(0.5)));
  CHECK(std::isnan(quantiles.min()));
  CHECK(std::isnan(quantiles.max()));
}

TEST_CASE("quantiles: one value is every quantile") {
  const auto quantiles = Of({-3.25});
  for (const double q : {-1.0, 0.0, 0.5, 1.0, 2.0}) CHECK(quantiles.Quantile(q) == -3.25);
  CHECK(quantiles.sum() == -3.25);
}

// The formulas of the paper, in long double.
TEST_CASE("quantiles: a bucket holds what its bounds are, and its value is within the accuracy") {
  for (const double accuracy : {0.001, 0.01, 0.02, 0.5}) {
    const QuantileScale scale(accuracy);
    const long double gamma = (1 + static_cast<long double>(accuracy)) / (1 - accuracy);
    for (const double x : Drawn(2000, 1, Lognormal)) {
      const auto bucket = static_cast<std::int64_t>(
          std::ceil(std::log(static_cast<long double>(x)) / std::log(gamma)));
      CHECK(scale.IndexOf(x) == QuantileScale::kZero + bucket);
      CHECK(scale.IndexOf(-x) == -scale.IndexOf(x));
      const double value = scale.ValueOf(scale.IndexOf(x));
      const long double exact = 2 * std::pow(gamma, static_cast<long double>(bucket)) / (gamma + 1);
      CHECK(value == doctest::Approx(static_cast<double>(exact)).epsilon(1e-11));
      CHECK(std::abs(value - x) <= accuracy * x * (1 + 1e-9));
      CHECK(scale.ValueOf(-scale.IndexOf(x)) == -value);
    }
  }
}

TEST_CASE("quantiles: from the smallest to the largest double the accuracy holds") {
  const QuantileScale scale(0.01);
  Random random(2);
  for (int i = 0; i < 20000; ++i) {
    const double x = std::bit_cast<double>(random() >> 1);
    if (!(x >= std::numeric_limits<double>::min()) || !std::isfinite(x)) continue;
    const double value = scale.ValueOf(scale.IndexOf(x));
    CHECK(std::abs(value - x) <= 0.01 * x * (1 + 1e-8));
    CHECK(scale.Holds(scale.IndexOf(x)));
  }
  for (const double x : {std::numeric_limits<double>::max(), 5e-324}) {
    CHECK(scale.Holds(scale.IndexOf(x)));
    CHECK(Of({x, x, x}).Quantile(0.5) == x);
  }
}

// algorithms.md of the project: a = 0.01 takes 1260 buckets from 1 us to 1 day.
TEST_CASE("quantiles: a microsecond to a day are 1260 buckets") {
  const QuantileScale scale(0.01);
  const auto buckets = scale.IndexOf(86400) - scale.IndexOf(1e-6) + 1;
  CHECK(buckets >= 1259);
  CHECK(buckets <= 1261);
}

TEST_CASE("quantiles: the error is never above the accuracy, whatever is drawn") {
  const std::vector<std::function<double(Random&)>> draws = {
      Lognormal, Normal, [](Random& random) { return static_cast<double>(random() % 100) - 20; },
      [](Random& random) { return std::exponential_distribution<double>(1e3)(random); },
      [](Random& random) {
        return std::pow(std::uniform_real_distribution<>(1e-9, 1)(random), -2);
      }};
  for (const auto& draw : draws) {
    for (const double accuracy : {0.001, 0.01, 0.05}) {
      const auto values = Drawn(2000, 3, draw);
      CheckAccuracy(Of(values, accuracy, 1 << 16), values);
    }
  }
}

TEST_CASE("quantiles: what is not finite is told apart; extremes and zeros are values") {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto quantiles = Of({std::nan(""), infinity, -infinity, 1e308, -1e308, 0, -0.0, 5});
  CHECK(quantiles.ignored() == 3);
  CHECK(quantiles.count() == 5);
  CHECK(quantiles.min() == -1e308);
  CHECK(quantiles.max() == 1e308);
  CHECK(quantiles.Quantile(0.5) == 0);
  CHECK(quantiles.Quantile(0.75) == doctest::Approx(5).epsilon(0.01));
}

TEST_CASE("quantiles: an update of a weight is as many updates") {
  Quantiles weighted;
  weighted.Update(2.5, 3);
  weighted.Update(7, 0);
  CHECK(weighted.Save() == Of({2.5, 2.5, 2.5}).Save());
}

TEST_CASE("quantiles: beyond the most buckets the lowest are one, the others stay accurate") {
  std::vector<double> values;
  for (int i = 0; i < 4000; ++i) values.push_back(std::pow(10, i / 200.0));  // 1 to 1e20
  std::shuffle(values.begin(), values.end(), Random(4));
  const auto quantiles = Of(values, 0.01, 500);
  CHECK(quantiles.collapsed());
  CHECK(quantiles.Buckets().size() == 500);
  // 500 buckets of a ratio of 1.0202 are the upper 4.34 of 20 decades.
  CHECK(std::log10(quantiles.exact_above()) == doctest::Approx(20 - 4.34).epsilon(0.01));
  std::sort(values.begin(), values.end());
  for (const double q : {0.8, 0.9, 0.99}) {
    const double exact = values[static_cast<std::size_t>(q * 3999)];
    CHECK(quantiles.Quantile(q) == doctest::Approx(exact).epsilon(0.01));
  }
  CHECK(quantiles.Quantile(0.3) == doctest::Approx(quantiles.exact_above()));
  CHECK(quantiles.Quantile(0) == 1);
}

TEST_CASE("quantiles: one value far away takes one bucket of the others") {
  auto values = Drawn(3000, 5, Lognormal);
  values.push_back(1e308);
  values.push_back(-1e-300);
  const auto quantiles = Of(values);
  CHECK_FALSE(quantiles.collapsed());
  CheckAccuracy(quantiles, values);
}

TEST_CASE("quantiles: merged parts are the whole in any order, collapsed or not") {
  for (const std::size_t max_buckets : {2, 10, 200, 2048}) {
    CAPTURE(max_buckets);
    std::vector<std::vector<double>> parts = {Drawn(900, 6, Lognormal),
                                              Drawn(50, 7, Normal),
                                              {1, -1, 0, 1e300},
                                              Drawn(400, 8, Lognormal)};
    std::vector<double> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    const auto whole = Of(all, 0.01, max_buckets);
    std::vector<std::size_t> order = {0, 1, 2, 3};
    do {
      Quantiles left(0.01, max_buckets);
      for (const std::size_t i : order) CHECK(left.Merge(Of(parts[i], 0.01, max_buckets)));
      auto inner = Of(parts[order[1]], 0.01, max_buckets);
      inner.Merge(Of(parts[order[2]], 0.01, max_buckets));
      inner.Merge(Of(parts[order[3]], 0.01, max_buckets));
      auto right = Of(parts[order[0]], 0.01, max_buckets);
      right.Merge(inner);
      for (const auto& merged : {left, right}) {
        CHECK(merged.Buckets() == whole.Buckets());
        CHECK(merged.collapsed() == whole.collapsed());
        CHECK(merged.exact_above() == whole.exact_above());
        CHECK(merged.Quantile(0.9) == whole.Quantile(0.9));
        CHECK(merged.sum() == doctest::Approx(whole.sum()));
      }
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST_CASE("quantiles: merged with itself every count is twice, with nothing the same") {
  auto quantiles = Of(Drawn(100, 9, Normal));
  const std::string before = quantiles.Save();
  CHECK(quantiles.Merge(Quantiles()));
  CHECK(quantiles.Save() == before);
  auto buckets = quantiles.Buckets();
  CHECK(quantiles.Merge(quantiles));
  for (auto& [index, count] : buckets) count *= 2;
  CHECK(quantiles.Buckets() == buckets);
  const auto collapsed = Of({1, 10, 100}, 0.01, 2);
  Quantiles into_nothing(0.01, 2);
  CHECK(into_nothing.Merge(collapsed));
  CHECK(into_nothing.Save() == collapsed.Save());
  CHECK_FALSE(quantiles.Merge(Quantiles(0.02)));
  CHECK_FALSE(quantiles.Merge(Quantiles(0.01, 100)));
}

TEST_CASE("quantiles: counts by index, as a store keeps them, give the same quantiles") {
  const auto quantiles = Of(Drawn(1000, 10, Normal));
  auto kept = quantiles.Buckets();
  std::reverse(kept.begin(), kept.end());
  const auto again = Quantiles::FromBuckets(0.01, kept);
  CHECK(again.Buckets() == quantiles.Buckets());
  for (const double q : {0.01, 0.1, 0.5, 0.99}) CHECK(again.Quantile(q) == quantiles.Quantile(q));
  CHECK(again.sum() == doctest::Approx(quantiles.sum()).epsilon(0.02));
  const auto foreign = Quantiles::FromBuckets(0.01, {{7, 1},
                                                     {std::numeric_limits<std::int64_t>::min(), 1},
                                                     {std::numeric_limits<std::int64_t>::max(), 1},
                                                     {0, 4}});
  CHECK(foreign.count() == 4);
  CHECK(foreign.ignored() == 3);
}

TEST_CASE("quantiles: as JSON") {
  CHECK(Of({2, 2}).Json() ==
        R"({"count":2,"ignored":0,"min":2,"p50":2,"p90":2,"p95":2,"p99":2,"p999":2,"max":2,)"
        R"("sum":4,"accuracy":0.01,"collapsed":false})");
}

TEST_CASE("quantiles: a loaded one goes on exactly as the saved one") {
  for (const std::size_t max_buckets : {50, 2048}) {
    auto saved = Of(Drawn(500, 11, Normal), 0.01, max_buckets);
    auto loaded = Quantiles::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->collapsed() == saved.collapsed());
    for (const double value : Drawn(500, 12, Lognormal)) {
      saved.Update(value);
      loaded->Update(value);
    }
    CHECK(loaded->Save() == saved.Save());
  }
  CHECK(Quantiles::Load(Quantiles().Save()).has_value());
}

TEST_CASE("quantiles: bytes that are cut, longer or changed are not loaded") {
  const std::string bytes = Of({1, -2, 0, 30}).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Quantiles::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Quantiles::Load(bytes + "x").has_value());
  for (const std::size_t at :
       {7, 15, 71, 79, 87}) {  // version, accuracy, held, collapsed, a bucket
    std::string other = bytes;
    other[at] = '\x7f';
    CHECK_FALSE(Quantiles::Load(other).has_value());
  }
}

TEST_CASE("quantiles: counts that reach the end of 64 bits stay there") {
  Quantiles quantiles(0.01, 2);
  for (const double value : {1.0, 10.0, 100.0, 1000.0}) {
    quantiles.Update(value, ~std::uint64_t{0});
    quantiles.Update(value, 2);
  }
  CHECK(quantiles.Buckets().size() == 2);
  auto loaded = Quantiles::Load(quantiles.Save());
  REQUIRE(loaded.has_value());
  loaded->Update(1e9);
  CHECK(loaded->Buckets().size() == 2);
}

TEST_CASE("quantiles: what has fewer digits than a double counts as zero") {
  constexpr double kLeast = std::numeric_limits<double>::min();
  const auto tiny = Of({5e-324, 1.5e-323, -1e-310, std::nextafter(kLeast, 0), kLeast, -kLeast, 1});
  const std::vector<std::pair<std::int64_t, std::uint64_t>> buckets = tiny.Buckets();
  REQUIRE(buckets.size() == 4);
  CHECK(buckets[1] == std::pair<std::int64_t, std::uint64_t>(0, 4));
  CHECK(tiny.Quantile(0.5) == 0);
  CHECK(std::abs(tiny.scale().ValueOf(buckets[2].first) - kLeast) <= 0.01001 * kLeast);
}

TEST_CASE("quantiles: memory is bounded, though values ascend over all that there are") {
  rivulet::QuantileBuckets buckets(2'048);
  const QuantileScale scale(0.001);
  const auto bucket_of = [&](double x) { return scale.IndexOf(x) - QuantileScale::kZero; };
  const std::int64_t last = bucket_of(std::numeric_limits<double>::max());
  std::uint64_t added = 0;
  for (std::int64_t bucket = bucket_of(QuantileScale::kLeast); bucket <= last; ++bucket, ++added) {
    buckets.Add(bucket, 1);
  }
  CHECK(added > 700'000);
  CHECK(buckets.held() == 2'048);
  CHECK(buckets.floor() == last - 2'047);
  CHECK(buckets.bytes() < 400'000);
  std::uint64_t count = 0;
  buckets.ForEach([&](std::int64_t, std::uint64_t here) { count += here; });
  CHECK(count == added);
}
