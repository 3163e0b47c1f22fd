// Which messages will not be delivered by every destination, and why: kept until all destinations
// are done with them, so that a message counts once, however many of them refused or missed it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace rivulet {

/// Pure. Memory: 48 bytes for each run of messages of the same fate.
class MarkedMessages {
 public:
  struct Counts {
    std::uint64_t refused = 0;
    std::uint64_t dropped = 0;
  };

  /// Messages first .. end - 1. What was marked before stays what it is. O(log runs) for each run
  /// it meets.
  void Mark(std::uint64_t first, std::uint64_t end, bool refused) {
    auto next = runs_.upper_bound(first);
    if (next != runs_.begin()) {
      auto before = std::prev(next);
      if (before->second.end > first) first = before->second.end;
    }
    while (first < end) {
      const std::uint64_t stop = next == runs_.end() ? end : std::min(end, next->first);
      if (first < stop) Add(first, stop, refused);
      if (next == runs_.end()) break;
      first = std::max(first, next->second.end);
      ++next;
    }
  }

  /// Forgets the marks before `number`, and says how many there were.
  Counts TakeBefore(std::uint64_t number) {
    Counts counts;
    while (!runs_.empty() && runs_.begin()->first < number) {
      const auto [first, run] = *runs_.begin();
      runs_.erase(runs_.begin());
      const std::uint64_t stop = std::min(run.end, number);
      (run.refused ? counts.refused : counts.dropped) += stop - first;
      if (stop < run.end) runs_.emplace(stop, run);
    }
    return counts;
  }

 private:
  struct Run {
    std::uint64_t end = 0;
    bool refused = false;
  };

  void Add(std::uint64_t first, std::uint64_t end, bool refused) {
    const auto next = runs_.lower_bound(first);
    if (next != runs_.begin()) {
      Run& before = std::prev(next)->second;
      if (before.end == first && before.refused == refused) {
        before.end = end;
        return;
      }
    }
    runs_.emplace_hint(next, first, Run{end, refused});
  }

  std::map<std::uint64_t, Run> runs_;  // by their first message; none overlap
};

}  // namespace rivulet
