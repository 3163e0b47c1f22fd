// How GET /arms is made a part at a time.
#include "bandit/arms_views.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "tests/unit/bandit/fake_arms.h"

namespace rivulet {
namespace {

// Each of other counters than all others.
Picker PickerOf(std::int64_t arms, std::vector<BanditRound> history = {}) {
  std::vector<BanditArm> all;
  for (std::int64_t i = 0; i < arms; ++i) {
    all.push_back({fmt::format("arm{:04}", i), 1 + i, 5'000 + i, {}});
  }
  auto made = ArmsOf(std::move(all));
  made->history = std::move(history);
  Picker picker(PickRules{});
  picker.Use(std::move(made));
  return picker;
}

struct Written {
  int parts = 0;
  std::string text;
};

Written Write(const Picker& picker, LikelyRates* likely, ShownHistory* history) {
  ArmsJson json({.picker = picker, .policy = "thompson", .prior = "uniform", .most_arms = 1000},
                likely, history);
  Written written;
  do {
    ++written.parts;
  } while (!json.Continue(kArmsJsonPart));
  written.text = json.text();
  return written;
}

}  // namespace

TEST_CASE("arms json: likely rates of many arms take several parts, and known ones are kept") {
  const Picker picker = PickerOf(1000);
  LikelyRates likely;
  ShownHistory history;
  const Written first = Write(picker, &likely, &history);
  const Written second = Write(picker, &likely, &history);
  // 1,000 arms at 16 a part of 512, then at 1.
  CHECK(first.parts == 32);
  CHECK(second.parts == 2);
  CHECK(first.text == second.text);
  CHECK(Write(PickerOf(20), &likely, &history).parts == 1);
}

TEST_CASE("arms json: arms that change while it is written are those that it began with") {
  Picker picker = PickerOf(100);
  LikelyRates likely;
  ShownHistory history;
  ArmsJson json({.picker = picker, .policy = "ucb1", .prior = "uniform"}, &likely, &history);
  CHECK_FALSE(json.Continue(kArmsJsonPart));
  picker.Use(ArmsOf({{"other", 1, 1, {}}}));
  while (!json.Continue(kArmsJsonPart)) continue;
  CHECK(json.text().find("\"item\":\"arm0000\"") != std::string::npos);
  CHECK(json.text().find("other") == std::string::npos);
}

TEST_CASE("likely rates: no more are kept than is said, and what is asked again is the same") {
  LikelyRates likely;
  // Beta(1, n): the p-quantile is 1 - (1 - p)^(1/n).
  for (std::size_t n = 1; n <= LikelyRates::kKept + 1; ++n) {
    likely.Of({1, static_cast<double>(n)});
  }
  CHECK(likely.Find({1, 2}) == nullptr);
  const BetaInterval again = likely.Of({1, 2});
  CHECK(again.low == doctest::Approx(1 - std::sqrt(0.975)));
  CHECK(again.high == doctest::Approx(1 - std::sqrt(0.025)));
  REQUIRE(likely.Find({1, 2}) != nullptr);
  CHECK(likely.Find({1, 2})->low == again.low);
}

TEST_CASE("shown history: a round that was shown is as it was, and another one is shown anew") {
  ShownHistory history;
  std::string text;
  history.AppendTo(&text, {{2, R"({"round": 2})"}, {1, "no {json"}});
  CHECK(text == R"([{"round":2},"no {json"])");
  text.clear();
  history.AppendTo(&text, {{3, R"({"round": 3})"}, {2, R"({"other": 2})"}, {1, "no {json"}});
  CHECK(text == R"([{"round":3},{"other":2},"no {json"])");
}

}  // namespace rivulet
