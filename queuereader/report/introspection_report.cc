#include "queuereader/report/introspection_report.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

#include "base/json.h"
#include "base/log.h"
#include "base/terminal_line.h"

namespace rivulet {
namespace {

constexpr Duration kTooLong = std::chrono::minutes(1);
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Not a number where nothing was measured, infinite beyond the last bound: null in JSON.
double QuantileSeconds(const LatencyHistogram& times, double q) {
  if (times.count() == 0) return kUnknown;
  const Duration value = times.Quantile(q);
  return value == Duration::max() ? std::numeric_limits<double>::infinity() : Seconds(value);
}

double CheckpointAge(const RunnerStats& stats) {
  return stats.checkpoints == 0 ? kUnknown : Seconds(stats.checkpoint_age);
}

struct Figure {
  std::string_view name;
  std::uint64_t value;
};

// Under the names that text and JSON share.
std::vector<Figure> Figures(const RunnerStats& stats) {
  const ReaderCounts& counts = stats.reader.counts;
  const Ledger::Counts& ledger = stats.ledger;
  return {{"messages", counts.messages},
          {"finished", counts.finished},
          {"dropped", counts.dropped},
          {"requeued", counts.requeued},
          {"given_up", counts.given_up},
          {"malformed", counts.malformed},
          {"failed_count", stats.failed_messages},
          {"in_hand", ledger.in_hand},
          {"decided", ledger.decided},
          {"covered", ledger.covered},
          {"settling", ledger.settling},
          {"awaited", ledger.awaited},
          {"known", ledger.known},
          {"held", stats.held},
          {"checkpoints", stats.checkpoints},
          {"checkpoint_bytes", stats.checkpoint_bytes}};
}

std::vector<Figure> Figures(const TaskCounts& counts) {
  return {{"done", counts.done},
          {"failed", counts.failed},
          {"retried", counts.retried},
          {"given_up", counts.given_up}};
}

std::vector<Figure> Figures(const OutputStats& output) {
  return {{"emitted", output.emitted},
          {"delivered", output.delivered},
          {"refused", output.refused},
          {"pending", output.pending},
          {"retries", output.retries}};
}

// Writes the members of one object.
class Members {
 public:
  explicit Members(std::string* out) : out_(out) {}
  std::string* Begin(std::string_view name) {
    if (!first_) out_->push_back(',');
    first_ = false;
    AppendJsonString(out_, name);
    out_->push_back(':');
    return out_;
  }
  void Number(std::string_view name, double value) { AppendJsonNumber(Begin(name), value); }
  void Text(std::string_view name, std::string_view value) { AppendJsonString(Begin(name), value); }
  void Counts(const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) {
      fmt::format_to(std::back_inserter(*Begin(figure.name)), "{}", figure.value);
    }
  }

 private:
  std::string* out_;
  bool first_ = true;
};

void AppendViews(std::string* out, const TaskViews& views, const std::string& task) {
  const auto found = views.find(task);
  if (found == views.end()) {
    *out += "null";
    return;
  }
  out->push_back('[');
  for (std::size_t i = 0; i < found->second.size(); ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonString(out, found->second[i]);
  }
  out->push_back(']');
}

void AppendTaskJson(std::string* out, const ReaderStats::OfTask& task, const TaskViews* views) {
  out->push_back('{');
  Members members(out);
  members.Text("name", task.name);
  members.Counts(Figures(task.counts));
  members.Number("p50_seconds", QuantileSeconds(task.run_time, 0.5));
  members.Number("p99_seconds", QuantileSeconds(task.run_time, 0.99));
  members.Number("backoff_seconds", Seconds(task.backoff));
  members.Begin("counters")->push_back('{');
  Members counters(out);
  for (const auto& [name, value] : task.counters) counters.Counts({{name, value}});
  out->push_back('}');
  if (views != nullptr) AppendViews(members.Begin("views"), *views, task.name);
  out->push_back('}');
}

void AppendOutputJson(std::string* out, const OutputStats& output) {
  out->push_back('{');
  Members members(out);
  members.Text("name", output.name);
  members.Text("url", output.url);
  members.Counts(Figures(output));
  if (output.last_error.empty()) {
    *members.Begin("last_error") += "null";
  } else {
    members.Text("last_error", output.last_error);
  }
  out->push_back('}');
}

std::vector<Figure> Figures(const StoreReport& store) {
  return {{"commands", store.commands},    {"failed", store.failed}, {"unknown", store.unknown},
          {"connects", store.connects},    {"keys", store.keys},     {"bytes", store.bytes},
          {"disk_bytes", store.disk_bytes}};
}

void AppendStoreJson(std::string* out, const StoreReport& store) {
  out->push_back('{');
  Members members(out);
  members.Text("url", store.url);
  members.Counts(Figures(store));
  members.Number("waited_seconds", Seconds(store.waited));
  if (store.status.ok()) {
    *members.Begin("last_error") += "null";
  } else {
    members.Text("last_error", store.status.message());
  }
  out->push_back('}');
}

}  // namespace

Status ReaderHealth(const RunnerStats& stats) {
  const auto unwell = [](const std::string& why) {
    return Status(StatusCode::kUnavailable, EscapeControl(why));
  };
  if (!stats.source_status.ok()) {
    return unwell("the source cannot be asked: " + stats.source_status.message());
  }
  if (!stats.settling_status.ok()) {
    return unwell("the queue takes nothing back: " + stats.settling_status.message());
  }
  if (!stats.checkpoint_status.ok()) {
    return unwell("the last checkpoint failed: " + stats.checkpoint_status.message());
  }
  if (stats.store && !stats.store->status.ok()) {
    return unwell("the store is away: " + stats.store->status.message());
  }
  if (stats.current && stats.busy > kTooLong) {
    return unwell(fmt::format("task {} has been at work for {} {}", stats.current->task,
                              RoughDuration(stats.busy), stats.current->Place()));
  }
  return {};
}

std::string ReaderReportText(const ReaderReport& report) {
  const RunnerStats& stats = report.stats;
  const Status health = ReaderHealth(stats);
  std::string out;
  const auto line = [&out](std::string_view name, const auto& value) {
    fmt::format_to(std::back_inserter(out), "{}: {}\n", name, value);
  };
  const auto block = [&](std::string_view name, const std::string& value,
                         const std::vector<Figure>& figures) {
    line(name, EscapeControl(value));
    for (const Figure& figure : figures) line("  " + std::string(figure.name), figure.value);
  };
  const auto seconds = [&](std::string_view name, double value) {
    if (!std::isnan(value)) line(name, fmt::format("{:.6g}", value));
  };
  line("state", stats.state);
  line("health", health.ok() ? "ok" : health.message());
  line("source", EscapeControl(report.source));
  if (report.fraction >= 0) line("fraction", fmt::format("{:.4f}", report.fraction));
  for (const Figure& figure : Figures(stats)) line(figure.name, figure.value);
  seconds("checkpoint_age_seconds", CheckpointAge(stats));
  line("seconds", fmt::format("{:.3f}", Seconds(report.elapsed)));
  line("messages_per_second", fmt::format("{:.1f}", report.messages_per_second));
  if (stats.current) {
    block("current", stats.current->task, {});
    line("  message", EscapeControl(stats.current->message));
    seconds("  seconds", Seconds(stats.busy));
  }
  for (const auto& task : stats.reader.tasks) {
    block("task", task.name, Figures(task.counts));
    seconds("  p50_seconds", QuantileSeconds(task.run_time, 0.5));
    seconds("  p99_seconds", QuantileSeconds(task.run_time, 0.99));
    seconds("  backoff_seconds", Seconds(task.backoff));
    for (const auto& [name, value] : task.counters) line("  counter " + name, value);
  }
  for (const OutputStats& output : report.outputs) {
    block("output", output.name, Figures(output));
    line("  url", output.url);
    if (!output.last_error.empty()) line("  last_error", EscapeControl(output.last_error));
  }
  if (stats.store) {
    block("store", stats.store->url, Figures(*stats.store));
    seconds("  waited_seconds", Seconds(stats.store->waited));
    if (!stats.store->status.ok()) {
      line("  last_error", EscapeControl(stats.store->status.message()));
    }
  }
  return out;
}

std::string ReaderReportJson(const ReaderReport& report, const TaskViews* views) {
  const RunnerStats& stats = report.stats;
  const Status health = ReaderHealth(stats);
  std::string out = "{";
  Members members(&out);
  members.Text("state", stats.state);
  members.Text("health", health.ok() ? "ok" : health.message());
  members.Counts(
      {{"start_time",
        static_cast<std::uint64_t>(
            std::chrono::floor<std::chrono::seconds>(report.started).time_since_epoch().count())}});
  members.Counts(Figures(stats));
  members.Number("checkpoint_age_seconds", CheckpointAge(stats));
  members.Number("seconds", Seconds(report.elapsed));
  members.Number("messages_per_second", report.messages_per_second);
  members.Text("source", report.source);
  members.Number("fraction", report.fraction >= 0 ? report.fraction : kUnknown);
  members.Begin("tasks")->push_back('[');
  for (std::size_t i = 0; i < stats.reader.tasks.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendTaskJson(&out, stats.reader.tasks[i], views);
  }
  out.push_back(']');
  members.Begin("outputs")->push_back('[');
  for (std::size_t i = 0; i < report.outputs.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendOutputJson(&out, report.outputs[i]);
  }
  out.push_back(']');
  members.Begin("store");
  if (stats.store) {
    AppendStoreJson(&out, *stats.store);
  } else {
    out += "null";
  }
  members.Begin("current");
  if (stats.current) {
    out.push_back('{');
    Members current(&out);
    current.Text("task", stats.current->task);
    current.Text("message", stats.current->message);
    current.Number("seconds", Seconds(stats.busy));
    out.push_back('}');
  } else {
    out += "null";
  }
  return out += "}\n";
}

}  // namespace rivulet
