#include "bridge/report.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <limits>

#include "base/json.h"

namespace rivulet {

namespace {

// Counts of messages, under the names that text, JSON and metrics share.
struct Totals {
  ForwarderCounts counts;
  std::uint64_t filtered = 0;
  std::uint64_t pending_bytes = 0;

  explicit Totals(const BridgeParts& parts) {
    if (parts.delivery != nullptr) {
      counts = parts.delivery->counts();
      pending_bytes = parts.delivery->backlog().held_bytes();
    }
    if (parts.filter != nullptr) filtered = parts.filter->dropped();
  }
};

std::uint64_t Lag(const HttpDelivery& delivery, std::size_t destination) {
  const std::uint64_t end = delivery.backlog().end();
  const std::uint64_t oldest = delivery.forwarder().oldest(destination);
  return end > oldest ? end - oldest : 0;
}

// Not a number where nothing was measured, infinite beyond the last bound: null in JSON.
double QuantileMs(const LatencyHistogram& latency, double q) {
  if (latency.count() == 0) return std::numeric_limits<double>::quiet_NaN();
  const Duration value = latency.Quantile(q);
  if (value == Duration::max()) return std::numeric_limits<double>::infinity();
  return std::chrono::duration<double, std::milli>(value).count();
}

std::string HealthText(const Status& health) { return health.ok() ? "OK" : health.message(); }

void AppendSourceJson(std::string* out, const PubsubSource& source) {
  out->append(R"(,"source":{"url":)");
  AppendJsonString(out, source.shown_url());
  fmt::format_to(std::back_inserter(*out),
                 R"(,"connected":{},"paused":{},"reconnects":{},"missed":{},"position":{}}})",
                 source.connected(), source.paused(), source.reconnects(), source.missed(),
                 source.next() ? std::to_string(*source.next()) : "null");
}

void AppendSpoolJson(std::string* out, const Spool& spool) {
  fmt::format_to(std::back_inserter(*out), R"(,"spool":{{"bytes":{},"committed":{},"health":)",
                 spool.disk_bytes(), spool.committed());
  AppendJsonString(out, HealthText(spool.health()));
  out->push_back('}');
}

void AppendDestinationJson(std::string* out, const HttpDelivery& delivery, std::size_t index) {
  const Destination& destination = delivery.destination(index);
  const DestinationStats& stats = destination.stats();
  out->append(R"({"endpoint":)");
  AppendJsonString(out, destination.endpoint());
  fmt::format_to(std::back_inserter(*out),
                 R"(,"circuit":"{}","delivered":{},"refused":{},"requests":{},"retries":{})"
                 R"(,"resent":{},"lag":{},"in_flight":{},"p50_ms":)",
                 CircuitName(destination.circuit()), stats.delivered, stats.refused, stats.requests,
                 stats.retries, stats.resent, Lag(delivery, index),
                 delivery.forwarder().window(index).in_flight());
  AppendJsonNumber(out, QuantileMs(destination.latency(), 0.5));
  out->append(R"(,"p99_ms":)");
  AppendJsonNumber(out, QuantileMs(destination.latency(), 0.99));
  out->append(R"(,"last_error":)");
  if (stats.last_error.empty()) {
    out->append(R"(null,"last_error_time":null})");
    return;
  }
  AppendJsonString(out, stats.last_error);
  const auto time = std::chrono::floor<std::chrono::seconds>(stats.last_error_time);
  fmt::format_to(std::back_inserter(*out), R"(,"last_error_time":{}}})",
                 time.time_since_epoch().count());
}

void AppendDestinationText(std::string* out, const HttpDelivery& delivery, std::size_t index) {
  const Destination& destination = delivery.destination(index);
  const DestinationStats& stats = destination.stats();
  const auto line = [out](std::string_view name, const auto& value) {
    fmt::format_to(std::back_inserter(*out), "  {}:{}\n", name, value);
  };
  fmt::format_to(std::back_inserter(*out), "destination:{}\n", destination.endpoint());
  line("circuit", CircuitName(destination.circuit()));
  line("delivered", stats.delivered);
  line("refused", stats.refused);
  line("requests", stats.requests);
  line("retries", stats.retries);
  line("resent", stats.resent);
  line("lag", Lag(delivery, index));
  line("in_flight", delivery.forwarder().window(index).in_flight());
  if (destination.latency().count() > 0) {
    line("p50_ms", QuantileMs(destination.latency(), 0.5));
    line("p99_ms", QuantileMs(destination.latency(), 0.99));
  }
  if (!stats.last_error.empty()) line("last_error", stats.last_error);
}

void WriteOne(std::string* out, std::string_view name, std::string_view help, std::string_view type,
              std::uint64_t value) {
  WriteMetricHeader(out, name, help, type);
  WriteMetricSample(out, name, {}, static_cast<double>(value));
}

void WriteSourceMetrics(std::string* out, const PubsubSource& source) {
  WriteOne(out, "rivulet_bridge_source_connected", "1 while the source is being read.", "gauge",
           source.connected() ? 1 : 0);
  WriteOne(out, "rivulet_bridge_source_paused", "1 while the source is not read: no room.", "gauge",
           source.paused() ? 1 : 0);
  WriteOne(out, "rivulet_bridge_source_reconnects_total", "Connections after the first.", "counter",
           source.reconnects());
  WriteOne(out, "rivulet_bridge_missed_total", "Messages that the source no longer kept.",
           "counter", source.missed());
}

void WriteSpoolMetrics(std::string* out, const Spool& spool) {
  WriteOne(out, "rivulet_bridge_spool_bytes", "Bytes of the spool's files.", "gauge",
           spool.disk_bytes());
  WriteOne(out, "rivulet_bridge_spool_healthy", "0 after the spool's disk failed.", "gauge",
           spool.health().ok() ? 1 : 0);
  constexpr char kSync[] = "rivulet_bridge_spool_sync_duration_seconds";
  WriteMetricHeader(out, kSync, "Time of one fdatasync of the spool.", "histogram");
  WriteMetricHistogram(out, kSync, {}, spool.sync_latency());
}

// One for each destination.
struct Series {
  const char* name;
  const char* help;
  const char* type;
  double (*read)(const HttpDelivery&, std::size_t);
};

constexpr Series kSeries[] = {
    {"rivulet_bridge_destination_delivered_total", "Messages that the destination took.", "counter",
     [](const HttpDelivery& d, std::size_t i) {
       return static_cast<double>(d.destination(i).stats().delivered);
     }},
    {"rivulet_bridge_destination_refused_total", "Messages that it will never take.", "counter",
     [](const HttpDelivery& d, std::size_t i) {
       return static_cast<double>(d.destination(i).stats().refused);
     }},
    {"rivulet_bridge_destination_requests_total", "Requests answered or failed.", "counter",
     [](const HttpDelivery& d, std::size_t i) {
       return static_cast<double>(d.destination(i).stats().requests);
     }},
    {"rivulet_bridge_destination_retries_total", "Requests that failed and are sent again.",
     "counter",
     [](const HttpDelivery& d, std::size_t i) {
       return static_cast<double>(d.destination(i).stats().retries);
     }},
    {"rivulet_bridge_destination_resent_total", "Messages sent again that may have been taken.",
     "counter",
     [](const HttpDelivery& d, std::size_t i) {
       return static_cast<double>(d.destination(i).stats().resent);
     }},
    {"rivulet_bridge_destination_lag", "Messages that it is not done with.", "gauge",
     [](const HttpDelivery& d, std::size_t i) { return static_cast<double>(Lag(d, i)); }},
    {"rivulet_bridge_destination_in_flight", "Requests under way.", "gauge",
     [](const HttpDelivery& d, std::size_t i) {
       return static_cast<double>(d.forwarder().window(i).in_flight());
     }},
    {"rivulet_bridge_destination_circuit", "0 closed, 1 half-open, 2 open.", "gauge",
     [](const HttpDelivery& d, std::size_t i) {
       const Circuit circuit = d.destination(i).circuit();
       return circuit == Circuit::kClosed ? 0.0 : circuit == Circuit::kHalfOpen ? 1.0 : 2.0;
     }},
};

// Two destinations may differ in their queries alone, which are not shown.
MetricLabels LabelsOf(const HttpDelivery& delivery, std::size_t index) {
  return {{"destination", std::to_string(index)},
          {"endpoint", delivery.destination(index).endpoint()}};
}

void WriteDestinationMetrics(std::string* out, const HttpDelivery& delivery) {
  for (const Series& series : kSeries) {
    WriteMetricHeader(out, series.name, series.help, series.type);
    for (std::size_t i = 0; i < delivery.destinations(); ++i) {
      WriteMetricSample(out, series.name, LabelsOf(delivery, i), series.read(delivery, i));
    }
  }
  constexpr char kLatency[] = "rivulet_bridge_destination_request_duration_seconds";
  WriteMetricHeader(out, kLatency, "From sending a request to its answer.", "histogram");
  for (std::size_t i = 0; i < delivery.destinations(); ++i) {
    WriteMetricHistogram(out, kLatency, LabelsOf(delivery, i), delivery.destination(i).latency());
  }
}

}  // namespace

std::string BridgeStatsText(const BridgeParts& parts) {
  const Totals totals(parts);
  std::string out = fmt::format(
      "received:{}\ndelivered:{}\nrefused:{}\ndropped:{}\nfiltered:{}\npending:{}\n"
      "pending_bytes:{}\n",
      totals.counts.received, totals.counts.delivered, totals.counts.refused, totals.counts.dropped,
      totals.filtered, totals.counts.pending, totals.pending_bytes);
  const auto to = std::back_inserter(out);
  if (const PubsubSource* source = parts.source) {
    fmt::format_to(to, "source:{}\n  connected:{}\n  paused:{}\n  reconnects:{}\n  missed:{}\n",
                   source->shown_url(), source->connected(), source->paused(), source->reconnects(),
                   source->missed());
    if (source->next()) fmt::format_to(to, "  position:{}\n", *source->next());
  }
  if (const Spool* spool = parts.spool) {
    fmt::format_to(to, "spool:{}\n  bytes:{}\n  committed:{}\n", HealthText(spool->health()),
                   spool->disk_bytes(), spool->committed());
  }
  if (const HttpDelivery* delivery = parts.delivery) {
    for (std::size_t i = 0; i < delivery->destinations(); ++i) {
      AppendDestinationText(&out, *delivery, i);
    }
  }
  return out;
}

std::string BridgeStatsJson(const BridgeParts& parts) {
  const Totals totals(parts);
  std::string out = fmt::format(
      R"({{"received":{},"delivered":{},"refused":{},"dropped":{},"filtered":{},"pending":{})"
      R"(,"pending_bytes":{})",
      totals.counts.received, totals.counts.delivered, totals.counts.refused, totals.counts.dropped,
      totals.filtered, totals.counts.pending, totals.pending_bytes);
  if (parts.source != nullptr) AppendSourceJson(&out, *parts.source);
  if (parts.spool != nullptr) AppendSpoolJson(&out, *parts.spool);
  if (const HttpDelivery* delivery = parts.delivery) {
    out.append(R"(,"destinations":[)");
    for (std::size_t i = 0; i < delivery->destinations(); ++i) {
      if (i > 0) out.push_back(',');
      AppendDestinationJson(&out, *delivery, i);
    }
    out.push_back(']');
  }
  out.append("}\n");
  return out;
}

void WriteBridgeMetrics(std::string* out, const BridgeParts& parts) {
  const Totals totals(parts);
  WriteOne(out, "rivulet_bridge_received_total", "Messages that the filters kept.", "counter",
           totals.counts.received);
  WriteOne(out, "rivulet_bridge_delivered_total", "Messages that every destination took.",
           "counter", totals.counts.delivered);
  WriteOne(out, "rivulet_bridge_refused_total", "Messages that some destination will never take.",
           "counter", totals.counts.refused);
  WriteOne(out, "rivulet_bridge_dropped_total", "Messages that a full spool let go.", "counter",
           totals.counts.dropped);
  WriteOne(out, "rivulet_bridge_filtered_total", "Messages that the filters dropped.", "counter",
           totals.filtered);
  WriteOne(out, "rivulet_bridge_pending", "Messages that wait for a destination.", "gauge",
           totals.counts.pending);
  WriteOne(out, "rivulet_bridge_pending_bytes", "Their bytes, each with its newline.", "gauge",
           totals.pending_bytes);
  if (parts.source != nullptr) WriteSourceMetrics(out, *parts.source);
  if (parts.spool != nullptr) WriteSpoolMetrics(out, *parts.spool);
  if (parts.delivery != nullptr) WriteDestinationMetrics(out, *parts.delivery);
}

}  // namespace rivulet
