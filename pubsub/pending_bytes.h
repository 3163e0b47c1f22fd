// Bytes that are needed for a while, and leave in the order they came: of messages that wait for
// their commit. In blocks so large that the system gets them back as soon as they are empty.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>

namespace rivulet {

class PendingBytes {
 public:
  static constexpr std::size_t kBlockBytes = 256 * 1024;

  /// Keeps `bytes`, which may be large; what is returned stays where it is until it leaves.
  std::string_view Add(std::string_view bytes) {
    if (blocks_.empty() || blocks_.back().capacity - blocks_.back().used < bytes.size()) {
      const std::size_t capacity = std::max(kBlockBytes, bytes.size());
      blocks_.push_back({std::make_unique_for_overwrite<char[]>(capacity), capacity, 0, 0});
    }
    Block& block = blocks_.back();
    char* const begin = block.bytes.get() + block.used;
    if (!bytes.empty()) std::memcpy(begin, bytes.data(), bytes.size());
    block.used += bytes.size();
    ++block.pieces;
    return {begin, bytes.size()};
  }

  /// The oldest piece leaves.
  void PopFront() {
    while (blocks_.front().pieces == 0) blocks_.pop_front();
    Block& block = blocks_.front();
    --block.pieces;
    if (block.pieces > 0) return;
    if (blocks_.size() > 1 || block.capacity > kBlockBytes) {
      blocks_.pop_front();
    } else {
      block.used = 0;
    }
  }
  void Clear() { blocks_.clear(); }
  std::uint64_t memory_bytes() const {
    std::uint64_t sum = 0;
    for (const Block& block : blocks_) sum += block.capacity;
    return sum;
  }

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t capacity = 0;
    std::size_t used = 0;
    std::size_t pieces = 0;
  };
  std::deque<Block> blocks_;
};

}  // namespace rivulet
