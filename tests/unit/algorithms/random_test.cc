#include "algorithms/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/scaled.h"

using namespace rivulet;

namespace {

constexpr std::uint64_t kSeed = 20'261'121;

std::vector<double> Draws(int count, auto draw) {
  Random random(kSeed);
  std::vector<double> draws(static_cast<std::size_t>(LongerIfAsked(Scaled(count))));
  for (double& number : draws) number = draw(random);
  return draws;
}

// Kolmogorov's distance to the exact distribution function, times the root of how many there are.
// It is above 2.2 for one of 8,000 seeds: 2 exp(-2 * 2.2^2).
double KolmogorovDistance(std::vector<double> draws, auto below) {
  std::sort(draws.begin(), draws.end());
  const double n = static_cast<double>(draws.size());
  double most = 0;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const double exact = below(draws[i]);
    most = std::max(
        {most, exact - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - exact});
  }
  return most * std::sqrt(n);
}

// The mean and the variance against the exact ones, within five standard errors; the error of a
// variance is by the fourth central moment, in squared variances: 3 for a normal distribution.
void CheckMoments(const std::vector<double>& draws, double mean, double variance, double fourth) {
  const double n = static_cast<double>(draws.size());
  double sum = 0;
  double squares = 0;
  for (const double x : draws) {
    sum += x;
    squares += (x - mean) * (x - mean);
  }
  CAPTURE(kSeed);
  CHECK(std::abs(sum / n - mean) < 5 * std::sqrt(variance / n));
  CHECK(std::abs(squares / n - variance) < 5 * variance * std::sqrt((fourth - 1) / n));
}

double Share(const std::vector<double>& draws, auto is) {
  return static_cast<double>(std::count_if(draws.begin(), draws.end(), is)) /
         static_cast<double>(draws.size());
}

void CheckShare(double share, double exact, std::size_t draws) {
  CAPTURE(kSeed);
  CHECK(std::abs(share - exact) <
        5 * std::sqrt(exact * (1 - exact) / static_cast<double>(draws)) + 1e-12);
}

// How likely Beta(a, b) of whole numbers is below x: that of a + b - 1 tries at least a succeed.
double WholeBetaBelow(int a, int b, double x) {
  const int n = a + b - 1;
  double sum = 0;
  double term = std::pow(1 - x, n);  // of no success
  for (int k = 0; k <= n; ++k) {
    if (k >= a) sum += term;
    term *= (n - k) * x / ((k + 1) * (1 - x));
  }
  return sum;
}

Random WithState(const std::array<std::uint64_t, 4>& state) {
  std::string bytes = Random(0).Save().substr(0, 8);
  for (const std::uint64_t word : state) PutUint64(&bytes, word);
  return *Random::Load(bytes);
}

}  // namespace

TEST_CASE("random: the numbers are xoshiro256++'s, of a state that is SplitMix64's") {
  // The recurrences of the papers, written down once more in Python, gave these.
  Random random = WithState({1, 2, 3, 4});
  for (const std::uint64_t expected :
       {41943041ULL, 58720359ULL, 3588806011781223ULL, 3591011842654386ULL, 9228616714210784205ULL,
        9973669472204895162ULL, 14011001112246962877ULL, 12406186145184390807ULL}) {
    CHECK(random.Next() == expected);
  }
  CHECK(Random(1234567).Save() == WithState({6457827717110365317ULL, 3203168211198807973ULL,
                                             9817491932198370423ULL, 4593380528125082431ULL})
                                      .Save());
  CHECK(Random(1234567)() == 437095814655224680ULL);
}

TEST_CASE("random: what is saved goes on with the same numbers; damage is refused") {
  Random random(kSeed);
  for (int i = 0; i < 10; ++i) random.Normal();
  const std::string saved = random.Save();
  auto loaded = Random::Load(saved);
  REQUIRE(loaded.has_value());
  CHECK(loaded->Save() == saved);
  for (int i = 0; i < 10; ++i) CHECK(loaded->Beta(3, 4) == random.Beta(3, 4));
  CHECK_FALSE(Random::Load(saved.substr(1)));
  CHECK_FALSE(Random::Load(saved + "x"));
  CHECK_FALSE(Random::Load(""));
  CHECK_FALSE(Random::Load(saved.substr(0, 8) + std::string(32, '\0')));
}

TEST_CASE("random: uniform numbers are even and never an end") {
  const auto draws = Draws(40'000, [](Random& random) { return random.Uniform(); });
  CHECK(KolmogorovDistance(draws, [](double x) { return x; }) < 2.2);
  CHECK(*std::min_element(draws.begin(), draws.end()) > 0);
  CHECK(*std::max_element(draws.begin(), draws.end()) < 1);
  // Whatever the bits: the state makes the first number 0, and all ones.
  CHECK(WithState({0, 1, 1, 0}).Uniform() == 0x1p-53);
  CHECK(WithState({~0ULL, 0, 0, 1}).Uniform() == 1 - 0x1p-53);
}

TEST_CASE("random: whole numbers below n come evenly, for n beyond 2^63 too") {
  Random random(kSeed);
  std::array<double, 6> times{};
  const int draws = Scaled(30'000);
  for (int i = 0; i < draws; ++i) ++times[random.Below(6)];
  double chi_square = 0;
  for (const double count : times) chi_square += (count - draws / 6.0) * (count - draws / 6.0);
  CHECK(chi_square / (draws / 6.0) < 25.7);  // 5 degrees of freedom: 1 of 10,000 is above
  // Three quarters of 2^64: by a remainder a third of the numbers would come twice as often.
  const std::uint64_t n = 3ULL << 62;
  double low = 0;
  for (int i = 0; i < draws; ++i) {
    const std::uint64_t number = random.Below(n);
    REQUIRE(number < n);
    if (number < n / 3) ++low;
  }
  CheckShare(low / draws, 1.0 / 3, static_cast<std::size_t>(draws));
  CHECK(random.Below(1) == 0);
  CHECK(random.Below(0) == 0);
  CHECK_FALSE(random.Chance(0));
  CHECK(random.Chance(1));
}

TEST_CASE("random: normal numbers are normal, the tail beyond the last layer too") {
  const auto draws = Draws(150'000, [](Random& random) { return random.Normal(); });
  const auto below = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  CHECK(KolmogorovDistance(draws, below) < 2.2);
  CheckMoments(draws, 0, 1, 3);
  for (const double x : {0.2, 1.0, 3.0, 3.3, 3.6541528853610088, 3.9}) {
    CheckShare(Share(draws, [x](double draw) { return draw > x; }), below(-x), draws.size());
    CheckShare(Share(draws, [x](double draw) { return draw < -x; }), below(-x), draws.size());
  }
  // How far those of the tail are in it: by mean f(r)/Q(r) - r, with a deviation a little less.
  const double r = NormalZiggurat::kTail;
  const double beyond = std::exp(-r * r / 2) / std::sqrt(2 * std::acos(-1.0)) / below(-r) - r;
  double sum = 0;
  double count = 0;
  for (const double draw : draws) {
    if (std::abs(draw) < r) continue;
    sum += std::abs(draw) - r;
    ++count;
  }
  if (count > 0) CHECK(std::abs(sum / count - beyond) < 5 * beyond / std::sqrt(count));
}

TEST_CASE("random: the ziggurat's layers have the same area, and end at the top") {
  const NormalZiggurat& tables = kNormalZiggurat;
  const double r = NormalZiggurat::kTail;
  const double tail = std::sqrt(std::acos(-1.0) / 2) * std::erfc(r / std::sqrt(2.0));
  CHECK(r * std::exp(-r * r / 2) + tail == doctest::Approx(NormalZiggurat::kArea).epsilon(1e-13));
  for (std::size_t i = 1; i < NormalZiggurat::kLayers; ++i) {
    const double height = tables.height[i + 1] - tables.height[i];
    CHECK(tables.edge[i] * height == doctest::Approx(NormalZiggurat::kArea).epsilon(1e-10));
    CHECK(tables.height[i] ==
          doctest::Approx(std::exp(-tables.edge[i] * tables.edge[i] / 2)).epsilon(1e-13));
  }
}

TEST_CASE("random: gamma numbers, against the distribution functions that have a closed form") {
  const auto of = [](double shape) {
    return Draws(20'000, [shape](Random& random) { return random.Gamma(shape); });
  };
  CHECK(KolmogorovDistance(of(1), [](double x) { return 1 - std::exp(-x); }) < 2.2);
  CHECK(KolmogorovDistance(of(0.5), [](double x) { return std::erf(std::sqrt(x)); }) < 2.2);
  CHECK(KolmogorovDistance(of(3), [](double x) { return 1 - std::exp(-x) * (1 + x + x * x / 2); }) <
        2.2);
  for (const double shape : {0.7, 1.0, 2.5, 40.0, 1e6, 1e15}) {
    CheckMoments(of(shape), shape, shape, 3 + 6 / shape);
  }
}

TEST_CASE("random: gammas of tiny shapes are told apart by their logarithms") {
  // -shape log(gamma) is nearly exponential; its mean is -shape digamma(shape) = 1 + 0.00057...
  const auto draws = Draws(20'000, [](Random& random) { return -1e-3 * random.LogOfGamma(1e-3); });
  CheckMoments(draws, 1.00057557, 1, 9);
  Random random(kSeed);
  for (int i = 0; i < 100; ++i) CHECK(std::isfinite(random.LogOfGamma(1e-300)));
}

TEST_CASE("random: beta numbers, against the distribution functions that have a closed form") {
  const auto of = [](double a, double b) {
    return Draws(15'000, [a, b](Random& random) { return random.Beta(a, b); });
  };
  // Names of a pair's parts cannot be captured.
  for (const std::pair<int, int>& shapes : {std::pair{1, 1}, {1, 20}, {6, 15}, {30, 2}}) {
    const int a = shapes.first;
    const int b = shapes.second;
    CAPTURE(a);
    CHECK(KolmogorovDistance(of(a, b), [a, b](double x) { return WholeBetaBelow(a, b, x); }) < 2.2);
  }
  CHECK(KolmogorovDistance(of(0.5, 0.5), [](double x) {
          return 2 / std::acos(-1.0) * std::asin(std::sqrt(x));
        }) < 2.2);
  CHECK(KolmogorovDistance(of(0.25, 1), [](double x) { return std::pow(x, 0.25); }) < 2.2);
  CHECK(KolmogorovDistance(of(5, 0.5), [](double x) {
          // The integral of t^4 / sqrt(1 - t), by s = sqrt(1 - t); the whole is 256/315 of 1/B.
          const double s = std::sqrt(1 - x);
          const double s2 = s * s;
          const double part = s * (1 + s2 * (-4.0 / 3 + s2 * (6.0 / 5 + s2 * (-4.0 / 7 + s2 / 9))));
          return 1 - part * 315 / 128;
        }) < 2.2);
}

TEST_CASE("random: beta numbers of extreme shapes are neither NaN nor stuck") {
  // Two halves of 1e15: normal, of variance 1 / (4 (2e15 + 1)).
  const double stddev = 0.5 / std::sqrt(2e15 + 1);
  CheckMoments(
      Draws(10'000, [&](Random& random) { return (random.Beta(1e15, 1e15) - 0.5) / stddev; }), 0, 1,
      3);
  // References of the incomplete beta function from 50 digits.
  const auto rare = Draws(10'000, [](Random& random) { return random.Beta(1e-3, 1e6); });
  const std::pair<double, double> kBelow[] = {
      {1e-300, 0.50845242658520744}, {1e-100, 0.80584278958522936}, {1e-6, 0.99978039164259855}};
  for (const auto& [x, exact] : kBelow) {
    CheckShare(Share(rare, [x = x](double draw) { return draw < x; }), exact, rare.size());
  }
  // Nearly a coin: 0 or 1, half of each.
  const auto coins = Draws(10'000, [](Random& random) { return random.Beta(1e-3, 1e-3); });
  CheckShare(Share(coins, [](double draw) { return draw < 0.5; }), 0.5, coins.size());
  Random random(kSeed);
  for (const double a : {0.0, 5e-324, 1e-300, 1e-3, 1.0, 1e15, 1e150}) {
    for (const double b : {0.0, 5e-324, 1e-300, 1e-3, 1.0, 1e15, 1e150}) {
      for (int i = 0; i < 20; ++i) {
        const double draw = random.Beta(a, b);
        REQUIRE(draw >= 0);
        REQUIRE(draw <= 1);
      }
    }
  }
}
