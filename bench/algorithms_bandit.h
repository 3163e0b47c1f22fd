// The rows of the bandits: random draws, and selections of an arm. The peer is the standard
// library's gamma distribution, of which two make a beta draw.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "algorithms/bandit/beta_quantile.h"
#include "algorithms/bandit/beta_thompson.h"
#include "algorithms/bandit/lin_ucb.h"
#include "algorithms/bandit/linear_thompson.h"
#include "algorithms/bandit/ucb1.h"
#include "algorithms/random.h"
#include "bench/nanos_reporter.h"

namespace rivulet {

/// Of counts from 1 to a million, evenly by their logarithm, a fifth of them clicks at most.
inline std::vector<BetaPosterior> BenchPosteriors(std::size_t count) {
  Random random(8);
  std::vector<BetaPosterior> posteriors;
  for (std::size_t i = 0; i < count; ++i) {
    const double impressions = std::floor(std::pow(10, 6 * random.Uniform()));
    const double clicks = std::floor(impressions * random.Uniform() / 5);
    posteriors.push_back({1 + clicks, 1 + impressions - clicks});
  }
  return posteriors;
}

/// A generator, and the sum of what it gave, so that it is not left out.
struct BenchDraws {
  Random random{9};
  double sum = 0;
};

inline void AddDrawRows() {
  static const auto thousand = [] { return BenchPosteriors(1000); };
  static const auto draws = [] { return BenchDraws(); };
  AddRow("normal draw", thousand, draws,
         [](BenchDraws* state, const BetaPosterior&) { state->sum += state->random.Normal(); });
  AddRow("gamma draw", thousand, draws, [](BenchDraws* state, const BetaPosterior& posterior) {
    state->sum += state->random.Gamma(posterior.alpha);
  });
  AddRow("beta draw", thousand, draws, [](BenchDraws* state, const BetaPosterior& posterior) {
    state->sum += posterior.Draw(state->random);
  });
  AddRow("beta draw, shapes below 1", thousand, draws,
         [](BenchDraws* state, const BetaPosterior& posterior) {
           state->sum += state->random.Beta(0.5, posterior.beta);
         });
  struct Standard {
    std::mt19937_64 random{9};
    double sum = 0;
  };
  AddRow(
      "std::gamma_distribution, two as a beta draw", thousand, [] { return Standard(); },
      [](Standard* state, const BetaPosterior& posterior) {
        const double x = std::gamma_distribution<double>(posterior.alpha)(state->random);
        const double y = std::gamma_distribution<double>(posterior.beta)(state->random);
        state->sum += x / (x + y);
      });
  AddRow("beta interval of 95 %", thousand, draws,
         [](BenchDraws* state, const BetaPosterior& posterior) {
           state->sum += EqualTails(posterior.alpha, posterior.beta, 0.95).low;
         });
}

inline void AddSelectRows() {
  static const auto hundred = [] { return std::vector<int>(100); };
  for (const std::size_t arms : {10, 1000}) {
    AddRow(
        fmt::format("thompson select of {} arms", arms), hundred,
        [arms] { return std::make_pair(BenchPosteriors(arms), BenchDraws()); },
        [](auto* state, int) {
          state->second.sum += static_cast<double>(ArgMaxDraw(state->first, state->second.random));
        });
  }
  AddRow(
      "ucb1 select and update, 10 arms", hundred,
      [] { return std::make_pair(Ucb1(10), Random(9)); },
      [](auto* state, int) {
        auto& [policy, random] = *state;
        policy.Update(policy.Select(), random.Uniform());
      });
  // 10 arms that have learned a little, and a context.
  static const auto learned = [](auto policy) {
    Random random(10);
    std::array<double, 5> x{};
    for (int i = 0; i < 500; ++i) {
      for (double& feature : x) feature = random.Normal();
      policy.Update(policy.Select(x, random), x, random.Normal());
    }
    return std::make_pair(policy, std::make_pair(x, random));
  };
  static const auto select = [](auto* state, int) {
    auto& [x, random] = state->second;
    x[1] += 1e-9 * static_cast<double>(state->first.Select(x, random));
  };
  AddRow(
      "lin_ucb select, 10 arms of 5 features", hundred, [] { return learned(LinUcb(10, 5)); },
      select);
  AddRow(
      "linear_thompson select, 10 arms of 5 features", hundred,
      [] { return learned(LinearThompson(10, 5)); }, select);
}

}  // namespace rivulet
