#include "algorithms/ddm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/algorithms/drift_streams.h"

using rivulet::Ddm;
using rivulet::DriftState;

namespace {

using Seen = std::vector<std::pair<std::size_t, DriftState>>;

// Where the state changed to a warning or a drift; the first value is 0.
Seen Changes(Ddm* ddm, std::string_view errors) {
  Seen seen;
  DriftState before = DriftState::kStable;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const DriftState state = ddm->Update(errors[i] == '1');
    if (state != before && state != DriftState::kStable) seen.emplace_back(i, state);
    before = state;
  }
  return seen;
}

std::string Errors(std::size_t count, double rate, unsigned seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution error(rate);
  std::string errors;
  while (errors.size() < count) errors += error(random) ? '1' : '0';
  return errors;
}

}  // namespace

// river: "Warning detected at index 1084, change detected at index 1334, warning at 1492".
TEST_CASE("ddm: the documented stream warns at 1084, drifts at 1334 and warns again at 1492") {
  Ddm ddm;
  Seen first;  // a warning counts once until the next drift, as river's example prints it
  bool warned = false;
  for (const auto& change : Changes(&ddm, rivulet::kErrorsThatRise)) {
    if (change.second == DriftState::kDrift || !warned) first.push_back(change);
    warned = change.second != DriftState::kDrift;
  }
  CHECK(first == Seen{{1084, DriftState::kWarning},
                      {1334, DriftState::kDrift},
                      {1492, DriftState::kWarning}});
  CHECK(ddm.total() == 2000);
  CHECK(ddm.drifts() == 1);
  CHECK(ddm.count() == 2000 - 1335);
}

TEST_CASE("ddm: a stream without errors, and one of errors alone, are stable") {
  for (const char each : {'0', '1'}) {
    Ddm ddm;
    CHECK(Changes(&ddm, std::string(5000, each)).empty());
    CHECK(ddm.rate() == (each == '1' ? 1 : 0));
  }
}

TEST_CASE("ddm: the first error after a warm-up without one is a drift, so a longer one waits") {
  const std::string errors = std::string(40, '0') + "1" + std::string(40, '0');
  Ddm ddm;
  CHECK(Changes(&ddm, errors) == Seen{{40, DriftState::kDrift}});
  Ddm patient({.warm_up = 60});
  CHECK(Changes(&patient, errors).empty());
}

TEST_CASE("ddm: nothing is said of the first 30 values") {
  Ddm ddm;
  for (int i = 0; i < 30; ++i) {
    CHECK(ddm.Update(i > 4) == DriftState::kStable);
    CHECK(std::isnan(ddm.least_rate()));
  }
}

// By hand: 31 values, one error: p = 1/31, s = sqrt(1/31 * 30/31 / 31) = 0.0317; p + s = 0.0640,
// the least. A second error at once: p = 2/32, s = 0.0428, p + s = 0.1053 > p_min + 2 s_min =
// 0.0957, a warning. A third: p = 3/33, s = 0.0500, p + s = 0.1410 > p_min + 3 s_min = 0.1274.
TEST_CASE("ddm: levels counted by hand") {
  Ddm ddm;
  ddm.Update(true);
  for (int i = 0; i < 30; ++i) CHECK(ddm.Update(false) == DriftState::kStable);
  CHECK(ddm.least_rate() == doctest::Approx(1.0 / 31));
  CHECK(ddm.least_deviation() == doctest::Approx(std::sqrt(30.0 / 31 / 31 / 31)));
  CHECK(ddm.Update(true) == DriftState::kWarning);
  CHECK(ddm.Update(true) == DriftState::kDrift);
}

TEST_CASE("ddm: after a drift it starts anew") {
  Ddm ddm;
  Changes(&ddm, Errors(1000, 0.1, 1));
  Ddm fresh;
  std::size_t i = 0;
  while (ddm.Update(true) != DriftState::kDrift) REQUIRE(++i < 1000);
  CHECK(ddm.state() == DriftState::kDrift);
  CHECK(ddm.rate() > 0.1);
  const std::string after = Errors(3000, 0.6, 2);
  CHECK(Changes(&ddm, after) == Changes(&fresh, after));
  CHECK(ddm.count() == fresh.count());
  CHECK(ddm.rate() == fresh.rate());
}

TEST_CASE("ddm: a rate that falls is no drift, one that rises from any rate is") {
  for (const double rate : {0.02, 0.2, 0.5}) {
    CAPTURE(rate);
    Ddm falling({.warning_level = 3, .drift_level = 4, .warm_up = 300});
    CHECK(Changes(&falling, Errors(2000, rate, 3) + Errors(2000, rate / 2, 4)).empty());
    Ddm rising;
    Changes(&rising, Errors(2000, rate, 5) + Errors(2000, rate * 1.8, 6));
    CHECK(rising.drifts() >= 1);
  }
}

TEST_CASE("ddm: its JSON names what it knows, and what it does not know is null") {
  Ddm ddm;
  ddm.Update(true);
  ddm.Update(false);
  CHECK(ddm.Json() ==
        R"({"state":"stable","total":2,"drifts":0,"count":2,"rate":0.5,"least_rate":null,)"
        R"("least_deviation":null})");
}

TEST_CASE("ddm: a loaded one goes on exactly as the saved one") {
  const auto stream = rivulet::kErrorsThatRise;
  for (const std::size_t at : {0, 10, 1200, 1335}) {  // the last right after the drift
    Ddm saved({.warning_level = 2, .drift_level = 3, .warm_up = 30});
    Changes(&saved, stream.substr(0, at));
    auto loaded = Ddm::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->state() == saved.state());
    CHECK(Changes(&*loaded, stream.substr(at)) == Changes(&saved, stream.substr(at)));
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("ddm: bytes that are cut, longer, of another version or impossible are not loaded") {
  Ddm ddm;
  for (int i = 0; i < 40; ++i) ddm.Update(i % 3 == 0);
  const std::string bytes = ddm.Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Ddm::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(Ddm::Load(bytes + "x").has_value());
  for (const std::size_t at : {7, 16, 55}) {  // version, state, more errors than values
    std::string other = bytes;
    other[at] = '\x7f';
    CHECK_FALSE(Ddm::Load(other).has_value());
  }
}
