// The numbers of simplequeue: /stats as text and JSON, and /metrics.
#include <fmt/format.h>

#include "base/json.h"
#include "http/reply.h"
#include "http/request.h"
#include "journal/journal_report.h"
#include "simplequeue/api.h"
#include "simplequeue/durability.h"

namespace rivulet {

namespace {

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

double OldestReadySeconds(const Queue& queue, MonoTime now) {
  const auto put_at = queue.oldest_ready();
  return put_at ? std::max(Seconds(now - *put_at), 0.0) : 0;
}

double RecordsPerCommit(const Journal::Stats& stats) {
  return stats.commits == 0
             ? 0
             : static_cast<double>(stats.records) / static_cast<double>(stats.commits);
}

struct Series {
  const char* name;
  const char* type;
  const char* help;
  std::uint64_t (*read)(const Queue&);
};

constexpr Series kSeries[] = {
    {"rivulet_queue_depth", "gauge", "Ready messages.", [](const Queue& q) { return q.depth(); }},
    {"rivulet_queue_in_flight", "gauge", "Messages under a lease.",
     [](const Queue& q) { return q.in_flight(); }},
    {"rivulet_queue_deferred", "gauge", "Messages that are ready later.",
     [](const Queue& q) { return q.deferred(); }},
    {"rivulet_queue_dead", "gauge", "Dead letters.", [](const Queue& q) { return q.dead(); }},
    {"rivulet_queue_bytes", "gauge", "Bytes of ready messages.",
     [](const Queue& q) { return q.bytes(); }},
    {"rivulet_queue_held_bytes", "gauge", "Bytes of messages in any state.",
     [](const Queue& q) { return q.held_bytes(); }},
    {"rivulet_queue_paused", "gauge", "1 while the queue is paused.",
     [](const Queue& q) { return std::uint64_t{q.paused()}; }},
    {"rivulet_queue_keys", "gauge", "Keys of puts that are remembered.",
     [](const Queue& q) { return q.keys(); }},
    {"rivulet_queue_depth_high_water", "gauge", "Most ready messages at a time.",
     [](const Queue& q) { return q.stats().depth_high_water; }},
    {"rivulet_queue_puts_total", "counter", "Messages accepted.",
     [](const Queue& q) { return q.stats().puts; }},
    {"rivulet_queue_gets_total", "counter", "Messages taken or leased.",
     [](const Queue& q) { return q.stats().gets; }},
    {"rivulet_queue_overflow_total", "counter", "Messages moved to the overflow log.",
     [](const Queue& q) { return q.stats().overflow; }},
    {"rivulet_queue_finished_total", "counter", "Messages finished.",
     [](const Queue& q) { return q.stats().finished; }},
    {"rivulet_queue_finish_missed_total", "counter", "Finishes whose receipt no longer held.",
     [](const Queue& q) { return q.stats().finish_missed; }},
    {"rivulet_queue_requeues_total", "counter", "Messages given back by their holder.",
     [](const Queue& q) { return q.stats().requeues; }},
    {"rivulet_queue_timeouts_total", "counter", "Leases that ran out.",
     [](const Queue& q) { return q.stats().timeouts; }},
    {"rivulet_queue_buried_total", "counter", "Messages that became dead letters.",
     [](const Queue& q) { return q.stats().buried; }},
    {"rivulet_queue_kicked_total", "counter", "Dead letters made ready again.",
     [](const Queue& q) { return q.stats().kicked; }},
    {"rivulet_queue_expired_total", "counter", "Messages dropped for their time to live.",
     [](const Queue& q) { return q.stats().expired; }},
    {"rivulet_queue_duplicates_total", "counter", "Puts dropped for their key.",
     [](const Queue& q) { return q.stats().duplicates; }},
};

}  // namespace

void QueueApi::Stats(const Request& request, Reply& reply) {
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue)) return;
  const QueueStats stats = queue != nullptr ? queue->stats() : QueueStats();
  const bool json = request.Param("format") == "json";
  reply.Body(200, json ? kApplicationJson : kTextPlain,
             json ? StatsJson(stats, queue) : StatsText(stats, queue));
  if (queue != nullptr && !request.is_head() && request.Param("reset") == "1") queue->ResetStats();
}

std::string QueueApi::StatsText(const QueueStats& stats, const Queue* queue) {
  return fmt::format("puts:{}\ngets:{}\ndepth:{}\ndepth_high_water:{}\nbytes:{}\noverflow:{}\n",
                     stats.puts, stats.gets, queue != nullptr ? queue->depth() : 0,
                     stats.depth_high_water, queue != nullptr ? queue->bytes() : 0, stats.overflow);
}

std::string QueueApi::StatsJson(const QueueStats& stats, const Queue* queue) const {
  const bool there = queue != nullptr;
  std::string out = fmt::format(
      R"({{"puts": {},"gets": {},"depth": {},"depth_high_water": {},"bytes": {},"overflow": {})"
      R"(,"in_flight": {},"deferred": {},"dead": {},"requeues": {},"timeouts": {})"
      R"(,"finished": {},"expired": {},"finish_missed": {},"data_path_bytes": {})",
      stats.puts, stats.gets, there ? queue->depth() : 0, stats.depth_high_water,
      there ? queue->bytes() : 0, stats.overflow, there ? queue->in_flight() : 0,
      there ? queue->deferred() : 0, there ? queue->dead() : 0, stats.requeues, stats.timeouts,
      stats.finished, stats.expired, stats.finish_missed,
      durability_ != nullptr ? durability_->journal().disk_bytes() : 0);
  AppendQueuesJson(&out);
  out.append(R"(,"health": )");
  const Status health = daemon_.health();
  AppendJsonString(&out, health.ok() ? "ok" : health.message());
  const auto start = std::chrono::floor<std::chrono::seconds>(daemon_.start_time());
  fmt::format_to(
      std::back_inserter(out),
      R"(,"start_time": {},"memory_bytes": {},"held_bytes": {},"oldest_ready_seconds": {:.3f})"
      R"(,"buried": {},"kicked": {},"duplicates": {},"keys": {},"paused": {})"
      R"(,"waiting_polls": {})",
      start.time_since_epoch().count(), queues_.allocated_bytes(), there ? queue->held_bytes() : 0,
      there ? OldestReadySeconds(*queue, daemon_.clock().Now()) : 0, stats.buried, stats.kicked,
      stats.duplicates, there ? queue->keys() : 0, there && queue->paused(), polls_.waiting());
  if (durability_ != nullptr) AppendJournalJson(&out);
  out.append("}\n");
  return out;
}

void QueueApi::AppendQueuesJson(std::string* out) const {
  out->append(R"(,"queues": {)");
  const char* comma = "";
  for (const auto& [name, queue] : queues_.all()) {
    out->append(comma);
    AppendJsonString(out, name);
    fmt::format_to(std::back_inserter(*out),
                   R"(: {{"depth": {},"bytes": {},"in_flight": {},"deferred": {},"dead": {}}})",
                   queue->depth(), queue->bytes(), queue->in_flight(), queue->deferred(),
                   queue->dead());
    comma = ",";
  }
  out->push_back('}');
}

void QueueApi::AppendJournalJson(std::string* out) const {
  const Journal& journal = durability_->journal();
  const Journal::Stats& stats = journal.stats();
  const LatencyHistogram& syncs = journal.sync_latency();
  fmt::format_to(
      std::back_inserter(*out),
      R"(,"journal": {{"commits": {},"records": {},"records_per_commit": {:.1f},"last_group": {})"
      R"(,"syncs": {},"sync_p50_seconds": {:.6f},"sync_p99_seconds": {:.6f},"failures": {})"
      R"(,"segments": {},"cleaned_messages": {}}})",
      stats.commits, stats.records, RecordsPerCommit(stats), stats.last_group, stats.syncs,
      Seconds(syncs.Quantile(0.5)), Seconds(syncs.Quantile(0.99)), stats.failures,
      journal.open_segment() - journal.oldest_segment() + 1, durability_->cleaned_messages());
}

void QueueApi::WriteMetrics(std::string* out) const {
  for (const Series& series : kSeries) {
    WriteMetricHeader(out, series.name, series.help, series.type);
    for (const auto& [name, queue] : queues_.all()) {
      WriteMetricSample(out, series.name, {{"queue", name}},
                        static_cast<double>(series.read(*queue)));
    }
  }
  const MonoTime now = daemon_.clock().Now();
  WriteMetricHeader(out, "rivulet_queue_oldest_ready_seconds",
                    "Time since the oldest ready message was put.", "gauge");
  for (const auto& [name, queue] : queues_.all()) {
    WriteMetricSample(out, "rivulet_queue_oldest_ready_seconds", {{"queue", name}},
                      OldestReadySeconds(*queue, now));
  }
  WriteMetricHeader(out, "rivulet_queue_memory_bytes", "Memory that holds messages.", "gauge");
  WriteMetricSample(out, "rivulet_queue_memory_bytes", {},
                    static_cast<double>(queues_.allocated_bytes()));
  if (durability_ == nullptr) return;
  WriteJournalMetrics(durability_->journal(), out);
  WriteMetricHeader(out, "rivulet_journal_cleaned_messages_total",
                    "Messages written again so that a segment could go.", "counter");
  WriteMetricSample(out, "rivulet_journal_cleaned_messages_total", {},
                    static_cast<double>(durability_->cleaned_messages()));
}

}  // namespace rivulet
