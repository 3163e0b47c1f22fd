// The numbers of collector: /stats and its part of /metrics.
#include <fmt/format.h>

#include <iterator>
#include <string>

#include "base/json.h"
#include "bridge/report.h"
#include "collector/api.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

namespace {

struct Series {
  const char* name;
  const char* help;
  std::uint64_t CollectorCounts::*count;
};

constexpr Series kSeries[] = {
    {"events", "Events taken.", &CollectorCounts::events},
    {"events_refused", "Events refused for what was wrong with them.",
     &CollectorCounts::events_refused},
    {"bots", "Events of programs that say they are no person's.", &CollectorCounts::bots},
    {"duplicates", "Events whose id was seen within the window.", &CollectorCounts::duplicates},
    {"dnt", "Events answered and forgotten: DNT or GPC.", &CollectorCounts::dnt},
    {"events_dropped", "Events dropped by the mapping, or for their marks.",
     &CollectorCounts::dropped},
    {"messages", "Messages made of events.", &CollectorCounts::messages},
    {"origins_refused", "Requests of pages whose origin is not allowed.",
     &CollectorCounts::origins_refused},
    {"tokens_refused", "Requests with a wrong token, or without one that is needed.",
     &CollectorCounts::tokens_refused},
    {"refused_when_full", "Requests answered 503: no room, or a broken spool.",
     &CollectorCounts::refused_when_full},
    {"values_shortened", "Values of messages that were cut or left out for their length.",
     &CollectorCounts::values_shortened},
};

}  // namespace

void CollectorApi::Stats(const Request& request, Reply& reply) {
  const Status health = daemon_.health();
  const bool json = request.Param("format") == "json";
  std::string out = json ? "{" : "";
  for (const Series& series : kSeries) {
    out.append(json ? "\"" : "").append(series.name).append(json ? "\":" : ":");
    out.append(std::to_string(counts_.*series.count)).append(json ? "," : "\n");
  }
  if (!json) {
    out.append(BridgeStatsText(outlet_->parts()));
    return reply.Body(200, kTextPlain, out);
  }
  out.append(R"("health":)");
  AppendJsonString(&out, health.ok() ? "ok" : health.message());
  const auto start = std::chrono::floor<std::chrono::seconds>(daemon_.start_time());
  fmt::format_to(std::back_inserter(out), R"(,"start_time":{},)", start.time_since_epoch().count());
  out.append(BridgeStatsJson(outlet_->parts()).substr(1));  // an object: ours go before its members
  reply.Body(200, kApplicationJson, out);
}

void CollectorApi::WriteMetrics(std::string* out) const {
  for (const Series& series : kSeries) {
    const std::string name = fmt::format("rivulet_collector_{}_total", series.name);
    WriteMetricHeader(out, name, series.help, "counter");
    WriteMetricSample(out, name, {}, static_cast<double>(counts_.*series.count));
  }
  if (outlet_ != nullptr) WriteBridgeMetrics(out, outlet_->parts());
}

}  // namespace rivulet
