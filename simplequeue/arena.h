// Where message bodies live: append-only blocks, each given back to the system when the last of its
// messages is released. Design decision 4.
//
// An entry is, byte by byte,
//
//   varint  bytes of the body
//   varint  2 * zigzag(milliseconds of the put after the block's first) + (has a time to live)
//   varint  milliseconds to live, when it has
//   body
//
// so that a 100-byte message takes 102 bytes when it came soon after the others of its block. A
// block holds 2 MiB, or one larger message. One old message keeps its block alive, and only that.
// All queues of a process share one arena. Thread: one. Cost: amortised O(body) to append, O(1)
// else.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "simplequeue/pages.h"

namespace rivulet {

class Arena {
 public:
  static constexpr std::size_t kBlockBytes = Pages::kHugeBytes;

  /// Where a body is. Stays valid until Release().
  struct Location {
    std::uint32_t block = 0;  // from 1; 0: nowhere
    std::uint32_t offset = 0;
    bool valid() const { return block != 0; }
  };

  /// A body and when it was put, in whole milliseconds.
  struct Entry {
    std::string_view body;
    MonoTime put_at{};
    Duration ttl{};  // zero: for ever
  };

  Arena() : blocks_(1) {}

  /// Bodies of up to 2^32 - 32 bytes. Keeps the put time rounded down and the time to live rounded
  /// up to milliseconds. Throws std::bad_alloc when the system has no memory.
  Location Append(std::string_view body, MonoTime put_at = {}, Duration ttl = {});
  /// Valid until the body is released.
  std::string_view Read(Location location) const {
    const char* at = At(location);
    const std::uint64_t size = TakeVarint(&at);
    if (TakeVarint(&at) % 2 != 0) TakeVarint(&at);
    return {at, size};
  }
  Entry ReadEntry(Location location) const;
  /// Releases so many bodies of the block of that number (a location's `block`).
  void Release(std::uint32_t number, std::uint32_t bodies = 1);

  /// Memory taken from the system for bodies now.
  std::size_t allocated_bytes() const { return allocated_bytes_; }

 private:
  struct Block {
    Pages pages;
    std::uint32_t used_bytes = 0;
    std::uint32_t live = 0;    // bodies not yet released
    std::int64_t base_ms = 0;  // put time of the first
  };

  const char* At(Location location) const {
    return static_cast<const char*>(blocks_[location.block].pages.data()) + location.offset;
  }
  static std::uint64_t TakeVarint(const char** at) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(*(*at)++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  void OpenBlock(std::size_t bytes);

  std::vector<Block> blocks_;                // by number; none has 0
  std::vector<std::uint32_t> free_numbers_;  // of blocks without pages
  std::vector<Pages> spare_;                 // emptied blocks kept for the next ones
  std::uint32_t open_ = 0;                   // the block appended to; 0: none
  std::size_t allocated_bytes_ = 0;
};

}  // namespace rivulet
