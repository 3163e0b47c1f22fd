// What every program of ours serves beside its own paths, daemon or not: /ping, /metrics and the
// page at /, and the metrics that say which program this is and whether it is well.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "http/router.h"

namespace rivulet {

struct CommonRoutes {
  std::string name;  // of the program
  WallTime start_time;
  /// Asked whenever somebody asks for the health. Not OK: /ping answers 503 with the message.
  std::function<Status()> health;
  /// Names besides numeric addresses and localhost by which browsers may have the page
  /// (http/page.h).
  std::vector<std::string> hosts;
};

/// `metrics` is what /metrics writes, and must outlive the router's use.
void AddCommonRoutes(Router* router, MetricRegistry* metrics, const CommonRoutes& common);

}  // namespace rivulet
