// Blocks of encoded messages, and the pool they come from and go back to.
//
// A block is one piece of memory: encoded messages grow from its front, their end positions (four
// bytes a message) from its back. A message never straddles two blocks; one that is larger than a
// standard block has a block to itself.
//
// Thread: none of this is shared between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rivulet {

class Block {
 public:
  explicit Block(std::size_t capacity_bytes)
      : capacity_words_((capacity_bytes + 3) / 4),
        words_(std::make_unique_for_overwrite<std::uint32_t[]>(capacity_words_)) {}

  std::size_t capacity_bytes() const { return capacity_words_ * 4; }
  bool Fits(std::size_t message_bytes) const {
    return size_ + message_bytes + 4 * (static_cast<std::size_t>(count_) + 1) <= capacity_bytes();
  }
  /// Room for a message of that size, which is then part of the block. Requires Fits().
  char* Add(std::size_t message_bytes) {
    char* const at = data() + size_;
    size_ += message_bytes;
    ++count_;
    words_[capacity_words_ - count_] = static_cast<std::uint32_t>(size_);
    return at;
  }
  /// Forgets the messages and says where the next ones stand in their log.
  void Reset(std::uint64_t first_byte, std::uint64_t first_index) {
    first_byte_ = first_byte;
    first_index_ = first_index;
    size_ = 0;
    count_ = 0;
    cursors = 0;
  }

  char* data() { return reinterpret_cast<char*>(words_.get()); }
  const char* data() const { return reinterpret_cast<const char*>(words_.get()); }
  std::size_t size_bytes() const { return size_; }
  std::uint32_t count() const { return count_; }
  /// Position in the log of the first byte, and the index of the first message.
  std::uint64_t first_byte() const { return first_byte_; }
  std::uint64_t end_byte() const { return first_byte_ + size_; }
  std::uint64_t first_index() const { return first_index_; }
  /// Where message i (of this block) ends, from the block's first byte.
  std::size_t MessageEnd(std::uint32_t i) const { return words_[capacity_words_ - 1 - i]; }
  /// How many messages end at or before `at`. O(log count), O(1) at the block's end.
  std::uint32_t MessagesEndingBy(std::size_t at) const;

  std::unique_ptr<Block> next;
  std::size_t cursors = 0;  // of the log, that stand in this block
  std::uint32_t pins = 0;   // see BlockPool::Pin

 private:
  std::size_t capacity_words_;
  std::unique_ptr<std::uint32_t[]> words_;
  std::size_t size_ = 0;
  std::uint32_t count_ = 0;
  std::uint64_t first_byte_ = 0;
  std::uint64_t first_index_ = 0;
};

/// Shared by all feeds. Keeps a few spare blocks, so that feeds whose subscribers keep up write
/// into the same warm memory again and again, and gives the rest back to the system.
class BlockPool {
 public:
  static constexpr std::size_t kBlockBytes = 256 * 1024;
  static constexpr std::size_t kMaxSpare = 16;

  /// `block_bytes`, a multiple of 4, is the size of a standard block.
  explicit BlockPool(std::size_t block_bytes = kBlockBytes) : block_bytes_(block_bytes) {}
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// An empty block that fits a message of `message_bytes`.
  std::unique_ptr<Block> Take(std::size_t message_bytes);
  /// Requires block->next to be null. A pinned block is kept until its last pin goes.
  void Give(std::unique_ptr<Block> block);

  /// A pinned block keeps its bytes also after its log has given it back.
  void Pin(Block* block) { ++block->pins; }
  void Unpin(Block* block);

  /// Taken and not yet freed or spare.
  std::size_t live_blocks() const { return live_blocks_; }
  std::size_t live_bytes() const { return live_bytes_; }
  std::size_t spare_blocks() const { return spare_.size(); }

 private:
  void Recycle(std::unique_ptr<Block> block);

  std::size_t block_bytes_;
  std::vector<std::unique_ptr<Block>> spare_;
  std::vector<std::unique_ptr<Block>> orphans_;  // given back while pinned
  std::size_t live_blocks_ = 0;
  std::size_t live_bytes_ = 0;
};

}  // namespace rivulet
