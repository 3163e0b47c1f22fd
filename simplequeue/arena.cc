#include "simplequeue/arena.h"

#include <algorithm>
#include <cstring>

namespace rivulet {

namespace {

// Of the varints before a body: 32 bits of size, 64 of time, 64 of time to live.
constexpr std::size_t kMaxPrefixBytes = 5 + 10 + 10;
// Putting and getting at the edge of a block should not ask the system for pages each time.
constexpr std::size_t kSpareBlocks = 2;
// A queue that holds so much is filling up, and will touch all of its next block.
constexpr std::size_t kBacklogBytes = 8 * 1024 * 1024;

char* WriteVarint(char* out, std::uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

std::uint64_t Zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

std::int64_t Unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace

Arena::Location Arena::Append(std::string_view body, MonoTime put_at, Duration ttl) {
  const std::size_t need = body.size() + kMaxPrefixBytes;
  if (open_ == 0 || blocks_[open_].pages.size_bytes() - blocks_[open_].used_bytes < need) {
    OpenBlock(std::max(need, kBlockBytes));
  }
  Block& block = blocks_[open_];
  const std::int64_t put_ms =
      std::chrono::floor<std::chrono::milliseconds>(put_at).time_since_epoch().count();
  if (block.used_bytes == 0) block.base_ms = put_ms;
  char* const base = static_cast<char*>(block.pages.data());
  const Location location{open_, block.used_bytes};
  constexpr auto kMaxTtl = std::chrono::floor<std::chrono::milliseconds>(Duration::max());
  const std::int64_t ttl_ms =
      std::min(std::chrono::ceil<std::chrono::milliseconds>(ttl), kMaxTtl).count();
  char* at = WriteVarint(base + block.used_bytes, body.size());
  at = WriteVarint(at, 2 * Zigzag(put_ms - block.base_ms) + (ttl_ms > 0 ? 1 : 0));
  if (ttl_ms > 0) at = WriteVarint(at, static_cast<std::uint64_t>(ttl_ms));
  if (!body.empty()) std::memcpy(at, body.data(), body.size());
  block.used_bytes = static_cast<std::uint32_t>(at + body.size() - base);
  ++block.live;
  return location;
}

Arena::Entry Arena::ReadEntry(Location location) const {
  const char* at = At(location);
  const std::uint64_t size = TakeVarint(&at);
  const std::uint64_t time = TakeVarint(&at);
  Entry entry;
  entry.put_at =
      MonoTime(std::chrono::milliseconds(blocks_[location.block].base_ms + Unzigzag(time / 2)));
  if (time % 2 != 0) entry.ttl = std::chrono::milliseconds(TakeVarint(&at));
  entry.body = {at, size};
  return entry;
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
  blocks_[open_] = Block{std::move(pages), 0, 0, 0};
  if (previous != 0 && blocks_[previous].live == 0) {
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
  if (number == open_) open_ = 0;
  if (ordinary && spare_.size() < kSpareBlocks) {
    spare_.push_back(std::move(block.pages));
  } else {
    allocated_bytes_ -= block.pages.size_bytes();
  }
  block = Block();
  free_numbers_.push_back(number);
}

}  // namespace rivulet
