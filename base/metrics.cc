#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <iterator>
#include <variant>

namespace rivulet {

namespace {

// The text format's two escapes: a label value also escapes its quotes.
void AppendEscaped(std::string* out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '"' && quotes) {
      *out += "\\\"";
    } else {
      *out += c;
    }
  }
}

void AppendValue(std::string* out, double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (std::isnan(value)) {
    *out += "NaN";
  } else if (std::isinf(value)) {
    *out += value > 0 ? "+Inf" : "-Inf";
  } else if (value == std::trunc(value) && std::abs(value) < kExact) {
    fmt::format_to(std::back_inserter(*out), "{}", static_cast<std::int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(*out), "{}", value);
  }
}

void AppendSeries(std::string* out, std::string_view name, const MetricLabels& labels) {
  *out += name;
  if (labels.empty()) return;
  char before = '{';
  for (const auto& [key, value] : labels) {
    *out += before;
    before = ',';
    *out += key;
    *out += "=\"";
    AppendEscaped(out, value, true);
    *out += '"';
  }
  *out += '}';
}

void AppendCount(std::string* out, std::string_view name, const MetricLabels& labels,
                 std::uint64_t value) {
  AppendSeries(out, name, labels);
  fmt::format_to(std::back_inserter(*out), " {}\n", value);
}

double ToSeconds(Duration d) { return std::chrono::duration<double>(d).count(); }

Duration UpperBound(int bucket) { return std::chrono::microseconds(std::int64_t{1} << bucket); }

[[maybe_unused]] bool IsMetricName(std::string_view name) {
  const auto fits = [](char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
  };
  if (name.empty() || !fits(name[0], true)) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return fits(c, false); });
}

}  // namespace

void LatencyHistogram::Observe(Duration latency, std::uint64_t n) {
  const auto nanos = static_cast<std::uint64_t>(std::max<Duration::rep>(latency.count(), 0));
  const std::uint64_t micros = nanos / 1000 + (nanos % 1000 != 0 ? 1 : 0);
  const int width = micros <= 1 ? 0 : static_cast<int>(std::bit_width(micros - 1));
  buckets_[static_cast<std::size_t>(std::min(width, kBuckets))] += n;
  count_ += n;
  sum_ += Duration(static_cast<Duration::rep>(nanos * n));
}

Duration LatencyHistogram::Quantile(double q) const {
  if (count_ == 0) return Duration::zero();
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t at_most = 0;
  for (int i = 0; i < kBuckets; ++i) {
    at_most += bucket(i);
    if (at_most >= std::max<std::uint64_t>(rank, 1)) return UpperBound(i);
  }
  return Duration::max();
}

struct MetricRegistry::Impl {
  using Metric = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>,
                              std::unique_ptr<LatencyHistogram>, std::function<double()>>;
  struct Series {
    MetricLabels labels;
    Metric metric;
  };
  struct Family {
    std::string name;
    std::string help;
    std::string_view type;
    std::vector<Series> series;
  };

  Family& FindFamily(std::string name, std::string help, std::string_view type) {
    assert(IsMetricName(name));
    assert(type != "counter" || name.ends_with("_total"));
    for (Family& family : families) {
      if (family.name == name) {
        assert(family.type == type);
        return family;
      }
    }
    return families.emplace_back(Family{std::move(name), std::move(help), type, {}});
  }

  // The metric with these labels, made when there is none.
  template <typename T>
  T& FindOrMake(std::string name, std::string help, std::string_view type, MetricLabels labels) {
    Family& family = FindFamily(std::move(name), std::move(help), type);
    for (Series& series : family.series) {
      if (series.labels == labels) return *std::get<std::unique_ptr<T>>(series.metric);
    }
    family.series.push_back({std::move(labels), std::make_unique<T>()});
    return *std::get<std::unique_ptr<T>>(family.series.back().metric);
  }

  void AddFunction(std::string name, std::string help, std::string_view type,
                   std::function<double()> read, MetricLabels labels) {
    Family& family = FindFamily(std::move(name), std::move(help), type);
    for (Series& series : family.series) {
      if (series.labels == labels) {
        series.metric = std::move(read);
        return;
      }
    }
    family.series.push_back({std::move(labels), std::move(read)});
  }

  static void WriteSeries(std::string* out, const std::string& name, const Series& series) {
    if (const auto* counter = std::get_if<std::unique_ptr<Counter>>(&series.metric)) {
      AppendCount(out, name, series.labels, (*counter)->value());
    } else if (const auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&series.metric)) {
      WriteMetricSample(out, name, series.labels, (*gauge)->value());
    } else if (const auto* read = std::get_if<std::function<double()>>(&series.metric)) {
      WriteMetricSample(out, name, series.labels, (*read)());
    } else {
      WriteMetricHistogram(out, name, series.labels,
                           *std::get<std::unique_ptr<LatencyHistogram>>(series.metric));
    }
  }

  std::vector<Family> families;
  std::vector<std::function<void(std::string*)>> collectors;
};

MetricRegistry::MetricRegistry() : impl_(std::make_unique<Impl>()) {}
MetricRegistry::~MetricRegistry() = default;

Counter& MetricRegistry::AddCounter(std::string name, std::string help, MetricLabels labels) {
  return impl_->FindOrMake<Counter>(std::move(name), std::move(help), "counter", std::move(labels));
}

Gauge& MetricRegistry::AddGauge(std::string name, std::string help, MetricLabels labels) {
  return impl_->FindOrMake<Gauge>(std::move(name), std::move(help), "gauge", std::move(labels));
}

LatencyHistogram& MetricRegistry::AddHistogram(std::string name, std::string help,
                                               MetricLabels labels) {
  return impl_->FindOrMake<LatencyHistogram>(std::move(name), std::move(help), "histogram",
                                             std::move(labels));
}

void MetricRegistry::AddCounterFunction(std::string name, std::string help,
                                        std::function<double()> read, MetricLabels labels) {
  impl_->AddFunction(std::move(name), std::move(help), "counter", std::move(read),
                     std::move(labels));
}

void MetricRegistry::AddGaugeFunction(std::string name, std::string help,
                                      std::function<double()> read, MetricLabels labels) {
  impl_->AddFunction(std::move(name), std::move(help), "gauge", std::move(read), std::move(labels));
}

void MetricRegistry::AddCollector(std::function<void(std::string*)> collect) {
  impl_->collectors.push_back(std::move(collect));
}

void MetricRegistry::Write(std::string* out) const {
  for (const Impl::Family& family : impl_->families) {
    WriteMetricHeader(out, family.name, family.help, family.type);
    for (const Impl::Series& series : family.series) Impl::WriteSeries(out, family.name, series);
  }
  for (const auto& collect : impl_->collectors) collect(out);
}

void WriteMetricHeader(std::string* out, std::string_view name, std::string_view help,
                       std::string_view type) {
  fmt::format_to(std::back_inserter(*out), "# HELP {} ", name);
  AppendEscaped(out, help, false);
  fmt::format_to(std::back_inserter(*out), "\n# TYPE {} {}\n", name, type);
}

void WriteMetricSample(std::string* out, std::string_view name, const MetricLabels& labels,
                       double value) {
  AppendSeries(out, name, labels);
  *out += ' ';
  AppendValue(out, value);
  *out += '\n';
}

void WriteMetricHistogram(std::string* out, const std::string& name, const MetricLabels& labels,
                          const LatencyHistogram& histogram) {
  MetricLabels bounded = labels;
  bounded.emplace_back("le", "");
  std::uint64_t at_most = 0;
  for (int i = 0; i <= LatencyHistogram::kBuckets; ++i) {
    at_most += histogram.bucket(i);
    const bool last = i == LatencyHistogram::kBuckets;
    bounded.back().second = last ? "+Inf" : fmt::format("{}", ToSeconds(UpperBound(i)));
    AppendCount(out, name + "_bucket", bounded, at_most);
  }
  WriteMetricSample(out, name + "_sum", labels, ToSeconds(histogram.sum()));
  AppendCount(out, name + "_count", labels, histogram.count());
}

}  // namespace rivulet
