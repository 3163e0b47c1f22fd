// What pubsub tells about itself: /stats, /clients, /topics and its metrics.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "http/reply.h"
#include "http/request.h"
#include "pubsub/api.h"

namespace rivulet {

namespace {

// What the original shows for a connection that serves a request; people's scripts expect it.
constexpr int kConnectionState = 7;

std::string UtcSecond(WallTime time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(
                         std::chrono::time_point_cast<std::chrono::system_clock::duration>(time))));
}

}  // namespace

std::uint64_t PubsubApi::PendingBytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, subscriber] : subscribers_) {
    bytes += subscriber->subscription().pending_bytes();
  }
  return bytes;
}

std::string PubsubApi::StatsText() const {
  return fmt::format(
      "Active connections: {}\nTotal connections: {}\nMessages received: {}\nMessages sent: {}\n"
      "Kicked clients: {}\n",
      subscribers_.size(), subscribers_total_, received_since_reset(), sent_since_reset(),
      kicked_.value());
}

std::string PubsubApi::StatsJson() const {
  std::uint64_t held_bytes = 0;
  topics_.ForEach([&held_bytes](const Topic& topic) { held_bytes += topic.held_bytes(); });
  const auto start_time =
      std::chrono::duration_cast<std::chrono::seconds>(daemon_.start_time().time_since_epoch())
          .count();
  return fmt::format(
      "{{\"current_connections\": {}, \"total_connections\": {}, \"messages_received\": {}, "
      "\"messages_sent\": {}, \"kicked_clients\": {}, \"kicked_by_reason\": {{\"too_slow\": {}}}, "
      "\"topics\": {}, \"pending_bytes\": {}, \"held_bytes\": {}, \"memory_bytes\": {}, "
      "\"health\": \"{}\", \"start_time\": {}}}\n",
      subscribers_.size(), subscribers_total_, received_since_reset(), sent_since_reset(),
      kicked_.value(), kicked_.value(), topics_.size(), PendingBytes(), held_bytes,
      topics_.pool().live_bytes(), daemon_.health().ok() ? "ok" : "failing", start_time);
}

void PubsubApi::Stats(const Request& request, Reply& reply) {
  const auto add = [&reply](std::string_view name, std::uint64_t value) {
    reply.AddHeader(name, fmt::format_int(value).str());
  };
  add("X-PUBSUB-TOTAL-CONNECTIONS", subscribers_total_);
  add("X-PUBSUB-ACTIVE-CONNECTIONS", subscribers_.size());
  add("X-PUBSUB-MESSAGES-RECEIVED", received_since_reset());
  add("X-PUBSUB-MESSAGES-SENT", sent_since_reset());
  add("X-PUBSUB-KICKED-CLIENTS", kicked_.value());
  if (request.Param("format") == "json") {
    reply.Body(200, kApplicationJson, StatsJson());
  } else {
    reply.Text(200, StatsText());
  }
  if (request.Param("reset") != "1" || request.is_head()) return;
  received_at_reset_ = received_.value();
  sent_at_reset_ = sent_.value();
}

void PubsubApi::Clients(const Request&, Reply& reply) {
  if (subscribers_.empty()) return reply.Text(200, "no /sub connections\n");
  std::string text;
  auto out = std::back_inserter(text);
  for (const auto& [id, subscriber] : subscribers_) {
    const LogCursor& cursor = subscriber->subscription();
    fmt::format_to(out, "{} connected at {}. output buffer size:{} state:{} topic:{} lag:{}",
                   subscriber->peer(), UtcSecond(subscriber->info().connected_at),
                   cursor.pending_bytes(), kConnectionState, subscriber->topic_name(),
                   cursor.lag_messages());
    if (!subscriber->info().client.empty()) {
      fmt::format_to(out, " client:{}", subscriber->info().client);
    }
    text.push_back('\n');
  }
  reply.Text(200, text);
}

void PubsubApi::Topics(const Request&, Reply& reply) {
  // Nothing is retained yet, so the first offset that can be had is the next one.
  std::string text = "[";
  topics_.ForEach([&text](const Topic& topic) {
    if (text.size() > 1) text.append(",\n ");
    fmt::format_to(std::back_inserter(text),
                   "{{\"name\": \"{}\", \"first_offset\": {}, \"next_offset\": {}, "
                   "\"retained_bytes\": 0, \"held_bytes\": {}, \"subscribers\": {}, "
                   "\"published_bytes\": {}}}",
                   topic.name(), topic.next_offset(), topic.next_offset(), topic.held_bytes(),
                   topic.subscribers(), topic.published_bytes());
  });
  text.append("]\n");
  reply.Body(200, kApplicationJson, text);
}

void PubsubApi::WriteTopicMetrics(std::string* out) const {
  struct Series {
    const char* name;
    const char* help;
    const char* type;
    double (*read)(const Topic&);
  };
  static constexpr Series kSeries[] = {
      {"rivulet_pubsub_topic_messages_total", "Messages published to the topic.", "counter",
       [](const Topic& topic) { return static_cast<double>(topic.next_offset()); }},
      {"rivulet_pubsub_topic_published_bytes_total", "Bytes of messages published to the topic.",
       "counter", [](const Topic& topic) { return static_cast<double>(topic.published_bytes()); }},
      {"rivulet_pubsub_topic_held_bytes", "Bytes held for subscribers that have not read them.",
       "gauge", [](const Topic& topic) { return static_cast<double>(topic.held_bytes()); }},
      {"rivulet_pubsub_topic_subscribers", "Subscribers of the topic now.", "gauge",
       [](const Topic& topic) { return static_cast<double>(topic.subscribers()); }},
  };
  if (topics_.size() == 0) return;
  for (const Series& series : kSeries) {
    WriteMetricHeader(out, series.name, series.help, series.type);
    topics_.ForEach([out, &series](const Topic& topic) {
      WriteMetricSample(out, series.name, {{"topic", topic.name()}}, series.read(topic));
    });
  }
}

}  // namespace rivulet
