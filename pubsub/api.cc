#include "pubsub/api.h"

#include <random>
#include <utility>

#include "http/reply.h"
#include "http/request.h"
#include "pubsub/durability.h"
#include "pubsub/republish.h"

namespace rivulet {

namespace {

constexpr Duration kTrimPeriod = std::chrono::seconds(1);

std::uint64_t RandomSeed() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

std::array<Counter*, kKickReasonCount> KickCounters(MetricRegistry& metrics) {
  std::array<Counter*, kKickReasonCount> counters{};
  for (std::size_t i = 0; i < kKickReasonCount; ++i) {
    const std::string_view reason = KickReasonName(static_cast<KickReason>(i));
    counters[i] =
        &metrics.AddCounter("rivulet_pubsub_kicked_clients_total", "Subscribers cut by pubsub.",
                            {{"reason", std::string(reason)}});
  }
  return counters;
}

}  // namespace

PubsubApi::PubsubApi(Daemon& daemon, PubsubOptions options, TopicDurability* durability)
    : daemon_(daemon),
      options_(options),
      durability_(durability),
      topics_({static_cast<std::size_t>(options.max_topics),
               RetentionOf(options, durability != nullptr)}),
      filters_(static_cast<std::size_t>(options.max_filters)),
      keys_(static_cast<std::size_t>(options.max_keys), RandomSeed()),
      trim_(daemon.loop(), [this] { Trim(); }),
      received_(daemon.metrics().AddCounter("rivulet_pubsub_messages_received_total",
                                            "Messages published.")),
      sent_(daemon.metrics().AddCounter("rivulet_pubsub_messages_sent_total",
                                        "Messages handed to subscribers' sockets, each counted "
                                        "once a subscriber.")),
      kicked_(KickCounters(daemon.metrics())),
      skipped_(daemon.metrics().AddCounter(
          "rivulet_pubsub_skipped_messages_total",
          "Messages that subscribers with slow=skip did not get, each counted once a subscriber.")),
      gaps_(daemon.metrics().AddCounter("rivulet_pubsub_gaps_total",
                                        "Gaps that subscribers were told of.")),
      replayed_keys_(daemon.metrics().AddCounter(
          "rivulet_pubsub_idempotency_replays_total",
          "Publishes that were answered as the first one with their Idempotency-Key.")),
      publisher_({&topics_, durability, &daemon.loop(), &daemon.clock(), &received_,
                  [this] { topics_.Deliver(options_.max_pending_bytes); }}) {}

PubsubApi::~PubsubApi() = default;

void PubsubApi::Install() {
  Router& router = daemon_.router();
  router.Add(kActs | Bit(Method::kPut), "/pub", this, &PubsubApi::Publish);
  router.AddUpload(
      "/pub", [this](const Request& request, Reply& reply) { return OpenUpload(request, reply); });
  router.Add(kLooks, "/sub", this, &PubsubApi::Subscribe);
  router.Add(kLooks, "/stats", this, &PubsubApi::Stats);
  router.Add(kLooks, "/clients", this, &PubsubApi::Clients);
  router.Add(kLooks, "/topics", this, &PubsubApi::Topics);
  AddMetrics();
}

Status PubsubApi::Recover() {
  trim_.StartEvery(kTrimPeriod);
  if (durability_ == nullptr) return Status::Ok();
  if (Status s = durability_->Open(&topics_, &keys_); !s.ok()) return s;
  durability_->SetHooks({[this](std::uint64_t commit) { OnCommitted(commit); },
                         [this](const Status& why) { OnFailed(why); },
                         [this] { publisher_.OnHealed(); }});
  daemon_.CheckHealthBy([this] { return durability_->Admit(); });
  return Status::Ok();
}

Status PubsubApi::Republish(const RepublishConfig& config, std::string topic) {
  auto made = Republisher::Make(config, daemon_.loop(), daemon_.clock(),
                                [this, name = std::move(topic)](std::string_view body) {
                                  if (Status refused = publisher_.Admit(); !refused.ok())
                                    return refused;
                                  const auto found = publisher_.Find(name);
                                  if (!found.ok()) return found.status();
                                  publisher_.PublishMessage(*found, body);
                                  return Status::Ok();
                                });
  if (!made.ok()) return made.status();
  republisher_ = std::move(*made);
  if (durability_ != nullptr) republisher_->SetLog([this] { return publisher_.last_commit(); });
  republisher_->AddMetrics(&daemon_.metrics());
  republisher_->Start();
  return Status::Ok();
}

void PubsubApi::StopRepublishing() {
  if (republisher_) republisher_->Stop();
}

Status PubsubApi::Close() {
  Status closed = durability_ != nullptr ? durability_->Close() : Status::Ok();
  if (republisher_) republisher_->Stop();
  return closed;
}

void PubsubApi::OnCommitted(std::uint64_t commit) {
  publisher_.OnCommitted(commit);
  if (republisher_) republisher_->OnCommitted(commit);
  daemon_.server().Release(commit);
}

void PubsubApi::OnFailed(const Status& why) {
  publisher_.OnFailed(why);
  daemon_.server().FailHeld(HttpStatusOf(why), why.message());
}

void PubsubApi::Trim() {
  const WallTime now = daemon_.clock().WallNow();
  topics_.Trim(now);
  keys_.Expire(now);
}

}  // namespace rivulet
