#include "base/metrics.h"

#include <doctest/doctest.h>

#include <limits>

using namespace rivulet;
using namespace std::chrono_literals;

namespace {
std::string Written(const MetricRegistry& registry) {
  std::string out;
  registry.Write(&out);
  return out;
}
}  // namespace

// Expected texts are written by the rules of the Prometheus text format 0.0.4.
TEST_CASE("metrics: counters and gauges are written with help and type, in the order added") {
  MetricRegistry registry;
  Counter& puts = registry.AddCounter("puts_total", "messages put");
  Gauge& depth = registry.AddGauge("depth", "ready messages");
  puts.Add();
  puts.Add(41);
  depth.Set(2.5);
  CHECK(Written(registry) ==
        "# HELP puts_total messages put\n# TYPE puts_total counter\nputs_total 42\n"
        "# HELP depth ready messages\n# TYPE depth gauge\ndepth 2.5\n");
}

TEST_CASE("metrics: series of one name stand together under one header") {
  MetricRegistry registry;
  registry.AddCounter("requests_total", "requests", {{"path", "/put"}}).Add(1);
  registry.AddGauge("depth", "ready");
  registry.AddCounter("requests_total", "requests", {{"path", "/get"}, {"code", "200"}}).Add(2);
  CHECK(Written(registry) ==
        "# HELP requests_total requests\n# TYPE requests_total counter\n"
        "requests_total{path=\"/put\"} 1\nrequests_total{path=\"/get\",code=\"200\"} 2\n"
        "# HELP depth ready\n# TYPE depth gauge\ndepth 0\n");
}

TEST_CASE("metrics: the same name and labels give the same metric, whose reference stays valid") {
  MetricRegistry registry;
  Counter& first = registry.AddCounter("a_total", "a", {{"k", "v"}});
  for (int i = 0; i < 100; ++i) {
    registry.AddCounter("a_total", "a", {{"k", std::to_string(i)}});
    registry.AddGauge("g" + std::to_string(i), "g");
  }
  CHECK(&registry.AddCounter("a_total", "a", {{"k", "v"}}) == &first);
  first.Add(7);
  CHECK(Written(registry).find("a_total{k=\"v\"} 7\n") != std::string::npos);
}

TEST_CASE("metrics: help and label values are escaped") {
  MetricRegistry registry;
  registry.AddGauge("g", "a \\ and\na \"quote\"", {{"k", "a \\ and\na \"quote\""}});
  CHECK(Written(registry) ==
        "# HELP g a \\\\ and\\na \"quote\"\n# TYPE g gauge\n"
        "g{k=\"a \\\\ and\\na \\\"quote\\\"\"} 0\n");
}

TEST_CASE("metrics: values are whole numbers where they are, else the shortest exact form") {
  struct Row {
    double value;
    const char* expected;
  };
  for (const Row& row : {Row{0, "0"}, Row{1e15, "1000000000000000"}, Row{-3, "-3"}, Row{0.1, "0.1"},
                         Row{std::numeric_limits<double>::quiet_NaN(), "NaN"},
                         Row{std::numeric_limits<double>::infinity(), "+Inf"},
                         Row{-std::numeric_limits<double>::infinity(), "-Inf"}}) {
    std::string out;
    WriteMetricSample(&out, "g", {}, row.value);
    CHECK(out == std::string("g ") + row.expected + "\n");
  }
}

TEST_CASE("metrics: functions are asked when the metrics are written") {
  MetricRegistry registry;
  double value = 1;
  registry.AddGaugeFunction("g", "g", [&value] { return value; });
  registry.AddCounterFunction("c_total", "c", [&value] { return value * 2; });
  registry.AddCollector([](std::string* out) { WriteMetricSample(out, "own", {{"a", "b"}}, 5); });
  value = 21;
  CHECK(Written(registry) ==
        "# HELP g g\n# TYPE g gauge\ng 21\n# HELP c_total c\n# TYPE c_total counter\nc_total 42\n"
        "own{a=\"b\"} 5\n");
}

TEST_CASE("metrics: a latency lies in the least bucket that is not below it") {
  struct Row {
    Duration latency;
    int bucket;
  };
  for (const Row& row :
       {Row{-1s, 0}, Row{0ns, 0}, Row{1ns, 0}, Row{1us, 0}, Row{1001ns, 1}, Row{2us, 1},
        Row{2001ns, 2}, Row{4us, 2}, Row{1ms, 10}, Row{1024us, 10}, Row{1025us, 11},
        Row{67108864us, 26}, Row{67108865us, LatencyHistogram::kBuckets},
        Row{1000h, LatencyHistogram::kBuckets}}) {
    CAPTURE(row.latency.count());
    LatencyHistogram histogram;
    histogram.Observe(row.latency);
    CHECK(histogram.bucket(row.bucket) == 1);
    CHECK(histogram.count() == 1);
  }
}

TEST_CASE("metrics: a histogram is written cumulative, with sum in seconds and count") {
  MetricRegistry registry;
  LatencyHistogram& histogram = registry.AddHistogram("lat_seconds", "latency", {{"path", "/get"}});
  histogram.Observe(3us, 2);
  histogram.Observe(500ms);
  histogram.Observe(100s);
  const std::string out = Written(registry);
  CHECK(
      out.starts_with("# HELP lat_seconds latency\n# TYPE lat_seconds histogram\n"
                      "lat_seconds_bucket{path=\"/get\",le=\"1e-06\"} 0\n"
                      "lat_seconds_bucket{path=\"/get\",le=\"2e-06\"} 0\n"
                      "lat_seconds_bucket{path=\"/get\",le=\"4e-06\"} 2\n"));
  CHECK(out.find("lat_seconds_bucket{path=\"/get\",le=\"0.524288\"} 3\n") != std::string::npos);
  CHECK(
      out.ends_with("lat_seconds_bucket{path=\"/get\",le=\"67.108864\"} 3\n"
                    "lat_seconds_bucket{path=\"/get\",le=\"+Inf\"} 4\n"
                    "lat_seconds_sum{path=\"/get\"} 100.500006\n"
                    "lat_seconds_count{path=\"/get\"} 4\n"));
}

TEST_CASE("metrics: a quantile is never below the truth and at most twice it") {
  LatencyHistogram histogram;
  CHECK(histogram.Quantile(0.5) == 0s);
  for (int i = 1; i <= 1000; ++i) histogram.Observe(std::chrono::microseconds(i));
  for (const int percent : {1, 10, 50, 90, 99, 100}) {
    const Duration truth = std::chrono::microseconds(percent * 10);
    const Duration quantile = histogram.Quantile(percent / 100.0);
    CHECK(quantile >= truth);
    CHECK(quantile <= 2 * truth);
  }
  histogram.Observe(1000h, 1'000'000);
  CHECK(histogram.Quantile(0.9) == Duration::max());
}
