// One feed's messages in one framing, and the cursors that read them.
//
// The log is a chain of blocks. A cursor stands at a byte of it; a block is given back once no
// cursor stands in it or before it, so the memory held is what the slowest cursor has still to read
// (bounded by the kick of slow consumers), however many cursors there are, and none at all once
// every cursor has read everything. Appending costs one encoding; reading copies nothing.
//
// A message's index is its number in the log, from 0 (its offset is its number in its topic).
//
// Thread: the loop's. No clock, no I/O.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pubsub/block.h"
#include "pubsub/framing.h"

namespace rivulet {

class LogCursor;

class FramedLog {
 public:
  /// `pool` must outlive the log.
  FramedLog(BlockPool* pool, Framing framing) : pool_(pool), framing_(framing) {}
  /// All cursors must be gone.
  ~FramedLog();
  FramedLog(const FramedLog&) = delete;
  FramedLog& operator=(const FramedLog&) = delete;

  /// Requires a cursor (who else should read it?) and a message below 4 GiB when encoded.
  /// `position` is read if FramingHasPositions(framing()).
  void Append(std::string_view position, std::string_view message);

  Framing framing() const { return framing_; }
  std::uint64_t end_byte() const { return end_byte_; }
  /// Index of the next message.
  std::uint64_t end_index() const { return end_index_; }
  /// Encoded bytes that the slowest cursor has still to read, or a block more. O(1).
  std::uint64_t held_bytes() const { return head_ ? end_byte_ - head_->first_byte() : 0; }
  const std::vector<LogCursor*>& cursors() const { return cursors_; }

  /// Appends to `slow` the cursors that have yet to read more than `max_pending_bytes` of what was
  /// there at the call before this one: a burst is not held against who had no turn to read it.
  /// O(1) while no cursor is that slow; else O(cursors), and that at most once for each MiB (or
  /// sixteenth of max_pending_bytes, if smaller) that was appended.
  void FindSlow(std::uint64_t max_pending_bytes, std::vector<LogCursor*>* slow);

 private:
  friend class LogCursor;

  void AddBlock(std::size_t message_bytes);
  void Attach(LogCursor* cursor);
  void Detach(LogCursor* cursor);
  void FreeUnread();
  void FreeAll();

  BlockPool* pool_;
  Framing framing_;
  std::unique_ptr<Block> head_;
  Block* tail_ = nullptr;
  std::uint64_t end_byte_ = 0;
  std::uint64_t end_index_ = 0;
  std::vector<LogCursor*> cursors_;
  std::size_t at_end_ = 0;  // cursors that have read everything
  // Grows when all blocks are given back. A cursor of an older generation stands at the start of
  // the present head, and is counted there, without having been visited.
  std::uint64_t generation_ = 1;
  std::uint64_t judged_byte_ = 0;
  std::uint64_t searched_byte_ = 0;
};

/// Bytes that a cut cursor still owes its reader. Movable; must not outlive the pool.
class Remainder {
 public:
  Remainder() = default;
  ~Remainder();
  Remainder(Remainder&& other) noexcept;
  Remainder& operator=(Remainder&& other) noexcept;

  std::string_view bytes() const {
    return pinned_ != nullptr ? in_block_ : std::string_view(copy_);
  }
  /// How many messages end in them.
  std::uint64_t messages() const { return messages_; }

 private:
  friend class LogCursor;
  BlockPool* pool_ = nullptr;
  Block* pinned_ = nullptr;
  std::string_view in_block_;
  std::string copy_;
  std::uint64_t messages_ = 0;
};

/// A reader's place in a log. Neither copied nor moved; detach (or destroy) it before its log.
class LogCursor {
 public:
  LogCursor() = default;
  explicit LogCursor(FramedLog* log) { Attach(log); }
  ~LogCursor() { Detach(); }
  LogCursor(const LogCursor&) = delete;
  LogCursor& operator=(const LogCursor&) = delete;

  /// Goes to the log's end: it reads what is appended from now on. Requires that it is not
  /// attached.
  void Attach(FramedLog* log);
  /// What is appended from now on is not for this cursor, which must be detached once it has read
  /// the rest: until then it holds what the others have read. Idempotent.
  void EndHere();
  /// EndHere() was called, and everything before was read.
  bool at_end() const { return at_byte_ >= end_byte_; }

  /// Points `pieces` at the next bytes, at most `max_bytes`, and returns how many pieces were
  /// filled. They end where a message ends, unless the next message alone is larger than max_bytes:
  /// then they are max_bytes of it. They stay in place until the log is appended to or this cursor
  /// consumes. O(pieces + log messages in a block).
  std::size_t Gather(std::span<iovec> pieces, std::size_t max_bytes);
  /// Whether a message ends behind the next `bytes`. After a Gather() that gave so many.
  bool EndsMessage(std::size_t bytes) const;
  /// The next `bytes` were read; returns how many messages ended in them. Requires bytes <=
  /// pending_bytes().
  std::uint64_t Consume(std::size_t bytes);

  std::uint64_t pending_bytes() const {
    return attached() ? std::min(end_byte_, log_->end_byte_) - at_byte_ : 0;
  }
  /// Messages not yet read to their end.
  std::uint64_t lag_messages() const {
    return attached() ? std::min(end_index_, log_->end_index_) - index_ : 0;
  }
  /// Of the next message, or of the one in hand.
  std::uint64_t index() const { return index_; }
  bool mid_message() const { return at_byte_ != message_byte_; }

  bool attached() const { return log_ != nullptr; }
  /// Leaves the log. Nothing more is read; counters stay. Idempotent.
  void Detach();
  /// Leaves the log, keeping the next `promised_bytes` and the rest of the message in which they
  /// end (or of the message in hand), so that a stream can be ended between two messages. What is
  /// kept costs a copy of at most 64 KiB, or one block.
  Remainder Cut(std::size_t promised_bytes);
  /// Goes to the log's end (or its own, after EndHere()). What must still be sent before, as in
  /// Cut(), is kept in `*rest`. Returns how many messages are left out. Requires attached().
  std::uint64_t Skip(std::size_t promised_bytes, Remainder* rest);

 private:
  friend class FramedLog;
  static constexpr std::uint64_t kNoEnd = UINT64_MAX;

  void EnterBlock();
  void CutInto(std::size_t promised_bytes, Remainder* rest);

  FramedLog* log_ = nullptr;
  Block* block_ = nullptr;  // undefined while generation_ is not the log's
  std::uint64_t generation_ = 0;
  std::uint64_t at_byte_ = 0;
  std::uint64_t message_byte_ = 0;  // where the message `index_` begins
  std::uint64_t index_ = 0;
  std::uint64_t end_byte_ = kNoEnd;
  std::uint64_t end_index_ = kNoEnd;
  std::size_t slot_ = 0;  // in log_->cursors_
};

}  // namespace rivulet
