// Counts by bucket number, of at most so many buckets: what Quantiles keeps of each sign.
//
// Where a bucket more is needed the lowest one is added to the next (Masson, Rim, Lee, PVLDB 12
// (2019), algorithm 3): what is held is always the max_buckets highest of all that ever came, and
// the lowest of them has the counts of all below it, in whatever order they came. Counts stand in
// blocks of kBlock neighbours, so one far away costs a block and not all between; blocks below the
// lowest bucket are used again, so there are at most max_buckets + 1. Add: O(1).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/saturated.h"

namespace rivulet {

class QuantileBuckets {
 public:
  explicit QuantileBuckets(std::size_t max_buckets) : max_buckets_(max_buckets) {}

  /// Requires |bucket| < 2^31 and a weight above zero. A count ends at 2^64 - 1.
  void Add(std::int64_t bucket, std::uint64_t weight) {
    if (bucket < floor_) [[unlikely]]
      bucket = floor_;
    const std::int64_t place = (bucket >> kBlockBits) - first_block_;
    if (place < 0 || place >= static_cast<std::int64_t>(places_.size()) ||
        places_[static_cast<std::size_t>(place)] == kNone) [[unlikely]] {
      MakeBlock(bucket >> kBlockBits);
    }
    std::uint64_t& count = At(bucket);
    const bool fresh = count == 0;
    count = SaturatedSum(count, weight);
    if (fresh) [[unlikely]] {
      lowest_ = held_ == 0 ? bucket : std::min(lowest_, bucket);
      ++held_;
      if (held_ > max_buckets_) RaiseFloor(NextHeld(lowest_ + 1));
    }
  }

  /// Requires the same max_buckets. May be given itself.
  void Merge(const QuantileBuckets& other) {
    const QuantileBuckets b = other;
    // The other holds its floor, as this does its own: the higher one is held by both together.
    if (b.floor_ > floor_) RaiseFloor(b.floor_);
    b.ForEach([&](std::int64_t bucket, std::uint64_t count) { Add(bucket, count); });
  }

  /// Those with a count, ascending.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::size_t place = 0; place < places_.size(); ++place) {
      if (places_[place] == kNone) continue;
      const Block& block = blocks_[places_[place]];
      for (std::size_t i = 0; i < kBlock; ++i) {
        if (block[i] == 0) continue;
        visit((first_block_ + static_cast<std::int64_t>(place)) * std::int64_t{kBlock} +
                  static_cast<std::int64_t>(i),
              block[i]);
      }
    }
  }
  std::size_t max_buckets() const { return max_buckets_; }
  /// Buckets with a count.
  std::size_t held() const { return held_; }
  /// Of memory.
  std::size_t bytes() const {
    return blocks_.capacity() * sizeof(Block) +
           (places_.capacity() + free_.capacity()) * sizeof places_[0];
  }
  /// True once there were more than max_buckets.
  bool collapsed() const { return floor_ != kNoFloor; }
  /// The bucket that has the counts of all below it. Requires collapsed().
  std::int64_t floor() const { return floor_; }

  void Save(std::string* bytes) const {
    PutUint64(bytes, held_);
    PutUint64(bytes, collapsed() ? 1 : 0);
    ForEach([&](std::int64_t bucket, std::uint64_t count) {
      PutUint64(bytes, static_cast<std::uint64_t>(bucket));
      PutUint64(bytes, count);
    });
  }
  /// Requires that nothing was added. False when that is not what Save() wrote, or where `accept`
  /// is false of a bucket and its count.
  template <typename Accept>
  bool Load(ByteReader* reader, Accept accept) {
    const std::uint64_t held = reader->Uint64();
    const std::uint64_t collapsed = reader->Uint64();
    if (held > max_buckets_ || collapsed > (held > 0 ? 1 : 0)) return false;
    std::int64_t last = 0;
    for (std::uint64_t i = 0; i < held; ++i) {
      const auto bucket = static_cast<std::int64_t>(reader->Uint64());
      const std::uint64_t count = reader->Uint64();
      if (!reader->ok() || count == 0 || !accept(bucket, count)) return false;
      if (i > 0 && bucket <= last) return false;
      Add(bucket, count);
      last = bucket;
    }
    if (collapsed == 1) floor_ = lowest_;
    return reader->ok();
  }

 private:
  static constexpr int kBlockBits = 5;
  static constexpr std::size_t kBlock = std::size_t{1} << kBlockBits;
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::int64_t kNoFloor = std::numeric_limits<std::int64_t>::min();
  using Block = std::array<std::uint64_t, kBlock>;

  // Requires that its block is there.
  std::uint64_t& At(std::int64_t bucket) {
    const auto place = static_cast<std::size_t>((bucket >> kBlockBits) - first_block_);
    return blocks_[places_[place]][static_cast<std::size_t>(bucket) & (kBlock - 1)];
  }
  void MakeBlock(std::int64_t block) {
    if (places_.empty()) first_block_ = block;
    if (block < first_block_) {
      places_.insert(places_.begin(), static_cast<std::size_t>(first_block_ - block), kNone);
      first_block_ = block;
    }
    const auto place = static_cast<std::size_t>(block - first_block_);
    if (place >= places_.size()) places_.resize(place + 1, kNone);
    if (free_.empty()) {
      places_[place] = static_cast<std::uint32_t>(blocks_.size());
      blocks_.emplace_back();
    } else {
      places_[place] = free_.back();
      free_.pop_back();
    }
  }
  // Requires that its counts are 0.
  void FreeBlock(std::int64_t block) {
    const std::int64_t place = block - first_block_;
    if (place >= static_cast<std::int64_t>(places_.size())) return;
    std::uint32_t& held = places_[static_cast<std::size_t>(place)];
    if (held == kNone) return;
    free_.push_back(held);
    held = kNone;
  }
  // What is below goes to the new floor.
  void RaiseFloor(std::int64_t floor) {
    floor_ = floor;
    const std::int64_t first = held_ > 0 ? lowest_ >> kBlockBits : floor >> kBlockBits;
    std::uint64_t sum = 0;
    while (held_ > 0 && lowest_ < floor) {
      std::uint64_t& count = At(lowest_);
      sum = SaturatedSum(sum, count);
      count = 0;
      --held_;
      if (held_ > 0) lowest_ = NextHeld(lowest_ + 1);
    }
    // All below are empty now, and stay so.
    for (std::int64_t block = first; block < floor >> kBlockBits; ++block) FreeBlock(block);
    if (sum > 0) Add(floor, sum);
  }
  // The first bucket with a count at or above; requires one.
  std::int64_t NextHeld(std::int64_t bucket) const {
    while (true) {
      const auto place = static_cast<std::size_t>((bucket >> kBlockBits) - first_block_);
      if (places_[place] == kNone) {
        bucket = ((bucket >> kBlockBits) + 1) << kBlockBits;
      } else if (blocks_[places_[place]][static_cast<std::size_t>(bucket) & (kBlock - 1)] == 0) {
        ++bucket;
      } else {
        return bucket;
      }
    }
  }

  std::size_t max_buckets_;
  std::vector<std::uint32_t> places_;  // of blocks_, from first_block_ on
  std::int64_t first_block_ = 0;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> free_;  // blocks that are all 0
  std::size_t held_ = 0;
  std::int64_t lowest_ = 0;  // with a count
  std::int64_t floor_ = kNoFloor;
};

}  // namespace rivulet
