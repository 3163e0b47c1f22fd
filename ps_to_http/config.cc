#include "ps_to_http/config.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "journal/journal.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kMinSpoolBytes = std::uint64_t{1} << 20;
constexpr double kMaxSpoolBytes = std::uint64_t{1} << 50;

void AddSpoolOptions(Options* options, SpoolOptions* values) {
  options->Section("Spool");
  options
      ->Text("spool-path", &values->path,
             "folder that keeps on disk what destinations have not taken yet")
      .Metavar("DIR");
  options->Bytes("spool-max-bytes", &values->max_bytes, "how much it keeps")
      .Range(static_cast<double>(kMinSpoolBytes), kMaxSpoolBytes);
  options
      ->Text("spool-full", &values->full,
             "what happens then: the source is not read, or the oldest messages go")
      .OneOf({"wait", "drop-oldest"})
      .Metavar("POLICY");
  options
      ->Text("spool-sync", &values->sync,
             "when messages are made safe: always, none, or once a duration")
      .Metavar("POLICY")
      .Check([](const std::string& text) { return ParseSyncPolicy(text).status(); });
}

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

Result<SpoolConfig> MakeSpoolConfig(const BridgeOptions& values) {
  auto sync = ParseSyncPolicy(values.spool.sync);
  if (!sync.ok()) return sync.status();
  SpoolConfig config;
  config.path = values.spool.path;
  config.max_bytes = values.spool.max_bytes;
  config.when_full = values.spool.full == "wait" ? SpoolConfig::WhenFull::kWait
                                                 : SpoolConfig::WhenFull::kDropOldest;
  config.sync = *sync;
  config.memory_bytes = values.delivery.max_pending_bytes;
  config.readers = ReaderNames(values.delivery);
  return config;
}

}  // namespace

void AddBridgeOptions(Options* options, BridgeOptions* values) {
  AddSourceOptions(options, &values->source);
  AddMessageFilterOptions(options, &values->filter);
  AddDeliveryOptions(options, &values->delivery);
  AddSpoolOptions(options, &values->spool);
  AddConnectionOptions(options, &values->connection);
  AddStatusServerOptions(options, &values->status);
  options->Section("Running");
  options
      ->Time("stats-interval", &values->stats_interval,
             "print progress and rate on standard error that often")
      .DefaultText("never");
  options->Time("drain-timeout", &values->drain_timeout,
                "how long SIGTERM waits for what is pending");
  AddLogOptions(options, &values->log);
  options->Epilog(
      "Examples:\n"
      "  ps_to_http --pubsub-url=http://127.0.0.1:8080 --batch=500 \\\n"
      "    --destination-post-url=http://127.0.0.1:8081/mput\n"
      "  ps_to_http --pubsub-url='http://127.0.0.1:8080/sub?topic=clicks' \\\n"
      "    --destination-get-url='http://127.0.0.1:8081/put?data=%s' \\\n"
      "    --spool-path=/var/spool/clicks --dead-letter=/var/log/clicks.refused");
}

std::optional<int> CheckBridgeOptions(const Options& options, const BridgeOptions& values) {
  if (const auto code = CheckSourceOptions(options, values.source)) return code;
  if (const auto code = CheckDeliveryOptions(options, values.delivery)) return code;
  if (const auto code = CheckConnectionOptions(options, values.connection)) return code;
  for (const char* name : {"spool-max-bytes", "spool-full", "spool-sync"}) {
    if (values.spool.path.empty() && options.given(name)) {
      return options.Fail("--" + std::string(name) + " must come with --spool-path=DIR");
    }
  }
  if (Status status = CheckStatusServerOptions(values.status); !status.ok()) {
    return options.Fail(status.message());
  }
  return std::nullopt;
}

Result<BridgeConfig> MakeBridgeConfig(const BridgeOptions& values, std::uint64_t seed) {
  auto source = MakeSourceConfig(values.source, values.connection, seed);
  if (!source.ok()) return source.status();
  auto delivery = MakeDeliveryConfig(values.delivery, values.connection, seed + 1);
  if (!delivery.ok()) return delivery.status();
  BridgeConfig config;
  config.source = std::move(source).value();
  config.filter = values.filter;
  config.delivery = std::move(delivery).value();
  config.max_pending_bytes = values.delivery.max_pending_bytes;
  config.stats_interval = values.stats_interval;
  config.drain_timeout = values.drain_timeout;
  if (values.delivery.dry_run) {
    config.delivery.dead_letter_path.clear();
    return config;
  }
  config.offset_file = values.source.offset_file;
  if (!values.spool.path.empty()) {
    auto spool = MakeSpoolConfig(values);
    if (!spool.ok()) return spool.status();
    config.spool = std::move(spool).value();
  }
  return config;
}

}  // namespace rivulet
