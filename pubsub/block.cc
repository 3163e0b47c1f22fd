#include "pubsub/block.h"

#include <algorithm>
#include <cassert>

namespace rivulet {

std::uint32_t Block::MessagesEndingBy(std::size_t at) const {
  if (at >= size_) return count_;
  std::uint32_t low = 0;
  std::uint32_t high = count_;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (MessageEnd(middle) <= at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::unique_ptr<Block> BlockPool::Take(std::size_t message_bytes) {
  const std::size_t needed = message_bytes + 2 * sizeof(std::uint32_t);
  std::unique_ptr<Block> block;
  if (needed > block_bytes_) {
    block = std::make_unique<Block>(needed);
  } else if (!spare_.empty()) {
    block = std::move(spare_.back());  // the one used last, which is the warmest
    spare_.pop_back();
  } else {
    block = std::make_unique<Block>(block_bytes_);
  }
  ++live_blocks_;
  live_bytes_ += block->capacity_bytes();
  return block;
}

void BlockPool::Give(std::unique_ptr<Block> block) {
  assert(!block->next);
  if (block->pins > 0) {
    orphans_.push_back(std::move(block));
  } else {
    Recycle(std::move(block));
  }
}

void BlockPool::Unpin(Block* block) {
  assert(block->pins > 0);
  if (--block->pins > 0) return;
  const auto orphan = std::find_if(orphans_.begin(), orphans_.end(),
                                   [block](const auto& b) { return b.get() == block; });
  if (orphan == orphans_.end()) return;  // its log still holds it
  std::unique_ptr<Block> freed = std::move(*orphan);
  orphans_.erase(orphan);
  Recycle(std::move(freed));
}

void BlockPool::Recycle(std::unique_ptr<Block> block) {
  --live_blocks_;
  live_bytes_ -= block->capacity_bytes();
  if (block->capacity_bytes() == block_bytes_ && spare_.size() < kMaxSpare) {
    spare_.push_back(std::move(block));
  }
}

}  // namespace rivulet
