// Count, mean, variance, skewness, kurtosis, minimum and maximum of a stream, in one pass.
//
// Source: B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products",
// Technometrics 4 (1962); P. Pebay, "Formulas for Robust, One-Pass Parallel Computation of
// Covariances and Arbitrary-Order Statistical Moments", SAND2008-6212 (2008), for the third and
// fourth moment and for Merge.
//
// Error: sums of powers of the distance to the running mean, never of the values, so that a large
// mean costs no digits: the standard deviation of NIST's NumAcc3 keeps 9 digits, of NumAcc4 8,
// where sums of squares keep one. Either direction, growing with the square root of the count at
// most. Range: these powers must be doubles, so distances to the mean from 1e-150 to 1e150 for the
// variance, 1e-100 to 1e100 for the skewness, 1e-75 to 1e75 for the kurtosis; beyond, these are 0,
// infinite or NaN, and what needs less is right. Memory: 56 bytes. Update and Merge: O(1), some
// nanoseconds. Units: the values' own for mean, stddev, min and max, squared for variances;
// skewness and kurtosis have none.
//
//   Moments ages;
//   for (double age : stream) ages.Update(age);
//   ages.Merge(ages_of_another_reader);
//   fmt::print("{} +- {}, skewness {}\n", ages.mean(), ages.stddev(), ages.skewness());
//   std::string saved = ages.Save();
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

/// A query whose answer is not defined (the mean of nothing, the variance of one value, the
/// skewness of equal values) gives NaN.
class Moments {
 public:
  /// Requires a finite `x`.
  void Update(double x) {
    const double before = static_cast<double>(count_);
    ++count_;
    const double n = static_cast<double>(count_);
    // The division depends on nothing that the last update computes, so it is off the critical
    // path.
    const double inverse = 1 / n;
    const double d = x - mean_;
    const double step = d * inverse;
    const double step2 = step * step;
    const double term = d * step * before;
    mean_ += step;
    m4_ += term * step2 * (n * n - 3 * n + 3) + 6 * step2 * m2_ - 4 * step * m3_;
    m3_ += term * step * (n - 2) - 3 * step * m2_;
    m2_ += term;
    min_ = std::min(min_, x);
    max_ = std::max(max_, x);
  }

  /// As if the other's values had been updated here. May be given itself.
  void Merge(const Moments& other) {
    if (other.count_ == 0) return;
    if (count_ == 0) {
      *this = other;
      return;
    }
    const Moments b = other;
    const double na = static_cast<double>(count_);
    const double nb = static_cast<double>(b.count_);
    const double n = na + nb;
    const double d = b.mean_ - mean_;
    const double d2 = d * d;
    m4_ += b.m4_ + d2 * d2 * na * nb * (na * na - na * nb + nb * nb) / (n * n * n) +
           6 * d2 * (na * na * b.m2_ + nb * nb * m2_) / (n * n) +
           4 * d * (na * b.m3_ - nb * m3_) / n;
    m3_ += b.m3_ + d2 * d * na * nb * (na - nb) / (n * n) + 3 * d * (na * b.m2_ - nb * m2_) / n;
    m2_ += b.m2_ + d2 * na * nb / n;
    mean_ += d * nb / n;
    count_ += b.count_;
    min_ = std::min(min_, b.min_);
    max_ = std::max(max_, b.max_);
  }

  std::uint64_t count() const { return count_; }
  double mean() const { return count_ > 0 ? mean_ : kUndefined; }
  double min() const { return count_ > 0 ? min_ : kUndefined; }
  double max() const { return count_ > 0 ? max_ : kUndefined; }
  /// Of the values themselves: divided by n.
  double population_variance() const {
    return count_ > 0 ? m2_ / static_cast<double>(count_) : kUndefined;
  }
  /// Estimate, from a sample, of what it was drawn from: divided by n - 1.
  double sample_variance() const {
    return count_ > 1 ? m2_ / static_cast<double>(count_ - 1) : kUndefined;
  }
  /// Square root of the sample variance.
  double stddev() const { return std::sqrt(sample_variance()); }
  /// Population skewness g1: M3/n over (M2/n)^1.5. Positive: a long tail of large values.
  double skewness() const {
    if (!(m2_ > 0)) return kUndefined;
    const double n = static_cast<double>(count_);
    return std::sqrt(n) * m3_ / (m2_ * std::sqrt(m2_));
  }
  /// Population excess kurtosis g2: (M4/n) over (M2/n)^2, less the 3 of a normal distribution.
  double excess_kurtosis() const {
    if (!(m2_ > 0)) return kUndefined;
    return static_cast<double>(count_) * m4_ / (m2_ * m2_) - 3;
  }

  /// The state itself, for stores that keep it as fields of their own.
  struct Sums {
    std::uint64_t count = 0;
    double mean = 0;
    double m2 = 0;  // sums of the 2nd, 3rd and 4th powers of the distance to the mean
    double m3 = 0;
    double m4 = 0;
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
  };
  Sums sums() const { return {count_, mean_, m2_, m3_, m4_, min_, max_}; }
  static Moments FromSums(const Sums& sums) {
    Moments moments;
    moments.count_ = sums.count;
    moments.mean_ = sums.mean;
    moments.m2_ = sums.m2;
    moments.m3_ = sums.m3;
    moments.m4_ = sums.m4;
    moments.min_ = sums.min;
    moments.max_ = sums.max;
    return moments;
  }

  std::string Json() const {
    JsonView view;
    view.BeginObject().Field("count", count_).Field("mean", mean()).Field("stddev", stddev());
    view.Field("variance", sample_variance()).Field("min", min()).Field("max", max());
    view.Field("skewness", skewness()).Field("excess_kurtosis", excess_kurtosis());
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutUint64(&bytes, count_);
    for (const double value : {mean_, m2_, m3_, m4_, min_, max_}) PutDouble(&bytes, value);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Moments> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    Moments moments;
    moments.count_ = reader.Uint64();
    for (double* value :
         {&moments.mean_, &moments.m2_, &moments.m3_, &moments.m4_, &moments.min_, &moments.max_}) {
      *value = reader.Double();
    }
    if (!reader.Finished()) return std::nullopt;
    return moments;
  }

 private:
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  static constexpr std::uint64_t kFormat = 0x31'73'74'6e'65'6d'6f'6dULL;  // "moments1"

  std::uint64_t count_ = 0;
  double mean_ = 0;
  double m2_ = 0;  // sums of the 2nd, 3rd and 4th powers of the distance to the mean
  double m3_ = 0;
  double m4_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

}  // namespace rivulet
