// The options of ps_to_file, and what they mean together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/log_options.h"
#include "base/options.h"
#include "bridge/message_filter.h"
#include "bridge/options.h"
#include "http/status_server.h"
#include "ps_to_file/archiver.h"

namespace rivulet {

/// As given.
struct ArchiverOptions {
  SourceOptions source;
  ConnectionOptions connection;
  MessageFilterOptions filter;
  std::string filename_format;
  std::string format = "lines";
  std::string compress = "none";
  std::uint64_t compress_level = 0;
  std::uint64_t max_file_size = 0;
  std::uint64_t max_open_files = 100;
  std::string state_file;
  Duration checkpoint_interval = std::chrono::seconds(1);
  std::string sync = "checkpoint";
  std::uint64_t max_pending_bytes = std::uint64_t{32} << 20;
  StatusServerOptions status;
  Duration stats_interval{};
  Duration drain_timeout = std::chrono::seconds(10);
  LogOptions log;
};

void AddArchiverOptions(Options* options, ArchiverOptions* values);
/// The status to exit with when something is wrong (2), after one line on standard error.
std::optional<int> CheckArchiverOptions(const Options& options, const ArchiverOptions& values);
/// Reads the token files. `seed` is that of the backoff and of the choice of the first source.
Result<ArchiverConfig> MakeArchiverConfig(const ArchiverOptions& values, std::uint64_t seed);

}  // namespace rivulet
