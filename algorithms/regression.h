// The straight line through pairs of numbers, y = intercept + slope x, by least squares, in one
// pass, with how sure it is.
//
// Source: the closed form of ordinary least squares with one regressor (N. R. Draper, H. Smith,
// "Applied Regression Analysis", 3rd ed. 1998, sections 1.2 to 1.4) on the sums of
// algorithms/covariance.h, which keep their digits whatever the means are.
//
// Error: that of the sums; NIST's Norris data keeps 12 digits of both coefficients. The residual
// variance is a difference, so it loses as many digits as r2 has nines: beyond r2 = 1 - 1e-13 it is
// noise, and it is never below zero. Memory: 48 bytes. Update, Merge and queries: O(1), some
// nanoseconds. Units: slope in y's unit a unit of x; intercept, residual deviation and predictions
// in y's; r2 has none.
//
//   LinearRegression seconds_by_bytes;
//   for (const auto& [bytes, seconds] : stream) seconds_by_bytes.Update(bytes, seconds);
//   seconds_by_bytes.Merge(that_of_another_reader);
//   fmt::print("{} +- {} s a byte\n", line.slope(), line.slope_error());
//   const double expected = line.Predict(4096);
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "algorithms/covariance.h"
#include "algorithms/json_view.h"

namespace rivulet {

/// A query whose answer is not defined (any coefficient while every x is the same, an error of two
/// points) gives NaN.
class LinearRegression {
 public:
  /// `x` explains, `y` is explained. Requires finite numbers.
  void Update(double x, double y) { sums_.Update(x, y); }
  /// As if the other's pairs had been updated here. May be given itself.
  void Merge(const LinearRegression& other) { sums_.Merge(other.sums_); }

  std::uint64_t count() const { return sums_.count(); }
  const Covariance& covariance() const { return sums_; }
  double slope() const { return sums_.sum_xx() > 0 ? sums_.sum_xy() / sums_.sum_xx() : kUndefined; }
  double intercept() const { return sums_.mean_y() - slope() * sums_.mean_x(); }
  /// The share of y's variance that the line explains, 0 to 1: the squared correlation.
  double r2() const {
    const double r = sums_.correlation();
    return r * r;
  }
  /// Estimate of the variance of y around the line: squared residuals over n - 2.
  double residual_variance() const {
    if (count() < 3 || !(sums_.sum_xx() > 0)) return kUndefined;
    const double squares = sums_.sum_yy() - slope() * sums_.sum_xy();
    return (squares < 0 ? 0 : squares) / static_cast<double>(count() - 2);
  }
  /// Square root of the residual variance.
  double residual_deviation() const { return std::sqrt(residual_variance()); }
  /// Standard errors of the two coefficients.
  double slope_error() const { return std::sqrt(residual_variance() / sums_.sum_xx()); }
  double intercept_error() const { return ErrorOfMean(0); }

  double Predict(double x) const {
    // Around the means, where the digits are.
    return sums_.mean_y() + slope() * (x - sums_.mean_x());
  }
  /// Standard error of Predict(x) as the forecast of one new y.
  double PredictionError(double x) const {
    const double of_mean = ErrorOfMean(x);
    return std::sqrt(residual_variance() + of_mean * of_mean);
  }

  /// {"count":..,"slope":..,"intercept":..,"r2":..,"slope_error":..,"intercept_error":..,
  /// "residual_variance":..,"mean_x":..,"mean_y":..}: what is not defined is null.
  std::string Json() const {
    JsonView view;
    view.BeginObject();
    view.Field("count", count());
    view.Field("slope", slope());
    view.Field("intercept", intercept());
    view.Field("r2", r2());
    view.Field("slope_error", slope_error());
    view.Field("intercept_error", intercept_error());
    view.Field("residual_variance", residual_variance());
    view.Field("mean_x", sums_.mean_x());
    view.Field("mean_y", sums_.mean_y());
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    return bytes += sums_.Save();
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<LinearRegression> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const auto sums = Covariance::Load(bytes.substr(8));
    if (!sums) return std::nullopt;
    LinearRegression loaded;
    loaded.sums_ = *sums;
    return loaded;
  }

 private:
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  static constexpr std::uint64_t kFormat = 0x31'72'67'65'72'6e'69'6cULL;  // "linregr1"

  /// Standard error of the line's height at `x`.
  double ErrorOfMean(double x) const {
    const double d = x - sums_.mean_x();
    return std::sqrt(residual_variance() *
                     (1 / static_cast<double>(count()) + d * d / sums_.sum_xx()));
  }

  Covariance sums_;
};

}  // namespace rivulet
