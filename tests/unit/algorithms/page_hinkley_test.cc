#include "algorithms/page_hinkley.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/algorithms/drift_streams.h"

using rivulet::DriftState;
using rivulet::PageHinkley;

namespace {

std::vector<double> Numbers(std::string_view digits) {
  std::vector<double> numbers;
  for (const char digit : digits) numbers.push_back(digit - '0');
  return numbers;
}

std::vector<double> Normal(std::size_t count, double mean, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, 1);
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

// Where drifts were seen; the first value is 0.
std::vector<std::size_t> Drifts(PageHinkley* detector, const std::vector<double>& values) {
  std::vector<std::size_t> seen;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detector->Update(values[i]) == DriftState::kDrift) seen.push_back(i);
  }
  return seen;
}

}  // namespace

// river: "Change detected at index 1006, input value: 5", and no other.
TEST_CASE("page_hinkley: the documented stream drifts at 1006 alone") {
  PageHinkley detector;
  const auto numbers = Numbers(rivulet::kNumbersThatRise);
  CHECK(Drifts(&detector, numbers) == std::vector<std::size_t>{1006});
  CHECK(numbers[1006] == 5);
  CHECK(detector.total() == 2000);
  CHECK(detector.count() == 2000 - 1007);
  CHECK(detector.mean() > 5);
}

// By hand, with no tolerance and nothing forgotten: zeros leave S = 0; then tens: the mean after k
// tens behind 30 zeros is 10 k/(30 + k), so S grows by 10 - that: 9.677, 9.375, 9.091: 28.14.
TEST_CASE("page_hinkley: the sum counted by hand") {
  PageHinkley detector({.tolerance = 0, .threshold = 28, .forgetting = 1});
  for (int i = 0; i < 30; ++i) CHECK(detector.Update(0) == DriftState::kStable);
  CHECK(detector.sum() == 0);
  CHECK(detector.Update(10) == DriftState::kStable);
  CHECK(detector.sum() == doctest::Approx(10 - 10.0 / 31));
  CHECK(detector.Update(10) == DriftState::kStable);
  CHECK(detector.Update(10) == DriftState::kDrift);
  CHECK(detector.sum() == doctest::Approx(30 - 10.0 / 31 - 20.0 / 32 - 30.0 / 33));
}

TEST_CASE("page_hinkley: a constant and a falling stream are stable, a fall is seen in -x") {
  PageHinkley constant;
  CHECK(Drifts(&constant, std::vector<double>(5000, 1e6)).empty());
  auto values = Normal(2000, 100, 1);
  for (const double value : Normal(2000, 95, 2)) values.push_back(value);
  PageHinkley falling({.threshold = 100});
  CHECK(Drifts(&falling, values).empty());
  for (double& value : values) value = -value;
  PageHinkley mirrored({.threshold = 100});
  const auto seen = Drifts(&mirrored, values);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0] >= 2000);
}

// The header's promise: a rise by d after about threshold / d values.
TEST_CASE("page_hinkley: the delay is about the threshold over the rise") {
  for (const double rise : {2.0, 5.0, 20.0}) {
    CAPTURE(rise);
    PageHinkley detector({.threshold = 100});
    auto values = Normal(3000, 10, 3);
    for (const double value : Normal(200, 10 + rise, 4)) values.push_back(value);
    const auto seen = Drifts(&detector, values);
    REQUIRE(!seen.empty());
    REQUIRE(seen[0] >= 3000);
    CHECK(static_cast<double>(seen[0] - 2999) <= 1.2 * 100 / rise + 2);
    CHECK(static_cast<double>(seen[0] - 2999) >= 0.5 * 100 / rise);
  }
}

TEST_CASE("page_hinkley: nothing is said before the warm-up, and after a drift it starts anew") {
  PageHinkley detector({.threshold = 1, .warm_up = 50});
  std::vector<double> values(20, 0);
  values.resize(50, 100);
  CHECK(Drifts(&detector, values) == std::vector<std::size_t>{49});
  detector.Update(7);
  CHECK(detector.count() == 1);
  CHECK(detector.mean() == 7);
  CHECK(detector.sum() == 0);
}

TEST_CASE("page_hinkley: numbers at the end of the range do no harm") {
  PageHinkley detector;
  for (int i = 0; i < 100; ++i) detector.Update(i % 2 == 0 ? 1e308 : -1e308);
  CHECK(detector.count() <= 100);
  CHECK(detector.Json().find("inf") == std::string::npos);
}

TEST_CASE("page_hinkley: its JSON names what it knows") {
  PageHinkley detector;
  CHECK(detector.Json() ==
        R"({"state":"stable","total":0,"drifts":0,"count":0,"mean":null,"sum":0,"threshold":50})");
  detector.Update(4);
  CHECK(detector.Json() ==
        R"({"state":"stable","total":1,"drifts":0,"count":1,"mean":4,"sum":0,"threshold":50})");
}

TEST_CASE("page_hinkley: a loaded one goes on exactly as the saved one") {
  const auto numbers = Numbers(rivulet::kNumbersThatRise);
  for (const std::ptrdiff_t at : {0, 10, 1003, 1007}) {  // the last right after the drift
    PageHinkley saved({.threshold = 50});
    Drifts(&saved, {numbers.begin(), numbers.begin() + at});
    auto loaded = PageHinkley::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->state() == saved.state());
    const std::vector<double> rest(numbers.begin() + at, numbers.end());
    CHECK(Drifts(&*loaded, rest) == Drifts(&saved, rest));
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("page_hinkley: bytes that are cut, longer or of another version are not loaded") {
  const std::string bytes = PageHinkley().Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(PageHinkley::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(PageHinkley::Load(bytes + "x").has_value());
  for (const std::size_t at : {7, 16}) {  // version, state
    std::string other = bytes;
    other[at] = '\x7f';
    CHECK_FALSE(PageHinkley::Load(other).has_value());
  }
}
