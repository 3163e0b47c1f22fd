// What a running reader tells of itself: log lines of progress, the line on a terminal, the
// heartbeat file.
//
// Thread: the loop's.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "queuereader/config.h"
#include "queuereader/report/reader_progress.h"
#include "queuereader/runner/runner.h"

namespace rivulet {

class Reports {
 public:
  /// All must outlive it.
  Reports(EventLoop& loop, const Clock& clock, const ReaderOptions& options, Runner& runner,
          const Source& source);
  /// No more of it: before the summary.
  void End();

 private:
  void LogProgress();
  void TouchHeartbeat() const;

  const Clock& clock_;
  Runner& runner_;
  std::string heartbeat_file_;
  Duration heartbeat_patience_;
  Timer stats_;
  Timer heartbeat_;
  std::unique_ptr<ReaderProgress> progress_;
  MonoTime last_;
  std::uint64_t last_messages_ = 0;
};

/// False when standard output did not take it all.
bool PrintSummary(const std::string& text);

}  // namespace rivulet
