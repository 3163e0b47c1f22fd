// A sorted set in memory: members with a score each.
//
// Scores stand in a hash table; the order is made when it is asked for. Score and change: O(1).
// Top(): O(members + most log members), for all of them O(members log members). Least(): the first
// call O(members); from then on a heap is kept, and it is O(1), a change O(log members).
//
// Order: by score, equal scores by member, as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "store/key_table.h"
#include "store/store.h"

namespace rivulet {

class SortedSet {
 public:
  explicit SortedSet(KeySeed seed) : members_(seed) {}

  std::optional<double> Score(std::string_view member) const {
    const std::uint32_t at = members_.Find(member);
    if (at == Members::kNone) return std::nullopt;
    return members_.ValueAt(at).score;
  }
  /// True when it is a new member.
  bool Set(std::string_view member, double score) {
    const auto [at, made] = members_.Insert(member);
    PutScore(at, made, score);
    return made;
  }
  /// Adds to the score, of a new member to 0, unless the sum is infinite. O(1), one look-up.
  struct Added {
    double sum = 0;
    bool made = false;
  };
  std::optional<Added> Add(std::string_view member, double by);
  /// True when there was such a member.
  bool Erase(std::string_view member);
  /// Times a factor above 0 and at most 1.
  void Scale(double factor);

  /// Requires a member. The view is valid until it is erased.
  struct Member {
    std::string_view name;
    double score = 0;
  };
  Member Least();
  /// Largest first; `most` below 0: all.
  std::vector<StoreItem> Top(std::int64_t most) const;
  template <typename Visit>
  void ForEach(Visit visit) const {
    members_.ForEach([&](std::uint32_t, std::string_view member, const Place& place) {
      visit(member, place.score);
    });
  }

  std::size_t size() const { return members_.size(); }

 private:
  struct Place {
    double score = 0;
    std::uint32_t in_heap = 0;  // defined while there is a heap
  };
  using Members = KeyTable<Place>;

  bool Less(std::uint32_t a, std::uint32_t b) const;
  void PutScore(std::uint32_t at, bool made, double score) {
    members_.ValueAt(at).score = score;
    if (heap_kept_) PutInHeap(at, made);
  }
  void PutInHeap(std::uint32_t at, bool made);
  void PlaceAt(std::size_t place, std::uint32_t at) {
    heap_[place] = at;
    members_.ValueAt(at).in_heap = static_cast<std::uint32_t>(place);
  }
  void SiftUp(std::size_t place);
  void SiftDown(std::size_t place);

  Members members_;
  std::vector<std::uint32_t> heap_;  // entries of members_, the least first
  bool heap_kept_ = false;
};

}  // namespace rivulet
