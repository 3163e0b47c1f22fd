// Reads a feed's past into a subscriber's framing: from where it asked to begin up to the newest
// message, from where the subscription goes live. Both happen on one thread, without a message
// between them: none is missed and none repeated.
//
// A feed of several topics is replayed in the order of publishing (by sequence). What was read is
// encoded into a ReplayBatch.
//
// Thread: the loop's.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "pubsub/framing.h"
#include "pubsub/message.h"
#include "pubsub/past.h"
#include "pubsub/replay_batch.h"

namespace rivulet {

class Feed;
class Topic;
class TopicSet;

/// `since=`: where to begin.
struct ReplayStart {
  enum class Kind {
    kNow,       // live, with nothing of the past
    kEarliest,  // the first message kept
    kPosition,  // an offset; a sequence where the feed is of several topics
    kTime,      // the first message published at `time` or later
  };
  Kind kind = Kind::kNow;
  std::uint64_t position = 0;
  WallTime time{};
};

class Replay final : private MessageVisitor {
 public:
  struct Gathered {
    std::size_t pieces = 0;
    bool splits_message = false;  // they end inside a message
  };
  /// Of bodies that a filter lets go in one Gather() that finds nothing.
  static constexpr std::size_t kMaxScanBytes = 128 * 1024;

  /// `set`, `feed` and `buffer` must outlive it. `until`: the position of the first message that is
  /// not sent any more.
  Replay(TopicSet* set, Feed* feed, Framing framing, std::uint64_t until, ReplayBuffer* buffer);
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// Finds the places. What is asked for and no longer kept is told in gap(). kIoError: the disk
  /// cannot be read. O(topics), and a read of the disk or two for each.
  Status Start(const ReplayStart& start);
  /// What the reader must be told before the first message, after Start(), or before the next one,
  /// after what it was about to read was let go.
  const std::optional<Gap>& gap() const { return gap_; }
  void ClearGap() { gap_.reset(); }
  /// No message before this position is still to come. After Start(), and with a gap(), that of the
  /// next message, or of the next one to be published.
  std::uint64_t position() const { return position_; }

  /// As StreamSource::Gather: the next bytes, at most max_bytes; they end where a message ends,
  /// unless one message alone is larger. No pieces: caught_up(), at_end(), a gap() is to be told
  /// first, or else kMaxScanBytes were searched in vain: call again, later.
  Result<Gathered> Gather(std::span<iovec> pieces, std::size_t max_bytes);
  /// The first `bytes` of what was gathered were taken. Returns how many messages ended in them.
  std::uint64_t Consume(std::size_t bytes) { return batch_.Consume(bytes); }
  /// A part of a message was taken, and the rest not yet.
  bool mid_message() const { return batch_.mid_message(); }
  /// Everything that is revealed was read and taken: go live now.
  bool caught_up() const;
  /// What there is before `until` was read and taken.
  bool at_end() const;

  /// Messages that were not taken to their end, and about how many bytes those are.
  std::uint64_t lag_messages() const;
  std::uint64_t lag_bytes() const;

 private:
  // A topic's next message. Of topics without a message there is none: they may be forgotten.
  struct Reading {
    Topic* topic = nullptr;
    std::uint64_t offset = 0;  // of the next message
    PastPlace place;
    bool has_head = false;
  };
  // (sequence of its next message, index of the reading): the lowest first.
  using Head = std::pair<std::uint64_t, std::size_t>;
  static constexpr std::size_t kNone = SIZE_MAX;

  // Why no more was taken from a past.
  enum class Stop {
    kEnd,    // there is none
    kFull,   // enough for now, or `until`
    kLater,  // the next one, of next_sequence_, comes behind limit_sequence_
    kGone,   // what was to come was let go: the gap is noted, the reading stands behind it
  };

  Result<std::uint64_t> OffsetOf(const Topic& topic, const ReplayStart& start);
  Status AddReading(Topic* topic, std::uint64_t offset);
  Result<Stop> ReadOn(std::size_t index, std::uint64_t limit_sequence);
  Status ReadMerged();
  Status PushHead(std::size_t index);
  void PushHead(std::size_t index, std::uint64_t sequence);
  Status Refresh();
  bool OnMessage(TopicMessage& message) override;
  void AddGap(std::optional<std::uint64_t> missed);
  void PlaceGap();
  bool all_read() const;
  std::uint64_t EndPosition() const;
  std::uint64_t NextPosition() const;

  Status Fill(std::size_t max_bytes);

  TopicSet* set_;
  Feed* feed_;
  bool single_;
  std::uint64_t until_;
  ReplayBatch batch_;

  std::vector<Reading> readings_;
  std::unordered_set<const Topic*> known_;  // those of readings_
  std::vector<Head> heads_;                 // a heap; of those that have a next message
  std::size_t current_ = kNone;             // read last, and not in heads_
  std::uint64_t refreshed_sequence_ = 0;    // what was revealed before it has been seen
  // Of the ReadOn() that is going on.
  Reading* reading_ = nullptr;
  std::uint64_t limit_sequence_ = 0;
  Stop stop_ = Stop::kEnd;
  std::uint64_t kept_offset_ = 0;
  std::uint64_t next_sequence_ = 0;
  std::size_t scanned_bytes_ = 0;
  std::optional<Gap> gap_;
  std::uint64_t position_ = 0;
};

}  // namespace rivulet
