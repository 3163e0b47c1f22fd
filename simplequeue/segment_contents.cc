#include "simplequeue/segment_contents.h"

#include <algorithm>

namespace rivulet {

namespace {

constexpr std::uint64_t kSmallGap = 32;

}  // namespace

void IdRanges::AddMoved(std::uint64_t id, std::uint64_t first_id) {
  // The more ranges, the larger the gaps that are bridged: n ranges stand for n^2 / 2 ids at least.
  AddNear(id, first_id, std::max<std::uint64_t>(kSmallGap, ranges_.size()));
}

void IdRanges::AddNear(std::uint64_t id, std::uint64_t first_id, std::uint64_t gap) {
  if (!ranges_.empty()) {
    IdRun& last = ranges_.back();
    const std::uint64_t end = last.first_id + last.count;
    if (id >= last.first_id && id < end) return;
    if (id == end || (id > end && end > first_id && id - end <= gap)) {
      last.count = id - last.first_id + 1;
      return;
    }
  }
  if (ranges_.size() >= merge_at_) Merge();
  ranges_.push_back({id, 1});
}

void IdRanges::Merge() {
  std::sort(ranges_.begin(), ranges_.end(),
            [](const IdRun& a, const IdRun& b) { return a.first_id < b.first_id; });
  for (std::uint64_t gap = 0;; gap = gap * 2 + 1) {
    std::size_t kept = 0;
    for (const IdRun& range : ranges_) {
      IdRun* const last = kept > 0 ? &ranges_[kept - 1] : nullptr;
      if (last != nullptr && range.first_id <= last->first_id + last->count + gap) {
        const std::uint64_t end =
            std::max(last->first_id + last->count, range.first_id + range.count);
        last->count = end - last->first_id;
      } else {
        ranges_[kept++] = range;
      }
    }
    ranges_.resize(kept);
    if (kept <= kMaxRanges / 2) break;
  }
  merge_at_ = std::clamp<std::size_t>(ranges_.size() * 2, 256, kMaxRanges);
}

std::vector<SegmentContents::Part> SegmentContents::Take(std::uint64_t segment) {
  std::vector<Part> parts;
  last_ = nullptr;
  while (!segments_.empty() && segments_.begin()->first <= segment) {
    for (const auto& [queue, ids] : segments_.begin()->second) {
      for (const IdRun& range : ids.ranges()) parts.push_back({queue, range});
    }
    segments_.erase(segments_.begin());
  }
  return parts;
}

std::size_t SegmentContents::ranges() const {
  std::size_t sum = 0;
  for (const auto& segment : segments_) {
    for (const auto& queue : segment.second) sum += queue.second.ranges().size();
  }
  return sum;
}

}  // namespace rivulet
