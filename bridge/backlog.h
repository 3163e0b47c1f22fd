// The messages that wait for their destinations, numbered in the order they came.
//
// Two kinds: in memory (bridge/message_log.h), or on disk with the newest in memory too
// (bridge/spool.h). Whoever reads them keeps numbers, and asks for batches of them.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace rivulet {

/// Messages first .. first + count - 1. Copies share the bytes.
struct MessageBatch {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::string_view lines;             // the messages, each with a newline behind it
  std::shared_ptr<const void> owner;  // keeps `lines` alive
  /// No message is empty or has a newline inside: `lines` cut at newlines gives the messages. A
  /// batch for which this does not hold has one message.
  bool cut_at_newlines = true;

  std::uint64_t end() const { return first + count; }
  /// The last message without its newline; of a batch of one, the message.
  std::string_view message() const { return lines.substr(0, lines.size() - 1); }
};

class Backlog {
 public:
  virtual ~Backlog() = default;
  Backlog() = default;
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  /// Takes a message and gives it the number end(). Never refuses, see full().
  virtual void Append(std::string_view message) = 0;
  /// The first message still held: nobody may ask for one before it. It moves by DropBefore(), and
  /// by itself where the backlog may let go of messages (Spool, drop-oldest).
  virtual std::uint64_t start() const = 0;
  /// The number that the next message gets.
  virtual std::uint64_t end() const = 0;
  /// Messages from `first` on, start() <= first < end(): at most `max_messages` (at least 1) and at
  /// most about 1 MiB, but always one, unless it cannot be read now: then `count` is 0, and it
  /// is to be asked again later (what is wrong has been logged).
  virtual MessageBatch Slice(std::uint64_t first, std::uint64_t max_messages) = 0;
  /// Nobody asks for messages before `first` any more; start() <= first <= end().
  virtual void DropBefore(std::uint64_t first) = 0;
  /// Nobody asks for the messages first .. end - 1 any more, though for one before them somebody
  /// may: a hint, each message once. They need no memory and count no more as held.
  virtual void Release(std::uint64_t /*first*/, std::uint64_t /*end*/) {}
  /// No more should be appended until has_room(): stop reading the source.
  virtual bool full() const = 0;
  virtual bool has_room() const = 0;
  /// Of the messages held, each with its newline.
  virtual std::uint64_t held_bytes() const = 0;
};

}  // namespace rivulet
