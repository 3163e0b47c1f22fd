// The heart of simplequeue: one named queue. Knows no clock, no socket, no HTTP, no disk.
//
// A message has an id, dense and growing by one in its queue, and is in one of four states:
//
//            Put                Lease                  Finish
//   ───────────────> ready ────────────> in flight ────────────> gone
//          delay │    ↑  ↑ ↑               │ │ │
//                ↓    │  │ └───────────────┘ │ └─────────┐
//              deferred  │ time-out, Requeue │ Requeue   │ Bury, or attempts used up
//                ↑       │                   │ + delay   ↓
//                └───────┼───────────────────┘          dead
//                        └──────────── Kick ─────────────┘
//
// Ready messages leave in the order they came. They are kept as runs of consecutive ids, so that a
// million fresh messages cost one run, and a message that goes back to the tail costs a run of its
// own (simplequeue/queue_runs.h). What a message needs beside its place (attempts, lease, due time)
// costs 24 bytes, and only once it was leased, deferred or buried; a timer costs 16.
//
// Time is an argument. Nothing happens by itself: Advance(now) ends leases, wakes what was deferred
// and drops what is too old; next_due() tells when that is worth while. Put times are kept in whole
// milliseconds, and so what is counted from them: times to live and how long keys are remembered.
//
// A message whose time to live is over is dropped whatever its state, but one in flight only when
// its lease ends without a finish.
//
// With a QueueLog every change is told to it, and what is taken (forgotten by handing it out, with
// no lease) stays in memory until Committed(), so that Untake() can bring it back when the taking
// could not be made safe.
//
// Thread: one. Every operation is O(1) amortised a message, but where stated.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "simplequeue/arena.h"
#include "simplequeue/message_table.h"
#include "simplequeue/queue_keys.h"
#include "simplequeue/queue_log.h"
#include "simplequeue/queue_runs.h"
#include "simplequeue/queue_timers.h"

namespace rivulet {

/// 0 means without bound.
struct QueueLimits {
  std::uint64_t max_depth = 0;         // messages held: ready, in flight, deferred and dead
  std::uint64_t max_bytes = 0;         // of their bodies
  std::uint32_t max_attempts = 0;      // leases before a message is dead
  Duration dedupe_window{};            // how long a key is remembered; 0: keys mean nothing
  std::uint64_t max_keys = 1'000'000;  // remembered at a time
};

struct QueueStats {
  std::uint64_t puts = 0;              // messages accepted
  std::uint64_t gets = 0;              // messages handed out: taken or leased
  std::uint64_t depth_high_water = 0;  // most ready messages at a time
  std::uint64_t overflow = 0;          // messages moved out to make room
  std::uint64_t requeues = 0;          // by hand
  std::uint64_t timeouts = 0;          // leases that ran out
  std::uint64_t finished = 0;
  std::uint64_t finish_missed = 0;  // finishes with a receipt that no longer held
  std::uint64_t buried = 0;         // that became dead, by hand or by their attempts
  std::uint64_t kicked = 0;
  std::uint64_t expired = 0;     // dropped for their time to live
  std::uint64_t duplicates = 0;  // puts dropped for their key

  bool operator==(const QueueStats&) const = default;
};

class QueueAgenda;

class Queue {
 public:
  /// A message in its place; the body is valid until the message leaves or another is put.
  struct Message {
    std::uint64_t id = 0;
    std::string_view body;
  };

  /// What a lease gives: this, and the right to finish, as long as it lasts.
  struct Lease {
    std::uint64_t id = 0;
    std::uint32_t number = 0;  // of the lease, no other of this message has it
    std::uint32_t attempts = 0;
    MonoTime put_at{};
    std::string_view body;
  };

  /// Names a message and one lease of it.
  struct Holding {
    std::uint64_t id = 0;
    std::uint32_t number = 0;
  };

  struct PutOptions {
    Duration delay{};      // deferred so long; 0: ready at once
    Duration ttl{};        // dropped when not finished so long after the put; 0: never
    std::string_view key;  // empty: none
  };

  /// A place in the order of leaving. Holds nothing: messages may leave while one looks.
  struct Cursor {
    std::uint64_t position = 0;
  };

  /// `arena` and `log` (may be nullptr) must outlive the queue. `number` is not 0.
  Queue(std::string name, std::uint32_t number, QueueLimits limits, Arena* arena,
        QueueLog* log = nullptr);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Putting.

  /// Whether so many more messages stay within the limits.
  bool Fits(std::uint64_t messages, std::uint64_t bytes) const;
  /// Adds at the tail, whatever the limits. Returns the id.
  std::uint64_t Put(std::string_view body, MonoTime now) { return Put(body, now, {}); }
  std::uint64_t Put(std::string_view body, MonoTime now, const PutOptions& options);
  /// The id of the message that was put with this key within the window; counts a duplicate.
  /// O(log keys).
  std::optional<std::uint64_t> FindDuplicate(std::string_view key, MonoTime now);
  /// False: no further key can be remembered now. O(1) amortised.
  bool FitsKey(MonoTime now);

  // Taking for good. A paused queue gives nothing: the caller asks paused().

  /// The ready message at or after the cursor; moves the cursor behind it. False at the end.
  /// O(log runs) when messages went back to the tail, else O(1).
  bool Next(Cursor* cursor, Message* message) const;
  /// Replaces `out` with the oldest ready messages, at most `max`. O(messages).
  void Front(std::uint64_t max, std::vector<Message>* out) const;
  /// Takes the oldest ready message. Requires depth() > 0.
  void TakeFront();
  /// Takes what Front() gave, nothing having been put or taken since. O(messages).
  void Take(const std::vector<Message>& front);
  /// As TakeFront, but a message makes room for others: counted as overflow, and no longer held,
  /// with a log neither.
  void OverflowFront();
  /// Counts messages that were accepted and made room at once, without having been in the queue.
  void CountPassed(std::uint64_t messages) {
    stats_.puts += messages;
    stats_.overflow += messages;
  }
  /// What was taken under a log's number up to this one is forgotten now.
  void Committed(std::uint64_t number);
  /// What was taken and not committed is ready again, at the front. The log is told of each as of a
  /// put, because the record that forgot it may be written yet.
  void Untake();

  // Leases.

  /// Leases the oldest ready messages, at most `max`, until now + lease; appends them to `out`.
  /// Returns how many.
  std::size_t LeaseFront(std::uint64_t max, MonoTime now, Duration lease, std::vector<Lease>* out);
  // Each does its work for the holdings that hold, and writes into `missed` the indices of those
  // that do not, which change nothing. Returns how many held.
  std::size_t Finish(std::span<const Holding> holdings, std::vector<std::size_t>* missed);
  /// To the tail, or with a delay deferred; or dead, when the attempts are used up.
  std::size_t Requeue(std::span<const Holding> holdings, MonoTime now, Duration delay,
                      std::vector<std::size_t>* missed);
  /// The same for one message, with another body. (It keeps its id, attempts and put time.)
  bool RequeueWith(Holding holding, std::string_view body, MonoTime now, Duration delay);
  /// The lease ends at now + lease.
  std::size_t Touch(std::span<const Holding> holdings, MonoTime now, Duration lease,
                    std::vector<std::size_t>* missed);
  std::size_t Bury(std::span<const Holding> holdings, std::vector<std::size_t>* missed);
  /// The oldest dead messages, at most `max`, to the tail of ready, with no attempts. Returns how
  /// many.
  std::uint64_t Kick(std::uint64_t max);

  // Time.

  /// Ends leases, wakes deferred messages and drops expired ones whose time is up to `now`, at most
  /// `max` of them. O(log timers) each. Returns whether any message became ready.
  bool Advance(MonoTime now, std::size_t max = SIZE_MAX);
  /// When Advance() has something to do, at the earliest; MonoTime::max() for never.
  MonoTime next_due() const { return timers_.empty() ? MonoTime::max() : timers_.front().when(); }

  // Looking.

  /// False when there is no such message.
  bool Find(std::uint64_t id, MessageInfo* message) const;
  /// Replaces `out` with at most `max` messages in that state: ready ones in the order of leaving,
  /// others by id. O(ids in the table) but for ready ones.
  void Peek(MessageState state, std::uint64_t max, std::vector<MessageInfo>* out) const;
  /// The put time of the oldest ready message. Nothing when there is none.
  std::optional<MonoTime> oldest_ready() const;

  // Managing.

  /// Forgets all messages in that state. Returns how many. O(messages).
  std::uint64_t Empty(MessageState state);
  void SetPaused(bool paused);
  bool paused() const { return paused_; }

  // Restoring what a log was told, before anything else is done with the queue. Messages may come
  // in any order; what concerns an unknown id is ignored. Until EndRestore() in_flight() and
  // next_id() are right, other counts are not. O(log) each, EndRestore O(messages log).

  void RestoreMessage(const MessageInfo& message, std::string_view key);
  void RestoreLease(IdRun ids);
  void RestoreForget(IdRun ids);
  void RestoreReturn(std::uint64_t position, bool kicked, std::span<const IdRun> ids);
  void RestoreDefer(MonoTime due, IdRun ids);
  void RestoreBury(std::uint64_t position, std::span<const IdRun> ids);
  void RestoreKey(std::string_view key, std::uint64_t id, MonoTime until);
  void RestoreNextId(std::uint64_t next_id);
  void RestorePaused(bool paused) { paused_ = paused; }
  /// Puts ready and dead messages in order. What was in flight is ready again, in its old place, or
  /// dead when its attempts are used up.
  void EndRestore(MonoTime now);

  struct KeyInfo {
    std::string_view key;
    std::uint64_t id = 0;
    MonoTime until{};
  };
  /// Calls each(KeyInfo) for the keys remembered for messages of these ids, both included.
  /// O(log keys + found).
  template <typename Each>
  void ForEachKey(std::uint64_t first_id, std::uint64_t last_id, Each&& each) const {
    keys_.ForEach(first_id, last_id,
                  [&each](std::string_view key, std::uint64_t id, MonoTime until) {
                    each(KeyInfo{key, id, until});
                  });
  }

  std::uint64_t depth() const { return ready_.size(); }
  std::uint64_t bytes() const { return bytes_; }  // of ready messages
  std::uint64_t in_flight() const { return in_flight_; }
  std::uint64_t deferred() const { return deferred_; }
  std::uint64_t dead() const { return dead_.size(); }
  /// Messages in any state, and the bytes of their bodies; also what was taken and not committed.
  std::uint64_t held() const { return held_; }
  std::uint64_t held_bytes() const { return held_bytes_; }
  std::uint64_t keys() const { return keys_.size(); }
  std::uint64_t next_id() const { return table_.next_id(); }
  const std::string& name() const { return name_; }
  std::uint32_t number() const { return number_; }
  const QueueLimits& limits() const { return limits_; }
  const QueueStats& stats() const { return stats_; }
  /// Counts from zero again; the high water becomes the present depth.
  void ResetStats();

 private:
  friend class QueueSet;  // whose agenda it notes itself in
  using Extra = MessageTable::Extra;

  // Taken under a log's number, all together with what was taken next under the same.
  struct TakenGroup {
    std::uint64_t number = 0;
    std::uint64_t count = 0;
    bool overflow = false;
  };
  struct TakenMessage {
    std::uint64_t id = 0;
    std::uint64_t position = 0;  // as in Extra
    Arena::Location place;
    std::uint32_t attempts = 0;
    std::uint32_t body_bytes = 0;
  };
  // What becomes of messages whose lease ends, each list in order.
  struct Fates {
    std::vector<IdRun> forget;
    std::vector<IdRun> bury;
    std::vector<IdRun> back;
  };

  // Putting and taking.
  void PushReady(std::uint64_t position, std::uint64_t id, std::size_t body_bytes);
  void TakeOne(bool overflow);
  void TakeReady(std::uint64_t count, std::uint64_t bytes, bool overflow);
  void KeepTaken(const QueueRuns::Run& run);
  void ReleaseBodies(std::uint64_t first_id, std::uint64_t count);

  // Leases. Held: of a message that is in flight under that lease; else nullptr.
  Extra* Held(Holding holding);
  template <typename Each>
  std::size_t ForEachHeld(std::span<const Holding> holdings, std::vector<std::size_t>* missed,
                          Each&& each);
  // A lease ends now without a finish: what becomes of the message? Settle() does it.
  void EndLease(std::uint64_t id, Extra* extra, MonoTime now, Fates* fates);
  void Settle(const Fates& fates);

  // Timers.
  void AddTimer(MonoTime when, std::uint64_t id, bool is_expiry) {
    timers_.Add(when, id, is_expiry);
    if (when < noted_) NoteDue(when);
  }
  void NoteDue(MonoTime when);
  bool AdvanceWithin(MonoTime now, std::size_t* budget);
  bool TimerHolds(const QueueTimers::Entry& entry) const;
  void Fire(const QueueTimers::Entry& entry, MonoTime now, Fates* fates);
  bool Expired(Arena::Location place, MonoTime now) const;
  void DropExpired(std::uint64_t id, MessageState state, std::vector<IdRun>* dropped);
  void AddExpiry(std::uint64_t id, Arena::Location place);
  void CompactTimers();

  // Moving messages that are in no list and no state's count any more, and telling the log.
  void Forget(std::span<const IdRun> ids);
  void Return(std::span<const IdRun> ids, bool kicked);
  void Defer(std::span<const IdRun> ids, MonoTime due);
  void MoveToDead(std::span<const IdRun> ids);
  void Release(IdRun ids);
  // The first of so many positions behind all others.
  std::uint64_t TailPosition(std::uint64_t count);
  template <typename Each>
  void ForEachReturn(std::span<const IdRun> ids, Each&& each);
  template <typename Each>
  void ForEachExtra(IdRun ids, Each&& each);

  // Looking and restoring.
  MessageInfo Describe(std::uint64_t id, Arena::Location place, const Extra* extra) const;
  template <typename Each>
  void ForEachRestored(IdRun ids, Each&& each);
  void SetRestored(Extra* extra, MessageState state, std::uint32_t attempts);
  void RestorePosition(std::uint64_t position);
  void OrderRestored(MessageState state, QueueRuns* runs);

  std::string name_;
  std::uint32_t number_;
  std::uint32_t last_lease_ = 0;
  QueueLimits limits_;
  Arena* arena_;
  QueueLog* log_;
  MessageTable table_;
  QueueRuns ready_;
  QueueRuns dead_;
  QueueTimers timers_;
  QueueKeys keys_;
  std::uint64_t last_position_ = 0;  // the greatest that was given to what returned
  std::uint64_t bytes_ = 0;
  std::uint64_t held_ = 0;
  std::uint64_t held_bytes_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t deferred_ = 0;
  std::uint64_t mortal_ = 0;  // messages in the table with a time to live
  bool paused_ = false;
  std::deque<TakenMessage> taken_;
  std::deque<TakenGroup> taken_groups_;
  QueueAgenda* agenda_ = nullptr;     // of its QueueSet
  MonoTime noted_ = MonoTime::max();  // when the agenda will come to this queue
  QueueStats stats_;
};

}  // namespace rivulet
