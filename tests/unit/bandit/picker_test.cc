#include "bandit/picker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "tests/unit/bandit/fake_arms.h"

namespace rivulet {
namespace {

using Ids = std::vector<std::string>;

BanditApiOptions WithPolicy(std::string policy) {
  BanditApiOptions options;
  options.policy = std::move(policy);
  return options;
}

Picker PickerOf(const BanditApiOptions& options, std::vector<BanditArm> arms) {
  Picker picker(MakePickRules(options));
  picker.Use(ArmsOf(std::move(arms)));
  return picker;
}

Ids Pick(Picker& picker, Random& random, std::size_t items,
         const std::vector<std::string_view>& exclude = {}) {
  Ids ids;
  for (const ScoredArm& one : picker.Pick({.items = items, .exclude = exclude}, random)) {
    ids.push_back(picker.arm(one.arm).id);
  }
  return ids;
}

// How often each id is the one that is picked.
std::map<std::string, int> Frequencies(Picker& picker, Random& random, int times) {
  std::map<std::string, int> picked;
  for (int i = 0; i < times; ++i) ++picked[Pick(picker, random, 1).at(0)];
  return picked;
}

// Within 4.5 standard deviations of a binomial.
void CheckShare(int picked, int times, double share) {
  CAPTURE(picked);
  CAPTURE(share);
  CHECK(std::abs(picked - times * share) <= 4.5 * std::sqrt(times * share * (1 - share)) + 1e-9);
}

// P(X > Y) of X ~ Beta(a, b), Y ~ Beta(c, d) with whole a: the sum over i < a of
// B(c + i, b + d) / ((b + i) B(1 + i, b) B(c, d))  (E. Miller, 2015).
double LikelyAbove(double a, double b, double c, double d) {
  const auto log_beta = [](double x, double y) {
    return std::lgamma(x) + std::lgamma(y) - std::lgamma(x + y);
  };
  double sum = 0;
  for (double i = 0; i < a; ++i) {
    sum += std::exp(log_beta(c + i, b + d) - std::log(b + i) - log_beta(1 + i, b) - log_beta(c, d));
  }
  return sum;
}

constexpr int kTimes = 6000;

TEST_CASE("picker: thompson picks an arm as often as its posterior is above the other's") {
  Random random(11);
  INFO("seed 11");
  // Of true counters 5 of 19 and 3 of 19: Beta(6, 15) and Beta(4, 17).
  Picker picker = PickerOf(WithPolicy("thompson"), {{"a", 6, 20, {}}, {"b", 4, 20, {}}});
  CheckShare(Frequencies(picker, random, kTimes)["a"], kTimes, LikelyAbove(6, 15, 4, 17));
}

TEST_CASE("picker: with prior=counts it draws from the counters as they are") {
  Random random(12);
  BanditApiOptions options = WithPolicy("thompson");
  options.prior = "counts";
  Picker picker = PickerOf(options, {{"a", 3, 4, {}}, {"b", 2, 8, {}}});
  CheckShare(Frequencies(picker, random, kTimes)["a"], kTimes, LikelyAbove(3, 4, 2, 8));
}

TEST_CASE("picker: arms of which nothing is known are picked evenly, whatever the policy") {
  for (const char* policy : {"thompson", "ucb1", "epsilon-greedy", "uniform"}) {
    CAPTURE(policy);
    Random random(13);
    Picker picker = PickerOf(WithPolicy(policy),
                             {{"a", 1, 1, {}}, {"b", 1, 1, {}}, {"c", 1, 1, {}}, {"d", 1, 1, {}}});
    auto picked = Frequencies(picker, random, kTimes);
    for (const char* id : {"a", "b", "c", "d"}) CheckShare(picked[id], kTimes, 0.25);
  }
}

TEST_CASE("picker: epsilon-greedy is the best but for its share of random ones") {
  Random random(14);
  BanditApiOptions options = WithPolicy("epsilon-greedy");
  options.epsilon = 0.2;
  Picker picker = PickerOf(options, {{"a", 5, 100, {}}, {"b", 50, 100, {}}});
  CheckShare(Frequencies(picker, random, kTimes)["a"], kTimes, 0.1);
}

TEST_CASE("picker: ucb1 picks the largest bound, by hand") {
  Random random(15);
  // True counters 50 of 100 and 3 of 5, 105 in all: .5 + sqrt(2 ln 105 / 100) = .805,
  // .6 + sqrt(2 ln 105 / 5) = 1.964.
  Picker picker = PickerOf(WithPolicy("ucb1"), {{"a", 51, 101, {}}, {"b", 4, 6, {}}});
  const auto picks = picker.Pick({.items = 2}, random);
  REQUIRE(picks.size() == 2);
  CHECK(picker.arm(picks[0].arm).id == "b");
  CHECK(picks[0].score == doctest::Approx(0.6 + std::sqrt(2 * std::log(105.0) / 5)));
  CHECK(picks[1].score == doctest::Approx(0.5 + std::sqrt(2 * std::log(105.0) / 100)));
}

TEST_CASE("picker: several picks are different arms, the best draw first") {
  Random random(16);
  for (const char* policy : {"thompson", "ucb1", "epsilon-greedy", "uniform"}) {
    CAPTURE(policy);
    std::vector<BanditArm> arms;
    for (char c = 'a'; c < 'k'; ++c) arms.push_back({std::string(1, c), 1 + (c - 'a'), 20, {}});
    Picker picker = PickerOf(WithPolicy(policy), arms);
    for (int i = 0; i < 50; ++i) {
      const auto picks = picker.Pick({.items = 7}, random);
      REQUIRE(picks.size() == 7);
      std::set<std::size_t> different;
      for (const ScoredArm& one : picks) different.insert(one.arm);
      CHECK(different.size() == 7);
      const bool sorted = std::is_sorted(picks.begin(), picks.end(),
                                         [](auto& a, auto& b) { return a.score > b.score; });
      CHECK((sorted || policy == std::string("epsilon-greedy")));
    }
    CHECK(Pick(picker, random, 99).size() == 10);
  }
}

TEST_CASE("picker: what is excluded is not picked, by any policy, and only this time") {
  Random random(17);
  for (const char* policy : {"thompson", "ucb1", "epsilon-greedy", "uniform"}) {
    CAPTURE(policy);
    BanditApiOptions options = WithPolicy(policy);
    options.epsilon = 0.5;
    Picker picker =
        PickerOf(options, {{"a", 1, 9, {}}, {"b", 9, 9, {}}, {"c", 2, 9, {}}, {"d", 9, 9, {}}});
    for (int i = 0; i < 200; ++i) {
      Ids picked = Pick(picker, random, 4, {"b", "nobody", "d", "b"});
      std::sort(picked.begin(), picked.end());
      CHECK(picked == Ids{"a", "c"});
    }
    CHECK(Pick(picker, random, 4, {"a", "b", "c", "d"}).empty());
    CHECK(Pick(picker, random, 9).size() == 4);
  }
}

TEST_CASE("picker: without arms there is nothing to pick") {
  Random random(18);
  Picker picker(MakePickRules(WithPolicy("thompson")));
  CHECK(picker.Pick({}, random).empty());
  picker.Use(ArmsOf({}));
  CHECK(picker.Pick({.items = 3}, random).empty());
}

// One feature beside x_0. Of "plain" four impressions with x = 0 of which two were clicked, of
// "fancy" four with x = 1 of which three were: A is the sum of (1, x)(1, x)', b of the clicked.
std::vector<BanditArm> ArmsWithContext() {
  return {{"fancy", 4, 5, {4, 4, 4, 3, 3}}, {"plain", 3, 5, {4, 0, 0, 2, 0}}};
}

BanditApiOptions WithContext(std::string policy, double alpha) {
  BanditApiOptions options = WithPolicy(std::move(policy));
  options.features = "x";
  options.alpha = alpha;
  return options;
}

TEST_CASE("picker: lin-ucb scores a context as ridge regression by hand does") {
  Random random(19);
  Picker picker = PickerOf(WithContext("lin-ucb", 2), ArmsWithContext());
  const double context[] = {1, 1};
  const auto picks = picker.Pick({.items = 2, .context = context}, random);
  REQUIRE(picks.size() == 2);
  // fancy: A + I = (5 4; 4 5), its inverse (5 -4; -4 5)/9, weights (1/3, 1/3), x'A^-1 x = 2/9.
  // plain: A + I = (5 0; 0 1), weights (2/5, 0), x'A^-1 x = 6/5.
  std::map<std::string, double> scores;
  for (const ScoredArm& one : picks) scores[picker.arm(one.arm).id] = one.score;
  CHECK(scores["fancy"] == doctest::Approx(2.0 / 3 + 2 * std::sqrt(2.0 / 9)));
  CHECK(scores["plain"] == doctest::Approx(0.4 + 2 * std::sqrt(1.2)));
}

TEST_CASE("picker: linear thompson picks as often as one normal draw is above the other") {
  Random random(20);
  Picker picker = PickerOf(WithContext("linear-thompson", 0.5), ArmsWithContext());
  const double context[] = {1, 1};
  int fancy = 0;
  for (int i = 0; i < kTimes; ++i) {
    fancy += picker.arm(picker.Pick({.context = context}, random)[0].arm).id == "fancy";
  }
  // The difference is normal, of mean 2/3 - 2/5 and variance (2/9 + 6/5)/4.
  const double z = (2.0 / 3 - 0.4) / std::sqrt((2.0 / 9 + 1.2) / 4);
  CheckShare(fancy, kTimes, std::erfc(-z / std::sqrt(2.0)) / 2);
}

TEST_CASE("picker: sums that are no sums of a context count as nothing known") {
  Random random(21);
  // Too few numbers, none, and what is no sum of squares.
  Picker picker = PickerOf(WithContext("lin-ucb", 1),
                           {{"a", 1, 1, {1}}, {"b", 1, 1, {}}, {"c", 1, 1, {-5, 0, -5, 1, 1}}});
  const double context[] = {1, 0};
  for (const ScoredArm& one : picker.Pick({.items = 3, .context = context}, random)) {
    CHECK(one.score == doctest::Approx(1));
  }
}

TEST_CASE("picker: what was picked is remembered of the arms that stay") {
  Picker picker = PickerOf(WithPolicy("thompson"), {{"a", 1, 1, {}}, {"c", 1, 1, {}}});
  picker.NotePicked(0);
  picker.NotePicked(1);
  picker.NotePicked(1);
  picker.Use(ArmsOf({{"b", 1, 1, {}}, {"c", 1, 1, {}}, {"d", 1, 1, {}}}));
  CHECK(picker.picked(0) == 0);
  CHECK(picker.picked(1) == 2);
  CHECK(picker.picked(2) == 0);
}

TEST_CASE("picker: arms whose sums changed are made anew, the others stay") {
  Random random(22);
  auto arms = ArmsWithContext();
  Picker picker = PickerOf(WithContext("lin-ucb", 0), arms);
  arms[0].sums = {4, 4, 4, 0, 0};
  arms.insert(arms.begin(), {"all", 1, 1, {}});
  picker.Use(ArmsOf(arms));
  const double context[] = {1, 1};
  std::map<std::string, double> scores;
  for (const ScoredArm& one : picker.Pick({.items = 3, .context = context}, random)) {
    scores[picker.arm(one.arm).id] = one.score;
  }
  CHECK(scores["all"] == doctest::Approx(0));
  CHECK(scores["fancy"] == doctest::Approx(0));
  CHECK(scores["plain"] == doctest::Approx(0.4));
}

}  // namespace
}  // namespace rivulet
