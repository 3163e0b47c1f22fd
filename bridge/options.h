// The options that bridges have in common, each group declared and read in one place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "bridge/delivery.h"
#include "bridge/source.h"

namespace rivulet {

/// Of connections, to whomever.
struct ConnectionOptions {
  std::string token_option = "auth-token-file";  // what the next one's option is called
  std::string auth_token_file;                   // for destinations and source
  std::string ca_file;                           // PEM; the system's when empty
  Duration connect_timeout = std::chrono::seconds(5);
  Duration max_backoff = std::chrono::seconds(10);
};
void AddConnectionOptions(Options* options, ConnectionOptions* values);
/// As the two below.
std::optional<int> CheckConnectionOptions(const Options& options, const ConnectionOptions& values);

/// Of following a pubsub.
struct SourceOptions {
  std::vector<std::string> pubsub_urls;
  std::string source_auth_token_file;
  std::string offset_file;
  Duration max_silence{};
  std::uint64_t max_message_bytes = std::uint64_t{16} << 20;
};
/// `offset_file`: with --offset-file, for programs that keep positions in no other place.
void AddSourceOptions(Options* options, SourceOptions* values, bool offset_file = true);
/// The status to exit with when something is wrong (2), after one line on standard error.
std::optional<int> CheckSourceOptions(const Options& options, const SourceOptions& values);
/// With positions. The URL to begin with is chosen at random (seed), so that many bridges spread
/// over the sources. Reads the token files.
Result<SourceConfig> MakeSourceConfig(const SourceOptions& values,
                                      const ConnectionOptions& connection, std::uint64_t seed);

/// Of delivering to HTTP destinations.
struct DeliveryOptions {
  std::vector<std::string> get_urls;
  std::vector<std::string> post_urls;
  bool round_robin = false;
  std::uint64_t batch = 1;
  std::string batch_shown{};  // what --help says is the default, where that depends
  Duration batch_delay{};
  std::uint64_t max_in_flight = 1;
  std::uint64_t max_pending_bytes = std::uint64_t{32} << 20;
  std::uint64_t retry_max = UINT64_MAX;  // for ever
  Duration request_timeout = std::chrono::seconds(30);
  std::vector<std::string> headers;
  bool gzip = false;
  std::string dead_letter;
  bool dry_run = false;
};
void AddDeliveryOptions(Options* options, DeliveryOptions* values);
/// `token_option`: as of ConnectionOptions.
std::optional<int> CheckDeliveryOptions(const Options& options, const DeliveryOptions& values,
                                        std::string_view token_option = "auth-token-file");
/// Reads the token file.
Result<DeliveryConfig> MakeDeliveryConfig(const DeliveryOptions& values,
                                          const ConnectionOptions& connection, std::uint64_t seed);

}  // namespace rivulet
