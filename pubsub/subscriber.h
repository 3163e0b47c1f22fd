// One /sub answer: reads a topic by its subscription and hands the bytes to the connection.
//
// What goes out, in order: the framing's preamble, then messages for as long as the client is
// there. A slow consumer is kicked: what it was promised and the rest of the message in hand, the
// notice, the end. When the daemon drains: what is still unread, the end.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "http/stream.h"
#include "pubsub/topic.h"

namespace rivulet {

class Subscriber;

/// Who is told what becomes of subscribers. Outlives them.
class SubscriberObserver {
 public:
  virtual ~SubscriberObserver() = default;
  /// `messages` were handed to the kernel to their end.
  virtual void OnSent(std::uint64_t messages) = 0;
  /// It is cut from its topic, being more than the limit behind.
  virtual void OnKicked(const Subscriber& subscriber, std::uint64_t pending_bytes) = 0;
  /// It is about to be destroyed.
  virtual void OnGone(const Subscriber& subscriber) = 0;
};

class Subscriber final : public StreamSource, public SubscriptionListener {
 public:
  struct Info {
    std::uint64_t id = 0;
    std::string client;  // the name it gave itself, or empty
    WallTime connected_at;
  };

  Subscriber(Topic* topic, Framing framing, Info info, SubscriberObserver* observer);
  ~Subscriber() override;

  // StreamSource.
  void Attached(Stream* stream) override { stream_ = stream; }
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override;
  void Consume(std::size_t bytes) override;
  void Drain() override { draining_ = true; }

  // SubscriptionListener.
  void OnMessages() override { stream_->Wake(); }
  void OnTooSlow() override;

  const Info& info() const { return info_; }
  const std::string& topic_name() const { return topic_name_; }
  std::string_view peer() const { return stream_->peer(); }
  const Subscription& subscription() const { return subscription_; }
  bool kicked() const { return kicked_; }

 private:
  Gathered GatherLastWords(std::span<iovec> pieces, std::size_t max_bytes) const;

  Stream* stream_ = nullptr;
  SubscriberObserver* observer_;
  Info info_;
  std::string topic_name_;
  std::string_view preamble_;  // what is left of it
  bool draining_ = false;
  bool kicked_ = false;
  Subscription subscription_;
  // After a kick: the rest of what was being sent, then the notice.
  Remainder rest_;
  std::string notice_;
  std::size_t last_words_sent_ = 0;
};

}  // namespace rivulet
