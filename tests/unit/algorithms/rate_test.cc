#include "algorithms/rate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using rivulet::Rate;

namespace {

struct Event {
  double at;
  double weight;
};

// Weights are whole, so that sums are exact in any order.
std::vector<Event> Drawn(std::size_t count, double per_second, double from, unsigned seed) {
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> gap(per_second);
  std::vector<Event> events;
  double at = from;
  for (std::size_t i = 0; i < count; ++i) {
    at += gap(random);
    events.push_back({at, static_cast<double>(random() % 5)});
  }
  return events;
}

Rate Of(const std::vector<Event>& events, double window, std::size_t slots) {
  Rate rate(window, slots);
  for (const auto& [at, weight] : events) rate.Update(at, weight);
  return rate;
}

double Within(const std::vector<Event>& events, double after, double upto) {
  double sum = 0;
  for (const auto& [at, weight] : events) sum += at > after && at <= upto ? weight : 0;
  return sum;
}

}  // namespace

TEST_CASE("rate: of nothing it is zero") {
  const Rate rate(60);
  CHECK(rate.PerSecond(0) == 0);
  CHECK(rate.PerSecond(1e9) == 0);
  CHECK(rate.slots() == 60);
}

// By hand: a window of 10 s in slots of 1 s.
TEST_CASE("rate: what leaves the window leaves it evenly over its slot") {
  Rate rate(10, 10);
  rate.Update(0.25, 4);
  rate.Update(9.5, 6);
  CHECK(rate.Weight(9.5) == 10);
  CHECK(rate.Weight(10) == 10);
  CHECK(rate.Weight(10.5) == 8);  // half of the first slot is still there
  CHECK(rate.Weight(10.75) == 7);
  CHECK(rate.Weight(11) == 6);
  CHECK(rate.PerSecond(11) == doctest::Approx(0.6));
  CHECK(rate.Weight(19.5) == 3);
  CHECK(rate.Weight(20) == 0);
  CHECK(rate.total() == 10);
}

TEST_CASE("rate: off by less than the slot that the window cuts") {
  const auto events = Drawn(400, 20, 1.7e9, 1);
  for (const auto& [window, slots] :
       std::vector<std::pair<double, std::size_t>>{{10, 10}, {10, 1}, {6, 60}, {1, 7}}) {
    Rate rate(window, slots);
    const double width = window / static_cast<double>(slots);
    for (const auto& [at, weight] : events) {
      rate.Update(at, weight);
      const double cut = std::floor((at - window) / width) * width;
      const double exact = Within(events, at - window, at);
      const double most = Within(events, cut - 1e-6, cut + width + 1e-6);
      CHECK(std::abs(rate.Weight(at) - exact) <= most);
    }
  }
}

TEST_CASE("rate: a steady stream's rate") {
  Rate rate(5, 50);
  for (int i = 0; i < 1000; ++i) rate.Update(i * 0.01);
  CHECK(rate.PerSecond(9.995) == doctest::Approx(100).epsilon(0.002));
}

TEST_CASE("rate: times may come in any order, those older than the window are late") {
  auto events = Drawn(200, 10, 100, 2);
  const double newest = events.back().at;
  const auto in_order = Of(events, 60, 60);
  std::shuffle(events.begin(), events.end(), std::mt19937(3));
  const auto shuffled = Of(events, 60, 60);
  CHECK(shuffled.late() == 0);
  CHECK(shuffled.Weight(newest) == in_order.Weight(newest));
  Rate rate(10, 10);
  rate.Update(100);
  rate.Update(50, 3);
  CHECK(rate.late() == 3);
  CHECK(rate.total() == 4);
  CHECK(rate.Weight(100) == 1);
}

TEST_CASE("rate: times before zero, far away and of an earlier query") {
  Rate rate(10, 10);
  rate.Update(-25.5, 2);
  CHECK(rate.Weight(-25) == 2);
  rate.Update(-24.5, 5);
  CHECK(rate.Weight(-25.2) == 2);
  CHECK(rate.Weight(-100) == 0);
  rate.Update(1e300);
  CHECK(rate.Weight(1e300) == 1);
  rate.Update(-1e300);
  CHECK(rate.late() == 1);
}

TEST_CASE("rate: merged parts are exactly the whole, in any order") {
  const auto events = Drawn(600, 10, 1.7e9, 4);
  const auto whole = Of(events, 30, 15);
  std::vector<Rate> parts(3, Rate(30, 15));
  for (std::size_t i = 0; i < events.size(); ++i) {
    parts[i < 200 ? 0 : 1 + i % 2].Update(events[i].at, events[i].weight);
  }
  std::vector<std::size_t> order = {0, 1, 2};
  do {
    Rate left(30, 15);
    for (const std::size_t i : order) CHECK(left.Merge(parts[i]));
    Rate inner = parts[order[1]];
    CHECK(inner.Merge(parts[order[2]]));
    Rate right = parts[order[0]];
    CHECK(right.Merge(inner));
    CHECK(left.Save() == whole.Save());
    CHECK(right.Save() == whole.Save());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("rate: merging nothing changes nothing; itself doubles; another shape is refused") {
  auto rate = Of(Drawn(50, 10, 0, 5), 10, 10);
  const std::string saved = rate.Save();
  CHECK(rate.Merge(Rate(10, 10)));
  CHECK(rate.Save() == saved);
  Rate empty(10, 10);
  CHECK(empty.Merge(rate));
  CHECK(empty.Save() == saved);
  CHECK(rate.Merge(rate));
  CHECK(rate.Weight(5) == 2 * empty.Weight(5));
  CHECK_FALSE(rate.Merge(Rate(10, 11)));
  CHECK_FALSE(rate.Merge(Rate(11, 10)));
}

TEST_CASE("rate: as JSON") {
  Rate rate(10, 10);
  rate.Update(1, 5);
  CHECK(rate.Json(1) == R"({"per_second":0.5,"window":10,"total":5,"late":0})");
}

TEST_CASE("rate: a loaded one goes on exactly as the saved one") {
  for (const std::size_t count : {0, 100}) {
    auto saved = Of(Drawn(count, 10, 50, 6), 7, 13);
    auto loaded = Rate::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    for (const auto& [at, weight] : Drawn(100, 10, 55, 7)) {
      saved.Update(at, weight);
      loaded->Update(at, weight);
    }
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("rate: bytes that are cut, longer or changed are not loaded") {
  const std::string bytes = Of({{1, 2}}, 10, 4).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Rate::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Rate::Load(bytes + "x").has_value());
  CHECK_FALSE(Rate::Load(bytes + std::string(8, '\0')).has_value());
  for (const std::size_t at : {7, 15, 23, 31, 47}) {  // version, window, width, total, newest
    std::string other = bytes;
    other[at] = '\xbf';
    CHECK_FALSE(Rate::Load(other).has_value());
  }
}
