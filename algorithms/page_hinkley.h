// Drift detection on numbers by a cumulative sum: tells when the mean of a stream rises.
//
// Source: E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954); D. V. Hinkley,
// "Inference about the change-point from cumulative sum tests", Biometrika 58 (1971); the
// forgetting factor as in streaming practice (J. Gama et al., "A Survey on Concept Drift
// Adaptation", ACM Computing Surveys 46 (2014)). With the running mean of the values so far:
// S = max(0, .9999 S + x - mean - .005), drift at S >= 50; the next value is then the first of a
// new stream.
//
// Bound: a lasting rise of the mean by d is seen after about threshold / d values; no bound on
// false alarms, which the threshold trades against that delay: choose it some dozens of standard
// deviations of the values. A fall is not seen: feed -x to a second one. Memory: 80 bytes. Update:
// O(1), some nanoseconds. No Merge: the answer depends on the order of the values, which two
// readers do not share. Units: the values' own.
//
//   PageHinkley latency({.threshold = 500});
//   for (double millis : stream) {
//     if (latency.Update(millis) == DriftState::kDrift) Alert();
//   }
//   std::string saved = latency.Save();
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "algorithms/drift_state.h"
#include "algorithms/json_view.h"

namespace rivulet {

struct PageHinkleyOptions {
  /// A rise of the mean by less than this is none.
  double tolerance = 0.005;
  /// The sum at which a rise is a drift; positive.
  double threshold = 50;
  /// What is left of the sum at the next value, from 0 to 1.
  double forgetting = 0.9999;
  /// Nothing is said before this many values were seen.
  std::uint64_t warm_up = 30;
};

class PageHinkley {
 public:
  explicit PageHinkley(PageHinkleyOptions options = {}) : options_(options) {}

  /// Requires a finite `x` (beyond 1e307 the mean may overflow, and nothing is detected any more).
  /// Never warns: kStable or kDrift.
  DriftState Update(double x) {
    if (state_ == DriftState::kDrift) Forget();
    ++total_;
    ++count_;
    // The division depends on nothing that the last update computes, so it is off the critical
    // path.
    const double inverse = 1 / static_cast<double>(count_);
    mean_ += (x - mean_) * inverse;
    sum_ = std::max(0.0, options_.forgetting * sum_ + (x - mean_ - options_.tolerance));
    const bool drift = count_ >= options_.warm_up && sum_ >= options_.threshold;
    state_ = drift ? DriftState::kDrift : DriftState::kStable;
    if (drift) ++drifts_;
    return state_;
  }

  /// What the last Update() said.
  DriftState state() const { return state_; }
  /// Values since the last drift, and their mean (NaN of none).
  std::uint64_t count() const { return count_; }
  double mean() const { return count_ > 0 ? mean_ : std::numeric_limits<double>::quiet_NaN(); }
  /// S: how much the values lay above the mean lately.
  double sum() const { return sum_; }
  /// Values and drifts since the start.
  std::uint64_t total() const { return total_; }
  std::uint64_t drifts() const { return drifts_; }

  /// {"state":"stable","total":..,"drifts":..,"count":..,"mean":..,"sum":..,"threshold":..}: what
  /// is not defined is null.
  std::string Json() const {
    JsonView view;
    view.BeginObject();
    view.Field("state", DriftStateName(state_));
    view.Field("total", total_);
    view.Field("drifts", drifts_);
    view.Field("count", count_);
    view.Field("mean", mean());
    view.Field("sum", sum_);
    view.Field("threshold", options_.threshold);
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    for (const std::uint64_t number :
         {options_.warm_up, static_cast<std::uint64_t>(state_), total_, drifts_, count_}) {
      PutUint64(&bytes, number);
    }
    for (const double value :
         {options_.tolerance, options_.threshold, options_.forgetting, mean_, sum_}) {
      PutDouble(&bytes, value);
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<PageHinkley> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    PageHinkley loaded;
    loaded.options_.warm_up = reader.Uint64();
    const std::uint64_t state = reader.Uint64();
    if (state > static_cast<std::uint64_t>(DriftState::kDrift)) return std::nullopt;
    loaded.state_ = static_cast<DriftState>(state);
    for (std::uint64_t* number : {&loaded.total_, &loaded.drifts_, &loaded.count_}) {
      *number = reader.Uint64();
    }
    for (double* value : {&loaded.options_.tolerance, &loaded.options_.threshold,
                          &loaded.options_.forgetting, &loaded.mean_, &loaded.sum_}) {
      *value = reader.Double();
    }
    if (!reader.Finished()) return std::nullopt;
    return loaded;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'6b'6e'69'68'67'61'70ULL;  // "paghink1"

  void Forget() {
    count_ = 0;
    mean_ = sum_ = 0;
  }

  PageHinkleyOptions options_;
  DriftState state_ = DriftState::kStable;
  std::uint64_t total_ = 0;
  std::uint64_t drifts_ = 0;
  std::uint64_t count_ = 0;  // since the last drift
  double mean_ = 0;
  double sum_ = 0;
};

}  // namespace rivulet
