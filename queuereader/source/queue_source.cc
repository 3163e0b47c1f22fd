#include "queuereader/source/queue_source.h"

#include <fmt/format.h>

#include <utility>

#include "base/names.h"
#include "base/units.h"
#include "queuereader/source/queue_lease_source.h"
#include "queuereader/source/queue_origin.h"
#include "queuereader/source/queue_pop_source.h"

namespace rivulet {

Result<std::unique_ptr<Source>> OpenQueueSource(EventLoop& loop, const Clock& clock,
                                                QueueSourceConfig config) {
  if (config.urls.empty()) return InvalidArgument("--source is missing: it must be a queue's URL");
  if (!IsName(config.queuename)) {
    return InvalidArgument(fmt::format("--queuename={} {}", config.queuename, kNameRule));
  }
  std::vector<QueueOrigin> origins;
  std::optional<Duration> lease;  // of all
  for (const std::string& url : config.urls) {
    auto parsed = ParseQueueUrl(url, config);
    if (!parsed.ok()) return parsed.status();
    const Duration its = parsed->lease.value_or(config.lease);
    if (lease && *lease != its) {
      return InvalidArgument(fmt::format(
          "--source={} with lease={}: must be as of the sources before it, which have lease={}",
          parsed->origin.shown_url(), FormatDuration(its), FormatDuration(*lease)));
    }
    lease = its;
    origins.push_back(std::move(parsed->origin));
  }
  config.lease = *lease;
  if (config.lease == Duration::zero()) {
    return std::unique_ptr<Source>(
        std::make_unique<QueuePopSource>(loop, clock, std::move(config), std::move(origins)));
  }
  return std::unique_ptr<Source>(
      std::make_unique<QueueLeaseSource>(loop, clock, std::move(config), std::move(origins)));
}

}  // namespace rivulet
