// What a reader tells of itself, in the three forms that --http-address serves. Times are in
// seconds.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "queuereader/outputs.h"
#include "queuereader/runner/runner.h"

namespace rivulet {

/// A copy of all there is to tell.
struct ReaderReport {
  RunnerStats stats;
  std::vector<OutputStats> outputs;
  std::string source;    // Source::name()
  double fraction = -1;  // Source::fraction()
  WallTime started{};
  Duration elapsed{};
  double messages_per_second = 0;  // of late
};

/// The names of each task's views, by task.
using TaskViews = std::map<std::string, std::vector<std::string>>;

/// OK, or in words why the reader is not well: its source cannot be asked, a checkpoint failed, or
/// one message has been in hand for longer than a minute.
Status ReaderHealth(const RunnerStats& stats);

/// "name: value" lines, then a block a task and an output.
std::string ReaderReportText(const ReaderReport& report);
/// {"state":…,"health":…,"start_time":UNIXTIME,"messages":N,"finished":N,"dropped":N,"requeued":N,
///  "given_up":N,"malformed":N,"failed_count":N,"in_hand":N,"decided":N,"covered":N,"settling":N,
///  "awaited":N,"known":N,"held":N,"checkpoints":N,"checkpoint_bytes":N,
///  "checkpoint_age_seconds":S|null,"seconds":S,"messages_per_second":R,"source":…,"fraction":F|null,
///  "tasks":[{"name":…,"done":N,"failed":N,"retried":N,"given_up":N,"p50_seconds":S|null,
///    "p99_seconds":S|null,"backoff_seconds":S,"counters":{…}}],
///  "outputs":[{"name":…,"url":…,"emitted":N,"delivered":N,"refused":N,"pending":N,"retries":N,
///    "last_error":…|null}],
///  "store":{"url":…,"commands":N,"failed":N,"unknown":N,"connects":N,"keys":N,"bytes":N,
///    "disk_bytes":N,"waited_seconds":S,"last_error":…|null}|null,
///  "current":{"task":…,"message":…,"seconds":S}|null}
/// With `views` each task has a list "views"; null where they are not known.
std::string ReaderReportJson(const ReaderReport& report, const TaskViews* views = nullptr);
/// rivulet_reader_…
void WriteReaderMetrics(std::string* out, const ReaderReport& report);

}  // namespace rivulet
