// The options of file_to_http, and what they mean together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log_options.h"
#include "base/options.h"
#include "bridge/message_filter.h"
#include "bridge/options.h"
#include "file_to_http/depth_gate.h"

namespace rivulet {

/// As given.
struct FeederOptions {
  std::vector<std::string> files;
  bool loop = false;
  std::uint64_t max_message_bytes = std::uint64_t{16} << 20;
  std::string offset_file;
  double rate = 0;
  std::uint64_t max_queue_depth = 0;
  std::string depth_url;
  MessageFilterOptions filter;
  ConnectionOptions connection;
  DeliveryOptions delivery;
  Duration stats_interval{};
  Duration drain_timeout = std::chrono::seconds(10);
  LogOptions log;
};

/// Checked and read.
struct FeederConfig {
  std::vector<std::string> files;  // at least one; "-" is standard input
  bool loop = false;
  std::size_t max_message_bytes = 0;
  std::string offset_file;               // empty: none
  double rate = 0;                       // messages a second; 0: as fast as they are taken
  std::optional<DepthGateConfig> depth;  // nothing: the queue may become as deep as it likes
  MessageFilter filter;
  DeliveryConfig delivery;
  std::uint64_t max_pending_bytes = 0;
  Duration stats_interval{};  // zero: never
  Duration drain_timeout{};
};

void DeclareOptions(Options* options, FeederOptions* values);
/// The status to exit with when something is wrong (2), after one line on standard error.
std::optional<int> CheckOptions(const Options& options, const FeederOptions& values);
/// Reads the token file. `seed` is that of the backoffs.
Result<FeederConfig> MakeConfig(const FeederOptions& values, std::uint64_t seed);

}  // namespace rivulet
