#include "bridge/spool_options.h"

#include <algorithm>
#include <vector>

#include "journal/journal.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kMinSpoolBytes = std::uint64_t{1} << 20;
constexpr double kMaxSpoolBytes = std::uint64_t{1} << 50;

// By what a spool knows its destinations again. In round robin they share what waits.
std::vector<std::string> ReaderNames(const DeliveryOptions& delivery) {
  if (delivery.round_robin) return {"round robin"};
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name) {
    const auto same = std::count(names.begin(), names.end(), name);
    names.push_back(name);
    // The same URL twice is two destinations. The number keeps their names apart.
    if (same > 0) names.back() += " " + std::to_string(names.size());
  };
  for (const auto& url : delivery.get_urls) add("GET " + url);
  for (const auto& url : delivery.post_urls) add("POST " + url);
  return names;
}

}  // namespace

void AddSpoolOptions(Options* options, SpoolOptions* values, const std::string& full_help) {
  options->Section("Spool");
  options
      ->Text("spool-path", &values->path,
             "folder that keeps on disk what destinations have not taken yet")
      .Metavar("DIR");
  options->Bytes("spool-max-bytes", &values->max_bytes, "how much it keeps")
      .Range(static_cast<double>(kMinSpoolBytes), kMaxSpoolBytes);
  options->Text("spool-full", &values->full, full_help)
      .OneOf({"wait", "drop-oldest"})
      .Metavar("POLICY");
  options
      ->Text("spool-sync", &values->sync,
             "when messages are made safe: always, none, or once a duration")
      .Metavar("POLICY")
      .Check([](const std::string& text) { return ParseSyncPolicy(text).status(); });
}

std::optional<int> CheckSpoolOptions(const Options& options, const SpoolOptions& values) {
  for (const char* name : {"spool-max-bytes", "spool-full", "spool-sync"}) {
    if (values.path.empty() && options.given(name)) {
      return options.Fail("--" + std::string(name) + " must come with --spool-path=DIR");
    }
  }
  return std::nullopt;
}

Result<SpoolConfig> MakeSpoolConfig(const SpoolOptions& values, const DeliveryOptions& delivery) {
  auto sync = ParseSyncPolicy(values.sync);
  if (!sync.ok()) return sync.status();
  SpoolConfig config;
  config.path = values.path;
  config.max_bytes = values.max_bytes;
  config.when_full =
      values.full == "wait" ? SpoolConfig::WhenFull::kWait : SpoolConfig::WhenFull::kDropOldest;
  config.sync = *sync;
  config.memory_bytes = delivery.max_pending_bytes;
  config.readers = ReaderNames(delivery);
  return config;
}

}  // namespace rivulet
