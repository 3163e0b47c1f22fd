// The numbers of simplequeue: /stats as text and JSON, and /metrics. And its options, which name
// the same things.
#include <fmt/format.h>

#include "base/json.h"
#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/api.h"

namespace rivulet {

void AddQueueOptions(Options* options, QueueOptions* queue) {
  options->Section("Queue");
  options->Uint("max-depth", &queue->max_depth, "ready messages a queue may hold; 0: no bound")
      .Metavar("N");
  options->Bytes("max-bytes", &queue->max_bytes, "bytes of messages a queue may hold; 0: no bound")
      .Metavar("SIZE");
  options->Text("overflow", &queue->overflow, "what happens to a put beyond the bounds")
      .Metavar("reject|log")
      .OneOf({"reject", "log"})
      .DefaultText("log with --overflow-log, else reject");
  options
      ->Text("overflow-log", &queue->overflow_log,
             "file that takes the oldest messages, one a line, to make room for new ones; what is "
             "queued at the end goes there too")
      .Metavar("FILE");
  options->Uint("max-queues", &queue->max_queues, "named queues there may be")
      .Metavar("N")
      .Range(1, 1e6);
  options->Uint("max-mget", &queue->max_mget, "messages one /mget may take; 0: no bound")
      .Metavar("N");
  options->Text("mget-item-sep", &queue->mget_item_sep, "separator between messages of /mget")
      .Metavar("TEXT")
      .DefaultText("newline");
  options->Text("mput-item-sep", &queue->mput_item_sep, "separator between messages of /mput")
      .Metavar("TEXT")
      .DefaultText("newline");
  options->Flag("enable-exit", &queue->enable_exit, "let any client stop the daemon by /exit");
}

Status CheckQueueOptions(const QueueOptions& queue) {
  if (queue.overflow == "log" && queue.overflow_log.empty()) {
    return InvalidArgument("--overflow=log: must come with --overflow-log=FILE");
  }
  if (queue.mput_item_sep.empty()) {
    return InvalidArgument("--mput-item-sep=: must not be empty");
  }
  return Status::Ok();
}

void QueueApi::Stats(const Request& request, Reply& reply) {
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue)) return;
  const QueueStats stats = queue != nullptr ? queue->stats() : QueueStats();
  const bool json = request.Param("format") == "json";
  reply.Body(200, json ? kApplicationJson : kTextPlain,
             json ? StatsJson(stats, queue) : StatsText(stats, queue));
  if (queue != nullptr && !request.is_head() && request.Param("reset") == "1") queue->ResetStats();
}

std::string QueueApi::StatsText(const QueueStats& stats, const Queue* queue) const {
  return fmt::format("puts:{}\ngets:{}\ndepth:{}\ndepth_high_water:{}\nbytes:{}\noverflow:{}\n",
                     stats.puts, stats.gets, queue != nullptr ? queue->depth() : 0,
                     stats.depth_high_water, queue != nullptr ? queue->bytes() : 0, stats.overflow);
}

std::string QueueApi::StatsJson(const QueueStats& stats, const Queue* queue) const {
  std::string out = fmt::format(
      R"({{"puts": {},"gets": {},"depth": {},"depth_high_water": {},"bytes": {},"overflow": {})",
      stats.puts, stats.gets, queue != nullptr ? queue->depth() : 0, stats.depth_high_water,
      queue != nullptr ? queue->bytes() : 0, stats.overflow);
  out.append(R"(,"queues": {)");
  const char* comma = "";
  for (const auto& [name, each] : queues_.all()) {
    out.append(comma);
    AppendJsonString(&out, name);
    out.append(fmt::format(R"(: {{"depth": {},"bytes": {}}})", each->depth(), each->bytes()));
    comma = ",";
  }
  out.append(R"(},"health": )");
  AppendJsonString(&out, daemon_.health().ok() ? "ok" : daemon_.health().message());
  const auto start = std::chrono::floor<std::chrono::seconds>(daemon_.start_time());
  out.append(fmt::format(R"(,"memory_bytes": {},"start_time": {}}})", queues_.allocated_bytes(),
                         start.time_since_epoch().count()));
  out.push_back('\n');
  return out;
}

void QueueApi::WriteMetrics(std::string* out) const {
  using Read = double (*)(const Queue&);
  struct Series {
    const char* name;
    const char* type;
    const char* help;
    Read read;
  };
  static constexpr Series kSeries[] = {
      {"rivulet_queue_depth", "gauge", "Ready messages.",
       [](const Queue& q) { return static_cast<double>(q.depth()); }},
      {"rivulet_queue_bytes", "gauge", "Bytes of ready messages.",
       [](const Queue& q) { return static_cast<double>(q.bytes()); }},
      {"rivulet_queue_depth_high_water", "gauge", "Most ready messages at a time.",
       [](const Queue& q) { return static_cast<double>(q.stats().depth_high_water); }},
      {"rivulet_queue_puts_total", "counter", "Messages accepted.",
       [](const Queue& q) { return static_cast<double>(q.stats().puts); }},
      {"rivulet_queue_gets_total", "counter", "Messages taken.",
       [](const Queue& q) { return static_cast<double>(q.stats().gets); }},
      {"rivulet_queue_overflow_total", "counter", "Messages moved to the overflow log.",
       [](const Queue& q) { return static_cast<double>(q.stats().overflow); }},
  };
  for (const Series& series : kSeries) {
    WriteMetricHeader(out, series.name, series.help, series.type);
    for (const auto& [name, queue] : queues_.all()) {
      WriteMetricSample(out, series.name, {{"queue", name}}, series.read(*queue));
    }
  }
  WriteMetricHeader(out, "rivulet_queue_memory_bytes", "Memory that holds messages.", "gauge");
  WriteMetricSample(out, "rivulet_queue_memory_bytes", {},
                    static_cast<double>(queues_.allocated_bytes()));
}

}  // namespace rivulet
