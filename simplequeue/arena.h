// Where message bodies live: append-only blocks, each given back to the system when the last of its
// messages is released. Design decision 4.
//
// A body is stored once, behind its length as a varint: a 100-byte message takes 101 bytes. A block
// holds 2 MiB, or one larger message. One old message keeps its block alive, and only that.
// All queues of a process share one arena. Thread: one. Cost: amortised O(body) to append, O(1)
// else.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "simplequeue/pages.h"

namespace rivulet {

class Arena {
 public:
  static constexpr std::size_t kBlockBytes = Pages::kHugeBytes;

  /// Where a body is. Stays valid until Release().
  struct Location {
    std::uint32_t block = UINT32_MAX;  // UINT32_MAX: nowhere
    std::uint32_t offset = 0;
    bool valid() const { return block != UINT32_MAX; }
  };

  /// Bodies of up to 2^32 - 16 bytes. Throws std::bad_alloc when the system has no memory.
  Location Append(std::string_view body);
  /// Valid until the body is released.
  std::string_view Read(Location location) const {
    const char* at =
        static_cast<const char*>(blocks_[location.block].pages.data()) + location.offset;
    std::uint32_t size = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at++);
      size |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return {at, size};
    }
  }
  /// Releases so many bodies of the block of that number (a location's `block`).
  void Release(std::uint32_t number, std::uint32_t bodies = 1);

  /// Memory taken from the system for bodies now.
  std::size_t allocated_bytes() const { return allocated_bytes_; }

 private:
  struct Block {
    Pages pages;
    std::uint32_t used_bytes = 0;
    std::uint32_t live = 0;  // bodies not yet released
  };

  void OpenBlock(std::size_t bytes);

  std::vector<Block> blocks_;
  std::vector<std::uint32_t> free_numbers_;  // of blocks without pages
  std::vector<Pages> spare_;                 // emptied blocks kept for the next ones
  std::uint32_t open_ = UINT32_MAX;          // the block appended to
  std::size_t allocated_bytes_ = 0;
};

}  // namespace rivulet
