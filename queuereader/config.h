// The command line of a queue reader.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log_options.h"
#include "base/options.h"
#include "queuereader/reader.h"
#include "queuereader/runner.h"

namespace rivulet {

struct ReaderOptions {
  std::vector<std::string> sources;
  std::vector<std::string> tasks;
  std::string queuename = "default";
  std::uint64_t max_tries = 5;
  Duration requeue_delay = std::chrono::seconds(90);
  Duration max_backoff = std::chrono::seconds(120);
  std::string requeue_giveup;
  std::string failed_message_dir = "failed_messages";
  Duration sleeptime_queue_empty = std::chrono::milliseconds(500);
  Duration sleeptime_failed_queue = std::chrono::seconds(5);
  std::uint64_t mget_items = 100;
  Duration exit_when_empty{};
  Duration drain_timeout = std::chrono::seconds(10);
  Duration stats_interval{};
  bool summary = false;
  std::string summary_format = "text";
  std::string heartbeat_file;
  LogOptions log;

  /// The sources are files or standard input (true), or queues (false).
  bool reads_files = false;
};

/// Declares, parses and checks the options. The exit status to end with now, or nothing.
/// `tasks` are those run where --task is not given; with none of either the start is refused.
std::optional<int> ParseReaderOptions(Options* declared, int argc, const char* const* argv,
                                      const std::string& known_tasks,
                                      const std::vector<std::string>& default_tasks,
                                      ReaderOptions* options);

}  // namespace rivulet
