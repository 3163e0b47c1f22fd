#include "bridge/spool_index.h"

#include <algorithm>
#include <cassert>

namespace rivulet {

void SpoolIndex::Add(std::uint64_t segment, std::uint64_t begin, std::uint64_t end,
                     std::uint64_t first, std::uint64_t bytes_before, bool has_messages) {
  if (segments_.empty() || segments_.back().number != segment) {
    assert(segments_.empty() || segments_.back().number < segment);
    segments_.push_back({segment, first, 0, bytes_before});
  }
  used_bytes_ += end - segments_.back().end;
  segments_.back().end = end;
  if (!has_messages) return;
  const bool near = !places_.empty() && places_.back().segment == segment &&
                    (end - places_.back().offset <= kApartBytes || places_.back().offset == begin);
  if (!near) places_.push_back({first, bytes_before, segment, begin});
}

void SpoolIndex::PopFront() {
  assert(!segments_.empty());
  const std::uint64_t gone = segments_.front().number;
  used_bytes_ -= segments_.front().end;
  segments_.pop_front();
  while (!places_.empty() && places_.front().segment <= gone) places_.pop_front();
}

const SpoolIndex::Segment* SpoolIndex::Find(std::uint64_t segment) const {
  const auto found = std::ranges::lower_bound(segments_, segment, {}, &Segment::number);
  return found == segments_.end() || found->number != segment ? nullptr : &*found;
}

const SpoolIndex::Segment* SpoolIndex::Behind(std::uint64_t segment) const {
  const auto found = std::ranges::upper_bound(segments_, segment, {}, &Segment::number);
  return found == segments_.end() ? nullptr : &*found;
}

std::optional<SpoolIndex::Place> SpoolIndex::PlaceOf(std::uint64_t message) const {
  const auto behind = std::ranges::upper_bound(places_, message, {}, &Place::first);
  if (behind == places_.begin()) return std::nullopt;
  return *(behind - 1);
}

std::uint64_t SpoolIndex::BytesBefore(std::uint64_t message, std::uint64_t end,
                                      std::uint64_t end_bytes) const {
  const auto behind = std::ranges::upper_bound(places_, message, {}, &Place::first);
  if (behind == places_.begin()) return places_.empty() ? end_bytes : places_.front().bytes_before;
  const Place& from = *(behind - 1);
  const bool is_last = behind == places_.end();
  const std::uint64_t messages = (is_last ? end : behind->first) - from.first;
  const std::uint64_t bytes = (is_last ? end_bytes : behind->bytes_before) - from.bytes_before;
  if (messages == 0) return from.bytes_before;
  // In floating point, because the product of both may not fit.
  const double part = static_cast<double>(message - from.first) / static_cast<double>(messages);
  return from.bytes_before + static_cast<std::uint64_t>(part * static_cast<double>(bytes));
}

}  // namespace rivulet
