#include "bridge/message_log.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace rivulet {

void MessageLog::Append(std::string_view message) {
  const std::size_t needed = message.size() + 1;
  if (blocks_.empty() || blocks_.back()->capacity - blocks_.back()->size < needed) {
    auto block = std::make_shared<Block>();
    block->first_message = end_;
    block->first_byte = end_byte_;
    block->capacity = std::max(kBlockBytes, needed);
    // Not zeroed: pages that no message reaches cost no memory.
    block->bytes = std::make_unique_for_overwrite<char[]>(block->capacity);
    blocks_.push_back(std::move(block));
  }
  Block& block = *blocks_.back();
  std::memcpy(block.bytes.get() + block.size, message.data(), message.size());
  block.bytes[block.size + message.size()] = '\n';
  block.size += needed;
  block.ends.push_back(static_cast<std::uint32_t>(block.size));
  end_byte_ += needed;
  ++end_;
}

const std::shared_ptr<MessageLog::Block>& MessageLog::BlockOf(std::uint64_t message) const {
  const auto after = std::upper_bound(
      blocks_.begin(), blocks_.end(), message,
      [](std::uint64_t number, const auto& block) { return number < block->first_message; });
  assert(after != blocks_.begin());
  return *(after - 1);
}

MessageBatch MessageLog::Slice(std::uint64_t first, std::uint64_t max_messages) const {
  assert(first >= start_ && first < end_ && max_messages > 0);
  const auto& block = BlockOf(first);
  const auto index = static_cast<std::size_t>(first - block->first_message);
  const auto count = std::min<std::uint64_t>(max_messages, block->ends.size() - index);
  const std::size_t from = index == 0 ? 0 : block->ends[index - 1];
  const std::size_t to = block->ends[index + static_cast<std::size_t>(count) - 1];
  return {first, count, {block->bytes.get() + from, to - from}, block};
}

void MessageLog::DropBefore(std::uint64_t first) {
  if (first <= start_) return;
  assert(first <= end_);
  start_ = first;
  if (first == end_) {
    start_byte_ = end_byte_;
    // The last block is used again from its start when no batch reads it: a bridge that keeps up
    // then lives in one block. Otherwise it is left to its batches.
    if (blocks_.back().use_count() == 1 && blocks_.back()->capacity == kBlockBytes) {
      blocks_.erase(blocks_.begin(), blocks_.end() - 1);
      Block& block = *blocks_.back();
      block.first_message = end_;
      block.first_byte = end_byte_;
      block.size = 0;
      block.ends.clear();
    } else {
      blocks_.clear();
    }
    return;
  }
  const auto& block = BlockOf(first);
  const auto index = static_cast<std::size_t>(first - block->first_message);
  start_byte_ = block->first_byte + (index == 0 ? 0 : block->ends[index - 1]);
  while (blocks_.front() != block) blocks_.pop_front();
}

}  // namespace rivulet
