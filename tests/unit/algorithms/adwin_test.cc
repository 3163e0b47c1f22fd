#include "algorithms/adwin.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/algorithms/drift_streams.h"

using rivulet::Adwin;
using rivulet::DriftState;

namespace {

std::vector<double> Numbers(std::string_view digits) {
  std::vector<double> numbers;
  for (const char digit : digits) numbers.push_back(digit - '0');
  return numbers;
}

std::vector<double> Normal(std::size_t count, double mean, double deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

// Where drifts were seen; the first value is 0.
std::vector<std::size_t> Drifts(Adwin* detector, const std::vector<double>& values) {
  std::vector<std::size_t> seen;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detector->Update(values[i]) == DriftState::kDrift) seen.push_back(i);
  }
  return seen;
}

// The last `width` of the values, in two passes of long double.
void CheckWindow(const Adwin& detector, const std::vector<double>& values) {
  REQUIRE(detector.width() <= values.size());
  const auto n = static_cast<long double>(detector.width());
  const auto from = values.end() - static_cast<std::ptrdiff_t>(detector.width());
  long double mean = 0, variance = 0;
  for (auto at = from; at != values.end(); ++at) mean += *at / n;
  for (auto at = from; at != values.end(); ++at) variance += (*at - mean) * (*at - mean) / n;
  CHECK(detector.mean() == doctest::Approx(static_cast<double>(mean)).epsilon(1e-13));
  CHECK(detector.population_variance() ==
        doctest::Approx(static_cast<double>(variance)).epsilon(1e-11));
}

// The paper's test with every value kept and every cut tried: cuts are then found no later, because
// the buckets' cuts are some of these.
bool PlainCut(const std::deque<double>& window, double delta) {
  const auto n = static_cast<double>(window.size());
  double mean = 0, variance = 0;
  for (const double x : window) mean += x / n;
  for (const double x : window) variance += (x - mean) * (x - mean) / n;
  const double d = std::log(2 * std::log(n) / delta);
  double sum = 0;
  for (std::size_t i = 0; i + 1 < window.size(); ++i) {
    sum += window[i];
    const auto n0 = static_cast<double>(i + 1);
    const double n1 = n - n0;
    if (n0 < 5 || n1 < 5) continue;
    const double m = 1 / (1 / n0 + 1 / n1);
    const double bound = std::sqrt(2 / m * variance * d) + 2 / (3 * m) * d;
    if (std::abs(sum / n0 - (mean * n - sum) / n1) > bound) return true;
  }
  return false;
}

}  // namespace

// river: "Change detected at index 1023, input value: 4".
TEST_CASE("adwin: the documented stream drifts at 1023 first, and never before") {
  Adwin detector;
  const auto numbers = Numbers(rivulet::kNumbersThatRise);
  const auto seen = Drifts(&detector, numbers);
  REQUIRE(!seen.empty());
  CHECK(seen[0] == 1023);
  CHECK(numbers[1023] == 4);
  CHECK(detector.drifts() == seen.size());
  CHECK(detector.total() == 2000);
  // What is left is what came after the change, whose mean is 5.5, but for a bucket or two.
  CHECK(detector.width() <= 1000 + 16);
  CHECK(detector.mean() == doctest::Approx(5.5).epsilon(0.05));
  CheckWindow(detector, numbers);
}

TEST_CASE("adwin: of nothing no mean is known") {
  const Adwin detector;
  CHECK(detector.width() == 0);
  CHECK(std::isnan(detector.mean()));
  CHECK(std::isnan(detector.population_variance()));
}

TEST_CASE("adwin: the buckets hold the window's width, mean and variance exactly") {
  const auto values = Normal(5000, 1000, 0.2, 1);
  std::vector<double> so_far;
  Adwin detector;
  for (const double value : values) {
    detector.Update(value);
    so_far.push_back(value);
    if (so_far.size() < 40 || so_far.size() % 500 == 7) CheckWindow(detector, so_far);
  }
  CHECK(detector.width() == 5000);
}

TEST_CASE("adwin: what it cuts, the test over every single value would cut, too") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::deque<double> window;
    Adwin detector({.delta = 0.2});
    auto values = Normal(300, 0.5, 0.1, seed);
    for (const double value : Normal(300, 0.53, 0.1, seed + 100)) values.push_back(value);
    for (const double value : values) {
      window.push_back(value);
      const bool drift = detector.Update(value) == DriftState::kDrift;
      if (drift) CHECK(PlainCut(window, 0.2));
      while (window.size() > detector.width()) window.pop_front();
    }
  }
}

TEST_CASE("adwin: a change is found both ways, and the window is what came after it") {
  for (const double change : {0.3, -0.3}) {
    CAPTURE(change);
    Adwin detector;
    auto values = Normal(2000, 0.5, 0.1, 7);
    for (const double value : Normal(500, 0.5 + change, 0.1, 8)) values.push_back(value);
    const auto seen = Drifts(&detector, values);
    REQUIRE(!seen.empty());
    CHECK(seen[0] >= 2000);
    CHECK(seen[0] < 2000 + 96);
    CHECK(detector.width() <= 500 + 32);
    CHECK(detector.mean() == doctest::Approx(0.5 + change).epsilon(0.05));
  }
}

// 40 streams of 3,000 fair coins: 3,720 checks. The paper's bound is delta a check; all streams
// together have far fewer.
TEST_CASE("adwin: a stable stream is hardly ever cut") {
  std::size_t cuts = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    Adwin detector;
    for (int i = 0; i < 3000; ++i) detector.Update(random() % 2 == 0 ? 1 : 0);
    cuts += detector.drifts();
  }
  CHECK(cuts <= 7);  // 3,720 x 0.002
}

TEST_CASE("adwin: a wider range makes it surer, a larger delta quicker") {
  auto values = Normal(1000, 50, 10, 9);
  for (const double value : Normal(1000, 65, 10, 10)) values.push_back(value);
  Adwin narrow({.range = 1});
  Adwin wide({.range = 100});
  const auto narrow_seen = Drifts(&narrow, values);
  const auto wide_seen = Drifts(&wide, values);
  REQUIRE(!narrow_seen.empty());
  REQUIRE(!wide_seen.empty());
  CHECK(narrow_seen[0] <= wide_seen[0]);
  CHECK(wide_seen[0] >= 1000);
}

TEST_CASE("adwin: memory grows with the logarithm of the width") {
  Adwin detector;
  for (int i = 0; i < 100000; ++i) detector.Update(0.5);
  CHECK(detector.width() == 100000);
  CHECK(detector.Save().size() < 9 * 8 + 17 * (8 + 5 * 16) + 1);  // 5 (2^15 - 1) > 100000
}

TEST_CASE("adwin: numbers at the end of the range do no harm") {
  Adwin detector;
  for (int i = 0; i < 1000; ++i) detector.Update(i % 2 == 0 ? 1e308 : -1e308);
  CHECK(detector.total() == 1000);
  CHECK(detector.Json().find("inf") == std::string::npos);
}

TEST_CASE("adwin: options that make no sense are made to") {
  Adwin detector({.check_every = 0, .shortest_side = 0});
  for (int i = 0; i < 100; ++i) detector.Update(i);
  CHECK(detector.width() <= 100);
}

TEST_CASE("adwin: its JSON names what it knows") {
  Adwin detector;
  CHECK(detector.Json() ==
        R"({"state":"stable","total":0,"drifts":0,"width":0,"mean":null,"variance":null})");
  detector.Update(2);
  detector.Update(4);
  CHECK(detector.Json() ==
        R"({"state":"stable","total":2,"drifts":0,"width":2,"mean":3,"variance":1})");
}

TEST_CASE("adwin: a loaded one goes on exactly as the saved one") {
  const auto numbers = Numbers(rivulet::kNumbersThatRise);
  for (const std::ptrdiff_t at : {0, 1, 6, 700, 1024, 1500}) {
    Adwin saved({.delta = 0.01, .range = 7});
    Drifts(&saved, {numbers.begin(), numbers.begin() + at});
    auto loaded = Adwin::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->state() == saved.state());
    const std::vector<double> rest(numbers.begin() + at, numbers.end());
    CHECK(Drifts(&*loaded, rest) == Drifts(&saved, rest));
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("adwin: bytes that are cut, longer, of another version or impossible are not loaded") {
  Adwin detector;
  for (int i = 0; i < 100; ++i) detector.Update(i % 3);
  const std::string bytes = detector.Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Adwin::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Adwin::Load(bytes + "x").has_value());
  for (const std::size_t at : {7, 40, 64, 72}) {  // version, state, rows, buckets of the first row
    std::string other = bytes;
    other[at] = '\x7f';
    CHECK_FALSE(Adwin::Load(other).has_value());
  }
  std::string never = bytes;
  never[24] = '\0';  // a check every 0 values
  CHECK_FALSE(Adwin::Load(never).has_value());
}
