// Heavy hitters: the most frequent keys of a stream, in memory that does not grow with it.
//
// Source: A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k
// Elements in Data Streams", ICDT 2005 (Space-Saving). Merge: M. Cafaro, M. Pulimeno, P. Tempesta,
// "A parallel space saving algorithm for frequent items and the Hurwitz zeta distribution",
// Information Sciences 329 (2016).
//
// Bound, for a stream of total weight N and a capacity of m keys: a count is never below the truth
// and above it by at most its own `error`, which is at most N/m. Every key whose true weight is
// above N/m is held. While at most m distinct keys were seen all counts are exact (error 0). So for
// the top 10, m = 1,000 is a good choice: m is what is remembered, not what is asked for. Counts
// end at 2^64 - 1. Memory: about 120 bytes a key held and what keys longer than 15 bytes take.
// Update: one hash and O(1) for a key that is held, amortised O(log m) for another. Top: O(m log
// n). Units: those of the weights.
//
//   TopK countries(1000);
//   for (const auto& click : clicks) countries.Update(click.country);
//   countries.Merge(countries_of_another_reader);
//   for (const auto& [value, count, error] : countries.Top(10)) Print(value, count, error);
//   std::string saved = countries.Save();
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/json_view.h"
#include "algorithms/saturated.h"
#include "algorithms/siphash.h"

namespace rivulet {

class TopK {
 public:
  struct Item {
    std::string value;
    std::uint64_t count = 0;  // at least the true weight
    std::uint64_t error = 0;  // count - error is at most the true weight
  };

  /// Holds `capacity` keys, at least one. The seed keeps keys that a client chooses from colliding
  /// on purpose; results do not depend on it.
  explicit TopK(std::size_t capacity, std::uint64_t seed = 0)
      : capacity_(std::max<std::size_t>(1, capacity)), seed_(seed), slots_(16, kFree) {}

  void Update(std::string_view key, std::uint64_t weight = 1) {
    if (weight == 0) return;
    total_ = SaturatedSum(total_, weight);
    const std::uint64_t hash = Hash(key);
    if (const std::size_t slot = Probe(key, hash); slots_[slot] != kFree) {
      std::uint64_t& count = entries_[EntryAt(slot)].item.count;
      count = SaturatedSum(count, weight);
    } else {
      Insert(key, hash, SaturatedSum(absent_bound_, weight), absent_bound_);
    }
  }

  /// As if the other's stream had come here; errors add up.
  void Merge(const TopK& other) {
    std::vector<Item> merged;
    merged.reserve(entries_.size() + other.entries_.size());
    for (const Entry& entry : entries_) {
      const Item* there = other.Find(entry.item.value);
      merged.push_back(Sum(entry.item, there != nullptr ? there->count : other.absent_bound_,
                           there != nullptr ? there->error : other.absent_bound_));
    }
    for (const Entry& entry : other.entries_) {
      if (Find(entry.item.value) != nullptr) continue;
      merged.push_back(Sum(entry.item, absent_bound_, absent_bound_));
    }
    std::sort(merged.begin(), merged.end(), Before);
    std::uint64_t absent_bound = SaturatedSum(absent_bound_, other.absent_bound_);
    if (merged.size() > capacity_) {
      absent_bound = std::max(absent_bound, merged[capacity_].count);
      merged.resize(capacity_);
    }
    const std::uint64_t total = SaturatedSum(total_, other.total_);
    *this = TopK(capacity_, seed_);
    total_ = total;
    for (const Item& item : merged) Insert(item.value, Hash(item.value), item.count, item.error);
    absent_bound_ = absent_bound;
  }

  /// The (at most) `n` keys of the largest counts, largest first; of equal counts the smaller
  /// error, then the smaller key, first.
  std::vector<Item> Top(std::size_t n) const {
    std::vector<Item> items;
    items.reserve(entries_.size());
    for (const Entry& entry : entries_) items.push_back(entry.item);
    const std::size_t kept = std::min(n, items.size());
    std::partial_sort(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(kept), items.end(),
                      Before);
    items.resize(kept);
    return items;
  }

  /// The key's item, or null when it is not held. Valid until the next change.
  const Item* Find(std::string_view key) const {
    const std::size_t slot = Probe(key, Hash(key));
    return slots_[slot] == kFree ? nullptr : &entries_[EntryAt(slot)].item;
  }
  /// The weight of all updates.
  std::uint64_t total() const { return total_; }
  std::size_t size() const { return entries_.size(); }
  std::size_t capacity() const { return capacity_; }
  /// No key that is not held has a true weight above this; zero while all counts are exact.
  std::uint64_t absent_bound() const { return absent_bound_; }

  /// With the (at most) `n` on top.
  std::string Json(std::size_t n = 10) const {
    JsonView view;
    view.BeginObject().Field("total", total_).Field("absent_bound", absent_bound_);
    view.Key("top").BeginArray();
    for (const Item& item : Top(n)) {
      view.BeginObject().Field("value", item.value).Field("count", item.count);
      view.Field("error", item.error).EndObject();
    }
    return view.EndArray().EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    for (const std::uint64_t number : {kFormat, std::uint64_t{capacity_}, total_, absent_bound_,
                                       std::uint64_t{entries_.size()}}) {
      PutUint64(&bytes, number);
    }
    for (const Entry& entry : entries_) {
      PutUint64(&bytes, entry.item.count);
      PutUint64(&bytes, entry.item.error);
      PutUint64(&bytes, entry.item.value.size());
      bytes += entry.item.value;
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote. What is loaded goes on exactly as the saved
  /// one.
  static std::optional<TopK> Load(std::string_view bytes, std::uint64_t seed = 0) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const std::uint64_t capacity = reader.Uint64();
    if (capacity == 0) return std::nullopt;
    TopK top(static_cast<std::size_t>(capacity), seed);
    top.total_ = reader.Uint64();
    const std::uint64_t absent_bound = reader.Uint64();
    const std::uint64_t size = reader.Uint64();
    if (size > capacity) return std::nullopt;
    for (std::uint64_t i = 0; i < size && reader.ok(); ++i) {
      const std::uint64_t count = reader.Uint64();
      const std::uint64_t error = reader.Uint64();
      const std::string_view key = reader.Bytes(reader.Uint64());
      if (!reader.ok() || top.Find(key) != nullptr) return std::nullopt;
      top.Insert(key, top.Hash(key), count, error);
    }
    if (!reader.Finished()) return std::nullopt;
    top.absent_bound_ = absent_bound;
    return top;
  }

 private:
  struct Entry {
    Item item;
    std::uint64_t hash;
  };
  // A count as it was when last looked at, so a lower bound; the heap's least is found by looking
  // again at its root until that has not changed. An update of a held key thus leaves the heap
  // alone.
  struct Seen {
    std::uint64_t count;
    std::uint32_t entry;
  };
  // A slot is the upper half of the hash and, below it, the number of the entry: another key's
  // entry is hardly ever looked at, which would be a cache miss where there are many.
  using Slot = std::uint64_t;
  static constexpr Slot kFree = 0xffffffff;
  static constexpr Slot kUpper = ~kFree;
  static constexpr std::uint64_t kFormat = 0x31'2d'6b'2d'70'6f'74'20ULL;  // " top-k-1"

  static Item Sum(Item item, std::uint64_t count, std::uint64_t error) {
    item.count = SaturatedSum(item.count, count);
    item.error = SaturatedSum(item.error, error);
    return item;
  }
  static bool Before(const Item& a, const Item& b) {
    if (a.count != b.count) return a.count > b.count;
    return a.error != b.error ? a.error < b.error : a.value < b.value;
  }
  // For a heap with the least at its root; by entry among equals, so that a loaded one evicts the
  // same.
  static bool After(const Seen& a, const Seen& b) {
    return a.count != b.count ? a.count > b.count : a.entry > b.entry;
  }

  std::uint64_t Hash(std::string_view key) const {
    return SipHash<1, 3>(key, seed_, 0x9e3779b97f4a7c15ULL);
  }
  static Slot SlotOf(std::uint64_t hash, std::uint32_t entry) { return (hash & kUpper) | entry; }
  std::size_t EntryAt(std::size_t slot) const { return static_cast<std::uint32_t>(slots_[slot]); }
  // The slot that holds the key, or the free one where it would go.
  std::size_t Probe(std::string_view key, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = hash & mask;
    while (slots_[slot] != kFree) {
      if (((slots_[slot] ^ hash) & kUpper) == 0 && entries_[EntryAt(slot)].item.value == key) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  // Requires that the key is not held.
  void Insert(std::string_view key, std::uint64_t hash, std::uint64_t count, std::uint64_t error) {
    if (entries_.size() < capacity_) {
      const auto entry = static_cast<std::uint32_t>(entries_.size());
      entries_.push_back({{std::string(key), count, error}, hash});
      seen_.push_back({count, entry});
      std::push_heap(seen_.begin(), seen_.end(), After);
      if (entries_.size() * 2 > slots_.size()) {
        Rehash(slots_.size() * 2);
      } else {
        slots_[Probe(key, hash)] = SlotOf(hash, entry);
      }
      return;
    }
    const std::uint32_t entry = TakeLeast();
    Item& item = entries_[entry].item;
    absent_bound_ = std::max(absent_bound_, item.count);
    const std::uint64_t weight = count - error;
    Erase(Probe(item.value, entries_[entry].hash));
    item.value = key;
    item.count = SaturatedSum(absent_bound_, weight);
    item.error = absent_bound_;
    entries_[entry].hash = hash;
    slots_[Probe(key, hash)] = SlotOf(hash, entry);
    seen_.push_back({item.count, entry});
    std::push_heap(seen_.begin(), seen_.end(), After);
  }

  // Takes the entry of the least count out of the heap.
  std::uint32_t TakeLeast() {
    while (true) {
      std::pop_heap(seen_.begin(), seen_.end(), After);
      Seen& last = seen_.back();
      const std::uint64_t count = entries_[last.entry].item.count;
      if (count == last.count) break;
      last.count = count;
      std::push_heap(seen_.begin(), seen_.end(), After);
    }
    const std::uint32_t entry = seen_.back().entry;
    seen_.pop_back();
    return entry;
  }

  // Linear probing without tombstones: moves back what probed past the slot (Knuth 6.4, algorithm
  // R).
  void Erase(std::size_t slot) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t next = (slot + 1) & mask; slots_[next] != kFree; next = (next + 1) & mask) {
      const std::size_t home = entries_[EntryAt(next)].hash & mask;
      if (((next - home) & mask) >= ((next - slot) & mask)) {
        slots_[slot] = slots_[next];
        slot = next;
      }
    }
    slots_[slot] = kFree;
  }

  void Rehash(std::size_t size) {
    slots_.assign(size, kFree);
    const std::size_t mask = size - 1;
    for (std::uint32_t entry = 0; entry < entries_.size(); ++entry) {
      std::size_t slot = entries_[entry].hash & mask;
      while (slots_[slot] != kFree) slot = (slot + 1) & mask;
      slots_[slot] = SlotOf(entries_[entry].hash, entry);
    }
  }

  std::size_t capacity_;
  std::uint64_t seed_;
  std::uint64_t total_ = 0;
  std::uint64_t absent_bound_ = 0;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // hashed; a power of two, at most half full
  std::vector<Seen> seen_;   // a heap; one for each entry
};

}  // namespace rivulet
