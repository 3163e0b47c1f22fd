#include "pubsub/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/frames.h"
#include "base/log.h"
#include "base/names.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

namespace {

constexpr std::string_view kDefaultTopic = "default";
// Positions in a block are 32 bits wide.
constexpr std::size_t kMaxMessageBytes = 1ULL << 31;

// As atoi() of the original: a number other than 0 asks for multipart, anything else for lines.
bool AsksForMultipart(std::string_view value) {
  value.remove_prefix(std::min(value.find_first_not_of(" \t\n\v\f\r"), value.size()));
  if (!value.empty() && (value.front() == '+' || value.front() == '-')) value.remove_prefix(1);
  const std::string_view digits = value.substr(0, value.find_first_not_of("0123456789"));
  return digits.find_first_not_of('0') != std::string_view::npos;
}

// Parameters of /sub that change what is sent. Ignoring one that is not served would send the wrong
// messages, so it is refused.
constexpr std::array<std::string_view, 8> kUnservedParameters = {
    "format", "since",          "until",          "heartbeat",
    "slow",   "filter_subject", "filter_pattern", "last_event_id"};

}  // namespace

void AddPubsubOptions(Options* options, PubsubOptions* pubsub) {
  options->Section("Topics");
  options
      ->Bytes("max-pending", &pubsub->max_pending_bytes,
              "a subscriber that is further behind is kicked")
      .Metavar("SIZE")
      .Range(1, 1ULL << 50);
  options->Uint("max-topics", &pubsub->max_topics, "most topics at a time")
      .Metavar("N")
      .Range(1, 1'000'000);
}

PubsubApi::PubsubApi(Daemon& daemon, PubsubOptions options)
    : daemon_(daemon),
      options_(options),
      topics_(options.max_topics),
      deliver_(daemon.loop(), [this] { topics_.Deliver(options_.max_pending_bytes); }),
      received_(daemon.metrics().AddCounter("rivulet_pubsub_messages_received_total",
                                            "Messages published.")),
      sent_(daemon.metrics().AddCounter("rivulet_pubsub_messages_sent_total",
                                        "Messages handed to subscribers' sockets, each counted "
                                        "once a subscriber.")),
      kicked_(daemon.metrics().AddCounter("rivulet_pubsub_kicked_clients_total",
                                          "Subscribers cut by pubsub.", {{"reason", "too_slow"}})) {
}

void PubsubApi::Install() {
  Router& router = daemon_.router();
  router.Add(kActs, "/pub", this, &PubsubApi::Publish);
  router.Add(kLooks, "/sub", this, &PubsubApi::Subscribe);
  router.Add(kLooks, "/stats", this, &PubsubApi::Stats);
  router.Add(kLooks, "/clients", this, &PubsubApi::Clients);
  router.Add(kLooks, "/topics", this, &PubsubApi::Topics);
  MetricRegistry& metrics = daemon_.metrics();
  metrics.AddGaugeFunction("rivulet_pubsub_subscribers", "Subscribers now.",
                           [this] { return static_cast<double>(subscribers_.size()); });
  metrics.AddCounterFunction("rivulet_pubsub_subscribers_total", "Subscribers since the start.",
                             [this] { return static_cast<double>(subscribers_total_); });
  metrics.AddGaugeFunction("rivulet_pubsub_memory_bytes",
                           "Memory that holds messages not yet read by all.",
                           [this] { return static_cast<double>(topics_.pool().live_bytes()); });
  metrics.AddCollector([this](std::string* out) { WriteTopicMetrics(out); });
}

Topic* PubsubApi::TopicOf(const Request& request, Reply& reply) {
  const auto name = request.Param("topic");
  auto topic = topics_.Get(name ? std::string_view(*name) : kDefaultTopic);
  if (topic.ok()) return *topic;
  const bool full = topic.status().code() == StatusCode::kExhausted;
  reply.Error(full ? 503 : 400, topic.status().message());
  return nullptr;
}

// Parse, then publish all or nothing.
Result<std::uint64_t> PubsubApi::PublishBody(const Request& request, Topic* topic) {
  const std::uint64_t first_offset = topic->next_offset();
  const bool has_body = request.method() == Method::kPost && !request.body().empty();
  const auto format = request.Param("format").value_or("lines");
  const auto whole = request.Param("whole").value_or("0");
  if (format != "lines" && format != "framed") {
    return InvalidArgument("format must be lines (the default) or framed");
  }
  if (whole != "0" && whole != "1") return InvalidArgument("whole must be 0 or 1");
  if (whole == "1" && format == "framed") {
    return InvalidArgument("whole=1 and format=framed exclude each other: give one of them");
  }
  if (const auto data = request.Param("data"); data && !has_body) {
    topic->Publish(*data);
  } else if (request.method() != Method::kPost) {
    return InvalidArgument("missing data");
  } else if (request.body().size() >= kMaxMessageBytes) {
    return Status(StatusCode::kTooLarge, "a body must be below 2GiB");
  } else if (whole == "1") {
    topic->Publish(request.body());
  } else if (format == "framed") {
    const auto messages = ParseFrames(request.body());
    if (!messages.ok()) return messages.status();
    for (const std::string_view message : *messages) topic->Publish(message);
  } else {
    topic->PublishLines(request.body());
  }
  return topic->next_offset() - first_offset;
}

void PubsubApi::Publish(const Request& request, Reply& reply) {
  Topic* const topic = TopicOf(request, reply);
  if (topic == nullptr) return;
  const auto published = PublishBody(request, topic);
  if (!published.ok()) {
    const bool large = published.status().code() == StatusCode::kTooLarge;
    return reply.Error(large ? 413 : 400, published.status().message());
  }
  received_.Add(*published);
  if (*published > 0) {
    topics_.Published(topic);
    deliver_.Schedule();
  }
  fmt::memory_buffer answer;
  fmt::format_to(std::back_inserter(answer), "Published {} messages to {} clients.\n", *published,
                 topic->subscribers());
  reply.Text(200, {answer.data(), answer.size()});
}

void PubsubApi::Subscribe(const Request& request, Reply& reply) {
  const auto topic_name = request.Param("topic");
  const auto client = request.Param("client").value_or("");
  const auto multipart = request.Param("multipart");
  const Framing framing =
      !multipart || AsksForMultipart(*multipart) ? Framing::kMultipart : Framing::kLines;
  if (topic_name && (*topic_name == "*" || topic_name->find(',') != std::string::npos)) {
    return reply.Error(400, "topic must be one name: several topics and * are not served yet");
  }
  for (const std::string_view parameter : kUnservedParameters) {
    if (request.Param(parameter)) {
      return reply.Error(400, fmt::format("{} is not served yet: leave it out", parameter));
    }
  }
  if (!client.empty() && !IsName(client)) {
    return reply.Error(400, fmt::format("client: {}", kNameRule));
  }
  if (request.is_head()) return reply.Stream(FramingContentType(framing), nullptr);
  if (daemon_.server().draining()) return reply.Error(503, "the daemon is going down");
  Topic* const topic = TopicOf(request, reply);
  if (topic == nullptr) return;
  const std::uint64_t id = ++subscribers_total_;
  auto subscriber = std::make_unique<Subscriber>(
      topic, framing, Subscriber::Info{id, client, daemon_.clock().WallNow()},
      static_cast<SubscriberObserver*>(this));
  subscribers_.emplace(id, subscriber.get());
  LogDebug("subscriber {} {} of topic {} came", id, request.peer(), topic->name());
  reply.Stream(FramingContentType(framing), std::move(subscriber));
}

void PubsubApi::OnKicked(const Subscriber& subscriber, std::uint64_t pending_bytes) {
  kicked_.Add();
  subscribers_.erase(subscriber.info().id);
  LogWarning("subscriber {} {} of topic {} kicked: {} bytes pending, --max-pending={}",
             subscriber.info().id, subscriber.peer(), subscriber.topic_name(), pending_bytes,
             options_.max_pending_bytes);
}

void PubsubApi::OnGone(const Subscriber& subscriber) {
  subscribers_.erase(subscriber.info().id);
  LogDebug("subscriber {} of topic {} gone", subscriber.info().id, subscriber.topic_name());
}

}  // namespace rivulet
