// The options of ps_to_http, and what they mean together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log_options.h"
#include "base/options.h"
#include "bridge/source.h"
#include "bridge/destination.h"
#include "bridge/forwarder.h"

namespace rivulet {

/// As given.
struct BridgeOptions {
  std::vector<std::string> pubsub_urls;
  std::vector<std::string> get_urls;
  std::vector<std::string> post_urls;
  bool round_robin = false;
  Duration max_silence{};
  std::uint64_t max_message_bytes = std::uint64_t{16} << 20;
  std::uint64_t max_pending_bytes = std::uint64_t{64} << 20;
  std::uint64_t batch = 1;
  Duration batch_delay{};
  std::uint64_t max_in_flight = 1;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration request_timeout = std::chrono::seconds(30);
  Duration max_backoff = std::chrono::seconds(10);
  std::vector<std::string> headers;
  std::string auth_token_file;
  std::string source_auth_token_file;
  Duration stats_interval{};
  Duration drain_timeout = std::chrono::seconds(10);
  LogOptions log;
};

/// Checked and read.
struct BridgeConfig {
  SourceConfig source;
  ForwarderConfig forwarder;
  std::vector<DestinationConfig> destinations;
  Duration stats_interval{};
  Duration drain_timeout{};
};

void DeclareOptions(Options* options, BridgeOptions* values);
/// The status to exit with when something is wrong (2), after one line on standard error.
std::optional<int> CheckOptions(const Options& options, const BridgeOptions& values);
/// Reads the token files. `seed` is that of the backoffs.
Result<BridgeConfig> MakeConfig(const BridgeOptions& values, std::uint64_t seed);

}  // namespace rivulet
