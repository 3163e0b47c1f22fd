#include "bandit/stats.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "bandit/api.h"
#include "bandit/arms_source.h"
#include "base/json.h"
#include "base/log.h"
#include "base/terminal_line.h"
#include "http/reply.h"
#include "http/request.h"
#include "queuereader/reader_host.h"
#include "queuereader/report/introspection_report.h"
#include "store/open_store.h"

namespace rivulet {
namespace {

struct Figure {
  std::string_view name;
  std::uint64_t value;
};

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct BanditStats::Impl {
  Impl(Daemon& its_daemon, const ArmsSource& its_arms, const BanditApi& its_api, std::string url,
       ReaderHost* its_reader)
      : daemon(its_daemon),
        arms(its_arms),
        api(its_api),
        store(std::move(url)),
        reader(its_reader),
        begin(daemon.clock().Now()),
        tick(daemon.loop(), [this] {
          rate.Note(reader->runner().Stats().reader.counts.messages, daemon.clock().Now());
        }) {
    if (reader != nullptr) tick.StartEvery(std::chrono::seconds(1));
  }

  std::vector<Figure> Figures() const;
  ReaderReport Report() const;
  /// What of the store is left out, and why; empty: nothing.
  std::string Trouble() const {
    const KnownArms& known = arms.known();
    return known.arms != nullptr ? known.arms->trouble : "";
  }
  std::string Text() const;
  std::string Json() const;
  void WriteMetrics(std::string* out) const;
  void Answer(const Request& request, Reply& reply);

  Daemon& daemon;
  const ArmsSource& arms;
  const BanditApi& api;
  std::string store;  // without its password
  ReaderHost* reader;
  MonoTime begin;
  RecentRate rate;
  Timer tick;
};

std::vector<Figure> BanditStats::Impl::Figures() const {
  const BanditApiStats stats = api.stats();
  const KnownArms& known = arms.known();
  std::vector<Figure> figures = {{"answers", stats.answers},       {"picks", stats.picks},
                                 {"last_known", stats.last_known}, {"fallback", stats.fallback},
                                 {"unanswered", stats.unanswered}, {"readings", known.readings},
                                 {"failures", known.failures}};
  static const BanditArms kNone;
  const BanditArms& of = known.arms != nullptr ? *known.arms : kNone;
  for (const Figure& figure : {Figure{"arms", of.arms.size()},
                               {"round", of.round},
                               {"impressions", of.impressions},
                               {"clicks", of.clicks},
                               {"late", of.late()}}) {
    figures.push_back(figure);
  }
  return figures;
}

ReaderReport BanditStats::Impl::Report() const {
  ReaderReport report;
  report.stats = reader->runner().Stats();
  report.outputs = reader->outputs().stats();
  report.source = reader->source().name();
  report.started = daemon.start_time();
  report.elapsed = daemon.clock().Now() - begin;
  report.messages_per_second = rate.a_second();
  return report;
}

std::string BanditStats::Impl::Text() const {
  std::string out;
  const auto line = [&out](std::string_view name, const auto& value) {
    fmt::format_to(std::back_inserter(out), "{}: {}\n", name, value);
  };
  const Status health = daemon.health();
  const KnownArms& known = arms.known();
  line("health", health.ok() ? "ok" : EscapeControl(health.message()));
  for (const Figure& figure : Figures()) line(figure.name, figure.value);
  if (known.arms != nullptr) {
    line("age_seconds", fmt::format("{:.3f}", Seconds(daemon.clock().Now() - known.asked_at)));
  }
  line("store", EscapeControl(store));
  line("store_status", known.status.ok() ? known.arms != nullptr ? "ok" : "not read yet"
                                         : "away: " + EscapeControl(known.status.message()));
  if (const std::string trouble = Trouble(); !trouble.empty()) {
    line("trouble", EscapeControl(trouble));
  }
  if (reader != nullptr) out += "reader:\n" + ReaderReportText(Report());
  return out;
}

std::string BanditStats::Impl::Json() const {
  const Status health = daemon.health();
  const KnownArms& known = arms.known();
  const auto start = std::chrono::floor<std::chrono::seconds>(daemon.start_time());
  std::string out = fmt::format(R"({{"start_time":{},"health":)", start.time_since_epoch().count());
  AppendJsonString(&out, health.ok() ? "ok" : health.message());
  for (const Figure& figure : Figures()) {
    fmt::format_to(std::back_inserter(out), R"(,"{}":{})", figure.name, figure.value);
  }
  out += R"(,"age_seconds":)";
  out += known.arms != nullptr
             ? fmt::format("{:.3f}", Seconds(daemon.clock().Now() - known.asked_at))
             : "null";
  out += R"(,"store":)";
  AppendJsonString(&out, store);
  out += R"(,"store_error":)";
  if (known.status.ok()) {
    out += "null";
  } else {
    AppendJsonString(&out, known.status.message());
  }
  out += R"(,"trouble":)";
  if (const std::string trouble = Trouble(); !trouble.empty()) {
    AppendJsonString(&out, trouble);
  } else {
    out += "null";
  }
  out += R"(,"reader":)";
  if (reader == nullptr) return out += "null}\n";
  out += ReaderReportJson(Report());
  out.pop_back();  // its newline
  return out += "}\n";
}

void BanditStats::Impl::WriteMetrics(std::string* out) const {
  const KnownArms& known = arms.known();
  const auto write = [out](const char* name, const char* help, const char* type, double value) {
    WriteMetricHeader(out, name, help, type);
    WriteMetricSample(out, name, {}, value);
  };
  write("rivulet_bandit_arms", "Items of the set as last read.", "gauge",
        known.arms != nullptr ? static_cast<double>(known.arms->arms.size()) : 0);
  write("rivulet_bandit_round", "Refreshes of the set as last read.", "gauge",
        known.arms != nullptr ? static_cast<double>(known.arms->round) : 0);
  write("rivulet_bandit_store_up", "1 while the store answers.", "gauge",
        known.arms != nullptr && known.status.ok() ? 1 : 0);
  write("rivulet_bandit_readings_total", "Readings of the store that went well.", "counter",
        static_cast<double>(known.readings));
  write("rivulet_bandit_failures_total", "Readings of the store that failed.", "counter",
        static_cast<double>(known.failures));
  if (known.arms != nullptr) {
    write("rivulet_bandit_arms_age_seconds", "Time since the store was asked for the arms.",
          "gauge", Seconds(daemon.clock().Now() - known.asked_at));
  }
  if (reader != nullptr) WriteReaderMetrics(out, Report());
}

void BanditStats::Impl::Answer(const Request& request, Reply& reply) {
  const auto format = request.Param("format");
  if (format && *format != "json" && *format != "text") {
    return reply.Error(400, "format must be json or text");
  }
  const bool json = format ? *format == "json" : request.accepts_json();
  reply.Body(200, json ? kApplicationJson : kTextPlain, json ? Json() : Text());
}

BanditStats::BanditStats(Daemon& daemon, const ArmsSource& arms, const BanditApi& api,
                         const std::string& store_url, ReaderHost* reader)
    : impl_(std::make_unique<Impl>(daemon, arms, api, ShownStoreUrl(store_url), reader)) {}
BanditStats::~BanditStats() = default;

void BanditStats::Install() {
  Impl& stats = *impl_;
  stats.daemon.router().Add(kLooks, "/stats", &stats, &Impl::Answer);
  stats.daemon.metrics().AddCollector([&stats](std::string* out) { stats.WriteMetrics(out); });
}

}  // namespace rivulet
