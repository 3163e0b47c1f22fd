#include "simplequeue/arena.h"

#include <algorithm>
#include <cstring>

namespace rivulet {

namespace {

constexpr std::size_t kMaxPrefixBytes = 5;
// Putting and getting at the edge of a block should not ask the system for pages each time.
constexpr std::size_t kSpareBlocks = 2;
// A queue that holds so much is filling up, and will touch all of its next block.
constexpr std::size_t kBacklogBytes = 8 * 1024 * 1024;

char* WriteVarint(char* out, std::uint32_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

}  // namespace

Arena::Location Arena::Append(std::string_view body) {
  const std::size_t need = body.size() + kMaxPrefixBytes;
  if (open_ == UINT32_MAX || blocks_[open_].pages.size_bytes() - blocks_[open_].used_bytes < need) {
    OpenBlock(std::max(need, kBlockBytes));
  }
  Block& block = blocks_[open_];
  char* const base = static_cast<char*>(block.pages.data());
  const Location location{open_, block.used_bytes};
  char* at = WriteVarint(base + block.used_bytes, static_cast<std::uint32_t>(body.size()));
  if (!body.empty()) std::memcpy(at, body.data(), body.size());
  block.used_bytes = static_cast<std::uint32_t>(at + body.size() - base);
  ++block.live;
  return location;
}

void Arena::OpenBlock(std::size_t bytes) {
  // An open block whose bodies have all gone was rewound, so what is left behind here has some.
  Pages pages;
  if (bytes == kBlockBytes && !spare_.empty()) {
    pages = std::move(spare_.back());
    spare_.pop_back();
  } else {
    const bool backlog = bytes == kBlockBytes && allocated_bytes_ >= kBacklogBytes;
    pages = backlog ? Pages::Huge() : Pages(bytes);
    allocated_bytes_ += bytes;
  }
  const std::uint32_t previous = open_;
  if (free_numbers_.empty()) {
    open_ = static_cast<std::uint32_t>(blocks_.size());
    blocks_.emplace_back();
  } else {
    open_ = free_numbers_.back();
    free_numbers_.pop_back();
  }
  blocks_[open_] = Block{std::move(pages), 0, 0};
  if (previous != UINT32_MAX && blocks_[previous].live == 0) {
    allocated_bytes_ -= blocks_[previous].pages.size_bytes();
    blocks_[previous] = Block();
    free_numbers_.push_back(previous);
  }
}

void Arena::Release(std::uint32_t number, std::uint32_t bodies) {
  Block& block = blocks_[number];
  block.live -= bodies;
  if (block.live > 0) return;
  const bool ordinary = block.pages.size_bytes() == kBlockBytes;
  if (number == open_ && ordinary) {
    block.used_bytes = 0;
    return;
  }
  if (number == open_) open_ = UINT32_MAX;
  if (ordinary && spare_.size() < kSpareBlocks) {
    spare_.push_back(std::move(block.pages));
  } else {
    allocated_bytes_ -= block.pages.size_bytes();
  }
  block = Block();
  free_numbers_.push_back(number);
}

}  // namespace rivulet
