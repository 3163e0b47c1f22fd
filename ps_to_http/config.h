// The options of ps_to_http, and what they mean together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/log_options.h"
#include "base/options.h"
#include "bridge/message_filter.h"
#include "bridge/options.h"
#include "bridge/spool.h"
#include "bridge/spool_options.h"
#include "http/status_server.h"

namespace rivulet {

/// As given.
struct BridgeOptions {
  SourceOptions source;
  MessageFilterOptions filter;
  DeliveryOptions delivery;
  SpoolOptions spool;
  ConnectionOptions connection;
  StatusServerOptions status;
  Duration stats_interval{};
  Duration drain_timeout = std::chrono::seconds(10);
  LogOptions log;
};

/// Checked and read.
struct BridgeConfig {
  SourceConfig source;
  MessageFilterOptions filter;
  DeliveryConfig delivery;
  std::uint64_t max_pending_bytes = 0;
  std::optional<SpoolConfig> spool;  // none: what waits is in memory alone
  std::string offset_file;           // empty: none
  Duration stats_interval{};
  Duration drain_timeout{};
};

void AddBridgeOptions(Options* options, BridgeOptions* values);
/// The status to exit with when something is wrong (2), after one line on standard error.
std::optional<int> CheckBridgeOptions(const Options& options, const BridgeOptions& values);
/// Reads the token files. `seed` is that of the backoffs and of the choice of the first source. A
/// dry run keeps nothing: no spool, no offset file, no dead letters.
Result<BridgeConfig> MakeBridgeConfig(const BridgeOptions& values, std::uint64_t seed);

}  // namespace rivulet
