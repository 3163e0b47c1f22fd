// A hash table of keys that somebody else chooses: who does not know the seed cannot make them
// collide (algorithms/siphash.h).
//
// Open addressing by buckets of eight slots, which are a cache line and are compared at once: a
// search goes on in the next bucket where one is full. Erasing takes back what had to go on (Knuth,
// The Art of Computer Programming 3, 6.4, algorithms L and R, with buckets), so that nothing is
// left behind. A slot is 8 bytes; the entries, a cache line each or more, stand in blocks that
// double and never move: an entry's number, and what it holds, stay where they are until it is
// erased, and growing touches slots alone. A key that is held is found with two cache misses (three
// when it is longer than KeyText::kInPlace bytes), and no allocation. O(1). Large tables are in
// huge pages.
//
//   KeyTable<double> scores(seed);
//   scores.ValueAt(scores.Insert("a").first) += 1;
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/siphash.h"
#include "store/huge_pages.h"
#include "store/key_text.h"

namespace rivulet {

/// What a KeyTable's hash depends on: to be random.
struct KeySeed {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

/// At most 2^31 entries. T is made by T(), and moved.
template <typename T>
class KeyTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  explicit KeyTable(KeySeed seed) : seed_(seed) {}
  ~KeyTable() {
    for (std::uint32_t i = 0; i < made_; ++i) std::destroy_at(&EntryAt(i));
  }
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// The entry's number, or kNone.
  std::uint32_t Find(std::string_view key) const {
    return size_ == 0 ? kNone : FindHashed(key, HashOf(key));
  }
  /// The entry's number, and whether it was made now, with a T().
  std::pair<std::uint32_t, bool> Insert(std::string_view key) {
    if (bucket_count_ == 0) Grow();
    const std::uint32_t hash = HashOf(key);
    if (const std::uint32_t held = FindHashed(key, hash); held != kNone) return {held, false};
    if ((size_ + 1) * 4 > bucket_count_ * kWidth * 3) Grow();
    const std::uint32_t entry = TakeEntry();
    EntryAt(entry).key.Set(key);
    PutSlot(hash, entry);
    ++size_;
    return {entry, true};
  }
  void Erase(std::uint32_t entry) {
    const std::uint32_t hash = HashOf(KeyAt(entry));
    std::size_t at = hash & mask_;
    int slot = SlotOf(buckets()[at], entry);
    while (slot < 0) {
      at = Next(at);
      slot = SlotOf(buckets()[at], entry);
    }
    EmptySlot(at, slot);
    Entry& gone = EntryAt(entry);
    gone.key.Clear();
    gone.value = T();
    gone.next = free_;
    free_ = entry;
    --size_;
  }

  std::string_view KeyAt(std::uint32_t entry) const { return EntryAt(entry).key.view(); }
  T& ValueAt(std::uint32_t entry) { return EntryAt(entry).value; }
  const T& ValueAt(std::uint32_t entry) const { return EntryAt(entry).value; }

  /// `visit(number, key, value)` for all, in the order of their numbers.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::uint32_t i = 0; i < made_; ++i) {
      const Entry& entry = EntryAt(i);
      if (entry.next == kHeld) visit(i, entry.key.view(), entry.value);
    }
  }
  template <typename Visit>
  void ForEach(Visit visit) {
    for (std::uint32_t i = 0; i < made_; ++i) {
      Entry& entry = EntryAt(i);
      if (entry.next == kHeld) visit(i, entry.key.view(), entry.value);
    }
  }

 private:
  static constexpr std::uint32_t kHeld = 0xfffffffe;
  static constexpr std::uint32_t kFirstBlock = 4;  // entries; a power of two
  static constexpr int kFirstWidth = std::bit_width(kFirstBlock);

  struct alignas(kCacheLineBytes) Entry {
    T value{};
    KeyText key;
    std::uint32_t next = kHeld;  // else the next free one, or kNone
  };
  static constexpr int kWidth = 8;
  struct alignas(kCacheLineBytes) Bucket {
    std::uint32_t hashes[kWidth];  // 0: nothing is here
    std::uint32_t entries[kWidth];
  };

  std::uint32_t HashOf(std::string_view key) const {
    const auto hash = static_cast<std::uint32_t>(SipHash<1, 3>(key, seed_.low, seed_.high));
    return hash + (hash == 0 ? 1 : 0);
  }
  Bucket* buckets() const { return static_cast<Bucket*>(buckets_.get()); }
  std::size_t Next(std::size_t bucket) const { return (bucket + 1) & mask_; }
  /// A bit for each slot that has this hash.
  static unsigned SlotsWith(const Bucket& bucket, std::uint32_t hash) {
#ifdef __SSE2__
    const auto* hashes = reinterpret_cast<const __m128i*>(bucket.hashes);
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(hash));
    const __m128i low = _mm_cmpeq_epi32(_mm_load_si128(hashes), wanted);
    const __m128i high = _mm_cmpeq_epi32(_mm_load_si128(hashes + 1), wanted);
    // Eight times 16 bits, eight times 8 bits, eight bits.
    const __m128i both = _mm_packs_epi32(low, high);
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(both, _mm_setzero_si128())));
#else
    unsigned found = 0;
    for (int i = 0; i < kWidth; ++i) found |= unsigned{bucket.hashes[i] == hash} << i;
    return found;
#endif
  }
  static int SlotOf(const Bucket& bucket, std::uint32_t entry) {
    for (int i = 0; i < kWidth; ++i) {
      if (bucket.hashes[i] != 0 && bucket.entries[i] == entry) return i;
    }
    return -1;
  }
  std::uint32_t FindHashed(std::string_view key, std::uint32_t hash) const {
    for (std::size_t at = hash & mask_;; at = Next(at)) {
      const Bucket& bucket = buckets()[at];
      for (unsigned found = SlotsWith(bucket, hash); found != 0; found &= found - 1) {
        const std::uint32_t entry = bucket.entries[std::countr_zero(found)];
        if (EntryAt(entry).key.view() == key) return entry;
      }
      if (SlotsWith(bucket, 0) != 0) return kNone;
    }
  }
  void PutSlot(std::uint32_t hash, std::uint32_t entry) {
    std::size_t at = hash & mask_;
    unsigned empty = SlotsWith(buckets()[at], 0);
    while (empty == 0) {
      at = Next(at);
      empty = SlotsWith(buckets()[at], 0);
    }
    buckets()[at].hashes[std::countr_zero(empty)] = hash;
    buckets()[at].entries[std::countr_zero(empty)] = entry;
  }
  /// What stands beyond a full bucket that it belongs to, or passed, takes the place.
  void EmptySlot(std::size_t hole, int slot) {
    bool was_full = SlotsWith(buckets()[hole], 0) == 0;
    buckets()[hole].hashes[slot] = 0;
    for (std::size_t at = Next(hole); was_full && at != hole; at = Next(at)) {
      Bucket& bucket = buckets()[at];
      const bool last = SlotsWith(bucket, 0) != 0;
      const int moved = Passing(bucket, at, hole);
      if (moved >= 0) {
        buckets()[hole].hashes[slot] = std::exchange(bucket.hashes[moved], 0);
        buckets()[hole].entries[slot] = bucket.entries[moved];
        hole = at;
        slot = moved;
      }
      if (last) return;
    }
  }
  /// A slot of the bucket `at` whose search passes `hole`, or -1.
  int Passing(const Bucket& bucket, std::size_t at, std::size_t hole) const {
    for (int i = 0; i < kWidth; ++i) {
      const std::size_t home = bucket.hashes[i] & mask_;
      if (bucket.hashes[i] != 0 && ((at - home) & mask_) >= ((at - hole) & mask_)) return i;
    }
    return -1;
  }
  // Block k begins at kFirstBlock * (2^k - 1).
  Entry& EntryAt(std::uint32_t entry) const {
    const std::uint32_t shifted = entry + kFirstBlock;
    const int block = std::bit_width(shifted) - kFirstWidth;
    return static_cast<Entry*>(
        blocks_[static_cast<std::size_t>(block)].get())[shifted - (kFirstBlock << block)];
  }
  std::uint32_t TakeEntry() {
    if (free_ != kNone) {
      const std::uint32_t entry = free_;
      free_ = std::exchange(EntryAt(entry).next, kHeld);
      return entry;
    }
    if (made_ + kFirstBlock == kFirstBlock << blocks_.size()) {
      blocks_.push_back(AllocateTable(sizeof(Entry) * (kFirstBlock << blocks_.size())));
    }
    std::construct_at(&EntryAt(made_));
    return made_++;
  }
  void Grow() {
    const std::size_t count = bucket_count_ == 0 ? 1 : 2 * bucket_count_;
    TableMemory old = AllocateTable(count * sizeof(Bucket));
    std::memset(old.get(), 0, count * sizeof(Bucket));
    old.swap(buckets_);
    const std::size_t old_count = std::exchange(bucket_count_, count);
    mask_ = count - 1;
    for (std::size_t i = 0; i < old_count; ++i) {
      const Bucket& bucket = static_cast<const Bucket*>(old.get())[i];
      for (int k = 0; k < kWidth; ++k) {
        if (bucket.hashes[k] != 0) PutSlot(bucket.hashes[k], bucket.entries[k]);
      }
    }
  }

  KeySeed seed_;
  TableMemory buckets_;
  std::size_t bucket_count_ = 0;  // a power of two; slots are at most three quarters full
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
  std::vector<TableMemory> blocks_;  // of entries
  std::uint32_t made_ = 0;           // entries, held or free
  std::uint32_t free_ = kNone;
};

}  // namespace rivulet
