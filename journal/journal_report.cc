#include "journal/journal_report.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"

namespace rivulet {

namespace {

constexpr Duration kTellEach = std::chrono::seconds(1);

}  // namespace

std::string Megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string Counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

RecoveryProgress RecoveryProgressLog(const std::string& path, const Clock& clock) {
  return [&path, &clock, next = clock.Now() + kTellEach](std::uint64_t done,
                                                         std::uint64_t total) mutable {
    if (clock.Now() < next) return;
    next = clock.Now() + kTellEach;
    LogInfo("recovering {}: {} % of {}", path, total == 0 ? 100 : done * 100 / total,
            Megabytes(total));
  };
}

void LogRepairs(const std::string& path, const RecoveryReport& report) {
  if (report.bad_places > 0) {
    LogWarning("{}: {} bytes in {} were damaged, and set aside in .bad files", path,
               report.bad_bytes, Counted(report.bad_places, "place"));
  }
  if (!report.cut_at.empty()) {
    LogWarning("{}: an unfinished end was cut: {} bytes", report.cut_at, report.cut_bytes);
  }
}

void WriteJournalMetrics(const Journal& journal, std::string* out) {
  const Journal::Stats& stats = journal.stats();
  const auto sample = [out](const char* name, const char* type, const char* help,
                            std::uint64_t value) {
    WriteMetricHeader(out, name, help, type);
    WriteMetricSample(out, name, {}, static_cast<double>(value));
  };
  sample("rivulet_journal_bytes", "gauge", "Bytes of the files in the data path.",
         journal.disk_bytes());
  sample("rivulet_journal_segments", "gauge", "Segments in the data path.",
         journal.open_segment() - journal.oldest_segment() + 1);
  sample("rivulet_journal_commits_total", "counter", "Groups of changes made safe.", stats.commits);
  sample("rivulet_journal_records_total", "counter", "Changes written.", stats.records);
  sample("rivulet_journal_last_group", "gauge", "Changes in the last group.", stats.last_group);
  sample("rivulet_journal_failures_total", "counter", "Writes and syncs that failed.",
         stats.failures);
  WriteMetricHeader(out, "rivulet_journal_sync_duration_seconds", "Time of one fdatasync.",
                    "histogram");
  WriteMetricHistogram(out, "rivulet_journal_sync_duration_seconds", {}, journal.sync_latency());
}

}  // namespace rivulet
