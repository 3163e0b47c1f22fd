#include "simplequeue/message_table.h"

#include <algorithm>

namespace rivulet {

void MessageTable::OpenSegment() {
  // Remove() leaves the segment that ids still come into; it may have run empty meanwhile.
  if (!segments_.empty() && segments_.back().live == 0) segments_.pop_back();
  segments_.push_back(
      {next_id_ / kSegmentEntries, Pages(kSegmentEntries * sizeof(Arena::Location)), Pages(), 0});
}

std::size_t MessageTable::SearchSegment(std::uint64_t number) const {
  const auto found =
      std::lower_bound(segments_.begin(), segments_.end(), number,
                       [](const Segment& s, std::uint64_t n) { return s.number < n; });
  if (found == segments_.end() || found->number != number) return kNowhere;
  return static_cast<std::size_t>(found - segments_.begin());
}

void MessageTable::Insert(std::uint64_t id, Arena::Location place) {
  const std::uint64_t number = id / kSegmentEntries;
  auto segment = std::lower_bound(segments_.begin(), segments_.end(), number,
                                  [](const Segment& s, std::uint64_t n) { return s.number < n; });
  if (segment == segments_.end() || segment->number != number) {
    segment = segments_.insert(
        segment, Segment{number, Pages(kSegmentEntries * sizeof(Arena::Location)), Pages(), 0});
  }
  Arena::Location& entry = segment->places()[id % kSegmentEntries];
  if (!entry.valid()) ++segment->live;
  entry = place;
  if (Extra* extra = segment->ExtraOf(id)) *extra = Extra();
  RaiseNextId(id + 1);
}

MessageTable::Slice MessageTable::FindFrom(std::uint64_t id, std::uint64_t max) const {
  const std::uint64_t index = id % kSegmentEntries;
  const std::size_t count = WithinSegment(id, max);
  const Segment* segment = FindSegment(id / kSegmentEntries);
  if (segment == nullptr) return {nullptr, nullptr, count};
  return {segment->places() + index, segment->ExtraOf(id), count};
}

MessageTable::Extra* MessageTable::MakeExtras(std::uint64_t id) {
  Segment& segment = segments_[IndexOf(id / kSegmentEntries)];
  if (!segment.extra_pages) segment.extra_pages = Pages(kSegmentEntries * sizeof(Extra));
  return segment.ExtraOf(id);
}

void MessageTable::Remove(std::uint64_t first_id, std::uint64_t count) {
  const std::uint64_t number = first_id / kSegmentEntries;
  const std::size_t index = IndexOf(number);
  if (index == kNowhere) return;
  Segment& segment = segments_[index];
  Arena::Location* const places = segment.places() + first_id % kSegmentEntries;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (places[i].valid()) --segment.live;
    places[i] = Arena::Location();
  }
  // The last segment stays: the next ids are to come into it.
  if (segment.live > 0 || number == next_id_ / kSegmentEntries) return;
  segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(index));
}

}  // namespace rivulet
