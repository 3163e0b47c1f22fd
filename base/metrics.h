// Counters, gauges and latency histograms, written out in the Prometheus text format (0.0.4).
//
// Thread: owned by the loop thread. Updates are plain stores, a few nanoseconds each. Metrics live
// as long as their registry; the references handed out stay valid.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace rivulet {

/// Only grows. Its name ends in `_total`.
class Counter {
 public:
  void Add(std::uint64_t n = 1) { value_ += n; }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

class Gauge {
 public:
  void Set(double value) { value_ = value; }
  double value() const { return value_; }

 private:
  double value_ = 0;
};

/// Latencies in buckets of powers of two from 1 us to about 67 s (27 buckets and +Inf).
/// A quantile is exact to its bucket: at most a factor of two above the truth, never below.
class LatencyHistogram {
 public:
  static constexpr int kBuckets = 27;

  /// Adds `n` observations of the same latency.
  void Observe(Duration latency, std::uint64_t n = 1);
  std::uint64_t count() const { return count_; }
  Duration sum() const { return sum_; }
  /// Observations at most 2^i microseconds, not cumulative; index kBuckets is +Inf.
  std::uint64_t bucket(int i) const { return buckets_[static_cast<std::size_t>(i)]; }
  /// Upper bound of the bucket that holds the q-quantile, 0 < q <= 1; zero when empty,
  /// Duration::max() beyond the last bound.
  Duration Quantile(double q) const;

 private:
  std::array<std::uint64_t, kBuckets + 1> buckets_{};
  std::uint64_t count_ = 0;
  Duration sum_{};
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

class MetricRegistry {
 public:
  MetricRegistry();
  ~MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  // One name is one kind with one help text; asking again with the same name and labels gives the
  // same metric. `name` must match [a-zA-Z_:][a-zA-Z0-9_:]*, a counter's must end in `_total`
  // (checked by assert). Help and label values are escaped as the format asks.
  Counter& AddCounter(std::string name, std::string help, MetricLabels labels = {});
  Gauge& AddGauge(std::string name, std::string help, MetricLabels labels = {});
  LatencyHistogram& AddHistogram(std::string name, std::string help, MetricLabels labels = {});
  /// A counter or gauge whose value is asked for when the metrics are written.
  void AddCounterFunction(std::string name, std::string help, std::function<double()> read,
                          MetricLabels labels = {});
  void AddGaugeFunction(std::string name, std::string help, std::function<double()> read,
                        MetricLabels labels = {});
  /// Called before each Write(): for values gathered together, or series that come and go. It
  /// writes whole lines itself with the Write* helpers below.
  void AddCollector(std::function<void(std::string*)> collect);

  /// Appends all metrics, in the order they were added.
  void Write(std::string* out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "# HELP" and "# TYPE" lines; `type` is counter, gauge or histogram.
void WriteMetricHeader(std::string* out, std::string_view name, std::string_view help,
                       std::string_view type);
/// One sample line: name{labels} value.
void WriteMetricSample(std::string* out, std::string_view name, const MetricLabels& labels,
                       double value);
/// The buckets, the sum and the count of a histogram.
void WriteMetricHistogram(std::string* out, const std::string& name, const MetricLabels& labels,
                          const LatencyHistogram& histogram);

}  // namespace rivulet
