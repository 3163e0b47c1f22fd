// The command line of a queue reader.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log_options.h"
#include "base/options.h"
#include "http/status_server.h"
#include "queuereader/outputs.h"
#include "queuereader/reader.h"
#include "queuereader/runner/runner.h"

namespace rivulet {

struct ReaderOptions {
  // Messages.
  std::vector<std::string> sources;
  std::string queuename = "default";
  std::uint64_t mget_items = 100;
  Duration lease = std::chrono::seconds(30);
  std::string auth_token_file;
  Duration sleeptime_queue_empty = std::chrono::milliseconds(500);
  Duration sleeptime_failed_queue = std::chrono::seconds(5);
  Duration exit_when_empty{};

  // Tasks.
  std::vector<std::string> tasks;
  std::string preprocess;
  std::string validate;
  bool isolate = false;
  Duration task_timeout = std::chrono::seconds(30);
  std::uint64_t task_memory_bytes = 0;
  OutputOptions outputs;
  std::string store = "memory:";
  std::string store_password_file;

  // Failures.
  std::uint64_t max_tries = 5;
  Duration requeue_delay = std::chrono::seconds(90);
  Duration sleeptime_requeue{};
  Duration max_backoff = std::chrono::seconds(120);
  std::string requeue_giveup;
  std::string failed_message_dir = "failed_messages";
  std::uint64_t failed_count = 0;

  // State.
  std::string checkpoint_dir;
  bool forget_sources = false;
  std::string checkpoint_name;                         // empty: the queue's
  std::string checkpoint_every;                        // "1s", or a number of messages
  Duration checkpoint_time = std::chrono::seconds(1);  // from checkpoint_every
  std::uint64_t checkpoint_messages = 100'000;         // likewise

  // Reports and process.
  StatusServerOptions status;
  bool summary = false;
  std::string summary_format = "text";
  Duration stats_interval{};
  bool progress = true;  // on a terminal
  std::string heartbeat_file;
  Duration drain_timeout = std::chrono::seconds(10);
  LogOptions log;

  /// The sources are files or standard input (true), or queues (false).
  bool reads_files = false;
};

/// Declares, parses and checks the options. The exit status to end with now, or nothing.
/// `options` has what a program sets in its code; its `tasks` are those run where --task is not
/// given, and with none of either the start is refused.
std::optional<int> ParseReaderOptions(Options* declared, int argc, const char* const* argv,
                                      const std::string& known_tasks, ReaderOptions* options);

/// For a program that has a reader beside what it does itself (queuereader/reader_host.h): the
/// options of queues, tasks, tries and checkpoints, under the same names, but that the queues'
/// token is --source-auth-token-file. Store, log and drain are the program's. Its sources are
/// queues.
void AddHostedReaderOptions(Options* declared, const std::string& known_tasks,
                            ReaderOptions* options);
/// After Parse(). The exit status to end with now, or 0.
int CheckHostedReaderOptions(const Options& declared, ReaderOptions* options);

/// Of what is written to files; a task may leave the working directory.
void MakePathsAbsolute(ReaderOptions* options);

}  // namespace rivulet
