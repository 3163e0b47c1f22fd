// pubsub over HTTP: which endpoint does what. Each handler is parse, guard, act, reply.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/options.h"
#include "base/status.h"
#include "http/daemon.h"
#include "pubsub/subscriber.h"
#include "pubsub/topic_set.h"

namespace rivulet {

class Reply;
class Request;

struct PubsubOptions {
  std::uint64_t max_pending_bytes = 50ULL << 20;
  std::uint64_t max_topics = 1000;
};

void AddPubsubOptions(Options* options, PubsubOptions* pubsub);

class PubsubApi final : private SubscriberObserver {
 public:
  /// `daemon` must outlive it.
  PubsubApi(Daemon& daemon, PubsubOptions options);

  /// Routes and metrics on the daemon.
  void Install();

 private:
  void Publish(const Request& request, Reply& reply);
  void Subscribe(const Request& request, Reply& reply);
  void Stats(const Request& request, Reply& reply);
  void Clients(const Request& request, Reply& reply);
  void Topics(const Request& request, Reply& reply);

  // SubscriberObserver.
  void OnSent(std::uint64_t messages) override { sent_.Add(messages); }
  void OnKicked(const Subscriber& subscriber, std::uint64_t pending_bytes) override;
  void OnGone(const Subscriber& subscriber) override;

  /// nullptr after an error was answered.
  Topic* TopicOf(const Request& request, Reply& reply);
  Result<std::uint64_t> PublishBody(const Request& request, Topic* topic);
  std::uint64_t received_since_reset() const { return received_.value() - received_at_reset_; }
  std::uint64_t sent_since_reset() const { return sent_.value() - sent_at_reset_; }
  std::uint64_t PendingBytes() const;
  std::string StatsText() const;
  std::string StatsJson() const;
  void WriteTopicMetrics(std::string* out) const;

  Daemon& daemon_;
  PubsubOptions options_;
  TopicSet topics_;
  Deferred deliver_;
  std::map<std::uint64_t, const Subscriber*> subscribers_;  // by id, so in the order they came
  std::uint64_t subscribers_total_ = 0;
  Counter& received_;
  Counter& sent_;
  Counter& kicked_;
  std::uint64_t received_at_reset_ = 0;
  std::uint64_t sent_at_reset_ = 0;
};

}  // namespace rivulet
