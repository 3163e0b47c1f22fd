// Which bucket of a histogram a value belongs to: of equal width, of equal ratio, or one an
// integer.
//
// Bounds are exact: a value equal to a bucket's lower bound is in it, one equal to its upper bound
// is in the next, however rounding goes. IndexOf: O(1), 2 ns: an estimate (fixed: a multiplication;
// log: a table over the exponent and the first bits of the mantissa, as HdrHistogram has it) which
// is then put right by looking at the bounds. Memory: 8 to 20 bytes a bucket, shared by copies.
//
//   const auto scale = HistogramScale::Fixed(0, 100, 10);        // nothing: no such scale
//   scale->IndexOf(35);                                          // 3
//   scale->LowerBound(3), scale->UpperBound(3);                  // 30, 40
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace rivulet {

/// A value, cheap to copy. Index 0 is the first bucket; below and above all buckets are those of
/// underflow() and overflow(), whose outer bounds are infinite.
class HistogramScale {
 public:
  enum class Kind : std::uint8_t { kFixed = 1, kLog = 2, kIntegers = 3 };
  static constexpr std::int64_t kMaxBuckets = 65'536;
  static constexpr std::int64_t kMaxBucketsPerDecade = 2'000;

  /// `buckets` of equal width from `low` up to `high`, which is not in them. Nothing unless low <
  /// high, both and their difference finite, and 1 to kMaxBuckets buckets.
  static std::optional<HistogramScale> Fixed(double low, double high, std::int64_t buckets) {
    if (!(low < high) || !std::isfinite(high - low) || buckets < 1 || buckets > kMaxBuckets) {
      return std::nullopt;
    }
    std::vector<double> bounds;
    const auto n = static_cast<double>(buckets);
    for (std::int64_t i = 0; i < buckets; ++i) {
      const auto at = static_cast<double>(i);
      // Where the product leaves the doubles the quotient first is as good.
      const double exact = (high - low) * at / n;
      bounds.push_back(low + (std::isfinite(exact) ? exact : (high - low) * (at / n)));
    }
    HistogramScale scale(Kind::kFixed, low, high, buckets);
    scale.per_unit_ = n / (high - low);
    if (!std::isfinite(scale.per_unit_)) return std::nullopt;
    scale.Finish(std::move(bounds));
    return scale;
  }
  /// Buckets of equal ratio, so many to a factor of ten, from `low` up to `high`, which is not in
  /// them; the last one ends there. What is below `low`, zero and all negatives among it, is
  /// underflow. Nothing unless 0 < low < high, both finite and not denormal, 1 to
  /// kMaxBucketsPerDecade a decade and at most kMaxBuckets.
  static std::optional<HistogramScale> Log(double low, double high, std::int64_t per_decade) {
    if (!(low >= std::numeric_limits<double>::min()) || !(low < high) || !std::isfinite(high) ||
        per_decade < 1 || per_decade > kMaxBucketsPerDecade) {
      return std::nullopt;
    }
    const auto decades = std::log10(high) - std::log10(low);
    if (decades * static_cast<double>(per_decade) > static_cast<double>(kMaxBuckets - 2)) {
      return std::nullopt;
    }
    std::vector<double> bounds = {low};
    // A bound that only rounding keeps from `high` is `high`.
    for (std::int64_t i = 1;; ++i) {
      const double bound = LogBound(low, i, per_decade);
      if (!(bound < high * (1 - 1e-12))) break;
      bounds.push_back(bound);
    }
    HistogramScale scale(Kind::kLog, low, high, per_decade);
    scale.Finish(std::move(bounds));
    scale.MakeCells(per_decade);
    return scale;
  }
  /// A bucket for each integer i, of what is in [i, i + 1). Doubles tell integers apart up to 2^53.
  static HistogramScale Integers() { return {Kind::kIntegers, -kIntegerLimit, kIntegerLimit, 0}; }

  /// Requires that `x` is no NaN.
  std::int64_t IndexOf(double x) const {
    if (!(x < high_)) [[unlikely]]
      return overflow();
    if (!(x >= low_)) [[unlikely]]
      return underflow();
    if (kind_ == Kind::kIntegers) return FloorOf(x);
    const Grid& grid = *grid_;
    std::int64_t index = 0;
    if (kind_ == Kind::kFixed) {
      index = static_cast<std::int64_t>((x - low_) * per_unit_);
      if (index >= buckets_) [[unlikely]]
        index = buckets_ - 1;
    } else {
      index = grid.cells[CellOf(x) - first_cell_];
      // More often needed than a branch would like.
      index += static_cast<std::int64_t>(x >= grid.bounds[static_cast<std::size_t>(index) + 1]);
    }
    const double* bound = grid.bounds.data() + index;
    while (x < bound[0]) [[unlikely]] {
        --bound;
      }
    while (x >= bound[1]) [[unlikely]] {
        ++bound;
      }
    return bound - grid.bounds.data();
  }
  double LowerBound(std::int64_t index) const {
    if (index <= underflow()) return -kInfinity;
    if (index >= overflow()) return high_;
    if (kind_ == Kind::kIntegers) return static_cast<double>(index);
    return grid_->bounds[static_cast<std::size_t>(index)];
  }
  double UpperBound(std::int64_t index) const {
    if (index <= underflow()) return low_;
    if (index >= overflow()) return kInfinity;
    if (kind_ == Kind::kIntegers) return static_cast<double>(index) + 1;
    return grid_->bounds[static_cast<std::size_t>(index) + 1];
  }
  /// The index of what is below all buckets, -1 but for integers: -2^63.
  std::int64_t underflow() const {
    return kind_ == Kind::kIntegers ? std::numeric_limits<std::int64_t>::min() : -1;
  }
  /// The index of what is above all buckets: buckets(), but for integers: 2^63 - 1.
  std::int64_t overflow() const {
    return kind_ == Kind::kIntegers ? std::numeric_limits<std::int64_t>::max() : buckets_;
  }
  Kind kind() const { return kind_; }
  double low() const { return low_; }
  double high() const { return high_; }
  /// Without underflow and overflow; 0 for integers.
  std::int64_t buckets() const { return buckets_; }
  /// What the scale was made with: buckets (fixed), buckets a decade (log), 0 (integers).
  std::int64_t division() const { return division_; }

  friend bool operator==(const HistogramScale& a, const HistogramScale& b) {
    return a.kind_ == b.kind_ && a.low_ == b.low_ && a.high_ == b.high_ &&
           a.division_ == b.division_;
  }

 private:
  struct Grid {
    std::vector<double> bounds;        // lower ones, then the last one's upper
    std::vector<std::uint32_t> cells;  // log: the bucket where each cell begins
  };
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr double kIntegerLimit = 9223372036854775808.0;  // 2^63

  HistogramScale(Kind kind, double low, double high, std::int64_t division)
      : kind_(kind), low_(low), high_(high), division_(division) {}

  static std::int64_t FloorOf(double x) {
    const auto whole = static_cast<std::int64_t>(x);
    return whole - static_cast<std::int64_t>(static_cast<double>(whole) > x);
  }
  // low * 10^(i / per_decade), of which whole decades are as exact as they are written.
  static double LogBound(double low, std::int64_t i, std::int64_t per_decade) {
    const auto part = static_cast<double>(i % per_decade) / static_cast<double>(per_decade);
    const auto decades = static_cast<int>(i / per_decade);
    // In two steps, since a power alone may leave the doubles.
    const int half = decades / 2;
    return low * std::pow(10.0, half) * std::pow(10.0, decades - half) * std::pow(10.0, part);
  }
  void Finish(std::vector<double> bounds) {
    buckets_ = static_cast<std::int64_t>(bounds.size());
    bounds.push_back(high_);
    // Bounds closer than doubles are would not ascend by themselves; then buckets are empty.
    for (std::size_t i = 1; i < bounds.size(); ++i) {
      bounds[i] = std::min(std::max(bounds[i], bounds[i - 1]), high_);
    }
    auto grid = std::make_shared<Grid>();
    grid->bounds = std::move(bounds);
    grid_ = std::move(grid);
  }
  // Cells: each factor of two in 2^k equal parts, so many that hardly one has two bounds in it.
  void MakeCells(std::int64_t per_decade) {
    const double per_octave = static_cast<double>(per_decade) * 0.30103;
    int bits = 0;
    while (bits < 10 && static_cast<double>(1 << bits) < 1.45 * per_octave) ++bits;
    cell_shift_ = 52 - bits;
    first_cell_ = CellOf(low_);
    auto grid = std::make_shared<Grid>();
    grid->bounds = grid_->bounds;
    std::uint32_t bucket = 0;
    const std::uint64_t last = CellOf(high_);
    for (std::uint64_t cell = first_cell_; cell <= last; ++cell) {
      const auto begin = std::max(low_, std::bit_cast<double>(cell << cell_shift_));
      while (bucket + 1 < grid->bounds.size() - 1 && begin >= grid->bounds[bucket + 1]) ++bucket;
      grid->cells.push_back(bucket);
    }
    grid_ = std::move(grid);
  }
  // Exponent and first bits of the mantissa, which ascend as positive doubles do.
  std::uint64_t CellOf(double x) const { return std::bit_cast<std::uint64_t>(x) >> cell_shift_; }

  Kind kind_;
  double low_;
  double high_;
  std::int64_t division_;
  std::int64_t buckets_ = 0;
  double per_unit_ = 0;           // fixed
  int cell_shift_ = 52;           // log
  std::uint64_t first_cell_ = 0;  // log
  std::shared_ptr<const Grid> grid_;
};

}  // namespace rivulet
