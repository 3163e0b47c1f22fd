#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "algorithms/count_min.h"
#include "algorithms/histogram.h"
#include "algorithms/quantiles.h"
#include "algorithms/top_k.h"

using rivulet::CountMin;
using rivulet::Histogram;
using rivulet::HistogramScale;
using rivulet::Quantiles;
using rivulet::TopK;

namespace {

constexpr std::uint64_t kMost = ~std::uint64_t{0};
constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;

}  // namespace

TEST_CASE("saturation: counts of a histogram end at 2^64 - 1, and it is loaded as it was saved") {
  for (const auto& scale : {HistogramScale::Integers(), *HistogramScale::Fixed(0, 10, 10)}) {
    Histogram histogram(scale);
    for (const double x : {5.0, 5.0, 6.0, 1e300, 1e300}) histogram.Update(x, kHalf);
    CHECK(histogram.count() == kMost);
    CHECK(histogram.overflow() == kMost);
    CHECK(histogram.Buckets().front().count == kMost);
    CHECK(histogram.Buckets()[1].count == kHalf);
    const auto loaded = Histogram::Load(histogram.Save());
    REQUIRE(loaded);
    CHECK(loaded->count() == kMost);
    CHECK(loaded->Save() == histogram.Save());
    Histogram twice = histogram;
    CHECK(twice.Merge(histogram));
    CHECK(twice.Buckets()[1].count == kMost);
  }
}

TEST_CASE("saturation: quantiles of more than 2^64 - 1 values") {
  Quantiles quantiles;
  quantiles.Update(1, kMost);
  quantiles.Update(5, 1);
  quantiles.Update(0, kHalf);
  CHECK(quantiles.count() == kMost);
  CHECK(quantiles.Quantile(0.25) == 0);
  CHECK(quantiles.Quantile(0.75) == doctest::Approx(1).epsilon(0.011));
  const auto loaded = Quantiles::Load(quantiles.Save());
  REQUIRE(loaded);
  CHECK(loaded->count() == kMost);
  Quantiles twice = quantiles;
  CHECK(twice.Merge(quantiles));
  CHECK(twice.count() == kMost);
  CHECK(twice.Buckets().front().second == kMost);
}

TEST_CASE("saturation: a count-min estimate is not below what a counter can hold") {
  for (const bool conservative : {false, true}) {
    CountMin sketch(10, 3, conservative);
    sketch.Update("a", kHalf);
    sketch.Update("a", kHalf);
    CHECK(sketch.Estimate("a") == kMost);
    CHECK(sketch.total() == kMost);
    CHECK(sketch.Merge(sketch));
    CHECK(sketch.Estimate("a") == kMost);
    const auto loaded = CountMin::Load(sketch.Save());
    REQUIRE(loaded);
    CHECK(loaded->total() == kMost);
  }
}

TEST_CASE("saturation: the heaviest key stays on top") {
  TopK top(2);
  top.Update("a", kHalf);
  top.Update("b", 7);
  top.Update("a", kHalf);
  CHECK(top.Top(1)[0].value == "a");
  CHECK(top.Top(1)[0].count == kMost);
  CHECK(top.total() == kMost);
  top.Merge(top);
  CHECK(top.Find("a")->count == kMost);
  CHECK(top.Find("b")->count == 14);
  top.Update("c", kMost);  // over b
  top.Update("d", kMost);
  CHECK(top.Find("d")->count == kMost);
  REQUIRE(TopK::Load(top.Save()));
  CHECK(TopK::Load(top.Save())->total() == kMost);
}
