// The same work by Boost's header libraries, where they are installed (libboost-dev). Debian 12 has
// no library of HdrHistogram, DDSketch or HyperLogLog: those are met by their published figures.
#pragma once

#include "bench/nanos_reporter.h"

#if __has_include(<boost/accumulators/accumulators.hpp>) && __has_include(<boost/histogram.hpp>)
#include <boost/accumulators/accumulators.hpp>
#include <boost/accumulators/statistics.hpp>
#include <boost/accumulators/statistics/covariance.hpp>
#include <boost/accumulators/statistics/variates/covariate.hpp>
#include <boost/histogram.hpp>

namespace rivulet {

/// `Numbers` gives doubles, `Pairs` pairs of them.
template <typename Numbers, typename Pairs>
void AddPeerRows(Numbers numbers, Pairs pairs) {
  namespace acc = boost::accumulators;
  namespace hist = boost::histogram;
  using BoostMoments =
      acc::accumulator_set<double,
                           acc::stats<acc::tag::mean, acc::tag::lazy_variance, acc::tag::skewness,
                                      acc::tag::kurtosis, acc::tag::min, acc::tag::max>>;
  AddRow(
      "Boost.Accumulators moments", numbers, [] { return BoostMoments(); },
      [](BoostMoments* state, double x) { (*state)(x); });
  using BoostVariance = acc::accumulator_set<double, acc::stats<acc::tag::variance>>;
  AddRow(
      "Boost.Accumulators mean and variance", numbers, [] { return BoostVariance(); },
      [](BoostVariance* state, double x) { (*state)(x); });
  using BoostCovariance =
      acc::accumulator_set<double, acc::stats<acc::tag::covariance<double, acc::tag::covariate1>>>;
  AddRow(
      "Boost.Accumulators covariance", pairs, [] { return BoostCovariance(); },
      [](BoostCovariance* state, const auto& pair) {
        (*state)(pair.first, acc::covariate1 = pair.second);
      });
  using BoostQuantile = acc::accumulator_set<double, acc::stats<acc::tag::p_square_quantile>>;
  AddRow(
      "Boost.Accumulators one quantile (P2)", numbers,
      [] { return BoostQuantile(acc::quantile_probability = 0.99); },
      [](BoostQuantile* state, double x) { (*state)(x); });
  AddRow(
      "Boost.Histogram fixed", numbers,
      [] { return hist::make_histogram(hist::axis::regular<>(200, 0, 200)); },
      [](auto* state, double x) { (*state)(x); });
  AddRow(
      "Boost.Histogram log", numbers,
      [] {
        return hist::make_histogram(
            hist::axis::regular<double, hist::axis::transform::log>(220, 1e-6, 1e5));
      },
      [](auto* state, double x) { (*state)(x); });
  AddRow(
      "Boost.Histogram integers", numbers,
      [] { return hist::make_histogram(hist::axis::integer<>(0, 200)); },
      [](auto* state, double x) { (*state)(static_cast<int>(x)); });
}

}  // namespace rivulet
#else
namespace rivulet {

template <typename Numbers, typename Pairs>
void AddPeerRows(Numbers, Pairs) {}

}  // namespace rivulet
#endif
