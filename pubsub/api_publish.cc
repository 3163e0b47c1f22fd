// /pub: bodies, data=, uploads, WebSockets, Idempotency-Key.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/frames.h"
#include "base/log.h"
#include "base/units.h"
#include "http/reply.h"
#include "http/request.h"
#include "pubsub/api.h"
#include "pubsub/durability.h"
#include "pubsub/publish_socket.h"
#include "pubsub/publish_upload.h"

namespace rivulet {

namespace {

void Refuse(Reply& reply, const Status& why) { reply.Error(HttpStatusOf(why), why.message()); }

std::string_view BodyOf(const Request& request) {
  return request.method() == Method::kGet ? std::string_view() : request.body();
}

}  // namespace

void PubsubApi::Publish(const Request& request, Reply& reply) {
  if (!MayPublish(request, reply)) return;
  if (AsksForWebSocket(request)) return PublishBySocket(request, reply);
  const auto params = ParsePublish(request);
  if (!params.ok()) return Refuse(reply, params.status());
  if (!CheckKey(*params, reply)) return;
  if (Status refused = publisher_.Admit(); !refused.ok()) return Refuse(reply, refused);
  const auto topic = publisher_.Find(params->topic);
  if (!topic.ok()) return Refuse(reply, topic.status());
  if (!params->key.empty() && AnswerKey(*params, reply)) return;
  const std::uint64_t first_offset = (*topic)->next_offset();
  const auto messages = PublishBody(request, *params, *topic);
  if (!messages.ok()) return Refuse(reply, messages.status());
  const PublishedUnderKey published{first_offset, *messages, (*topic)->subscribers(), {}};
  if (!params->key.empty()) RememberKey(*params, **topic, published);
  reply.HoldUntil(publisher_.last_commit());
  AnswerPublished(reply, published);
}

// A page of another origin could publish without asking, since such a POST needs no preflight.
bool PubsubApi::MayPublish(const Request& request, Reply& reply) {
  if (daemon_.server().OriginAllowed(request)) return true;
  reply.Error(403,
              "Origin: pages of this origin may not publish; --allow-origin names those that may");
  return false;
}

Result<std::uint64_t> PubsubApi::PublishBody(const Request& request, const PublishParams& params,
                                             Topic* topic) {
  const std::string_view body = BodyOf(request);
  if (body.empty()) {
    if (const auto data = request.Param("data")) return publisher_.PublishMessage(topic, *data);
    if (request.method() == Method::kGet) return InvalidArgument("missing data");
  }
  if (body.size() >= Publisher::kMessageBytesBound) {
    return Status(StatusCode::kTooLarge,
                  fmt::format("the body has {} bytes: it must have fewer than {}", body.size(),
                              FormatByteCount(Publisher::kMessageBytesBound)));
  }
  if (params.format == PublishParams::Format::kWhole) return publisher_.PublishMessage(topic, body);
  if (params.format == PublishParams::Format::kLines) {
    if (Status status = Publisher::CheckLines(body); !status.ok()) return status;
    return publisher_.PublishLines(topic, body);
  }
  const auto messages = ParseFrames(body);
  if (!messages.ok()) return messages.status();
  if (Status status = Publisher::CheckCount(messages->size()); !status.ok()) return status;
  for (const std::string_view message : *messages) publisher_.PublishMessage(topic, message);
  return messages->size();
}

std::unique_ptr<Upload> PubsubApi::OpenUpload(const Request& request, Reply& reply) {
  if (!MayPublish(request, reply)) return nullptr;
  const auto params = ParsePublish(request);
  if (!params.ok()) {
    Refuse(reply, params.status());
    return nullptr;
  }
  // What must be seen whole before it is published is gathered.
  if (request.method() == Method::kGet || !params->key.empty() || request.Param("data") ||
      params->format == PublishParams::Format::kWhole) {
    return nullptr;
  }
  Status refused = publisher_.Admit();
  if (const auto topic = publisher_.Find(params->topic); refused.ok() && !topic.ok()) {
    refused = topic.status();
  }
  if (!refused.ok()) {
    Refuse(reply, refused);
    return nullptr;
  }
  const std::size_t max_message_bytes =
      std::min<std::size_t>(options_.max_body_bytes, Publisher::kMessageBytesBound - 1);
  return std::make_unique<PublishUpload>(&publisher_, *params, max_message_bytes);
}

void PubsubApi::PublishBySocket(const Request& request, Reply& reply) {
  const auto params = ParsePublish(request);
  if (!params.ok()) return Refuse(reply, params.status());
  if (Status refused = publisher_.Admit(); !refused.ok()) return Refuse(reply, refused);
  if (const auto topic = publisher_.Find(params->topic); !topic.ok()) {
    return Refuse(reply, topic.status());
  }
  auto answers = std::make_unique<PublishAnswers>(&publisher_);
  auto socket = std::make_unique<PublishSocket>(&publisher_, *params, answers.get());
  WebSocketLimits limits;
  limits.max_message_bytes =
      std::min<std::size_t>(options_.max_body_bytes, Publisher::kMessageBytesBound - 1);
  reply.WebSocket(std::move(answers), std::move(socket), limits);
}

bool PubsubApi::CheckKey(const PublishParams& params, Reply& reply) const {
  if (params.key.empty() || options_.dedupe_window > Duration::zero()) return true;
  reply.Error(400,
              "Idempotency-Key: keys are not remembered here (--dedupe-window=0): leave it out");
  return false;
}

bool PubsubApi::AnswerKey(const PublishParams& params, Reply& reply) {
  const auto before = keys_.Find(params.topic, params.key, daemon_.clock().WallNow());
  if (!before) return false;
  replayed_keys_.Add();
  reply.AddHeader("Idempotency-Replayed", "true");
  // The first request may yet wait for its commit.
  reply.HoldUntil(publisher_.last_commit());
  AnswerPublished(reply, *before);
  return true;
}

void PubsubApi::RememberKey(const PublishParams& params, const Topic& topic,
                            PublishedUnderKey what) {
  what.until = daemon_.clock().WallNow() + options_.dedupe_window;
  keys_.Add(params.topic, params.key, what);
  if (durability_ != nullptr) durability_->OnKey(topic, params.key, what);
}

}  // namespace rivulet
