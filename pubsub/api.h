// pubsub over HTTP: which endpoint does what. Each handler is parse, guard, act, reply.
//
// With a TopicDurability every message goes to the log first, and its answer is held back until the
// log says that it is safe: Publisher::Admit() before, HoldUntil() with the answer.
//
// Thread: the loop's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/status.h"
#include "http/daemon.h"
#include "pubsub/api_options.h"
#include "pubsub/filter.h"
#include "pubsub/params.h"
#include "pubsub/publish_keys.h"
#include "pubsub/publisher.h"
#include "pubsub/subscriber.h"
#include "pubsub/topic_set.h"

namespace rivulet {

class Reply;
class Republisher;
class Request;
class TopicDurability;
struct RepublishConfig;

class PubsubApi final : private SubscriberObserver {
 public:
  /// `daemon` and `durability` (nullptr: topics live in memory alone) must outlive it.
  PubsubApi(Daemon& daemon, PubsubOptions options, TopicDurability* durability = nullptr);
  ~PubsubApi() override;

  /// Routes and metrics on the daemon.
  void Install();
  /// Brings back what the data path holds. Before the first request is served.
  Status Recover();
  /// Publishes into `topic` what the source sends. After Recover().
  Status Republish(const RepublishConfig& config, std::string topic);
  /// The drain begins: nothing more is taken from a source.
  void StopRepublishing();
  /// At the end, with no connection left: the log is closed.
  Status Close();

 private:
  // One that is listed: not kicked yet.
  struct Listed {
    const Subscriber* subscriber;
    Feed* feed;
  };

  // Publishing (api_publish.cc).
  void Publish(const Request& request, Reply& reply);
  std::unique_ptr<Upload> OpenUpload(const Request& request, Reply& reply);
  void PublishBySocket(const Request& request, Reply& reply);
  /// Publishes the body, all or nothing, and returns how many messages that was.
  bool MayPublish(const Request& request, Reply& reply);
  Result<std::uint64_t> PublishBody(const Request& request, const PublishParams& params,
                                    Topic* topic);
  /// True when that was published before, and answered so.
  bool AnswerKey(const PublishParams& params, Reply& reply);
  void RememberKey(const PublishParams& params, const Topic& topic, PublishedUnderKey what);
  bool CheckKey(const PublishParams& params, Reply& reply) const;

  // Subscribing (api_subscribe.cc).
  void Subscribe(const Request& request, Reply& reply);
  /// False after an error was answered.
  bool FilterOf(const SubscribeParams& params, Reply& reply, std::shared_ptr<Filter>* filter);
  void AnswerStream(const SubscribeParams& params, Feed* feed, Reply& reply);
  std::uint64_t UntilOf(const SubscribeParams& params, const Feed& feed) const;
  /// X-Offset and X-Gap.
  void AddPlaceHeaders(const Subscriber& subscriber, Reply& reply);
  void OnSent(std::uint64_t messages) override { sent_.Add(messages); }
  void OnKicked(const Subscriber& subscriber, KickReason reason,
                std::uint64_t pending_bytes) override;
  void OnSkipped(const Subscriber& subscriber, std::uint64_t messages) override;
  void OnGone(const Subscriber& subscriber) override;
  void Unlist(const Subscriber& subscriber);

  // Listing (api_lists.cc).
  void Clients(const Request& request, Reply& reply);
  std::string ClientsText() const;
  std::string ClientsJson() const;
  void Topics(const Request& request, Reply& reply);

  // Numbers (api_stats.cc).
  void Stats(const Request& request, Reply& reply);
  std::string StatsText() const;
  std::string StatsJson() const;
  void AppendJournalJson(std::string* out) const;
  void AddMetrics();
  void WriteTopicMetrics(std::string* out) const;
  std::uint64_t received_since_reset() const { return received_.value() - received_at_reset_; }
  std::uint64_t sent_since_reset() const { return sent_.value() - sent_at_reset_; }
  std::uint64_t kicked() const;
  std::uint64_t pending_bytes() const;
  std::uint64_t memory_bytes() const;
  /// Over all topics.
  std::uint64_t Sum(std::uint64_t (*read)(const Topic&)) const;

  void OnCommitted(std::uint64_t commit);
  void OnFailed(const Status& why);
  /// Lets go of what is too old.
  void Trim();

  Daemon& daemon_;
  PubsubOptions options_;
  TopicDurability* durability_;
  TopicSet topics_;
  FilterSet filters_;
  PublishKeys keys_;
  ReplayBuffer replay_buffer_;
  Timer trim_;
  std::map<std::uint64_t, Listed> subscribers_;  // by id, so in the order they came
  std::uint64_t subscribers_total_ = 0;
  Counter& received_;
  Counter& sent_;
  std::array<Counter*, kKickReasonCount> kicked_;
  Counter& skipped_;
  Counter& gaps_;
  Counter& replayed_keys_;
  Publisher publisher_;
  std::unique_ptr<Republisher> republisher_;
  std::uint64_t received_at_reset_ = 0;
  std::uint64_t sent_at_reset_ = 0;
};

}  // namespace rivulet
