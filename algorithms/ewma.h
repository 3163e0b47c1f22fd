// Mean, variance and rate of a stream in which what is old counts less: by half every half-life.
//
// Source: G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, "Forward Decay: A Practical Time Decay
// Model for Streaming Systems", ICDE 2009: a value at time t has the weight 2^((t -
// now)/half-life), and sums of weights, kept as of the newest time, are all that is needed. So
// intervals may be irregular, the order of times does not matter, and parts merge, which is not so
// for the recursion s += a (x - s) of evenly spaced values. Weighted variance: D. H. D. West,
// "Updating Mean and Variance Estimates: An Improved Method", CACM 22 (1979).
//
// Error: rounding alone, a few units in the last place an update of the weighted mean of the
// magnitudes, either direction. Memory: 56
// bytes. Update and Merge: O(1), an exp2 where time has gone on, some 10 ns. Units: times and
// half-life in seconds, times since any moment, the same for all that are merged; mean as the
// values, variance squared, rates a second.
//
//   Ewma latency(60);                      // half of the weight is on the last minute
//   latency.Update(0.120, now);
//   latency.Merge(latency_of_another_reader);
//   Print(latency.mean(), latency.stddev(), latency.PerSecond(now));
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "algorithms/json_view.h"

namespace rivulet {

/// A query whose answer is not defined (the mean of nothing) gives NaN.
class Ewma {
 public:
  /// Requires a finite half-life above zero, in seconds.
  explicit Ewma(double half_life) : half_life_(half_life) {}

  /// Times may come in any order: an old one counts as little as it would have come to by now, and
  /// not at all when it is more than some 1,000 half-lives older than the newest. Requires a finite
  /// `x` and `at`.
  void Update(double x, double at) {
    ++count_;
    double weight = 1;
    if (at > at_) {
      AgeTo(at);
    } else if (at < at_) {
      weight = Decay(at_ - at);
    }
    Add(weight, x, 0);
  }

  /// As if the other's updates had come here, but for rounding. False, and nothing is done, where
  /// the half-life is not the same.
  bool Merge(const Ewma& other) {
    if (half_life_ != other.half_life_) return false;
    Ewma b = other;
    count_ += b.count_;
    if (b.at_ > at_) AgeTo(b.at_);
    if (b.at_ < at_) b.AgeTo(at_);
    Add(b.weight_, b.mean_, b.m2_);
    return true;
  }

  /// Of all updates ever.
  std::uint64_t count() const { return count_; }
  double half_life() const { return half_life_; }
  /// Of the newest update; -infinity before the first.
  double newest() const { return at_; }
  /// Weighted; the same at any later time, since all weights shrink alike.
  double mean() const { return weight_ > 0 ? mean_ : kUndefined; }
  /// Of the values themselves, weighted (population variance).
  double variance() const { return weight_ > 0 ? m2_ / weight_ : kUndefined; }
  double stddev() const { return std::sqrt(variance()); }
  /// Sum of the weights of all updates: so many updates of now they amount to. `at` is the newest
  /// update's time or later (else: as of the newest).
  double Weight(double at) const { return at > at_ ? weight_ * Decay(at - at_) : weight_; }
  /// Updates a second. Begins at 0: after a time t of a steady stream 1 - 2^(-t/half-life) of it,
  /// so too low by 3 % after five half-lives.
  double PerSecond(double at) const { return Weight(at) * kLn2 / half_life_; }
  /// Sum of the values a second: where x are bytes, bytes a second.
  double SumPerSecond(double at) const { return weight_ > 0 ? PerSecond(at) * mean_ : 0; }

  std::string Json(double at) const {
    JsonView view;
    view.BeginObject().Field("count", count_).Field("mean", mean()).Field("stddev", stddev());
    view.Field("per_second", PerSecond(at)).Field("half_life", half_life_);
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutUint64(&bytes, count_);
    for (const double value : {half_life_, at_, weight_, mean_, m2_}) PutDouble(&bytes, value);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Ewma> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const std::uint64_t count = reader.Uint64();
    Ewma ewma(reader.Double());
    ewma.count_ = count;
    for (double* value : {&ewma.at_, &ewma.weight_, &ewma.mean_, &ewma.m2_}) {
      *value = reader.Double();
    }
    if (!reader.Finished() || !(ewma.half_life_ > 0) || !std::isfinite(ewma.half_life_)) {
      return std::nullopt;
    }
    if (std::isnan(ewma.at_) || !(ewma.weight_ >= 0)) return std::nullopt;
    return ewma;
  }

 private:
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  static constexpr double kLn2 = 0.693147180559945309417;
  static constexpr std::uint64_t kFormat = 0x31'61'6d'77'65'20'20'20ULL;  // "   ewma1"

  double Decay(double seconds) const { return std::exp2(-seconds / half_life_); }
  // Requires a later time than the newest.
  void AgeTo(double at) {
    const double factor = weight_ > 0 ? Decay(at - at_) : 0;
    weight_ *= factor;
    m2_ *= factor;
    at_ = at;
  }
  // What has that weight, mean and weighted sum of squares of the distance to it.
  void Add(double weight, double mean, double m2) {
    if (!(weight > 0)) return;
    const double sum = weight_ + weight;
    const double d = mean - mean_;
    const double step = d * (weight / sum);
    m2_ += m2 + d * weight_ * step;
    // From the mean that has more weight, so that none of its digits cancel.
    mean_ = weight > weight_ ? mean - d * (weight_ / sum) : mean_ + step;
    weight_ = sum;
  }

  double half_life_;
  std::uint64_t count_ = 0;
  double at_ = -std::numeric_limits<double>::infinity();
  double weight_ = 0;  // as of at_, as m2_
  double mean_ = 0;
  double m2_ = 0;
};

}  // namespace rivulet
