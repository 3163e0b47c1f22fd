// Contexts whose features nearly go together, and are large: milliseconds and the same as seconds.
// Sums of them in doubles have lost the ridge.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "algorithms/bandit/lin_ucb.h"
#include "algorithms/bandit/linear_arm.h"
#include "algorithms/random.h"

using namespace rivulet;

namespace {

using Context = std::vector<double>;

// Each sum off by what adding its parts one by one would have rounded: some 1e-14 of it.
LinearArm ArmOf(const std::vector<Context>& contexts, double times_each, double rate,
                Random* random = nullptr) {
  const std::size_t d = contexts.front().size();
  Context upper(d * (d + 1) / 2);
  Context b(d);
  for (const Context& x : contexts) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < d; ++i) {
      b[i] += times_each * rate * x[i];
      for (std::size_t j = i; j < d; ++j) upper[next++] += times_each * x[i] * x[j];
    }
  }
  for (Context* sums : {&upper, &b}) {
    for (double& sum : *sums) sum *= 1 + (random != nullptr ? 1e-14 * random->Normal() : 0);
  }
  const auto arm = LinearArm::FromSums(upper, b, 1);
  REQUIRE(arm.has_value());
  return *arm;
}

// Whether rounding leaves A an inverse depends on the last digits: several times, therefore.
constexpr std::uint64_t kSeeds = 8;
constexpr int kTimes = 50;
const double kImpressions[] = {20'000.0, 100'000.0, 200'000.0};

Context Milliseconds(Random& random) {
  Context times(kTimes);
  for (double& ms : times) ms = 3e5 + 6e5 * random.Uniform();
  return times;
}

double MeanOf(const Context& numbers) {
  double sum = 0;
  for (const double x : numbers) sum += x;
  return sum / static_cast<double>(numbers.size());
}

double MeanSquare(const Context& numbers, double around) {
  double sum = 0;
  for (const double x : numbers) sum += (x - around) * (x - around);
  return sum / static_cast<double>(numbers.size());
}

}  // namespace

TEST_CASE("linear arm: milliseconds and seconds together predict what one of them would") {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    const Context times = Milliseconds(random);
    const double mean = MeanOf(times);
    std::vector<Context> contexts;
    for (const double ms : times) contexts.push_back({1, ms, ms / 1000});
    for (const double impressions : kImpressions) {
      CAPTURE(seed);
      CAPTURE(impressions);
      const LinearArm a = ArmOf(contexts, impressions / kTimes, 0.05, &random);
      const LinearArm b = ArmOf(contexts, impressions / kTimes, 0.3, &random);
      const Context& x = contexts[0];
      CHECK(a.Predict(x).mean == doctest::Approx(0.05).epsilon(0.02));
      CHECK(b.Predict(x).mean == doctest::Approx(0.3).epsilon(0.02));
      // As of a constant and a centred feature, which are orthogonal and say the same.
      const double off = x[1] - mean;
      CHECK(b.Predict(x).variance * impressions ==
            doctest::Approx(1 + off * off / MeanSquare(times, mean)).epsilon(0.05));
      CHECK(LinUcbScore(b, x, 1) > LinUcbScore(a, x, 1));
    }
  }
}

TEST_CASE("linear arm: of proportional features the prediction is the line through 0") {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    const Context times = Milliseconds(random);
    std::vector<Context> contexts;
    for (const double ms : times) contexts.push_back({ms, ms / 1000});
    for (const double impressions : kImpressions) {
      CAPTURE(seed);
      CAPTURE(impressions);
      const LinearArm a = ArmOf(contexts, impressions / kTimes, 0.05, &random);
      const LinearArm b = ArmOf(contexts, impressions / kTimes, 0.3, &random);
      const Context& x = contexts[0];
      const double slope = 0.3 * MeanOf(times) / MeanSquare(times, 0);
      CHECK(b.Predict(x).mean == doctest::Approx(slope * x[0]).epsilon(0.02));
      CHECK(LinUcbScore(b, x, 1) > LinUcbScore(a, x, 1));
    }
  }
}

TEST_CASE("linear arm: large constants say no more than one") {
  for (const double impressions : {10.0, 1000.0, 20'000.0, 100'000.0, 200'000.0, 1e9}) {
    CAPTURE(impressions);
    const LinearArm::Prediction one =
        ArmOf({{1, 1e6, 1e6}}, impressions, 0.3).Predict(Context{1, 1e6, 1e6});
    CHECK(one.mean == doctest::Approx(0.3).epsilon(0.02));
    CHECK(one.variance * impressions == doctest::Approx(1).epsilon(0.02));
  }
  const LinearArm all = ArmOf({Context(LinearArm::kMaxFeatures, 1e6)}, 100'000, 0.3);
  CHECK(all.Predict(Context(LinearArm::kMaxFeatures, 1e6)).mean ==
        doctest::Approx(0.3).epsilon(0.02));
}

TEST_CASE("linear arm: large constants that come one by one say no more than one, merged too") {
  const Context x{1, 1e6, 1e6};
  LinearArm arm(3);
  Random random(21);
  double rewards = 0;
  for (int n = 1; n <= 1100; ++n) {
    const double reward = random.Chance(0.3) ? 1 : 0;
    arm.Update(x, reward);
    rewards += reward;
    if (n % 100 != 0) continue;
    CAPTURE(n);
    CHECK(arm.Predict(x).mean == doctest::Approx(rewards / n).epsilon(0.05));
    CHECK(arm.Predict(x).variance * n == doctest::Approx(1).epsilon(0.05));
  }
  const LinearArm other = arm;
  arm.Merge(other);
  CHECK(arm.Predict(x).mean == doctest::Approx(rewards / 1100).epsilon(0.02));
}

TEST_CASE("linear arm: sums that no contexts have still predict something finite") {
  const std::vector<Context> kUppers = {
      {1, 5, 1}, {0, 1e100, 0}, {1e100, -1e100, 0}, {1e100, 1e100, 1e100}, {0, 0, 0}};
  for (const Context& upper : kUppers) {
    const auto arm = LinearArm::FromSums(upper, Context{1, 1e100}, 1);
    REQUIRE(arm.has_value());
    const auto [mean, variance] = arm->Predict(Context{1, 2});
    CHECK(std::isfinite(mean));
    CHECK(std::isfinite(variance));
    CHECK(variance >= 0);
    CHECK(variance <= 5.01);  // x'x over the ridge
    CHECK(LinearArm::Load(arm->Save()).has_value());
  }
}
