// Covariance and correlation of two numbers that come in pairs, in one pass.
//
// Source: P. Pebay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and
// Arbitrary-Order Statistical Moments", SAND2008-6212 (2008), section 3.1, for Update and Merge.
//
// Error: sums of products of the distances to the running means, never of the values, so that large
// means cost no digits; the relative error of a covariance grows with the square root of the count
// at most, times 1/correlation (a covariance near zero is a small rest of large terms). Memory: 48
// bytes. Update and Merge: O(1), some nanoseconds. Units: variances are squares of the value's
// unit, the covariance is the product of both units, the correlation has none.
//
//   Covariance sizes;
//   for (const auto& [height, weight] : stream) sizes.Update(height, weight);
//   sizes.Merge(sizes_of_another_reader);
//   fmt::print("r = {}\n", sizes.correlation());
//   std::string saved = sizes.Save();
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "algorithms/json_view.h"

namespace rivulet {

/// A query whose answer is not defined (the mean of nothing, the covariance of one pair, the
/// correlation with a value that never changes) gives NaN.
class Covariance {
 public:
  /// Requires finite numbers. Distances whose squares are beyond 1.8e308 make what depends on them
  /// infinite or NaN.
  void Update(double x, double y) {
    const double before = static_cast<double>(count_);
    ++count_;
    const double inverse = 1 / static_cast<double>(count_);
    const double dx = x - mean_x_;
    const double dy = y - mean_y_;
    const double share = before * inverse;
    mean_x_ += dx * inverse;
    mean_y_ += dy * inverse;
    xx_ += dx * dx * share;
    yy_ += dy * dy * share;
    xy_ += dx * dy * share;
  }

  /// As if the other's pairs had been updated here. May be given itself.
  void Merge(const Covariance& other) {
    if (other.count_ == 0) return;
    if (count_ == 0) {
      *this = other;
      return;
    }
    const Covariance b = other;
    const double na = static_cast<double>(count_);
    const double nb = static_cast<double>(b.count_);
    const double n = na + nb;
    const double dx = b.mean_x_ - mean_x_;
    const double dy = b.mean_y_ - mean_y_;
    const double share = na * nb / n;
    xx_ += b.xx_ + dx * dx * share;
    yy_ += b.yy_ + dy * dy * share;
    xy_ += b.xy_ + dx * dy * share;
    mean_x_ += dx * nb / n;
    mean_y_ += dy * nb / n;
    count_ += b.count_;
  }

  std::uint64_t count() const { return count_; }
  double mean_x() const { return count_ > 0 ? mean_x_ : kUndefined; }
  double mean_y() const { return count_ > 0 ? mean_y_ : kUndefined; }
  /// Of the pairs themselves: divided by n.
  double population_covariance() const {
    return count_ > 0 ? xy_ / static_cast<double>(count_) : kUndefined;
  }
  /// Estimates, from a sample, of what it was drawn from: divided by n - 1.
  double sample_covariance() const { return OfSample(xy_); }
  double sample_variance_x() const { return OfSample(xx_); }
  double sample_variance_y() const { return OfSample(yy_); }
  /// Pearson's r, from -1 to 1.
  double correlation() const {
    // Exact for pairs on a line, unless the product is out of range.
    const double product = xx_ * yy_;
    const double scale =
        product > 1e-290 && product < 1e300 ? std::sqrt(product) : std::sqrt(xx_) * std::sqrt(yy_);
    return scale > 0 ? std::clamp(xy_ / scale, -1.0, 1.0) : kUndefined;
  }

  /// Sums over the pairs: of (x - mean_x)^2, (y - mean_y)^2, (x - mean_x)(y - mean_y).
  double sum_xx() const { return xx_; }
  double sum_yy() const { return yy_; }
  double sum_xy() const { return xy_; }

  /// {"count":3,"mean_x":1,"mean_y":2,"variance_x":..,"variance_y":..,"covariance":..,
  /// "correlation":..}: the sample's; what is not defined is null.
  std::string Json() const {
    JsonView view;
    view.BeginObject();
    view.Field("count", count_);
    view.Field("mean_x", mean_x());
    view.Field("mean_y", mean_y());
    view.Field("variance_x", sample_variance_x());
    view.Field("variance_y", sample_variance_y());
    view.Field("covariance", sample_covariance());
    view.Field("correlation", correlation());
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutUint64(&bytes, count_);
    for (const double value : {mean_x_, mean_y_, xx_, yy_, xy_}) PutDouble(&bytes, value);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Covariance> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    Covariance loaded;
    loaded.count_ = reader.Uint64();
    for (double* value :
         {&loaded.mean_x_, &loaded.mean_y_, &loaded.xx_, &loaded.yy_, &loaded.xy_}) {
      *value = reader.Double();
    }
    if (!reader.Finished()) return std::nullopt;
    return loaded;
  }

 private:
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  static constexpr std::uint64_t kFormat = 0x31'61'69'72'61'76'6f'63ULL;  // "covaria1"

  double OfSample(double sum) const {
    return count_ > 1 ? sum / static_cast<double>(count_ - 1) : kUndefined;
  }

  std::uint64_t count_ = 0;
  double mean_x_ = 0;
  double mean_y_ = 0;
  double xx_ = 0;  // sums of products of the distances to the means
  double yy_ = 0;
  double xy_ = 0;
};

}  // namespace rivulet
