// What a topic keeps of what was published: its retained messages, to be read again from any of
// them on. Two implementations: MemoryPast, DiskPast (--data-path).
//
// Retention. At least the newest messages that together have `retain_bytes` are kept, as long as
// they are younger than `retain_time` (zero: however old), and at most a little more: a past lets
// go of its oldest messages by blocks. Offsets stay dense: [first_offset, end_offset).
//
// Reading. A reader holds a PastPlace, which stays valid whatever happens: when its message has
// been let go, Next() says so by going on at the first one kept, which the reader sees from the
// offset.
//
// Thread: the loop's. Reads of a DiskPast may block for as long as a read of the disk takes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/status.h"
#include "pubsub/message.h"

namespace rivulet {

struct Retention {
  std::uint64_t bytes = 0;  // of a topic's bodies; 0: nothing is kept
  Duration time{};          // zero: no limit
};

/// Before a message. Made by Past::At(); copied at will. The hints are the past's own.
struct PastPlace {
  std::uint64_t offset = 0;
  std::uint64_t hint[3] = {0, 0, 0};
};

/// Takes messages from Past::ReadOn().
class MessageVisitor {
 public:
  virtual ~MessageVisitor() = default;
  /// False: this message is not taken, and no more is wanted. It must not call any past.
  virtual bool OnMessage(TopicMessage& message) = 0;
};

class Past {
 public:
  virtual ~Past() = default;

  virtual std::uint64_t first_offset() const = 0;
  /// One behind the newest message.
  virtual std::uint64_t end_offset() const = 0;
  /// Of the bodies kept.
  virtual std::uint64_t retained_bytes() const = 0;
  /// Every message let go has a lower sequence than this: the lower, the fewer readers of several
  /// topics are told of a gap that there may not be. O(1).
  virtual std::uint64_t gone_sequence() const { return first_offset() == 0 ? 0 : UINT64_MAX; }

  /// Before the message of that offset, or the nearest kept one. O(log messages), and on disk one
  /// read of at most some hundred KiB.
  virtual Result<PastPlace> At(std::uint64_t offset) = 0;
  /// The first kept message published at `time` or later; end_offset() when there is none.
  virtual Result<std::uint64_t> OffsetAtTime(WallTime time) = 0;
  /// The first kept message with that sequence or a later one; end_offset() when there is none.
  virtual Result<std::uint64_t> OffsetAtSequence(std::uint64_t sequence) = 0;

  /// The message at `*place`, which moves behind it; nothing at the end. Its views (topic excepted,
  /// which is empty: the caller knows it) are valid until the next call of any past's method, or
  /// until something is published. O(message). kIoError: the disk cannot be read.
  virtual Result<std::optional<TopicMessage>> Next(PastPlace* place) = 0;
  /// As Next(), message after message, until there is none or the visitor takes no more: `*place`
  /// then stands before the first one that was not taken. Faster where a past has many at hand.
  virtual Status ReadOn(PastPlace* place, MessageVisitor* visitor) {
    while (true) {
      PastPlace behind = *place;
      Result<std::optional<TopicMessage>> next = Next(&behind);
      if (!next.ok()) return next.status();
      if (!next->has_value() || !visitor->OnMessage(**next)) return Status::Ok();
      *place = behind;
    }
  }

  /// About how many bytes are kept from that offset on: exact to a block.
  virtual std::uint64_t BytesFrom(std::uint64_t offset) const = 0;
};

}  // namespace rivulet
