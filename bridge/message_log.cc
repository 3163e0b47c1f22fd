#include "bridge/message_log.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace rivulet {

// Mapped, not allocated: pages that no message reaches cost no memory, and those that one did reach
// are given back at once, however the heap around them looks.
MessageLog::Block::Block(std::size_t bytes_wanted) : capacity(bytes_wanted) {
  void* mapped =
      mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  bytes = static_cast<char*>(mapped);
}

MessageLog::Block::~Block() { munmap(bytes, capacity); }

void MessageLog::Append(std::string_view message) {
  const std::size_t needed = message.size() + 1;
  if (slots_.empty() || slots_.back().block->capacity - slots_.back().block->size < needed) {
    slots_.push_back({end_, end_byte_, std::make_shared<Block>(std::max(kBlockBytes, needed))});
  }
  Block& block = *slots_.back().block;
  char* to = block.bytes + block.size;
  if (message.empty() || std::memchr(message.data(), '\n', message.size()) != nullptr) {
    block.alone.push_back(static_cast<std::uint32_t>(block.ends.size()));
  }
  if (!message.empty()) std::memcpy(to, message.data(), message.size());
  to[message.size()] = '\n';
  block.size += needed;
  block.ends.push_back(static_cast<std::uint32_t>(block.size));
  end_byte_ += needed;
  ++end_;
}

std::size_t MessageLog::SlotOf(std::uint64_t message) const {
  const auto after = std::upper_bound(
      slots_.begin(), slots_.end(), message,
      [](std::uint64_t number, const Slot& slot) { return number < slot.first_message; });
  assert(after != slots_.begin());
  return static_cast<std::size_t>(after - slots_.begin()) - 1;
}

std::uint64_t MessageLog::ByteOf(std::uint64_t message) const {
  if (message == end_) return end_byte_;
  const Slot& slot = slots_[SlotOf(message)];
  const auto index = static_cast<std::size_t>(message - slot.first_message);
  return slot.first_byte + (index == 0 || !slot.block ? 0 : slot.block->ends[index - 1]);
}

MessageBatch MessageLog::Slice(std::uint64_t first, std::uint64_t max_messages) {
  assert(first >= start_ && first < end_ && max_messages > 0);
  const Slot& slot = slots_[SlotOf(first)];
  assert(slot.block != nullptr);
  const Block& block = *slot.block;
  const auto index = static_cast<std::size_t>(first - slot.first_message);
  const auto alone = std::ranges::lower_bound(block.alone, index);
  const bool is_alone = alone != block.alone.end() && *alone == index;
  std::size_t limit = block.ends.size();
  if (alone != block.alone.end()) limit = is_alone ? index + 1 : *alone;
  const auto count = std::min<std::uint64_t>(max_messages, limit - index);
  const std::size_t from = index == 0 ? 0 : block.ends[index - 1];
  const std::size_t to = block.ends[index + static_cast<std::size_t>(count) - 1];
  return {first, count, {block.bytes + from, to - from}, slot.block, !is_alone};
}

void MessageLog::DropBefore(std::uint64_t first) {
  if (first <= start_) return;
  assert(first <= end_);
  start_ = first;
  if (first == end_) {
    DropAll();
    return;
  }
  start_byte_ = ByteOf(first);
  while (!released_.empty() && released_.begin()->first < first) {
    Released range = released_.begin()->second;
    released_bytes_ -= range.to_byte - range.from_byte;
    released_.erase(released_.begin());
    if (range.end <= first) continue;
    range.from_byte = start_byte_;
    released_bytes_ += range.to_byte - range.from_byte;
    released_.emplace(first, range);
  }
  const std::size_t gone = SlotOf(first);
  slots_.erase(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(gone));
}

void MessageLog::DropAll() {
  start_byte_ = end_byte_;
  released_.clear();
  released_bytes_ = 0;
  // The last block is used again from its start when no batch reads it: a bridge that keeps up then
  // lives in one block. Otherwise it is left to its batches.
  auto block = std::move(slots_.back().block);
  slots_.clear();
  if (block.use_count() != 1 || block->capacity != kBlockBytes) return;
  block->size = 0;
  block->ends.clear();
  block->alone.clear();
  slots_.push_back({end_, end_byte_, std::move(block)});
}

void MessageLog::Release(std::uint64_t first, std::uint64_t end) {
  first = std::max(first, start_);
  if (first >= end) return;
  assert(end <= end_);
  const std::size_t slot = SlotOf(first);
  Released range{end, ByteOf(first), ByteOf(end)};
  auto next = released_.lower_bound(first);
  if (next != released_.begin() && std::prev(next)->second.end >= first) --next;
  while (next != released_.end() && next->first <= range.end) {
    const Released& other = next->second;
    released_bytes_ -= other.to_byte - other.from_byte;
    first = std::min(first, next->first);
    range = {std::max(range.end, other.end), std::min(range.from_byte, other.from_byte),
             std::max(range.to_byte, other.to_byte)};
    next = released_.erase(next);
  }
  released_bytes_ += range.to_byte - range.from_byte;
  released_.emplace(first, range);
  // The block before may have been the last one when its last message was released.
  FreeWithin(slot == 0 ? 0 : slot - 1, first, range.end);
}

void MessageLog::FreeWithin(std::size_t slot, std::uint64_t first, std::uint64_t end) {
  // The last block is still appended to.
  for (; slot + 1 < slots_.size() && slots_[slot + 1].first_message <= end; ++slot) {
    if (slots_[slot].first_message >= first) slots_[slot].block.reset();
  }
}

}  // namespace rivulet
