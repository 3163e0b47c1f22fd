#include "http/common_routes.h"

#include "base/version.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

void AddCommonRoutes(Router* router, MetricRegistry* metrics, const CommonRoutes& common) {
  router->AddOpen(kLooks, "/ping", [health = common.health](const Request&, Reply& reply) {
    if (const Status s = health(); !s.ok()) return reply.Error(503, s.message());
    reply.Text(200, "OK");
  });
  router->Add(kLooks, "/metrics", [metrics](const Request&, Reply& reply) {
    std::string text;
    metrics->Write(&text);
    reply.Body(200, "text/plain; version=0.0.4; charset=utf-8", text);
  });
  AddPageRoutes(router, common.name, common.hosts);
  metrics->AddGaugeFunction(
      "rivulet_start_time_seconds", "When the daemon started, in seconds since 1970.",
      [start = common.start_time] {
        return std::chrono::duration<double>(start.time_since_epoch()).count();
      });
  metrics->AddGaugeFunction("rivulet_build_info", "Always 1; the version is a label.",
                            [] { return 1.0; }, {{"version", kVersion}, {"program", common.name}});
  metrics->AddGaugeFunction("rivulet_healthy", "1 while /ping answers 200.",
                            [health = common.health] { return health().ok() ? 1.0 : 0.0; });
}

}  // namespace rivulet
