// How often values were in each of many spans: a histogram of fixed or logarithmic buckets, or of
// exact integers.
//
// Source: none needed for counting; exact bounds and the scales are histogram_scale.h's. The
// quantile is the one of B. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The
// American Statistician 50 (1996), definition 1 (the least value that a part q of all is at or
// below), estimated within its bucket.
//
// Error: counts are exact, to 2^64 - 1, where they end. A quantile is in the bucket where the true
// one is, so off by at most its width (either direction); exact for integers. Memory: 8 bytes a
// bucket, fixed and log; 8 bytes an integer from 0 to 4095, some 50 another one that occurs.
// Update: O(1), 2 to 3 ns, fixed and log; integers O(log n) beyond the small ones. Merge, Quantile:
// O(buckets). Units: bounds and quantiles as the values; weights their own.
//
//   Histogram latency(*HistogramScale::Log(1e-6, 86400, 20));
//   latency.Update(0.0042);
//   latency.Merge(latency_of_another_reader);
//   for (const auto& bucket : latency.Buckets()) Bar(bucket.low, bucket.high, bucket.count);
//   Print(latency.Quantile(0.99));
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/histogram_scale.h"
#include "algorithms/json_view.h"
#include "algorithms/saturated.h"

namespace rivulet {

struct HistogramBucket {
  std::int64_t index = 0;
  double low = 0;   // in it; -infinity: underflow
  double high = 0;  // not in it; infinity: overflow
  std::uint64_t count = 0;
};

class Histogram {
 public:
  static constexpr std::size_t kMaxIntegers = 65'536;

  /// Of a scale of integers at most `max_integers` different ones (1 to kMaxIntegers) are held,
  /// those that came first; others count as overflow. (So only then it matters in which order
  /// parts are merged.)
  explicit Histogram(HistogramScale scale, std::size_t max_integers = kMaxIntegers)
      : scale_(std::move(scale)),
        max_integers_(std::clamp<std::size_t>(max_integers, 1, kMaxIntegers)),
        counts_(static_cast<std::size_t>(scale_.buckets()) + 2) {}

  /// Infinities are underflow and overflow; a NaN is not counted but in ignored().
  void Update(double x, std::uint64_t weight = 1) {
    if (std::isnan(x)) [[unlikely]] {
      ignored_ = SaturatedSum(ignored_, weight);
    } else {
      UpdateIndex(scale_.IndexOf(x), weight);
    }
  }
  /// Of the bucket itself, for counts kept elsewhere. An index beyond the scale is underflow or
  /// overflow.
  void UpdateIndex(std::int64_t index, std::uint64_t weight) {
    count_ = SaturatedSum(count_, weight);
    if (scale_.kind() == HistogramScale::Kind::kIntegers) {
      AddInteger(index, weight);
    } else {
      std::uint64_t& count = counts_[static_cast<std::size_t>(
          std::clamp<std::int64_t>(index, -1, scale_.buckets()) + 1)];
      count = SaturatedSum(count, weight);
    }
  }

  /// As if the other's values had been updated here. False, and nothing is done, where the scale is
  /// not the same.
  bool Merge(const Histogram& other) {
    if (!(scale_ == other.scale_)) return false;
    const std::uint64_t ignored = other.ignored_;
    for (const HistogramBucket& bucket : other.Buckets()) UpdateIndex(bucket.index, bucket.count);
    ignored_ = SaturatedSum(ignored_, ignored);
    return true;
  }

  const HistogramScale& scale() const { return scale_; }
  /// Of all but what was ignored.
  std::uint64_t count() const { return count_; }
  /// Of NaNs.
  std::uint64_t ignored() const { return ignored_; }
  std::uint64_t underflow() const { return counts_.front(); }
  std::uint64_t overflow() const { return counts_.back(); }

  /// Those with a count, ascending; the first may be underflow, the last overflow.
  std::vector<HistogramBucket> Buckets() const {
    std::vector<HistogramBucket> buckets;
    const auto add = [&](std::int64_t index, std::uint64_t count) {
      if (count == 0) return;
      buckets.push_back({index, scale_.LowerBound(index), scale_.UpperBound(index), count});
    };
    add(scale_.underflow(), underflow());
    for (std::int64_t i = 0; i < scale_.buckets(); ++i) {
      add(i, counts_[static_cast<std::size_t>(i) + 1]);
    }
    const auto positive = integers_.lower_bound(0);
    for (auto at = integers_.begin(); at != positive; ++at) add(at->first, at->second);
    for (std::size_t i = 0; i < small_.size(); ++i) add(static_cast<std::int64_t>(i), small_[i]);
    for (auto at = positive; at != integers_.end(); ++at) add(at->first, at->second);
    add(scale_.overflow(), overflow());
    return buckets;
  }
  /// Of counts kept elsewhere, index and count each, in any order.
  static Histogram FromBuckets(HistogramScale scale,
                               const std::vector<std::pair<std::int64_t, std::uint64_t>>& counts,
                               std::size_t max_integers = kMaxIntegers) {
    Histogram histogram(std::move(scale), max_integers);
    for (const auto& [index, count] : counts) histogram.UpdateIndex(index, count);
    return histogram;
  }

  /// The least value that a part `q` (0 to 1) of all is at or below, as near as its bucket tells:
  /// ranks are taken as spread evenly over it. Underflow gives the scale's lower end, overflow its
  /// upper one. NaN of nothing.
  double Quantile(double q) const {
    if (count_ == 0 || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
    const auto n = static_cast<double>(count_);
    const double rank = std::clamp(std::ceil(q * n), 1.0, n);
    double before = 0;
    double answer = 0;
    for (const HistogramBucket& bucket : Buckets()) {
      const auto here = static_cast<double>(bucket.count);
      answer = Within(bucket, (rank - before - 0.5) / here);
      before += here;
      if (before >= rank) break;
    }
    return answer;
  }

  /// With all buckets that have a count, as [low, high, count].
  std::string Json() const {
    JsonView view;
    view.BeginObject().Field("count", count_).Field("ignored", ignored_);
    view.Field("underflow", underflow()).Field("overflow", overflow());
    view.Field("p50", Quantile(0.5)).Field("p90", Quantile(0.9)).Field("p99", Quantile(0.99));
    view.Key("buckets").BeginArray();
    for (const HistogramBucket& bucket : Buckets()) {
      if (!std::isfinite(bucket.low) || !std::isfinite(bucket.high)) continue;
      if (bucket.index == scale_.underflow() || bucket.index == scale_.overflow()) continue;
      view.BeginArray().Value(bucket.low).Value(bucket.high).Value(bucket.count).EndArray();
    }
    return view.EndArray().EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutUint64(&bytes, static_cast<std::uint64_t>(scale_.kind()));
    PutDouble(&bytes, scale_.low());
    PutDouble(&bytes, scale_.high());
    PutUint64(&bytes, static_cast<std::uint64_t>(scale_.division()));
    PutUint64(&bytes, max_integers_);
    PutUint64(&bytes, ignored_);
    for (const std::uint64_t count : counts_) PutUint64(&bytes, count);
    if (scale_.kind() != HistogramScale::Kind::kIntegers) return bytes;
    PutUint64(&bytes, held_);
    for (const HistogramBucket& bucket : Buckets()) {
      if (bucket.index == scale_.underflow() || bucket.index == scale_.overflow()) continue;
      PutUint64(&bytes, static_cast<std::uint64_t>(bucket.index));
      PutUint64(&bytes, bucket.count);
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote, or, where a scale is given, of another one;
  /// that one is then shared.
  static std::optional<Histogram> Load(std::string_view bytes,
                                       const HistogramScale* scale = nullptr) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    auto loaded = LoadScale(&reader, bytes.size());
    if (!loaded || (scale != nullptr && !(*loaded == *scale))) return std::nullopt;
    const std::uint64_t max_integers = reader.Uint64();
    if (max_integers < 1 || max_integers > kMaxIntegers) return std::nullopt;
    Histogram histogram(scale != nullptr ? *scale : *loaded, max_integers);
    histogram.ignored_ = reader.Uint64();
    for (std::uint64_t& count : histogram.counts_) {
      count = reader.Uint64();
      histogram.count_ = SaturatedSum(histogram.count_, count);
    }
    if (histogram.scale_.kind() == HistogramScale::Kind::kIntegers &&
        !histogram.LoadIntegers(&reader)) {
      return std::nullopt;
    }
    if (!reader.Finished()) return std::nullopt;
    return histogram;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'6d'61'72'67'6f'74'73ULL;  // "stogram1"
  static constexpr std::int64_t kSmallIntegers = 4'096;

  void AddInteger(std::int64_t index, std::uint64_t weight) {
    if (index >= 0 && index < kSmallIntegers) {
      const auto at = static_cast<std::size_t>(index);
      if (at >= small_.size()) small_.resize(std::max(at + 1, std::min(small_.size() * 2, kSmall)));
      if (small_[at] > 0) [[likely]] {
        small_[at] = SaturatedSum(small_[at], weight);
      } else if (HasRoom(weight)) {
        small_[at] = weight;
      }
      return;
    }
    if (index == scale_.underflow()) {
      counts_.front() = SaturatedSum(counts_.front(), weight);
    } else if (index == scale_.overflow()) {
      counts_.back() = SaturatedSum(counts_.back(), weight);
    } else if (const auto held = integers_.find(index); held != integers_.end()) {
      held->second = SaturatedSum(held->second, weight);
    } else if (HasRoom(weight)) {
      integers_.emplace(index, weight);
    }
  }
  // For an integer that is not held; where there is none the weight becomes overflow.
  bool HasRoom(std::uint64_t weight) {
    if (weight == 0) return false;
    if (held_ < max_integers_) {
      ++held_;
      return true;
    }
    counts_.back() = SaturatedSum(counts_.back(), weight);
    return false;
  }
  double Within(const HistogramBucket& bucket, double part) const {
    if (bucket.index == scale_.underflow()) return bucket.high;
    if (bucket.index == scale_.overflow()) return bucket.low;
    if (scale_.kind() == HistogramScale::Kind::kIntegers) return bucket.low;
    const double value = bucket.low + (bucket.high - bucket.low) * std::clamp(part, 0.0, 1.0);
    return std::min(value, std::nextafter(bucket.high, bucket.low));
  }
  // Nothing, too, where the bytes are too few for as many buckets as they say.
  static std::optional<HistogramScale> LoadScale(ByteReader* reader, std::size_t bytes) {
    const std::uint64_t kind = reader->Uint64();
    const double low = reader->Double();
    const double high = reader->Double();
    const auto division = static_cast<std::int64_t>(reader->Uint64());
    if (!reader->ok()) return std::nullopt;
    if (kind == static_cast<std::uint64_t>(HistogramScale::Kind::kIntegers)) {
      const auto integers = HistogramScale::Integers();
      if (low != integers.low() || high != integers.high() || division != 0) return std::nullopt;
      return integers;
    }
    const auto most = static_cast<double>(bytes) / 8;
    std::optional<HistogramScale> scale;
    if (kind == static_cast<std::uint64_t>(HistogramScale::Kind::kFixed)) {
      if (static_cast<double>(division) > most) return std::nullopt;
      scale = HistogramScale::Fixed(low, high, division);
    } else if (kind == static_cast<std::uint64_t>(HistogramScale::Kind::kLog)) {
      const double decades = std::log10(high) - std::log10(low);
      if (!(decades * static_cast<double>(division) <= most)) return std::nullopt;
      scale = HistogramScale::Log(low, high, division);
    }
    return scale;
  }
  bool LoadIntegers(ByteReader* reader) {
    const std::uint64_t held = reader->Uint64();
    if (held > max_integers_) return false;
    std::int64_t last = scale_.underflow();
    for (std::uint64_t i = 0; i < held; ++i) {
      const auto index = static_cast<std::int64_t>(reader->Uint64());
      const std::uint64_t count = reader->Uint64();
      if (!reader->ok() || index <= last || index == scale_.overflow() || count == 0) return false;
      UpdateIndex(index, count);
      last = index;
    }
    return reader->ok();
  }
  static constexpr auto kSmall = static_cast<std::size_t>(kSmallIntegers);

  HistogramScale scale_;
  std::size_t max_integers_;
  std::uint64_t count_ = 0;
  std::uint64_t ignored_ = 0;
  std::vector<std::uint64_t> counts_;               // underflow, the scale's buckets, overflow
  std::vector<std::uint64_t> small_;                // integers: 0, 1, 2...
  std::map<std::int64_t, std::uint64_t> integers_;  // others; sorted, so no hash to attack
  std::size_t held_ = 0;                            // different integers
};

}  // namespace rivulet
