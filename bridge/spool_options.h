// The options of a spool (bridge/spool.h), for the programs that keep one in front of their
// destinations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/options.h"
#include "base/status.h"
#include "bridge/options.h"
#include "bridge/spool.h"

namespace rivulet {

/// Of keeping on disk what waits.
struct SpoolOptions {
  std::string path;  // empty: in memory
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  std::string full = "wait";
  std::string sync = "1s";
};
/// `full_help`: what --spool-full says of the program's source, which must wait or not.
void AddSpoolOptions(Options* options, SpoolOptions* values, const std::string& full_help);
/// The status to exit with when something is wrong (2), after one line on standard error.
std::optional<int> CheckSpoolOptions(const Options& options, const SpoolOptions& values);
/// Of values with a path. Its readers are the destinations of `delivery`, in their order.
Result<SpoolConfig> MakeSpoolConfig(const SpoolOptions& values, const DeliveryOptions& delivery);

}  // namespace rivulet
