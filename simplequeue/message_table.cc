#include "simplequeue/message_table.h"

#include <new>

namespace rivulet {

std::uint64_t MessageTable::Add(Arena::Location location) {
  const std::uint64_t id = next_id_++;
  const std::uint64_t number = id / kSegmentEntries;
  if (segments_.empty()) first_segment_ = number;
  if (number - first_segment_ >= segments_.size()) {
    // Remove() leaves the segment that ids still come into; it may have run empty meanwhile.
    if (!segments_.empty() && segments_.back().live == 0) segments_.back().pages = Pages();
    DropEmptyFront();
    if (segments_.empty()) first_segment_ = number;
    segments_.push_back({Pages(kSegmentEntries * sizeof(Arena::Location)), 0});
  }
  Segment& segment = segments_.back();
  new (segment.entries() + id % kSegmentEntries) Arena::Location(location);
  ++segment.live;
  return id;
}

Arena::Location MessageTable::Find(std::uint64_t id) const {
  const std::uint64_t number = id / kSegmentEntries;
  if (id < kFirstId || id >= next_id_ || number < first_segment_) return {};
  if (number - first_segment_ >= segments_.size()) return {};
  const Segment& segment = segments_[number - first_segment_];
  return segment.pages ? segment.entries()[id % kSegmentEntries] : Arena::Location();
}

void MessageTable::Remove(std::uint64_t id) {
  const std::uint64_t number = id / kSegmentEntries;
  Segment& segment = segments_[number - first_segment_];
  segment.entries()[id % kSegmentEntries] = Arena::Location();
  // The last segment stays: the next ids are to come into it.
  if (--segment.live > 0 || number == next_id_ / kSegmentEntries) return;
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
