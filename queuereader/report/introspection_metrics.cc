#include <string_view>

#include "queuereader/report/introspection_report.h"

namespace rivulet {
namespace {

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void WriteOne(std::string* out, std::string_view name, std::string_view help, std::string_view type,
              double value) {
  WriteMetricHeader(out, name, help, type);
  WriteMetricSample(out, name, {}, value);
}

struct Sample {
  std::string label;
  std::uint64_t value;
};

// One series a value of the label.
void WriteSamples(std::string* out, std::string_view name, std::string_view help,
                  std::string_view type, const std::string& label,
                  const std::vector<Sample>& samples) {
  WriteMetricHeader(out, name, help, type);
  for (const Sample& sample : samples) {
    WriteMetricSample(out, name, {{label, sample.label}}, static_cast<double>(sample.value));
  }
}

void WriteMessages(std::string* out, const RunnerStats& stats) {
  const ReaderCounts& counts = stats.reader.counts;
  WriteSamples(out, "rivulet_reader_messages_total", "Messages, by what became of them.", "counter",
               "outcome",
               {{"finished", counts.finished},
                {"dropped", counts.dropped},
                {"requeued", counts.requeued},
                {"given_up", counts.given_up},
                {"malformed", counts.malformed}});
  WriteOne(out, "rivulet_reader_failed_messages_total", "Messages set aside in files.", "counter",
           static_cast<double>(stats.failed_messages));
  const Ledger::Counts& ledger = stats.ledger;
  WriteSamples(out, "rivulet_reader_ledger_messages", "Leased messages here, by state.", "gauge",
               "state",
               {{"in_hand", ledger.in_hand},
                {"decided", ledger.decided},
                {"covered", ledger.covered},
                {"settling", ledger.settling},
                {"awaited", ledger.awaited}});
  WriteOne(out, "rivulet_reader_known_total", "Messages that came again and were not run again.",
           "counter", static_cast<double>(ledger.known));
  WriteOne(out, "rivulet_reader_held", "Messages in memory that are not due yet.", "gauge",
           static_cast<double>(stats.held));
  WriteOne(out, "rivulet_reader_busy_seconds", "How long the message in hand has been.", "gauge",
           Seconds(stats.busy));
}

void WriteCheckpoints(std::string* out, const RunnerStats& stats) {
  WriteOne(out, "rivulet_reader_checkpoints_total", "Checkpoints written.", "counter",
           static_cast<double>(stats.checkpoints));
  if (stats.checkpoints == 0) return;
  WriteOne(out, "rivulet_reader_checkpoint_age_seconds", "Since the last one was safe.", "gauge",
           Seconds(stats.checkpoint_age));
  WriteOne(out, "rivulet_reader_checkpoint_bytes", "Of the last one.", "gauge",
           static_cast<double>(stats.checkpoint_bytes));
}

void WriteTasks(std::string* out, const std::vector<ReaderStats::OfTask>& tasks) {
  constexpr std::string_view kRuns = "rivulet_reader_task_runs_total";
  WriteMetricHeader(out, kRuns, "Runs of a task, by outcome.", "counter");
  for (const auto& task : tasks) {
    WriteMetricSample(out, kRuns, {{"task", task.name}, {"outcome", "done"}},
                      static_cast<double>(task.counts.done));
    WriteMetricSample(out, kRuns, {{"task", task.name}, {"outcome", "failed"}},
                      static_cast<double>(task.counts.failed));
  }
  std::vector<Sample> retried;
  std::vector<Sample> given_up;
  for (const auto& task : tasks) {
    retried.push_back({task.name, task.counts.retried});
    given_up.push_back({task.name, task.counts.given_up});
  }
  WriteSamples(out, "rivulet_reader_task_retried_total",
               "Runs that were not the first of their message.", "counter", "task", retried);
  WriteSamples(out, "rivulet_reader_task_given_up_total",
               "Messages that were given up with this task left.", "counter", "task", given_up);
  constexpr std::string_view kBackoff = "rivulet_reader_task_backoff_seconds";
  WriteMetricHeader(out, kBackoff, "What a failure would pause now.", "gauge");
  for (const auto& task : tasks) {
    WriteMetricSample(out, kBackoff, {{"task", task.name}}, Seconds(task.backoff));
  }
  constexpr char kTime[] = "rivulet_reader_task_seconds";
  WriteMetricHeader(out, kTime, "Time of a run; of a message in a batch its share.", "histogram");
  for (const auto& task : tasks) {
    WriteMetricHistogram(out, kTime, {{"task", task.name}}, task.run_time);
  }
  constexpr std::string_view kCounter = "rivulet_reader_task_counter_total";
  WriteMetricHeader(out, kCounter, "What a task counts itself.", "counter");
  for (const auto& task : tasks) {
    for (const auto& [name, value] : task.counters) {
      WriteMetricSample(out, kCounter, {{"task", task.name}, {"counter", name}},
                        static_cast<double>(value));
    }
  }
}

void WriteOutputs(std::string* out, const std::vector<OutputStats>& outputs) {
  const auto series = [&](std::string_view name, std::string_view help, std::string_view type,
                          std::uint64_t OutputStats::*value) {
    std::vector<Sample> samples;
    samples.reserve(outputs.size());
    for (const OutputStats& output : outputs) samples.push_back({output.name, output.*value});
    WriteSamples(out, name, help, type, "output", samples);
  };
  series("rivulet_reader_output_emitted_total", "Messages that tasks emitted.", "counter",
         &OutputStats::emitted);
  series("rivulet_reader_output_delivered_total", "Messages that the output took.", "counter",
         &OutputStats::delivered);
  series("rivulet_reader_output_refused_total", "Messages that it will never take.", "counter",
         &OutputStats::refused);
  series("rivulet_reader_output_retries_total", "Tries that failed and were made again.", "counter",
         &OutputStats::retries);
  series("rivulet_reader_output_pending", "Messages that it has not taken yet.", "gauge",
         &OutputStats::pending);
}

void WriteStore(std::string* out, const StoreReport& store) {
  const auto one = [out](const char* name, const char* help, const char* type, double value) {
    WriteOne(out, name, help, type, value);
  };
  one("rivulet_reader_store_commands_total", "Commands that the store has done.", "counter",
      static_cast<double>(store.commands));
  one("rivulet_reader_store_failed_total", "Commands that it refused.", "counter",
      static_cast<double>(store.failed));
  one("rivulet_reader_store_unknown_total", "Commands that may have been done or not.", "counter",
      static_cast<double>(store.unknown));
  one("rivulet_reader_store_connects_total", "Connections made to it.", "counter",
      static_cast<double>(store.connects));
  one("rivulet_reader_store_waited_seconds_total", "Time that tasks waited for it.", "counter",
      Seconds(store.waited));
  one("rivulet_reader_store_keys", "Keys held in this process.", "gauge",
      static_cast<double>(store.keys));
  one("rivulet_reader_store_bytes", "Keys and values held in this process.", "gauge",
      static_cast<double>(store.bytes));
  one("rivulet_reader_store_disk_bytes", "Of its files.", "gauge",
      static_cast<double>(store.disk_bytes));
  one("rivulet_reader_store_up", "Whether it answers.", "gauge", store.status.ok() ? 1 : 0);
}

}  // namespace

void WriteReaderMetrics(std::string* out, const ReaderReport& report) {
  WriteMessages(out, report.stats);
  WriteCheckpoints(out, report.stats);
  WriteTasks(out, report.stats.reader.tasks);
  if (!report.outputs.empty()) WriteOutputs(out, report.outputs);
  if (report.stats.store) WriteStore(out, *report.stats.store);
}

}  // namespace rivulet
