#include "simplequeue/message_table.h"

#include <algorithm>

namespace rivulet {

void MessageTable::OpenSegment() {
  // Remove() leaves the segment that ids still come into; it may have run empty meanwhile.
  if (!segments_.empty() && segments_.back().live == 0) segments_.back().pages = Pages();
  DropEmptyFront();
  if (segments_.empty()) first_segment_ = next_id_ / kSegmentEntries;
  segments_.push_back({Pages(kSegmentEntries * sizeof(Arena::Location)), 0});
}

Arena::Location MessageTable::Find(std::uint64_t id) const {
  const std::uint64_t number = id / kSegmentEntries;
  if (id < kFirstId || id >= next_id_ || number < first_segment_) return {};
  if (number - first_segment_ >= segments_.size()) return {};
  const Segment& segment = segments_[number - first_segment_];
  return segment.pages ? segment.entries()[id % kSegmentEntries] : Arena::Location();
}

std::span<const Arena::Location> MessageTable::FindFrom(std::uint64_t id) const {
  const Segment& segment = segments_[id / kSegmentEntries - first_segment_];
  const std::uint64_t index = id % kSegmentEntries;
  return {segment.entries() + index, kSegmentEntries - index};
}

void MessageTable::Remove(std::uint64_t first_id, std::uint64_t count) {
  const std::uint64_t number = first_id / kSegmentEntries;
  Segment& segment = segments_[number - first_segment_];
  std::fill_n(segment.entries() + first_id % kSegmentEntries, count, Arena::Location());
  segment.live -= static_cast<std::uint32_t>(count);
  // The last segment stays: the next ids are to come into it.
  if (segment.live > 0 || number == next_id_ / kSegmentEntries) return;
  segment.pages = Pages();
  DropEmptyFront();
}

void MessageTable::DropEmptyFront() {
  while (!segments_.empty() && !segments_.front().pages) {
    segments_.pop_front();
    ++first_segment_;
  }
}

}  // namespace rivulet
