// Drift detection on a stream of errors: tells when a share that should only fall (a model's error
// rate, failed requests, missing fields) rises.
//
// Source: J. Gama, P. Medas, G. Castillo, P. Rodrigues, "Learning with Drift Detection", SBIA 2004
// (DDM). With p the share of errors of n values and s = sqrt(p (1 - p) / n), the least p + s after
// 30 values is remembered as p_min, s_min. Warning: p + s > p_min + 2 s_min. Drift: p + s > p_min +
// 3 s_min; the next value is then the first of a new stream.
//
// Bound: about 95 % and 99 % sure by the normal approximation at one moment, and no bound over a
// long stream: the least p + s was picked by hindsight, so that a fair coin warns now and then.
// What is found is late in proportion to how long the stream was stable before; algorithms/adwin.h
// forgets. A stream with no error in its warm-up drifts at its first one, as the paper has it:
// where errors are rare, choose a warm-up that holds some. Both thresholds are the caller's.
// Memory: 80 bytes. Update: O(1), some nanoseconds. No Merge: the answer depends on the order of
// the values, which two readers do not share. Units: shares from 0 to 1.
//
//   Ddm errors;
//   for (const auto& [predicted, label] : stream) {
//     if (errors.Update(predicted != label) == DriftState::kDrift) model.Retrain();
//   }
//   std::string saved = errors.Save();
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "algorithms/drift_state.h"
#include "algorithms/json_view.h"

namespace rivulet {

struct DdmOptions {
  /// In standard deviations above the minimum, both positive.
  double warning_level = 2;
  double drift_level = 3;
  /// Nothing is said before more values than these were seen.
  std::uint64_t warm_up = 30;
};

class Ddm {
 public:
  explicit Ddm(DdmOptions options = {}) : options_(options) {}

  DriftState Update(bool error) {
    if (state_ == DriftState::kDrift) Forget();
    ++total_;
    ++count_;
    errors_ += error ? 1 : 0;
    state_ = Judge();
    if (state_ == DriftState::kDrift) ++drifts_;
    return state_;
  }

  /// What the last Update() said.
  DriftState state() const { return state_; }
  /// Values since the last drift, and the share of errors among them (NaN of none).
  std::uint64_t count() const { return count_; }
  double rate() const {
    return count_ > 0 ? static_cast<double>(errors_) / static_cast<double>(count_)
                      : std::numeric_limits<double>::quiet_NaN();
  }
  /// The rate and its deviation where their sum was least; NaN while warming up.
  double least_rate() const { return OrUndefined(rate_min_); }
  double least_deviation() const { return OrUndefined(deviation_min_); }
  /// Values and drifts since the start.
  std::uint64_t total() const { return total_; }
  std::uint64_t drifts() const { return drifts_; }

  /// {"state":"stable","total":..,"drifts":..,"count":..,"rate":..,"least_rate":..,
  /// "least_deviation":..}: what is not defined is null.
  std::string Json() const {
    JsonView view;
    view.BeginObject();
    view.Field("state", DriftStateName(state_));
    view.Field("total", total_);
    view.Field("drifts", drifts_);
    view.Field("count", count_);
    view.Field("rate", rate());
    view.Field("least_rate", least_rate());
    view.Field("least_deviation", least_deviation());
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    for (const std::uint64_t number :
         {options_.warm_up, static_cast<std::uint64_t>(state_), total_, drifts_, count_, errors_}) {
      PutUint64(&bytes, number);
    }
    for (const double value :
         {options_.warning_level, options_.drift_level, rate_min_, deviation_min_}) {
      PutDouble(&bytes, value);
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Ddm> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    Ddm loaded;
    loaded.options_.warm_up = reader.Uint64();
    const std::uint64_t state = reader.Uint64();
    if (state > static_cast<std::uint64_t>(DriftState::kDrift)) return std::nullopt;
    loaded.state_ = static_cast<DriftState>(state);
    for (std::uint64_t* number :
         {&loaded.total_, &loaded.drifts_, &loaded.count_, &loaded.errors_}) {
      *number = reader.Uint64();
    }
    for (double* value : {&loaded.options_.warning_level, &loaded.options_.drift_level,
                          &loaded.rate_min_, &loaded.deviation_min_}) {
      *value = reader.Double();
    }
    if (!reader.Finished() || loaded.errors_ > loaded.count_) return std::nullopt;
    return loaded;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'73'72'72'65'6d'64'64ULL;  // "ddmerrs1"
  static constexpr double kNone = std::numeric_limits<double>::infinity();

  static double OrUndefined(double value) {
    return value < kNone ? value : std::numeric_limits<double>::quiet_NaN();
  }

  DriftState Judge() {
    if (count_ <= options_.warm_up) return DriftState::kStable;
    const double p = rate();
    const double s = std::sqrt(p * (1 - p) / static_cast<double>(count_));
    if (p + s <= rate_min_ + deviation_min_) {
      rate_min_ = p;
      deviation_min_ = s;
    }
    // Above and not at the level: a stream without any error has a deviation of zero.
    if (p + s > rate_min_ + options_.drift_level * deviation_min_) return DriftState::kDrift;
    if (p + s > rate_min_ + options_.warning_level * deviation_min_) return DriftState::kWarning;
    return DriftState::kStable;
  }

  void Forget() {
    count_ = errors_ = 0;
    rate_min_ = deviation_min_ = kNone;
  }

  DdmOptions options_;
  DriftState state_ = DriftState::kStable;
  std::uint64_t total_ = 0;
  std::uint64_t drifts_ = 0;
  std::uint64_t count_ = 0;  // since the last drift
  std::uint64_t errors_ = 0;
  double rate_min_ = kNone;
  double deviation_min_ = kNone;
};

}  // namespace rivulet
