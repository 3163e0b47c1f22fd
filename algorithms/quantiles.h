// Quantiles of a stream, each within a relative error, in memory that does not grow with it.
//
// Source: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch
// with Relative-Error Guarantees", PVLDB 12 (2019). With an accuracy a, gamma = (1 + a)/(1 - a):
// bucket i counts the values in (gamma^(i-1), gamma^i] and stands for 2 gamma^i/(gamma + 1), which
// is within a of each of them.
//
// Error: |answer - truth| <= a |truth|, either direction (and rounding, 1e-11 of it), while at
// most max_buckets buckets a sign have counts: with a = 0.01 from 1 us to 1 day are 1,260. Beyond
// that the buckets nearest to zero become one: collapsed() says so, and quantiles nearer to zero
// than exact_above() are answered as that. Values nearer to zero than 2.2e-308, which have fewer
// digits than a double, count as zero. Counts end at 2^64 - 1. Memory: 8 bytes a bucket where
// values are near each other, up to 256 bytes for one that stands alone, and some KB. Update: O(1),
// a logarithm: below 10 ns. Merge, Quantile: O(buckets). Units: the values' own.
//
//   Quantiles latency(0.01);
//   latency.Update(0.0042);
//   latency.Merge(latency_of_another_reader);
//   Print(latency.Quantile(0.5), latency.Quantile(0.99));
//   std::string saved = latency.Save();
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/fast_log.h"
#include "algorithms/json_view.h"
#include "algorithms/quantile_buckets.h"
#include "algorithms/saturated.h"

namespace rivulet {

/// Which bucket a value belongs to, as one whole number that ascends as the values do: 0 is zero,
/// kZero + i the paper's bucket i, -(kZero + i) that of negative values. So a hash of index and
/// count is all that a store needs to keep; Quantiles::FromBuckets() takes it.
class QuantileScale {
 public:
  static constexpr std::int64_t kZero = 1'000'000;
  static constexpr double kLeastAccuracy = 0.001;
  static constexpr double kMostAccuracy = 0.5;
  /// What is nearer to zero counts as zero: the least double that has all its digits.
  static constexpr double kLeast = std::numeric_limits<double>::min();

  /// Requires kLeastAccuracy to kMostAccuracy; others are made the nearer of these.
  explicit QuantileScale(double accuracy)
      : accuracy_(std::clamp(accuracy, kLeastAccuracy, kMostAccuracy)),
        gamma_((1 + accuracy_) / (1 - accuracy_)),
        log_gamma_(std::log(gamma_)),
        per_log_(1 / log_gamma_) {}

  /// Requires a finite `x`.
  std::int64_t IndexOf(double x) const {
    if (x >= kLeast) return kZero + Bucket(x);
    return x <= -kLeast ? -(kZero + Bucket(-x)) : 0;
  }
  /// What the bucket stands for.
  double ValueOf(std::int64_t index) const {
    if (index == 0) return 0;
    const std::int64_t bucket = (index > 0 ? index : -index) - kZero;
    const double edge = std::exp(static_cast<double>(bucket) * log_gamma_ - kLn2);
    const double value = edge * (4 / (gamma_ + 1));
    return std::copysign(std::min(value, std::numeric_limits<double>::max()),
                         static_cast<double>(index));
  }
  double accuracy() const { return accuracy_; }
  double gamma() const { return gamma_; }
  /// True of the indexes that finite values have.
  bool Holds(std::int64_t index) const {
    if (index == 0) return true;
    if (index > 2 * kZero || index < -2 * kZero) return false;
    const std::int64_t bucket = (index > 0 ? index : -index) - kZero;
    return bucket >= Bucket(kLeast) && bucket <= Bucket(std::numeric_limits<double>::max());
  }

 private:
  static constexpr double kLn2 = 0.693147180559945309417;

  // ceil(log(x) / log(gamma)), for x > 0.
  std::int64_t Bucket(double x) const {
    // A ceiling in one conversion, which truncates: 2^20 is beyond all buckets.
    constexpr std::int64_t kBeyond = std::int64_t{1} << 20;
    return kBeyond -
           static_cast<std::int64_t>(static_cast<double>(kBeyond) - FastLog(x) * per_log_);
  }

  double accuracy_;
  double gamma_;
  double log_gamma_;
  double per_log_;
};

/// A query whose answer is not defined (a quantile of nothing) gives NaN.
class Quantiles {
 public:
  static constexpr std::size_t kMaxBuckets = 2'048;

  /// Accuracy: as QuantileScale. Holds at most `max_buckets` of positive values, as many of
  /// negative; at least two.
  explicit Quantiles(double accuracy = 0.01, std::size_t max_buckets = kMaxBuckets)
      : scale_(accuracy),
        positive_(std::max<std::size_t>(2, max_buckets)),
        negative_(std::max<std::size_t>(2, max_buckets)) {}

  /// What is not finite is not counted but in ignored().
  void Update(double x, std::uint64_t weight = 1) {
    if (!(std::abs(x) <= std::numeric_limits<double>::max())) [[unlikely]] {
      ignored_ = SaturatedSum(ignored_, weight);
      return;
    }
    if (weight == 0) [[unlikely]]
      return;
    sum_ += x * static_cast<double>(weight);
    min_ = std::min(min_, x);
    max_ = std::max(max_, x);
    UpdateIndex(scale_.IndexOf(x), weight);
  }

  /// As if the other's values had been updated here: the same counts, whatever is merged in which
  /// order, though the sum may differ by rounding. False, and nothing is done, where accuracy or
  /// max_buckets are not the same.
  bool Merge(const Quantiles& other) {
    if (scale_.accuracy() != other.scale_.accuracy()) return false;
    if (positive_.max_buckets() != other.positive_.max_buckets()) return false;
    positive_.Merge(other.positive_);
    negative_.Merge(other.negative_);
    zeros_ = SaturatedSum(zeros_, other.zeros_);
    count_ = SaturatedSum(count_, other.count_);
    ignored_ = SaturatedSum(ignored_, other.ignored_);
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    return true;
  }

  /// Of counts kept elsewhere, by QuantileScale's index, in any order; others than it has are
  /// ignored. min, max and sum are then those of the buckets' values.
  static Quantiles FromBuckets(double accuracy,
                               const std::vector<std::pair<std::int64_t, std::uint64_t>>& counts,
                               std::size_t max_buckets = kMaxBuckets) {
    Quantiles quantiles(accuracy, max_buckets);
    for (const auto& [index, count] : counts) {
      if (count == 0) continue;
      if (!quantiles.scale_.Holds(index)) {
        quantiles.ignored_ = SaturatedSum(quantiles.ignored_, count);
        continue;
      }
      const double value = quantiles.scale_.ValueOf(index);
      quantiles.sum_ += value * static_cast<double>(count);
      quantiles.min_ = std::min(quantiles.min_, value);
      quantiles.max_ = std::max(quantiles.max_, value);
      quantiles.UpdateIndex(index, count);
    }
    return quantiles;
  }

  /// The value of rank floor(q (count - 1)), counted from 0, as near as the accuracy has it; of
  /// ranks that are the least or the largest it is exact. Requires 0 <= q <= 1; others are made the
  /// nearer of these.
  double Quantile(double q) const {
    if (count_ == 0 || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
    const std::uint64_t last = count_ - 1;
    const double exact = std::floor(std::clamp(q, 0.0, 1.0) * static_cast<double>(last));
    // A count beyond 2^53 may round up beyond itself.
    std::uint64_t rank =
        exact >= static_cast<double>(last) ? last : static_cast<std::uint64_t>(exact);
    if (rank == 0) return min_;
    if (rank == last) return max_;
    return std::clamp(scale_.ValueOf(IndexOfRank(rank)), min_, max_);
  }

  /// Of all but what was ignored.
  std::uint64_t count() const { return count_; }
  /// Of values that are not finite.
  std::uint64_t ignored() const { return ignored_; }
  double min() const { return count_ > 0 ? min_ : kUndefined; }
  double max() const { return count_ > 0 ? max_ : kUndefined; }
  double sum() const { return sum_; }
  const QuantileScale& scale() const { return scale_; }
  /// True once there were more than max_buckets buckets of a sign.
  bool collapsed() const { return positive_.collapsed() || negative_.collapsed(); }
  /// The accuracy holds for quantiles farther from zero than this: 0 unless collapsed().
  double exact_above() const {
    double above = 0;
    for (const QuantileBuckets* buckets : {&positive_, &negative_}) {
      if (!buckets->collapsed()) continue;
      above = std::max(above, scale_.ValueOf(QuantileScale::kZero + buckets->floor()));
    }
    return above;
  }
  /// Those with a count, by QuantileScale's index, ascending.
  std::vector<std::pair<std::int64_t, std::uint64_t>> Buckets() const {
    std::vector<std::pair<std::int64_t, std::uint64_t>> buckets;
    negative_.ForEach([&](std::int64_t bucket, std::uint64_t count) {
      buckets.emplace_back(-(QuantileScale::kZero + bucket), count);
    });
    std::reverse(buckets.begin(), buckets.end());
    if (zeros_ > 0) buckets.emplace_back(0, zeros_);
    positive_.ForEach([&](std::int64_t bucket, std::uint64_t count) {
      buckets.emplace_back(QuantileScale::kZero + bucket, count);
    });
    return buckets;
  }

  std::string Json() const {
    JsonView view;
    view.BeginObject().Field("count", count_).Field("ignored", ignored_);
    view.Field("min", min());
    view.Field("p50", Quantile(0.5)).Field("p90", Quantile(0.9)).Field("p95", Quantile(0.95));
    view.Field("p99", Quantile(0.99)).Field("p999", Quantile(0.999)).Field("max", max());
    view.Field("sum", sum_).Field("accuracy", scale_.accuracy()).Field("collapsed", collapsed());
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutDouble(&bytes, scale_.accuracy());
    for (const std::uint64_t number : {std::uint64_t{positive_.max_buckets()}, ignored_, zeros_}) {
      PutUint64(&bytes, number);
    }
    for (const double value : {sum_, min_, max_}) PutDouble(&bytes, value);
    positive_.Save(&bytes);
    negative_.Save(&bytes);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Quantiles> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const double accuracy = reader.Double();
    const std::uint64_t max_buckets = reader.Uint64();
    Quantiles quantiles(accuracy, static_cast<std::size_t>(max_buckets));
    if (quantiles.scale_.accuracy() != accuracy || max_buckets < 2) return std::nullopt;
    quantiles.ignored_ = reader.Uint64();
    quantiles.zeros_ = reader.Uint64();
    for (double* value : {&quantiles.sum_, &quantiles.min_, &quantiles.max_}) {
      *value = reader.Double();
    }
    quantiles.count_ = quantiles.zeros_;
    for (QuantileBuckets* buckets : {&quantiles.positive_, &quantiles.negative_}) {
      const bool loaded = buckets->Load(&reader, [&](std::int64_t bucket, std::uint64_t count) {
        quantiles.count_ = SaturatedSum(quantiles.count_, count);
        return bucket > -QuantileScale::kZero && bucket < QuantileScale::kZero &&
               quantiles.scale_.Holds(QuantileScale::kZero + bucket);
      });
      if (!loaded) return std::nullopt;
    }
    if (!reader.Finished()) return std::nullopt;
    const bool empty = quantiles.Buckets().empty();
    const bool ordered = std::isfinite(quantiles.min_) && std::isfinite(quantiles.max_) &&
                         quantiles.min_ <= quantiles.max_;
    const bool unset = quantiles.min_ == kInfinity && quantiles.max_ == -kInfinity;
    if (empty ? !unset : !ordered) return std::nullopt;
    return quantiles;
  }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  static constexpr std::uint64_t kFormat = 0x31'65'6c'69'74'6e'61'75ULL;  // "uantile1"

  void UpdateIndex(std::int64_t index, std::uint64_t weight) {
    count_ = SaturatedSum(count_, weight);
    if (index > 0) {
      positive_.Add(index - QuantileScale::kZero, weight);
    } else if (index < 0) {
      negative_.Add(-index - QuantileScale::kZero, weight);
    } else {
      zeros_ = SaturatedSum(zeros_, weight);
    }
  }
  std::int64_t IndexOfRank(std::uint64_t rank) const {
    std::uint64_t before = 0;
    std::int64_t found = 0;
    for (const auto& [index, count] : Buckets()) {
      found = index;
      before = SaturatedSum(before, count);
      if (before > rank) break;
    }
    return found;
  }

  QuantileScale scale_;
  QuantileBuckets positive_;
  QuantileBuckets negative_;  // by absolute value
  std::uint64_t zeros_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t ignored_ = 0;
  double sum_ = 0;
  double min_ = kInfinity;
  double max_ = -kInfinity;
};

}  // namespace rivulet
