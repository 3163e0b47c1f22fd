// Drift detection by a window of adaptive width: it grows while the stream is stable and drops its
// old part once the means of the old and the new differ. The window's mean is then that of the
// stream as it is now.
//
// Source: A. Bifet, R. Gavalda, "Learning from Time-Changing Data with Adaptive Windowing", SDM
// 2007 (ADWIN2): the window is an exponential histogram, at most 5 buckets of each power of two,
// and is cut between two buckets where, with n0 and n1 values on the two sides, 1/m = 1/n0 + 1/n1,
// d = ln(2 ln(width)/delta) and the window's variance v, the means differ by more than
// sqrt(2 v d/m) + (2/3) range d/m. The oldest bucket goes until no cut is left.
//
// Bound: the paper's, for values in a range of that breadth: at each check a stable stream is cut
// with a probability of about delta at most (the paper proves it for its narrower first version;
// the normal approximation used here it calls safe in practice), and a change by twice the
// expression above is found. It is found at the next check, every 32 values: at once for a large
// change, later for a small one. Rises and falls alike. Memory: 104 bytes times log2(width/5).
// Update: O(1) amortised, and a check of O(log width) every 32nd. Queries: O(log width). No Merge:
// the answer depends on the order of the values, which two readers do not share. Units: the values'
// own.
//
//   Adwin latency({.range = 1000});
//   for (double millis : stream) {
//     if (latency.Update(millis) == DriftState::kDrift) Alert(latency.mean());
//   }
//   std::string saved = latency.Save();
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/drift_state.h"
#include "algorithms/json_view.h"

namespace rivulet {

struct AdwinOptions {
  /// How sure it has to be: between 0 and 1.
  double delta = 0.002;
  /// The breadth of what the values may be, positive: 1 for shares.
  double range = 1;
  /// A check every so many values; at least 1.
  std::uint64_t check_every = 32;
  /// Neither side of a cut is shorter; at least 1.
  std::uint64_t shortest_side = 5;
};

class Adwin {
 public:
  explicit Adwin(AdwinOptions options = {}) : options_(options) {
    options_.check_every = std::max<std::uint64_t>(1, options_.check_every);
    options_.shortest_side = std::max<std::uint64_t>(1, options_.shortest_side);
  }

  /// Requires a finite `x`. Never warns: kStable or kDrift. While values whose distances have
  /// squares beyond 1.8e308 are in the window nothing is detected.
  DriftState Update(double x) {
    ++total_;
    ++width_;
    Insert({x, 0});
    state_ = DriftState::kStable;
    if (total_ % options_.check_every == 0) {
      while (HasCut()) {
        DropOldest();
        state_ = DriftState::kDrift;
      }
      if (state_ == DriftState::kDrift) ++drifts_;
    }
    return state_;
  }

  /// What the last Update() said.
  DriftState state() const { return state_; }
  /// Values in the window.
  std::uint64_t width() const { return width_; }
  /// Of the values in the window; NaN of none.
  double mean() const { return width_ > 0 ? Whole().mean : kUndefined; }
  double population_variance() const {
    return width_ > 0 ? Whole().squares / static_cast<double>(width_) : kUndefined;
  }
  /// Values and drifts since the start.
  std::uint64_t total() const { return total_; }
  std::uint64_t drifts() const { return drifts_; }

  /// {"state":"stable","total":..,"drifts":..,"width":..,"mean":..,"variance":..}: what is not
  /// defined is null.
  std::string Json() const {
    JsonView view;
    view.BeginObject();
    view.Field("state", DriftStateName(state_));
    view.Field("total", total_);
    view.Field("drifts", drifts_);
    view.Field("width", width_);
    view.Field("mean", mean());
    view.Field("variance", population_variance());
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutDouble(&bytes, options_.delta);
    PutDouble(&bytes, options_.range);
    for (const std::uint64_t number :
         {options_.check_every, options_.shortest_side, static_cast<std::uint64_t>(state_), total_,
          drifts_, std::uint64_t{rows_.size()}}) {
      PutUint64(&bytes, number);
    }
    for (const Row& row : rows_) {
      PutUint64(&bytes, row.size);
      for (std::size_t i = 0; i < row.size; ++i) {
        PutDouble(&bytes, row.buckets[i].mean);
        PutDouble(&bytes, row.buckets[i].squares);
      }
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Adwin> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    Adwin loaded;
    loaded.options_.delta = reader.Double();
    loaded.options_.range = reader.Double();
    loaded.options_.check_every = reader.Uint64();
    loaded.options_.shortest_side = reader.Uint64();
    const std::uint64_t state = reader.Uint64();
    loaded.total_ = reader.Uint64();
    loaded.drifts_ = reader.Uint64();
    const std::uint64_t rows = reader.Uint64();
    if (loaded.options_.check_every == 0 || loaded.options_.shortest_side == 0 ||
        state > static_cast<std::uint64_t>(DriftState::kDrift) || rows > kMaxRows) {
      return std::nullopt;
    }
    loaded.state_ = static_cast<DriftState>(state);
    for (std::uint64_t i = 0; i < rows; ++i) {
      Row& row = loaded.rows_.emplace_back();
      row.size = static_cast<std::size_t>(reader.Uint64());
      if (row.size == 0 || row.size > kBucketsARow) return std::nullopt;
      for (std::size_t k = 0; k < row.size; ++k) {
        row.buckets[k].mean = reader.Double();
        row.buckets[k].squares = reader.Double();
      }
      loaded.width_ += row.size << i;
    }
    if (!reader.Finished()) return std::nullopt;
    return loaded;
  }

 private:
  struct Bucket {
    double mean = 0;
    double squares = 0;  // sum of the squared distances to the mean
  };
  static constexpr std::size_t kBucketsARow = 5;
  static constexpr std::uint64_t kMaxRows = 50;  // widths are exact as double
  /// Buckets of 2^i values, i being the row's number; the oldest comes first.
  struct Row {
    std::array<Bucket, kBucketsARow + 1> buckets;
    std::size_t size = 0;
  };

  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  static constexpr std::uint64_t kFormat = 0x31'6e'69'77'64'61'77'61ULL;  // "awadwin1"

  void Insert(Bucket bucket) {
    for (std::size_t i = 0;; ++i) {
      if (i == rows_.size()) rows_.emplace_back();
      Row& row = rows_[i];
      row.buckets[row.size++] = bucket;
      if (row.size <= kBucketsARow) return;
      // Its two oldest become one of the next row.
      const Bucket& a = row.buckets[0];
      const Bucket& b = row.buckets[1];
      const double d = b.mean - a.mean;
      bucket = {a.mean + d / 2,
                a.squares + b.squares + d * d * std::ldexp(0.5, static_cast<int>(i))};
      std::move(row.buckets.begin() + 2, row.buckets.end(), row.buckets.begin());
      row.size -= 2;
    }
  }

  void DropOldest() {
    Row& row = rows_.back();
    width_ -= std::uint64_t{1} << (rows_.size() - 1);
    std::move(row.buckets.begin() + 1, row.buckets.end(), row.buckets.begin());
    if (--row.size == 0) rows_.pop_back();
  }

  /// Calls `visit(bucket, values in it)` from the oldest to the newest, until it says false.
  template <typename Visit>
  void VisitBuckets(Visit visit) const {
    double values = std::ldexp(1.0, static_cast<int>(rows_.size()) - 1);
    for (auto row = rows_.rbegin(); row != rows_.rend(); ++row, values /= 2) {
      for (std::size_t i = 0; i < row->size; ++i) {
        if (!visit(row->buckets[i], values)) return;
      }
    }
  }

  Bucket Whole() const {
    Bucket whole;
    double n = 0;
    VisitBuckets([&](const Bucket& bucket, double values) {
      const double d = bucket.mean - whole.mean;
      const double share = values / (n + values);
      whole.squares += bucket.squares + d * d * n * share;
      whole.mean += d * share;
      n += values;
      return true;
    });
    return whole;
  }

  bool HasCut() const {
    const double n = static_cast<double>(width_);
    const double shortest = static_cast<double>(options_.shortest_side);
    if (n < 2 * shortest) return false;
    const Bucket whole = Whole();
    const double d = std::log(2 * std::log(n) / options_.delta);
    const double of_variance = 2 * whole.squares / n * d;
    const double of_range = 2.0 / 3 * options_.range * d;
    double n0 = 0;
    double above = 0;  // sum of the old side's distances to the whole mean
    bool found = false;
    VisitBuckets([&](const Bucket& bucket, double values) {
      n0 += values;
      above += (bucket.mean - whole.mean) * values;
      const double n1 = n - n0;
      if (n1 < shortest) return false;
      if (n0 < shortest) return true;
      // The two means are this far from each other, because n0 and n1 balance around the whole.
      const double inverse = n / (n0 * n1);
      const double apart = std::abs(above) * inverse - of_range * inverse;
      found = apart > 0 && apart * apart > of_variance * inverse;
      return !found;
    });
    return found;
  }

  AdwinOptions options_;
  DriftState state_ = DriftState::kStable;
  std::uint64_t total_ = 0;
  std::uint64_t drifts_ = 0;
  std::uint64_t width_ = 0;
  std::vector<Row> rows_;
};

}  // namespace rivulet
