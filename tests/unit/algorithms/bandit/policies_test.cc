// Regret against the table of a reference simulation: T = 10,000 pulls of K = 10 arms that give 0
// or 1, one at the better rate. The table has no errors for these: they are taken as those of 100
// runs. These runs are few, for the time they take; 1,000 runs of the same gave, at .5 and .4 and
// at .05 and .02,
//   UCB1             594.4 +- 1.4   254.4 +- 0.1   (table: 592 and 254)
//   epsilon .1       216.2 +- 6.0    95.6 +- 2.5   (225 and 106)
//   EXP3             616.4 +- 2.5   250.7 +- 0.2   (610 and 250)
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "algorithms/bandit/epsilon_greedy.h"
#include "algorithms/bandit/exp3.h"
#include "algorithms/bandit/gaussian_thompson.h"
#include "algorithms/bandit/lin_ucb.h"
#include "algorithms/bandit/linear_thompson.h"
#include "algorithms/bandit/ucb1.h"
#include "tests/unit/algorithms/bandit/shop.h"

using namespace rivulet;

namespace {

Exp3 Exp3Shop() { return Exp3(kShopArms, Exp3::GammaFor(kShopArms, kShopPulls)); }

}  // namespace

TEST_CASE("ucb1: regret is the table's") {
  CheckRegret([] { return Ucb1(kShopArms); }, kHalf, 8, 592, 5);
  CheckRegret([] { return Ucb1(kShopArms); }, kRare, 4, 254, 1);
}

TEST_CASE("ucb1: the score is the mean and what it could be off by") {
  // 3 of 10, of 100 pulls in all: .3 + sqrt(2 ln(100) / 10).
  CHECK(Ucb1Score(10, 3, 100) == doctest::Approx(0.3 + std::sqrt(0.2 * 4.605170185988092)));
  CHECK(Ucb1Score(0, 0, 100) == std::numeric_limits<double>::infinity());
  CHECK(Ucb1Score(1, 1, 1) == 1);
}

TEST_CASE("ucb1: each arm once, then the one that could be the best") {
  Ucb1 shop(3);
  for (const double reward : {0.0, 1.0, 0.0}) shop.Update(shop.Select(), reward);
  CHECK(shop.Select() == 1);
  CHECK(shop.mean(1) == 1);
  // Of .5 after 2 pulls against 0 after 1, at 4 pulls: .5 + sqrt(ln 4) against sqrt(2 ln 4).
  shop.Update(1, 0);
  CHECK(shop.score(0) == doctest::Approx(std::sqrt(2 * std::log(4.0))));
  CHECK(shop.Select() == 1);
  shop.Update(1, 0);  // 1/3 + sqrt(2 ln 5 / 3) = 1.37 against 1.79
  CHECK(shop.Select() == 0);
}

TEST_CASE("epsilon greedy: regret is the table's, or less") {
  // At .05 and .02 most means are equal, namely 0, for a while. Random ones of equals, as here,
  // give 93; the table's 106 is that of always the first of equals, where the best is not the
  // first.
  CheckRegret([] { return EpsilonGreedy(kShopArms, 0.1); }, kHalf, 20, 225, 19);
  CheckRegret([] { return EpsilonGreedy(kShopArms, 0.1); }, kRare, 20, 106, 8);
}

TEST_CASE("epsilon greedy: explores as often as it is told to") {
  EpsilonGreedy shop(4, 0.2);
  for (std::size_t arm = 0; arm < 4; ++arm) shop.Update(arm, arm == 2 ? 5 : -5);
  Random random(2);
  const int pulls = Scaled(10'000);
  int others = 0;
  for (int i = 0; i < pulls; ++i) others += shop.Select(random) != 2;
  // Exploring finds the best arm itself in one of four.
  CHECK(std::abs(others - 0.15 * pulls) < 5 * std::sqrt(0.15 * 0.85 * pulls));
}

TEST_CASE("epsilon greedy: of equal means any, and first those that were never pulled") {
  EpsilonGreedy shop(4, 0);
  shop.Update(1, 1);
  Random random(2);
  std::array<int, 4> times{};
  for (int i = 0; i < 900; ++i) ++times[shop.Greedy(random)];
  CHECK(times[1] == 0);
  for (const std::size_t arm : {0, 2, 3}) CHECK(std::abs(times[arm] - 300) < 5 * std::sqrt(200.0));
}

TEST_CASE("exp3: regret is the table's, by gamma for the pulls that are to come") {
  // sqrt(10 ln 10 / ((e - 1) 10,000)).
  CHECK(Exp3::GammaFor(10, 10'000) == doctest::Approx(0.0366067).epsilon(1e-5));
  CheckRegret(Exp3Shop, kHalf, 4, 610, 8);
  CheckRegret(Exp3Shop, kRare, 4, 250, 1);
}

TEST_CASE("exp3: a reward counts by the probability with which its arm was selected then") {
  Exp3 shop(2, 0.5);
  CHECK(shop.probability(0) == 0.5);
  // Weights 1 and e^(gamma (1/p) / 2): p = .5 gives e^.5.
  shop.Update({1, 0.5}, 1);
  const double w = std::exp(0.5);
  CHECK(shop.probability(1) == doctest::Approx(0.5 * w / (1 + w) + 0.25));
  // The same reward again, of a selection that was half as likely: e^1 more.
  shop.Update({1, 0.25}, 1);
  CHECK(shop.probability(0) == doctest::Approx(0.5 / (1 + std::exp(1.5)) + 0.25));
  const std::string before = shop.Save();
  shop.Update({1, 0.1}, 1);  // below gamma/2, which no selection has
  shop.Update({2, 0.5}, 1);
  shop.Update({0, 0.5}, std::nan(""));
  CHECK(shop.Save() == before);
}

TEST_CASE("exp3: arms come as often as is said of them, however far weights are apart") {
  Exp3 shop(3, 0.3);
  for (int i = 0; i < 50'000; ++i) shop.Update({2, 0.8}, 1);  // log weight 6,250
  CHECK(shop.probability(2) == doctest::Approx(0.8));
  CHECK(shop.probability(0) == doctest::Approx(0.1));
  Random random(4);
  const int pulls = Scaled(10'000);
  int others = 0;
  for (int i = 0; i < pulls; ++i) {
    const Exp3::Selection selected = shop.Select(random);
    CHECK_MESSAGE(selected.probability == doctest::Approx(selected.arm == 2 ? 0.8 : 0.1), i);
    others += selected.arm != 2;
  }
  CHECK(std::abs(others - 0.2 * pulls) < 5 * std::sqrt(0.16 * pulls));
}

TEST_CASE("gaussian thompson: the posterior is the normal-gamma of Murphy's equations") {
  GaussianThompson shop(2, {.mean = 1, .weight = 2, .shape = 3, .rate = 4});
  for (const double reward : {2.0, 4.0, 9.0}) shop.Update(1, reward);
  // Mean 5, squared distances 9 + 1 + 16 = 26.
  const NormalGamma posterior = shop.posterior(1);
  CHECK(posterior.mean == doctest::Approx((2 * 1 + 3 * 5) / 5.0));
  CHECK(posterior.weight == 5);
  CHECK(posterior.shape == 4.5);
  CHECK(posterior.rate == doctest::Approx(4 + 26 / 2.0 + 2 * 3 * 16 / (2 * 5.0)));
  CHECK(shop.posterior(0).rate == 4);
}

TEST_CASE("gaussian thompson: draws of a mean are Student's t, of twice the shape") {
  // Of two degrees of freedom the distribution function is 1/2 + x / (2 sqrt(2 + x^2)).
  const NormalGamma known{.mean = 3, .weight = 4, .shape = 1, .rate = 9};
  const double scale = std::sqrt(9.0 / 4);
  Random random(6);
  std::vector<double> draws(static_cast<std::size_t>(Scaled(10'000)));
  for (double& draw : draws) draw = (known.Draw(random) - 3) / scale;
  std::sort(draws.begin(), draws.end());
  const double n = static_cast<double>(draws.size());
  double most = 0;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const double exact = 0.5 + draws[i] / (2 * std::sqrt(2 + draws[i] * draws[i]));
    most = std::max(most, std::abs(exact - (static_cast<double>(i) + 0.5) / n));
  }
  CHECK(most * std::sqrt(n) < 2.2);  // Kolmogorov: one seed of 8,000 is above
}

TEST_CASE("gaussian thompson: finds the best of arms that differ in spread too") {
  // Two of ten arms, mean 10.5 against 10, the worst the noisiest; an even choice would lose 4,500.
  const int pulls = 2000;
  Random random(7);
  GaussianThompson shop(kShopArms);
  double regret = 0;
  for (int i = 0; i < pulls; ++i) {
    const std::size_t arm = shop.Select(random);
    regret += arm == 4 ? 0 : 0.5;
    shop.Update(arm, (arm == 4 ? 10.5 : 10) + (arm == 0 ? 2 : 0.5) * random.Normal());
  }
  INFO("seed 7: regret ", regret, " of 900 by an even choice");
  CHECK(regret < 200);
  for (std::size_t arm = 0; arm < kShopArms; ++arm) CHECK(shop.pulls(arm) >= 2);
  CHECK(std::abs(shop.mean(4) - 10.5) < 5 * 0.5 / std::sqrt(static_cast<double>(shop.pulls(4))));
}

TEST_CASE("gaussian thompson: finds the better of rare clicks, and loses no more than it should") {
  // By a prior whose rate is far below the rewards' variance 141 of 1,000 runs pulled nothing but
  // the worse arm in their second half. An even choice loses 50; BetaThompson 8.6 +- 0.1, and it
  // misses none (4,000 runs); this 7.4 +- 0.1, and none either.
  constexpr int kPulls = 2000;
  const int runs = LongerIfAsked(std::max(10, Scaled(60)));
  Random random(9);
  double sum = 0;
  double squares = 0;
  int missed = 0;
  for (int run = 0; run < runs; ++run) {
    const std::size_t best = run % 2 == 0 ? 0 : 1;
    GaussianThompson shop(2);
    double regret = 0;
    int late_pulls_of_best = 0;
    for (int t = 0; t < kPulls; ++t) {
      const std::size_t arm = shop.Select(random);
      regret += arm == best ? 0 : 0.05;
      late_pulls_of_best += arm == best && t >= kPulls / 2;
      shop.Update(arm, random.Chance(arm == best ? 0.1 : 0.05) ? 1 : 0);
    }
    missed += late_pulls_of_best == 0;
    sum += regret;
    squares += regret * regret;
  }
  const double mean = sum / runs;
  const double error = std::sqrt((squares / runs - mean * mean) / (runs - 1));
  INFO("seed 9, ", runs, " runs: regret ", mean, " +- ", error, ", missed ", missed);
  CHECK(mean < 8.6 + 4 * std::hypot(error, 0.1));
  CHECK(missed == 0);
}

TEST_CASE("gaussian thompson: while all rewards are the same any arm is pulled") {
  GaussianThompson shop(4);
  Random random(2);
  for (int i = 0; i < 400; ++i) shop.Update(shop.Select(random), 3);
  for (std::size_t arm = 0; arm < 4; ++arm) CHECK(shop.pulls(arm) > 50);
  // Of 401 rewards one is not as the others: 400/401 by 1/401.
  shop.Update(0, 4);
  const double variance = 400.0 / (401.0 * 401.0);
  CHECK(shop.posterior(1).rate / shop.posterior(1).shape ==
        doctest::Approx(variance).epsilon(0.02));
}

TEST_CASE("policies: until feedback comes every arm has its turn") {
  const auto check = [](auto shop) {
    Random random(3);
    std::array<int, kShopArms> times{};
    for (int i = 0; i < 1000; ++i) ++times[shop.Select(random)];
    for (const int count : times) CHECK(std::abs(count - 100) < 5 * std::sqrt(90.0));
    // One has come.
    shop.Update(3, 1);
    times = {};
    for (int i = 0; i < 900; ++i) ++times[shop.Select(random)];
    CHECK(times[3] == 0);
    CHECK(*std::max_element(times.begin(), times.end()) < 100 + 5 * std::sqrt(90.0));
  };
  check(Ucb1(kShopArms));
  check(GaussianThompson(kShopArms));
  check(EpsilonGreedy(kShopArms, 0));
}

TEST_CASE("policies: a parameter that is no number is 1") {
  const double nan = std::nan("");
  CHECK(EpsilonGreedy(3, nan).epsilon() == 1);
  CHECK(Exp3(3, nan).gamma() == 1);
  CHECK(Exp3::Load(Exp3(3, nan).Save()).has_value());
  CHECK(LinUcb(3, 2, nan, nan).alpha() == 1);
  CHECK(LinUcb(3, 2, nan, nan).arm(0).ridge() == 1);
  CHECK(LinearThompson(3, 2, nan).scale() == 1);
}

TEST_CASE("policies: merged readers know what one would") {
  const auto check = [](auto one, auto other, auto both) {
    for (const double reward : {1.0, 0.0, 1.0, 0.5}) {
      one.Update(1, reward);
      both.Update(1, reward);
    }
    for (const double reward : {1.0, 0.25}) {
      other.Update(0, reward);
      both.Update(0, reward);
    }
    one.Merge(other);
    CHECK(one.Save() == both.Save());
  };
  check(Ucb1(3), Ucb1(3), Ucb1(3));
  check(EpsilonGreedy(3, 0.1), EpsilonGreedy(3, 0.1), EpsilonGreedy(3, 0.1));
  check(GaussianThompson(3), GaussianThompson(3), GaussianThompson(3));
  GaussianThompson one(1, {.rate = 1e-3});
  GaussianThompson other(1, {.rate = 1e-3});
  for (const double reward : {1.0, 5.0}) one.Update(0, reward);
  for (const double reward : {2.0, 4.0, 8.0}) other.Update(0, reward);
  one.Merge(other);
  CHECK(one.mean(0) == doctest::Approx(4));
  // Squared distances 9 + 1 + 4 + 0 + 16, halved, and what the prior adds.
  CHECK(one.posterior(0).rate == doctest::Approx(15).epsilon(0.001));
}

TEST_CASE("policies: what is saved goes on as it was; damage is refused") {
  const auto step = [](auto* policy, Random& random) {
    policy->Update(policy->Select(random), random.Uniform());
  };
  CheckSaved(Ucb1(4), step);
  CheckSaved(EpsilonGreedy(4, 0.3), step);
  CheckSaved(Exp3(4, 0.3), step);
  GaussianThompson shop(4, {.mean = 2, .weight = 0.5});
  Random random(1);
  for (int i = 0; i < 30; ++i) step(&shop, random);
  CheckSaved(shop, step);
  CHECK_FALSE(GaussianThompson::Load(GaussianThompson(2, {.rate = -1}).Save()));
  CHECK_FALSE(GaussianThompson::Load(GaussianThompson(2, {.shape = 0}).Save()));
}
