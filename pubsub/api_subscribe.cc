// /sub: who listens to what, and what becomes of them.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/websocket.h"
#include "pubsub/api.h"

namespace rivulet {

namespace {

// What a subscriber sends over its WebSocket is read and dropped.
constexpr std::size_t kMaxReceivedBytes = 64 * 1024;

}  // namespace

void PubsubApi::Subscribe(const Request& request, Reply& reply) {
  const auto params = ParseSubscribe(request, daemon_.clock().WallNow());
  if (!params.ok()) return reply.Error(400, params.status().message());
  if (!daemon_.server().OriginAllowed(request)) {
    return reply.Error(403,
                       "Origin: pages of this origin may not listen; --allow-origin names "
                       "those that may");
  }
  if (daemon_.server().draining()) return reply.Error(503, "the daemon is going down");
  std::shared_ptr<Filter> filter;
  if (!FilterOf(*params, reply, &filter)) return;
  if (params->framing == Framing::kSse) {
    reply.AddHeader("Cache-Control", "no-store");
    // A proxy before us must not gather what should arrive at once.
    reply.AddHeader("X-Accel-Buffering", "no");
  }
  if (request.is_head()) return reply.Stream(FramingContentType(params->framing), nullptr);
  const auto feed = topics_.FeedOf(params->selection, std::move(filter));
  if (!feed.ok()) return reply.Error(503, feed.status().message());
  AnswerStream(*params, *feed, reply);
}

void PubsubApi::AnswerStream(const SubscribeParams& params, Feed* feed, Reply& reply) {
  SubscriberConfig config;
  config.id = ++subscribers_total_;
  config.client = params.client;
  config.connected_at = daemon_.clock().WallNow();
  config.framing = params.framing;
  config.skips_when_slow = params.skips_when_slow;
  config.heartbeat = params.heartbeat;
  config.until = UntilOf(params, *feed);
  auto subscriber = std::make_unique<Subscriber>(
      feed, config,
      Subscriber::Shared{&topics_, &replay_buffer_, &daemon_.loop(), &daemon_.clock(), this});
  subscribers_.emplace(config.id, Listed{subscriber.get(), feed});
  if (Status s = subscriber->Start(params.start); !s.ok()) return reply.Error(503, s.message());
  // An EventSource whose answer has ended asks again, until it is told that there is no more.
  if (params.framing == Framing::kSse && params.from_event_id &&
      subscriber->first_position() >= config.until) {
    return reply.Text(204, "");
  }
  if (params.resumes) AddPlaceHeaders(*subscriber, reply);
  LogDebug("subscriber {} of {} came", config.id, feed->selection().text());
  if (IsWebSocket(params.framing)) {
    reply.WebSocket(std::move(subscriber), nullptr, {.max_message_bytes = kMaxReceivedBytes});
    return;
  }
  reply.Stream(FramingContentType(params.framing), std::move(subscriber));
}

bool PubsubApi::FilterOf(const SubscribeParams& params, Reply& reply,
                         std::shared_ptr<Filter>* filter) {
  if (!params.filtered) return true;
  auto found = filters_.Get(params.filter_subject, params.filter_pattern);
  if (found.ok()) {
    *filter = std::move(*found);
    return true;
  }
  const bool full = found.status().code() == StatusCode::kExhausted;
  reply.Error(full ? 503 : 400, found.status().message());
  return false;
}

std::uint64_t PubsubApi::UntilOf(const SubscribeParams& params, const Feed& feed) const {
  switch (params.until) {
    case SubscribeParams::Until::kNever:
      return Subscription::kNoEnd;
    case SubscribeParams::Until::kPosition:
      return params.until_position;
    case SubscribeParams::Until::kNow:
      return feed.selection().single() && !feed.topics().empty()
                 ? feed.topics().front()->end_offset()
                 : topics_.end_sequence();
  }
  return Subscription::kNoEnd;
}

void PubsubApi::AddPlaceHeaders(const Subscriber& subscriber, Reply& reply) {
  reply.AddHeader("X-Offset", fmt::format_int(subscriber.first_position()).str());
  const auto& gap = subscriber.first_gap();
  if (!gap) return;
  gaps_.Add();
  const std::string missed = gap->missed ? fmt::format_int(*gap->missed).str() : "unknown";
  reply.AddHeader("X-Gap", fmt::format("missed={} next={}", missed, gap->next));
}

void PubsubApi::OnKicked(const Subscriber& subscriber, KickReason reason,
                         std::uint64_t pending_bytes) {
  kicked_[static_cast<std::size_t>(reason)]->Add();
  LogWarning("subscriber {} {} of {} kicked: {}, {} bytes pending, --max-pending={}",
             subscriber.config().id, subscriber.peer(), subscriber.feed().selection().text(),
             KickReasonName(reason), pending_bytes, options_.max_pending_bytes);
  Unlist(subscriber);
}

void PubsubApi::OnSkipped(const Subscriber& subscriber, std::uint64_t messages) {
  skipped_.Add(messages);
  gaps_.Add();
  LogInfo("subscriber {} {} of {} skipped {} messages", subscriber.config().id, subscriber.peer(),
          subscriber.feed().selection().text(), messages);
}

void PubsubApi::OnGone(const Subscriber& subscriber) {
  LogDebug("subscriber {} gone", subscriber.config().id);
  Unlist(subscriber);
}

// A kicked one says its last words with no feed: by then that may be gone.
void PubsubApi::Unlist(const Subscriber& subscriber) {
  const auto listed = subscribers_.find(subscriber.config().id);
  if (listed == subscribers_.end()) return;
  Feed* const feed = listed->second.feed;
  subscribers_.erase(listed);
  topics_.Drop(feed);
}

}  // namespace rivulet
