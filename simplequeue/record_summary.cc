#include "simplequeue/record_summary.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <map>

namespace rivulet {

namespace {

// Keys are remembered as long as a daemon may be told to.
QueueLimits LimitsOfSummary() {
  QueueLimits limits;
  limits.dedupe_window = std::chrono::hours(24 * 365);
  return limits;
}

}  // namespace

QueueRecordSummary::QueueRecordSummary(const Clock& clock)
    : clock_(clock),
      queues_(LimitsOfSummary(), SIZE_MAX),
      restorer_(&queues_, WallTimes(clock), true) {}

Status QueueRecordSummary::Visit(std::string_view record) {
  if (Status status = restorer_.Visit(record); !status.ok()) return status;
  ++by_type_[static_cast<std::size_t>(restorer_.record().type)];
  return {};
}

std::string QueueRecordSummary::Types() const {
  std::string out;
  for (std::size_t type = 1; type < kRecordTypes; ++type) {
    fmt::format_to(std::back_inserter(out), "  {:<8}{}\n",
                   RecordTypeName(static_cast<RecordType>(type)), by_type_[type]);
  }
  return out;
}

std::string QueueRecordSummary::Table() {
  std::map<std::string, std::uint64_t> in_flight;
  for (const auto& [name, queue] : queues_.all()) in_flight[name] = queue->in_flight();
  restorer_.End(clock_.Now());
  constexpr auto kRow = "{:<20} {:>9} {:>9} {:>9} {:>7} {:>13} {:>6}{}\n";
  std::string out = "messages that a start would bring back (leased ones are ready then)\n";
  fmt::format_to(std::back_inserter(out), kRow, "queue", "ready", "(leased)", "deferred", "dead",
                 "bytes", "keys", "");
  for (const auto& [name, queue] : queues_.all()) {
    fmt::format_to(std::back_inserter(out), kRow, name, queue->depth(), in_flight[name],
                   queue->deferred(), queue->dead(), queue->held_bytes(), queue->keys(),
                   queue->paused() ? "  paused" : "");
  }
  return out;
}

}  // namespace rivulet
