// Who listens, and to what: /clients and /topics.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/json.h"
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

std::string_view FramingWord(Framing framing) {
  switch (framing) {
    case Framing::kMultipart:
      return "multipart";
    case Framing::kLines:
    case Framing::kLinesAt:
      return "lines";
    case Framing::kFramed:
    case Framing::kFramedAt:
      return "framed";
    case Framing::kSse:
      return "sse";
    case Framing::kWebSocket:
    case Framing::kWebSocketAt:
      return "websocket";
  }
  return "";
}

std::string_view Word(bool value) { return value ? "true" : "false"; }

std::uint64_t UnixSeconds(WallTime time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

}  // namespace

void PubsubApi::Clients(const Request& request, Reply& reply) {
  if (request.Param("format") == "json") return reply.Body(200, kApplicationJson, ClientsJson());
  reply.Text(200, subscribers_.empty() ? "no /sub connections\n" : ClientsText());
}

std::string PubsubApi::ClientsText() const {
  std::string text;
  auto out = std::back_inserter(text);
  for (const auto& [id, listed] : subscribers_) {
    const Subscriber& subscriber = *listed.subscriber;
    const SubscriberConfig& config = subscriber.config();
    const std::uint64_t pending_bytes = subscriber.pending_bytes();
    fmt::format_to(out,
                   "{} connected at {}. output buffer size:{} state:{} topic:{} lag:{} "
                   "lag_bytes:{} framing:{}",
                   subscriber.peer(), UtcSecond(config.connected_at), pending_bytes,
                   kConnectionState, listed.feed->selection().text(), subscriber.lag_messages(),
                   pending_bytes, FramingWord(config.framing));
    if (subscriber.replaying()) text.append(" replaying");
    if (config.skips_when_slow) {
      fmt::format_to(out, " slow:skip skipped:{}", subscriber.skipped_messages());
    }
    if (!config.client.empty()) fmt::format_to(out, " client:{}", config.client);
    if (const Filter* const filter = listed.feed->filter()) {
      text.append(" filter:");
      AppendJsonString(&text, filter->text());
    }
    text.push_back('\n');
  }
  return text;
}

std::string PubsubApi::ClientsJson() const {
  std::string text = "[";
  auto out = std::back_inserter(text);
  for (const auto& [id, listed] : subscribers_) {
    const Subscriber& subscriber = *listed.subscriber;
    const SubscriberConfig& config = subscriber.config();
    if (text.size() > 1) text.append(",\n ");
    fmt::format_to(out, R"({{"peer": "{}", "client": )", subscriber.peer());
    if (config.client.empty()) {
      text.append("null");
    } else {
      AppendJsonString(&text, config.client);
    }
    fmt::format_to(out, R"(, "topic": "{}", "framing": "{}", "offsets": {}, "filter": )",
                   listed.feed->selection().text(), FramingWord(config.framing),
                   Word(FramingHasPositions(config.framing)));
    if (const Filter* const filter = listed.feed->filter()) {
      AppendJsonString(&text, filter->text());
    } else {
      text.append("null");
    }
    fmt::format_to(out,
                   R"(, "connected_at": {}, "lag_messages": {}, "lag_bytes": {}, "sent": {}, )"
                   R"("skipped": {}, "replaying": {}, "slow": "{}"}})",
                   UnixSeconds(config.connected_at), subscriber.lag_messages(),
                   subscriber.pending_bytes(), subscriber.sent_messages(),
                   subscriber.skipped_messages(), Word(subscriber.replaying()),
                   config.skips_when_slow ? "skip" : "kick");
  }
  text.append("]\n");
  return text;
}

void PubsubApi::Topics(const Request&, Reply& reply) {
  std::string text = "[";
  topics_.ForEach([&text](const Topic& topic) {
    if (text.size() > 1) text.append(",\n ");
    fmt::format_to(
        std::back_inserter(text),
        R"({{"name": "{}", "first_offset": {}, "next_offset": {}, "end_offset": {}, )"
        R"("retained_bytes": {}, "held_bytes": {}, "subscribers": {}, "published_bytes": {}, )"
        R"("retains": {}}})",
        topic.name(), topic.first_offset(), topic.next_offset(), topic.end_offset(),
        topic.retained_bytes(), topic.held_bytes(), topic.subscribers(), topic.published_bytes(),
        Word(topic.past() != nullptr));
  });
  text.append("]\n");
  reply.Body(200, kApplicationJson, text);
}

}  // namespace rivulet
