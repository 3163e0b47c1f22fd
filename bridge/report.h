// What a bridge tells of itself: its part of /stats and /metrics, and the line of progress.
#pragma once

#include <string>

#include "base/json.h"
#include "base/metrics.h"
#include "bridge/delivery.h"
#include "bridge/message_filter.h"
#include "bridge/source.h"
#include "bridge/spool.h"

namespace rivulet {

/// Nothing here is owned; nullptr: the program has none.
struct BridgeParts {
  const PubsubSource* source = nullptr;
  const MessageFilter* filter = nullptr;
  const HttpDelivery* delivery = nullptr;
  const Spool* spool = nullptr;
};

/// "received:N" lines, then a block a destination; names as in the JSON.
std::string BridgeStatsText(const BridgeParts& parts);
/// {"received":N,"delivered":N,"refused":N,"dropped":N,"filtered":N,"pending":N,"pending_bytes":N,
///  "source":{"url":…,"connected":true,"paused":false,"reconnects":N,"missed":N,"position":N|null},
///  "spool":{"bytes":N,"committed":N,"health":"OK"},
///  "destinations":[{"endpoint":…,"circuit":"closed","delivered":N,"refused":N,"requests":N,"retries":N,
///    "resent":N,"lag":N,"in_flight":N,"p50_ms":X,"p99_ms":X,"last_error":…,"last_error_time":UNIXTIME}]}
/// null: there is none. `received` counts what the filters kept.
std::string BridgeStatsJson(const BridgeParts& parts);
/// rivulet_bridge_…
void WriteBridgeMetrics(std::string* out, const BridgeParts& parts);

}  // namespace rivulet
