// The messages that wait for their destinations: one log, each message stored once, however many
// destinations read it.
//
// Messages are numbered from 0 in the order they came. They lie in blocks, each followed by a
// newline, so that a run of them is at once the body of a POST to /mput: a batch is a view into a
// block, kept alive by the batch, copied nowhere. Pure: no I/O, no clock.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace rivulet {

/// Messages first .. first + count - 1.
struct MessageBatch {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::string_view lines;             // the messages, each with its newline
  std::shared_ptr<const void> owner;  // keeps `lines` alive

  std::uint64_t end() const { return first + count; }
  /// The last message without its newline; of a batch of one, the message.
  std::string_view message() const { return lines.substr(0, lines.size() - 1); }
};

class MessageLog {
 public:
  /// A batch never crosses a block; a longer message gets a block of its own.
  static constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

  /// Copies the message, at most 4 GiB - 2 bytes long. Amortized O(bytes).
  void Append(std::string_view message);

  /// At most `max_messages` (at least 1) from message `first` on; requires start() <= first <
  /// end(). Fewer when a block ends. O(log blocks).
  MessageBatch Slice(std::uint64_t first, std::uint64_t max_messages) const;

  /// Forgets messages before `first`. Their memory goes when no batch uses it any more.
  void DropBefore(std::uint64_t first);

  std::uint64_t start() const { return start_; }  // the first message still held
  std::uint64_t end() const { return end_; }      // the number the next message gets
  std::uint64_t held_bytes() const { return end_byte_ - start_byte_; }

 private:
  struct Block {
    std::uint64_t first_message = 0;
    std::uint64_t first_byte = 0;
    std::size_t capacity = 0;
    std::size_t size = 0;
    std::unique_ptr<char[]> bytes;
    std::vector<std::uint32_t> ends;  // where each message ends, its newline included
  };

  const std::shared_ptr<Block>& BlockOf(std::uint64_t message) const;

  std::deque<std::shared_ptr<Block>> blocks_;
  std::uint64_t start_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t start_byte_ = 0;  // positions in the stream of all messages ever appended
  std::uint64_t end_byte_ = 0;
};

}  // namespace rivulet
