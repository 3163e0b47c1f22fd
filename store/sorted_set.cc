#include "store/sorted_set.h"

#include <algorithm>
#include <cmath>

namespace rivulet {

std::optional<SortedSet::Added> SortedSet::Add(std::string_view member, double by) {
  const auto [at, made] = members_.Insert(member);
  const double sum = members_.ValueAt(at).score + by;
  // A new member's sum is `by`, which is finite: nothing has been made where this fails.
  if (!std::isfinite(sum)) return std::nullopt;
  PutScore(at, made, sum);
  return Added{sum, made};
}

bool SortedSet::Erase(std::string_view member) {
  const std::uint32_t at = members_.Find(member);
  if (at == Members::kNone) return false;
  if (heap_kept_) {
    const std::size_t hole = members_.ValueAt(at).in_heap;
    const std::uint32_t last = heap_.back();
    heap_.pop_back();
    if (last != at) {
      PlaceAt(hole, last);
      SiftUp(hole);
      SiftDown(members_.ValueAt(last).in_heap);
    }
  }
  members_.Erase(at);
  return true;
}

void SortedSet::Scale(double factor) {
  members_.ForEach([&](std::uint32_t, std::string_view, Place& place) { place.score *= factor; });
  // Scores that became equal are in another order.
  heap_kept_ = false;
  heap_.clear();
}

SortedSet::Member SortedSet::Least() {
  if (!heap_kept_) {
    heap_kept_ = true;
    heap_.clear();
    members_.ForEach([&](std::uint32_t at, std::string_view, Place& place) {
      place.in_heap = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back(at);
    });
    for (std::size_t place = heap_.size() / 2; place > 0; --place) SiftDown(place - 1);
  }
  const std::uint32_t at = heap_.front();
  return {members_.KeyAt(at), members_.ValueAt(at).score};
}

std::vector<StoreItem> SortedSet::Top(std::int64_t most) const {
  const std::size_t count = most < 0 ? size() : std::min(size(), static_cast<std::size_t>(most));
  std::vector<Member> best;  // a heap whose front is the least
  const auto before = [](const Member& a, const Member& b) {
    return a.score > b.score || (a.score == b.score && a.name > b.name);
  };
  if (count > 0) {
    best.reserve(count);
    ForEach([&](std::string_view name, double score) {
      const Member member{name, score};
      if (best.size() < count) {
        best.push_back(member);
        if (count < size()) std::push_heap(best.begin(), best.end(), before);
      } else if (before(member, best.front())) {
        std::pop_heap(best.begin(), best.end(), before);
        best.back() = member;
        std::push_heap(best.begin(), best.end(), before);
      }
    });
    std::sort(best.begin(), best.end(), before);
  }
  std::vector<StoreItem> items;
  items.reserve(best.size());
  for (const Member& member : best) {
    items.push_back({std::string(member.name), std::string(), member.score});
  }
  return items;
}

bool SortedSet::Less(std::uint32_t a, std::uint32_t b) const {
  const double of_a = members_.ValueAt(a).score;
  const double of_b = members_.ValueAt(b).score;
  return of_a < of_b || (of_a == of_b && members_.KeyAt(a) < members_.KeyAt(b));
}

void SortedSet::PutInHeap(std::uint32_t at, bool made) {
  if (made) {
    heap_.push_back(at);
    PlaceAt(heap_.size() - 1, at);
  }
  SiftUp(members_.ValueAt(at).in_heap);
  SiftDown(members_.ValueAt(at).in_heap);
}

void SortedSet::SiftUp(std::size_t place) {
  const std::uint32_t at = heap_[place];
  while (place > 0) {
    const std::size_t above = (place - 1) / 2;
    if (!Less(at, heap_[above])) break;
    PlaceAt(place, heap_[above]);
    place = above;
  }
  PlaceAt(place, at);
}

void SortedSet::SiftDown(std::size_t place) {
  const std::uint32_t at = heap_[place];
  while (2 * place + 1 < heap_.size()) {
    std::size_t below = 2 * place + 1;
    if (below + 1 < heap_.size() && Less(heap_[below + 1], heap_[below])) ++below;
    if (!Less(heap_[below], at)) break;
    PlaceAt(place, heap_[below]);
    place = below;
  }
  PlaceAt(place, at);
}

}  // namespace rivulet
