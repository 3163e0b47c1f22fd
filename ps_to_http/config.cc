#include "ps_to_http/config.h"

#include <utility>

namespace rivulet {

void AddBridgeOptions(Options* options, BridgeOptions* values) {
  AddSourceOptions(options, &values->source);
  AddMessageFilterOptions(options, &values->filter);
  AddDeliveryOptions(options, &values->delivery);
  AddSpoolOptions(options, &values->spool,
                  "what happens then: the source is not read, or the oldest messages go");
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
  if (const auto code = CheckSpoolOptions(options, values.spool)) return code;
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
    auto spool = MakeSpoolConfig(values.spool, values.delivery);
    if (!spool.ok()) return spool.status();
    config.spool = std::move(spool).value();
  }
  return config;
}

}  // namespace rivulet
