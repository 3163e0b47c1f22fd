// Which message's time comes next: ends of leases, delays, times to live. A binary heap of 16 bytes
// an entry, with the id as tie-breaker, so that messages of one moment come in the order of their
// ids.
//
// Entries are never looked for: what is touched or finished leaves its entry behind, and whoever
// takes an entry asks whether it still holds. When more than half are left behind, MaybeCompact()
// drops those, so that an entry costs O(log n) to add (O(1) when it is the latest, as with leases
// of one length) and O(1) amortised to leave behind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace rivulet {

class QueueTimers {
 public:
  struct Entry {
    std::int64_t when_ns = 0;       // of MonoTime
    std::uint64_t id_and_kind = 0;  // id * 2, + 1 for the end of a time to live
    std::uint64_t id() const { return id_and_kind / 2; }
    bool is_expiry() const { return id_and_kind % 2 != 0; }
    MonoTime when() const { return MonoTime(Duration(when_ns)); }
  };

  void Add(MonoTime when, std::uint64_t id, bool is_expiry) {
    heap_.push_back({when.time_since_epoch().count(), id * 2 + (is_expiry ? 1 : 0)});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }

  bool empty() const { return heap_.empty(); }
  /// The soonest; it may have been left behind.
  const Entry& front() const { return heap_.front(); }
  void PopFront() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    heap_.pop_back();
  }
  /// Drops the entries for which `holds(entry)` is false, when most of them must be such because at
  /// most `live` can hold.
  template <typename Holds>
  void MaybeCompact(std::uint64_t live, Holds&& holds) {
    if (live == 0) {
      heap_.clear();
    } else {
      if (heap_.size() < 2 * live + kWorthwhile) return;
      std::erase_if(heap_, [&](const Entry& entry) { return !holds(entry); });
      std::make_heap(heap_.begin(), heap_.end(), Later);
    }
    if (heap_.capacity() > 4 * heap_.size() + 4 * kWorthwhile) heap_.shrink_to_fit();
  }
  std::size_t size() const { return heap_.size(); }

 private:
  static constexpr std::size_t kWorthwhile = 1024;
  static bool Later(const Entry& a, const Entry& b) {
    return a.when_ns != b.when_ns ? a.when_ns > b.when_ns : a.id_and_kind > b.id_and_kind;
  }

  std::vector<Entry> heap_;
};

}  // namespace rivulet
