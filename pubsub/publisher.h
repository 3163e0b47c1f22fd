// What all ways to publish share: /pub, uploads, WebSockets, republishing.
//
// With a log, a message is refused while the log cannot promise anything (Admit), and its answer
// must wait for last_commit(). Deliver() is asked for once a turn of the loop, however much is
// published in it.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/status.h"

namespace rivulet {

class Topic;
class TopicDurability;
class TopicSet;

/// Who publishes much in a turn of the loop, and is told what becomes of it. Must not add or remove
/// listeners in these calls.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  /// What it published since the last such call goes with that commit. At the end of the turn, so
  /// that all of it is one record for the log.
  virtual void OnAppended(std::uint64_t commit) = 0;
  /// Everything published up to `commit` is as safe as --sync says. Returns whether it waits for
  /// more.
  virtual bool OnSafe(std::uint64_t commit) = 0;
  /// What it waits for is not safe, and nobody knows whether it will be.
  virtual void OnUnsafe(const Status& why) = 0;
};

class Publisher {
 public:
  /// A single message has fewer bytes, in whatever way it comes: positions in a block and the
  /// journal's records are 31 bits wide.
  static constexpr std::size_t kMessageBytesBound = (1ULL << 31) - 64 * 1024;
  /// Messages that one body may hold that was gathered before it is published: each costs some
  /// bytes in every framing in use, however short it is, before anyone has a turn to read.
  static constexpr std::size_t kMaxBodyMessages = 1 << 20;

  /// kTooLarge for lines that are more than that. O(body), and nothing for a short one.
  static Status CheckLines(std::string_view body);
  static Status CheckCount(std::size_t messages);

  struct Parts {
    TopicSet* topics;
    TopicDurability* durability;  // nullptr: topics live in memory alone
    EventLoop* loop;
    const Clock* clock;
    Counter* received;
    std::function<void()> deliver;  // to subscribers; called once for all that was revealed
  };

  /// All parts must outlive it.
  explicit Publisher(Parts parts);

  /// OK, or why nothing may be published now: kExhausted (a full disk: 507) or kIoError (503).
  /// Logs when the answer has changed.
  Status Admit();
  /// The topic of that name, made if need be, until the loop comes by again. kInvalidArgument: not
  /// a name; kUnavailable: no room.
  Result<Topic*> Find(std::string_view name);

  /// Publish and count. Return how many messages that was.
  std::uint64_t PublishMessage(Topic* topic, std::string_view body);
  std::uint64_t PublishLines(Topic* topic, std::string_view body);

  /// What an answer to what was published last must wait for; 0 without a log.
  std::uint64_t last_commit() const;
  /// It has published something, and will be told of it. Idempotent.
  void Await(CommitListener* listener);
  void Forget(CommitListener* listener);

  /// Of the log.
  void OnCommitted(std::uint64_t commit);
  void OnFailed(const Status& why);
  void OnHealed() { refusing_ = false; }

 private:
  void EndTurn();
  /// The same for all of a turn: the log writes messages of the same time as one record.
  WallTime Now();
  void TellSafe(std::uint64_t commit);

  Parts parts_;
  Deferred end_turn_;
  std::set<CommitListener*> listeners_;
  std::set<CommitListener*> published_;  // of them: since OnAppended()
  std::optional<WallTime> now_;          // of this turn
  bool refusing_ = false;                // as logged last
};

/// The HTTP status of a refusal: 400 kInvalidArgument, 413 kTooLarge, 507 kExhausted, else 503.
int HttpStatusOf(const Status& refused);

}  // namespace rivulet
