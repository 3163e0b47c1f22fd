// The options of collector, and what they mean together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/options.h"
#include "base/status.h"
#include "bridge/options.h"
#include "bridge/spool_options.h"
#include "collector/outlet.h"

namespace rivulet {

/// As given.
struct CollectorOptions {
  std::string mapping;  // a file; empty: Mapping::Everything()
  bool check = false;
  std::uint64_t max_events = 100;
  std::uint64_t max_parameters_bytes = std::uint64_t{16} << 10;
  Duration duplicate_window = std::chrono::minutes(10);
  std::uint64_t max_ids = 1'000'000;
  std::vector<std::string> bot_words;
  bool drop_bots = false;
  bool drop_duplicates = false;
  bool honour_dnt = false;
  std::string remote_address = "truncated";
  bool trust_forwarded = false;
  std::string sender_token_file;
  bool require_token = false;
  std::vector<std::string> allow_origins;  // the daemon's
  DeliveryOptions delivery;
  SpoolOptions spool;
  ConnectionOptions connection;

  CollectorOptions() {
    spool.sync = "always";
    connection.token_option = "destination-auth-token-file";
  }
};

void AddCollectorOptions(Options* options, CollectorOptions* values);
/// The status to exit with when something is wrong (2), after one line on standard error. With
/// --check a destination need not be given.
std::optional<int> CheckCollectorOptions(const Options& options, const CollectorOptions& values);
/// Reads the token file of the destinations. `batch_given`: --batch was; else destinations whose
/// path ends in /pub or /mput get up to 100 messages a request, all others one. `seed` is that of
/// the backoffs. A dry run keeps nothing on disk.
Result<OutletConfig> MakeOutletConfig(const CollectorOptions& values, bool batch_given,
                                      std::uint64_t seed);

}  // namespace rivulet
