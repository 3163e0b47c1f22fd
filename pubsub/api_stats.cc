// The numbers of pubsub: /stats as text and JSON, and /metrics.
#include <fmt/format.h>

#include "base/json.h"
#include "http/reply.h"
#include "http/request.h"
#include "journal/journal_report.h"
#include "pubsub/api.h"
#include "pubsub/durability.h"
#include "pubsub/republish.h"

namespace rivulet {

namespace {

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

struct Series {
  const char* name;
  const char* type;
  const char* help;
  std::uint64_t (*read)(const Topic&);
};

constexpr Series kSeries[] = {
    {"rivulet_pubsub_topic_messages_total", "counter", "Messages published to the topic.",
     [](const Topic& topic) { return topic.next_offset(); }},
    {"rivulet_pubsub_topic_published_bytes_total", "counter",
     "Bytes of messages published to the topic.",
     [](const Topic& topic) { return topic.published_bytes(); }},
    {"rivulet_pubsub_topic_first_offset", "gauge",
     "Offset of the oldest message that can be had again.",
     [](const Topic& topic) { return topic.first_offset(); }},
    {"rivulet_pubsub_topic_retained_bytes", "gauge", "Bytes of messages kept for since=.",
     [](const Topic& topic) { return topic.retained_bytes(); }},
    {"rivulet_pubsub_topic_held_bytes", "gauge",
     "Bytes held for subscribers that have not read them.",
     [](const Topic& topic) { return topic.held_bytes(); }},
    {"rivulet_pubsub_topic_subscribers", "gauge", "Subscribers of the topic now.",
     [](const Topic& topic) { return std::uint64_t{topic.subscribers()}; }},
};

}  // namespace

std::uint64_t PubsubApi::kicked() const {
  std::uint64_t clients = 0;
  for (const Counter* counter : kicked_) clients += counter->value();
  return clients;
}

std::uint64_t PubsubApi::pending_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, listed] : subscribers_) bytes += listed.subscriber->pending_bytes();
  return bytes;
}

std::uint64_t PubsubApi::memory_bytes() const {
  return topics_.memory_bytes() + replay_buffer_.held_bytes() +
         (durability_ != nullptr ? durability_->pending_bytes() : 0);
}

std::uint64_t PubsubApi::Sum(std::uint64_t (*read)(const Topic&)) const {
  std::uint64_t sum = 0;
  topics_.ForEach([&sum, read](const Topic& topic) { sum += read(topic); });
  return sum;
}

std::string PubsubApi::StatsText() const {
  return fmt::format(
      "Active connections: {}\nTotal connections: {}\nMessages received: {}\nMessages sent: {}\n"
      "Kicked clients: {}\n",
      subscribers_.size(), subscribers_total_, received_since_reset(), sent_since_reset(),
      kicked());
}

std::string PubsubApi::StatsJson() const {
  std::string text = fmt::format(
      "{{\"current_connections\": {}, \"total_connections\": {}, \"messages_received\": {}, "
      "\"messages_sent\": {}, \"kicked_clients\": {}, \"kicked_by_reason\": {{",
      subscribers_.size(), subscribers_total_, received_since_reset(), sent_since_reset(),
      kicked());
  auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < kKickReasonCount; ++i) {
    fmt::format_to(out, "{}\"{}\": {}", i == 0 ? "" : ", ",
                   KickReasonName(static_cast<KickReason>(i)), kicked_[i]->value());
  }
  fmt::format_to(
      out,
      "}}, \"skipped_messages\": {}, \"gaps\": {}, \"topics\": {}, \"feeds\": {}, "
      "\"filters\": {}, \"pending_bytes\": {}, \"held_bytes\": {}, \"retained_bytes\": {}, "
      "\"memory_bytes\": {}, \"published_bytes\": {}, \"idempotency_keys\": {}, "
      "\"idempotency_replays\": {}, \"data_path_bytes\": {}",
      skipped_.value(), gaps_.value(), topics_.size(), topics_.feeds(), filters_.size(),
      pending_bytes(), Sum([](const Topic& topic) { return topic.held_bytes(); }),
      Sum([](const Topic& topic) { return topic.retained_bytes(); }), memory_bytes(),
      Sum([](const Topic& topic) { return topic.published_bytes(); }), keys_.size(),
      replayed_keys_.value(), durability_ != nullptr ? durability_->journal().disk_bytes() : 0);
  if (durability_ != nullptr) AppendJournalJson(&text);
  if (republisher_) text.append(", \"republish\": ").append(republisher_->StatsJson());
  const Status health = daemon_.health();
  text.append(", \"health\": ");
  AppendJsonString(&text, health.ok() ? "ok" : health.message());
  const auto start = std::chrono::floor<std::chrono::seconds>(daemon_.start_time());
  fmt::format_to(out, ", \"start_time\": {}}}\n", start.time_since_epoch().count());
  return text;
}

void PubsubApi::AppendJournalJson(std::string* out) const {
  const Journal& journal = durability_->journal();
  const Journal::Stats& stats = journal.stats();
  const LatencyHistogram& syncs = journal.sync_latency();
  fmt::format_to(std::back_inserter(*out),
                 R"(, "journal": {{"commits": {}, "records": {}, "last_group": {}, "syncs": {}, )"
                 R"("sync_p50_seconds": {:.6f}, "sync_p99_seconds": {:.6f}, "failures": {}, )"
                 R"("segments": {}, "cleaned_records": {}, "index_bytes": {}}})",
                 stats.commits, stats.records, stats.last_group, stats.syncs,
                 Seconds(syncs.Quantile(0.5)), Seconds(syncs.Quantile(0.99)), stats.failures,
                 journal.open_segment() - journal.oldest_segment() + 1,
                 durability_->cleaned_records(), durability_->index_bytes());
}

void PubsubApi::Stats(const Request& request, Reply& reply) {
  const auto add = [&reply](std::string_view name, std::uint64_t value) {
    reply.AddHeader(name, fmt::format_int(value).str());
  };
  add("X-PUBSUB-TOTAL-CONNECTIONS", subscribers_total_);
  add("X-PUBSUB-ACTIVE-CONNECTIONS", subscribers_.size());
  add("X-PUBSUB-MESSAGES-RECEIVED", received_since_reset());
  add("X-PUBSUB-MESSAGES-SENT", sent_since_reset());
  add("X-PUBSUB-KICKED-CLIENTS", kicked());
  if (request.Param("format") == "json") {
    reply.Body(200, kApplicationJson, StatsJson());
  } else {
    reply.Text(200, StatsText());
  }
  if (request.Param("reset") != "1" || request.is_head()) return;
  received_at_reset_ = received_.value();
  sent_at_reset_ = sent_.value();
}

void PubsubApi::AddMetrics() {
  MetricRegistry& metrics = daemon_.metrics();
  const auto gauge = [&metrics](const char* name, const char* help,
                                std::function<std::uint64_t()> read) {
    metrics.AddGaugeFunction(name, help,
                             [read = std::move(read)] { return static_cast<double>(read()); });
  };
  gauge("rivulet_pubsub_subscribers", "Subscribers now.", [this] { return subscribers_.size(); });
  metrics.AddCounterFunction("rivulet_pubsub_subscribers_total", "Subscribers since the start.",
                             [this] { return static_cast<double>(subscribers_total_); });
  gauge("rivulet_pubsub_feeds", "Selections of topics, with their filters, that are listened to.",
        [this] { return topics_.feeds(); });
  gauge("rivulet_pubsub_filters", "Different filters in use.", [this] { return filters_.size(); });
  gauge("rivulet_pubsub_memory_bytes",
        "Memory that holds messages not yet read by all, and the past that is kept in memory.",
        [this] { return memory_bytes(); });
  gauge("rivulet_pubsub_idempotency_keys", "Idempotency-Keys that are remembered.",
        [this] { return keys_.size(); });
  metrics.AddCollector([this](std::string* out) {
    WriteTopicMetrics(out);
    if (durability_ == nullptr) return;
    WriteJournalMetrics(durability_->journal(), out);
    WriteMetricHeader(out, "rivulet_journal_cleaned_records_total",
                      "Runs of messages written again so that a segment could go.", "counter");
    WriteMetricSample(out, "rivulet_journal_cleaned_records_total", {},
                      static_cast<double>(durability_->cleaned_records()));
    WriteMetricHeader(out, "rivulet_pubsub_index_bytes",
                      "Memory that says where messages lie on disk.", "gauge");
    WriteMetricSample(out, "rivulet_pubsub_index_bytes", {},
                      static_cast<double>(durability_->index_bytes()));
  });
}

void PubsubApi::WriteTopicMetrics(std::string* out) const {
  if (topics_.size() == 0) return;
  for (const Series& series : kSeries) {
    WriteMetricHeader(out, series.name, series.help, series.type);
    topics_.ForEach([out, &series](const Topic& topic) {
      WriteMetricSample(out, series.name, {{"topic", topic.name()}},
                        static_cast<double>(series.read(topic)));
    });
  }
}

}  // namespace rivulet
