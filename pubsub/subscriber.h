// One /sub answer: reads a feed by its subscription and hands the bytes to the connection.
//
// What goes out, in order: the framing's preamble; what must be told about a gap; the past, if
// asked for; then messages as they come, for as long as the client is there or until `until=`.
// Between two messages a heartbeat may stand. A slow consumer is kicked (what it was promised and
// the rest of the message in hand, the notice, the end) or, with slow=skip, told of the gap and
// taken to now. When the daemon drains: what is still unread, a last word if the framing has one,
// the end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "http/stream.h"
#include "pubsub/feed.h"
#include "pubsub/replay.h"
#include "pubsub/topic_set.h"

namespace rivulet {

class Subscriber;

/// Why pubsub ends a subscriber; the `reason` of metrics and /stats.
enum class KickReason : std::uint8_t {
  kTooSlow,     // more than --max-pending behind
  kFellOff,     // was replaying, and what it was to read next was let go
  kUnreadable,  // the past could not be read from the disk
};
inline constexpr std::size_t kKickReasonCount = 3;
/// "too_slow", "fell_off", "unreadable".
std::string_view KickReasonName(KickReason reason);

/// Who is told what becomes of subscribers. Outlives them.
class SubscriberObserver {
 public:
  virtual ~SubscriberObserver() = default;
  /// `messages` were handed to the kernel to their end.
  virtual void OnSent(std::uint64_t messages) = 0;
  /// It is cut from its feed.
  virtual void OnKicked(const Subscriber& subscriber, KickReason reason,
                        std::uint64_t pending_bytes) = 0;
  /// It goes on behind `messages` that it did not get.
  virtual void OnSkipped(const Subscriber& subscriber, std::uint64_t messages) = 0;
  /// It is about to be destroyed. Its feed may be dropped now.
  virtual void OnGone(const Subscriber& subscriber) = 0;
};

struct SubscriberConfig {
  std::uint64_t id = 0;
  std::string client;  // the name it gave itself, or empty
  WallTime connected_at;
  Framing framing = Framing::kMultipart;
  bool skips_when_slow = false;
  Duration heartbeat{};  // zero: none
  std::uint64_t until = Subscription::kNoEnd;
};

class Subscriber final : public StreamSource, public SubscriptionListener {
 public:
  /// What it shares with the others. All must outlive it.
  struct Shared {
    TopicSet* topics;
    ReplayBuffer* replay_buffer;
    EventLoop* loop;
    const Clock* clock;
    SubscriberObserver* observer;
  };

  Subscriber(Feed* feed, SubscriberConfig config, const Shared& shared);
  ~Subscriber() override;

  /// Before it is given to a connection. kIoError: the past cannot be read.
  Status Start(const ReplayStart& start);
  /// After Start(): what is missing at its beginning, and the position from which it reads. In a
  /// framing without a notice of its own at the beginning the answer's head says it (X-Gap).
  const std::optional<Gap>& first_gap() const { return first_gap_; }
  std::uint64_t first_position() const { return first_position_; }

  // StreamSource.
  void Attached(Stream* stream) override;
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override;
  void Consume(std::size_t bytes) override;
  void Drain() override;

  // SubscriptionListener.
  void OnMessages() override { stream_->Wake(); }
  void OnTooSlow() override;

  const SubscriberConfig& config() const { return config_; }
  const Feed& feed() const { return *feed_; }
  std::string_view peer() const { return stream_ == nullptr ? "" : stream_->peer(); }
  bool replaying() const { return replay_ != nullptr; }
  bool kicked() const { return kicked_; }
  /// Not handed to the kernel yet; about, while it is replaying (Past::BytesFrom).
  std::uint64_t pending_bytes() const;
  std::uint64_t lag_messages() const;
  std::uint64_t sent_messages() const { return sent_messages_; }
  std::uint64_t skipped_messages() const { return skipped_messages_; }

 private:
  bool has_words() const {
    return rest_sent_ < rest_.bytes().size() || own_words_sent_ < own_words_.size();
  }
  bool at_boundary() const;
  std::uint64_t EndPosition() const;
  void PrepareWords();
  Gathered GatherWords(std::span<iovec> pieces, std::size_t max_bytes) const;
  Gathered GatherPast(std::span<iovec> pieces, std::size_t max_bytes);
  Gathered GatherLive(std::span<iovec> pieces, std::size_t max_bytes);
  void ConsumeWords(std::size_t bytes);
  void CountSent(std::uint64_t messages);
  void End(const std::string& last_words);
  void Kick(KickReason reason, std::uint64_t pending_bytes, const std::string& last_words);
  void SkipBehind(std::uint64_t missed, std::uint64_t next);
  void EndUnreadable(const Status& why);
  void ComeBack();

  Feed* feed_;
  SubscriberConfig config_;
  Shared shared_;
  Stream* stream_ = nullptr;
  // Sent before anything else, in this order: after a kick or a skip the rest of what was being
  // sent; then preamble and notices.
  Remainder rest_;
  std::size_t rest_sent_ = 0;
  std::string own_words_;
  std::size_t own_words_sent_ = 0;
  std::optional<Gap> first_gap_;
  std::uint64_t first_position_ = 0;
  std::unique_ptr<Replay> replay_;  // while it reads the past
  Subscription subscription_;
  std::unique_ptr<Timer> heartbeat_;
  std::unique_ptr<Timer> come_back_;  // to go on later, or to abort
  std::optional<Gap> gap_due_;        // to be told before the next message
  bool heartbeat_due_ = false;
  bool draining_ = false;
  bool kicked_ = false;
  bool unreadable_ = false;  // to be aborted without an end
  bool ended_ = false;       // its words are the last
  std::uint64_t sent_messages_ = 0;
  std::uint64_t skipped_messages_ = 0;
};

}  // namespace rivulet
