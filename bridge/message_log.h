// A backlog in memory: one log, each message stored once, however many destinations read it.
//
// Messages lie in blocks, each followed by a newline, so that a run of them is at once the body of
// a POST to /mput: a batch is a view into a block, kept alive by the batch, copied nowhere. Blocks
// are mapped, and so go back to the system as soon as nobody needs them. Pure but for that: no
// clock.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "bridge/backlog.h"

namespace rivulet {

class MessageLog : public Backlog {
 public:
  /// A batch never crosses a block; a longer message gets a block of its own.
  static constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

  /// Full at max_bytes; has room again when half of them are free. `first`: the number of the first
  /// message.
  explicit MessageLog(std::uint64_t max_bytes, std::uint64_t first = 0)
      : max_bytes_(max_bytes), start_(first), end_(first) {}

  /// Copies the message, at most 4 GiB - 2 bytes long. Amortized O(bytes); 4 bytes more a message.
  void Append(std::string_view message) override;
  /// O(log blocks). Never of 0 messages.
  MessageBatch Slice(std::uint64_t first, std::uint64_t max_messages) override;
  /// Their memory goes when no batch uses it any more.
  void DropBefore(std::uint64_t first) override;
  /// Likewise; of a block, once all of its messages are released. O(log blocks).
  void Release(std::uint64_t first, std::uint64_t end) override;

  std::uint64_t start() const override { return start_; }
  std::uint64_t end() const override { return end_; }
  bool full() const override { return held_bytes() >= max_bytes_; }
  bool has_room() const override { return held_bytes() <= max_bytes_ / 2; }
  std::uint64_t held_bytes() const override { return end_byte_ - start_byte_ - released_bytes_; }

 private:
  struct Block {
    explicit Block(std::size_t bytes_wanted);
    ~Block();
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    std::size_t capacity;
    std::size_t size = 0;
    char* bytes;
    std::vector<std::uint32_t> ends;   // where each message ends, its newline included
    std::vector<std::uint32_t> alone;  // the messages that cannot be cut at newlines, by index
  };
  struct Slot {
    std::uint64_t first_message = 0;
    std::uint64_t first_byte = 0;
    std::shared_ptr<Block> block;  // null: all of its messages were released
  };
  // Released messages behind the start; the key is the first. Neighbours are one.
  struct Released {
    std::uint64_t end = 0;
    std::uint64_t from_byte = 0;
    std::uint64_t to_byte = 0;
  };

  std::size_t SlotOf(std::uint64_t message) const;
  std::uint64_t ByteOf(std::uint64_t message) const;
  void DropAll();
  void FreeWithin(std::size_t slot, std::uint64_t first, std::uint64_t end);

  std::uint64_t max_bytes_;
  std::deque<Slot> slots_;
  std::map<std::uint64_t, Released> released_;
  std::uint64_t start_;
  std::uint64_t end_;
  std::uint64_t start_byte_ = 0;  // positions in the stream of all messages ever appended
  std::uint64_t end_byte_ = 0;
  std::uint64_t released_bytes_ = 0;
};

}  // namespace rivulet
