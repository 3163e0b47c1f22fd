#include "algorithms/bandit/beta_quantile.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "algorithms/bandit/beta_thompson.h"

using namespace rivulet;

namespace {

struct Reference {
  double a;
  double b;
  double at;  // x, or p
  double value;
};

void CheckClose(double computed, double reference, double error) {
  CAPTURE(computed);
  CAPTURE(reference);
  CHECK(std::abs(computed - reference) <= error);
}

}  // namespace

TEST_CASE("beta quantile: the distribution function, against references of 50 digits") {
  // The continued fraction and the gamma functions of mpmath, with 60 digits.
  const Reference kReferences[] = {
      {6, 100, .1, 0.95763582512846537},
      {6, 100, .02, 0.019240711716774493},
      {51, 951, .0625, 0.94594763678381645},
      {.5, .5, 1e-10, 6.3661977237819168e-6},
      {2, 3, .999, 0.999999996003},
      {1e4, 1e4, .51, 0.99766294066988985},
      {1e6, 1e9, .001001, 0.97730383653733862},
      {1e-3, 1e6, 1e-300, 0.50845242658520744},
      {1e-3, 1e6, 1e-100, 0.80584278958522936},
      {1e-3, 1e6, 1e-6, 0.99978039164259855},
  };
  for (const Reference& r : kReferences) {
    CAPTURE(r.a);
    CAPTURE(r.b);
    CheckClose(BetaBelow(r.a, r.b, r.at), r.value, 1e-11);
    CheckClose(BetaBelow(r.b, r.a, 1 - r.at), 1 - r.value, r.at < 1e-17 ? 1 : 1e-10);
  }
}

TEST_CASE("beta quantile: the distribution function of whole numbers is a binomial sum") {
  for (int n = 1; n <= 24; n += 4) {
    for (int a = 1; a <= n; a += 3) {
      for (const double x : {1e-6, 0.1, 0.5, 0.75, 0.999}) {
        double sum = 0;
        double ways = 1;
        for (int k = 0; k <= n; ++k) {
          if (k >= a) sum += ways * std::pow(x, k) * std::pow(1 - x, n - k);
          ways = ways * (n - k) / (k + 1);
        }
        CheckClose(BetaBelow(a, n + 1 - a, x), sum, 1e-13);
      }
    }
  }
}

TEST_CASE("beta quantile: quantiles, against references of 50 digits") {
  const Reference kReferences[] = {
      {.001, 1e6, .975, 5.679254833610979e-18},
      {.01, .02, .025, 2.4498807692112158e-143},
      {.5, 3, .025, 0.00017781993293475771},
      {.5, 3, .975, 0.5949531330134034},
      {1, 1, .025, .025},
      {2, 5, .025, 0.043271868292741678},
      {2, 5, .975, 0.64123457899767486},
      {6, 100, .025, 0.02125664046331196},
      {6, 100, .975, 0.10763456578606139},
      {51, 951, .025, 0.03816683365052648},
      {51, 951, .975, 0.065325693681104781},
      {300, 3000, .025, 0.081339699892069949},
      {300, 3000, .975, 0.10094806981643374},
      {2999, 1e6, .025, 0.0028841219983806361},
      {2999, 1e6, .975, 0.0030978210874776342},
      {50001, 950001, .025, 0.049574585911951041},
      {1e6, 1e9, .025, 0.0009970449157805074},
      {1e6, 1e9, .975, 0.0010009589708537764},
      {1e9, 1e9, .025, 0.49997808693649337},
      {1e9, 1e9, .975, 0.50002191306350663},
  };
  for (const Reference& r : kReferences) {
    CAPTURE(r.a);
    CAPTURE(r.b);
    CheckClose(BetaQuantile(r.a, r.b, r.at), r.value, 1e-10 * r.value);
    CheckClose(BetaQuantile(r.b, r.a, 1 - r.at), 1 - r.value, 1e-12);
  }
  // Of 1e-1609 nothing is left.
  CHECK(BetaQuantile(.001, 1e6, .025) == 0);
  CHECK(BetaQuantile(1e6, .001, .975) == 1);
}

TEST_CASE("beta quantile: a quantile's probability is what it was asked for") {
  for (const double a : {0.3, 1.0, 7.0, 400.0, 5000.0}) {
    for (const double b : {0.6, 2.0, 90.0, 20'000.0}) {
      for (const double p : {1e-6, 0.025, 0.3, 0.5, 0.9}) {
        CAPTURE(a);
        CAPTURE(b);
        CheckClose(BetaBelow(a, b, BetaQuantile(a, b, p)), p, 1e-10);
      }
    }
  }
}

TEST_CASE("beta quantile: ends, and what is no distribution") {
  CHECK(BetaBelow(2, 3, 0) == 0);
  CHECK(BetaBelow(2, 3, -1) == 0);
  CHECK(BetaBelow(2, 3, 1) == 1);
  CHECK(BetaBelow(2, 3, 7) == 1);
  CHECK(BetaQuantile(2, 3, 0) == 0);
  CHECK(BetaQuantile(2, 3, 1) == 1);
  CHECK(std::isnan(BetaBelow(0, 1, 0.5)));
  CHECK(std::isnan(BetaBelow(1, 1, std::nan(""))));
  CHECK(std::isnan(BetaQuantile(1, -1, 0.5)));
  CHECK(std::isnan(BetaQuantile(1, 1, 1.5)));
  const auto [low, high] = EqualTails(6, 100, 0.95);
  CheckClose(low, 0.02125664046331196, 1e-12);
  CheckClose(high, 0.10763456578606139, 1e-11);
}

TEST_CASE("beta density: against references of 50 digits, and at its ends") {
  const Reference kReferences[] = {
      {6, 100, .1, 2.849762039165697},
      {6, 100, .02, 4.1814955067528087},
      {51, 951, .0625, 13.901441132641571},
      {.5, .5, 1e-10, 31830.988619970616},
      {1e4, 1e4, .51, 2.065845922535694},
      {1e6, 1e9, .001001, 53892.05568564584},
      {1e-3, 1e6, 1e-300, 5.0845242658520714e296},
      {1e-3, 1e6, 1e-6, 368.09172951025099},
  };
  for (const Reference& r : kReferences) {
    CAPTURE(r.a);
    CheckClose(BetaPosterior{r.a, r.b}.density(r.at), r.value, 1e-10 * r.value);
  }
  CHECK(BetaDensity(1, 1, 0) == 1);
  CHECK(BetaDensity(1, 3, 0) == 3);
  CHECK(BetaDensity(4, 1, 1) == 4);
  CHECK(BetaDensity(2, 2, 0) == 0);
  CHECK(BetaDensity(0.5, 2, 0) == std::numeric_limits<double>::infinity());
  CHECK(BetaDensity(2, 2, 1.5) == 0);
  CHECK(std::isnan(BetaDensity(0, 2, 0.5)));
}
