#include "algorithms/reservoir.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using rivulet::Reservoir;

namespace {

// The numbers from `from` up to `to`.
void Fill(Reservoir* sample, int from, int to) {
  for (int i = from; i < to; ++i) sample->Update(std::to_string(i));
}

Reservoir OfNumbers(std::size_t capacity, std::uint64_t seed, int from, int to) {
  Reservoir sample(capacity, seed);
  Fill(&sample, from, to);
  return sample;
}

// How often each of `count` elements was in a sample, over many samples, against all being equally
// likely: chi-square, whose mean is about `count`, within 5 standard deviations.
class Tally {
 public:
  explicit Tally(std::size_t count) : times_(count) {}
  void Add(const Reservoir& sample) {
    for (const auto& element : sample.Elements()) ++times_[std::stoul(element)];
    sum_ += static_cast<double>(sample.size());
  }
  void CheckEven(double part) const {
    const auto count = static_cast<double>(times_.size());
    const double expected = sum_ / count;
    double chi_square = 0;
    for (const double times : times_) chi_square += (times - expected) * (times - expected);
    // Without replacement the counts vary less: binomial, with the part that is taken.
    chi_square /= expected * (1 - part);
    CHECK(std::abs(chi_square - count) < 5 * std::sqrt(2 * count));
  }

 private:
  std::vector<double> times_;
  double sum_ = 0;
};

}  // namespace

TEST_CASE("reservoir: what fits is all there") {
  const auto sample = OfNumbers(10, 1, 0, 7);
  auto elements = sample.Elements();
  std::sort(elements.begin(), elements.end());
  CHECK(elements == std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6"});
  CHECK(Reservoir(5, 1).Elements().empty());
}

TEST_CASE("reservoir: a sample has as many different elements as it may") {
  const auto sample = OfNumbers(50, 2, 0, 100'000);
  const auto elements = sample.Elements();
  CHECK(sample.count() == 100'000);
  CHECK(elements.size() == 50);
  CHECK(std::set<std::string>(elements.begin(), elements.end()).size() == 50);
}

TEST_CASE("reservoir: the same seed gives the same sample, another one another") {
  CHECK(OfNumbers(20, 3, 0, 5000).Save() == OfNumbers(20, 3, 0, 5000).Save());
  CHECK(OfNumbers(20, 3, 0, 5000).Elements() != OfNumbers(20, 4, 0, 5000).Elements());
}

TEST_CASE("reservoir: every element is as likely to be in the sample") {
  for (const std::size_t capacity : {1, 10}) {
    Tally tally(100);
    for (std::uint64_t seed = 0; seed < 800; ++seed) tally.Add(OfNumbers(capacity, seed, 0, 100));
    tally.CheckEven(static_cast<double>(capacity) / 100);
  }
}

TEST_CASE("reservoir: every place of a sample is as likely for an element") {
  std::vector<double> times(5);
  constexpr int kSamples = 1000;
  for (std::uint64_t seed = 0; seed < kSamples; ++seed) {
    const auto elements = OfNumbers(5, seed, 0, 5).Elements();
    for (std::size_t i = 0; i < 5; ++i) times[i] += elements[i] == "0" ? 1 : 0;
  }
  for (const double each : times) CHECK(std::abs(each - kSamples / 5.0) < 5 * std::sqrt(160));
}

TEST_CASE("reservoir: merged samples are samples of all, whatever the sizes of the streams") {
  Tally tally(100);
  for (std::uint64_t seed = 0; seed < 800; ++seed) {
    auto merged = OfNumbers(10, 3 * seed, 0, 80);
    merged.Merge(OfNumbers(10, 3 * seed + 1, 80, 83));
    merged.Merge(OfNumbers(10, 3 * seed + 2, 83, 100));
    CHECK(merged.size() == 10);
    tally.Add(merged);
  }
  tally.CheckEven(0.1);
}

TEST_CASE("reservoir: after a merge it goes on as a sample of all") {
  Tally tally(100);
  for (std::uint64_t seed = 0; seed < 800; ++seed) {
    auto merged = OfNumbers(10, 2 * seed, 0, 30);
    merged.Merge(OfNumbers(10, 2 * seed + 1, 30, 60));
    Fill(&merged, 60, 100);
    tally.Add(merged);
  }
  tally.CheckEven(0.1);
}

TEST_CASE("reservoir: in whatever order parts are merged, the sample is the same") {
  const auto a = OfNumbers(10, 1, 0, 500);
  const auto b = OfNumbers(10, 2, 500, 505);
  const auto c = OfNumbers(10, 3, 505, 2000);
  auto left = a;
  left.Merge(b);
  left.Merge(c);
  auto right = c;
  auto inner = b;
  inner.Merge(a);
  right.Merge(inner);
  CHECK(left.Elements() == right.Elements());
  CHECK(left.count() == 2000);
  CHECK(right.count() == 2000);
  auto same = a;
  same.Merge(Reservoir(10, 9));
  CHECK(same.Save() == a.Save());
  Reservoir empty(10, 9);
  empty.Merge(a);
  CHECK(empty.Elements() == a.Elements());
}

TEST_CASE("reservoir: of two capacities the merged one has the smaller") {
  auto sample = OfNumbers(20, 1, 0, 500);
  sample.Merge(OfNumbers(5, 2, 500, 600));
  CHECK(sample.capacity() == 5);
  CHECK(sample.size() == 5);
  CHECK(sample.count() == 600);
}

TEST_CASE("reservoir: as JSON, any bytes") {
  Reservoir sample(2, 1);
  sample.Update("a\"\n");
  CHECK(sample.Json() == R"({"count":1,"sample":["a\"\u000a"]})");
}

TEST_CASE("reservoir: a loaded one goes on exactly as the saved one") {
  for (const int size : {0, 5, 10, 3000}) {
    auto saved = OfNumbers(10, 7, 0, size);
    auto loaded = Reservoir::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    Fill(&saved, size, size + 5000);
    Fill(&*loaded, size, size + 5000);
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("reservoir: bytes that are cut, longer or changed are not loaded") {
  const std::string bytes = OfNumbers(3, 1, 0, 10).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Reservoir::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Reservoir::Load(bytes + "x").has_value());
  for (const std::size_t at : {7, 15, 47, 55, 63}) {  // version, capacity, size, key, length
    std::string other = bytes;
    other[at] = '\x7f';
    CHECK_FALSE(Reservoir::Load(other).has_value());
  }
}
