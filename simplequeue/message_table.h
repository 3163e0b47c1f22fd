// From a message's id to where its body is. Ids are dense and grow by one, so the table is an array
// in segments: 8 bytes a message, O(1) each way, and a segment whose messages are all gone is given
// back to the system. (A hash map would cost four times that.)
#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "simplequeue/arena.h"
#include "simplequeue/pages.h"

namespace rivulet {

class MessageTable {
 public:
  /// The id of the first message.
  static constexpr std::uint64_t kFirstId = 1;

  /// Adds a message and returns its id.
  std::uint64_t Add(Arena::Location location) {
    if (next_id_ % kSegmentEntries == 0 || segments_.empty()) OpenSegment();
    Segment& segment = segments_.back();
    segment.entries()[next_id_ % kSegmentEntries] = location;
    ++segment.live;
    return next_id_++;
  }
  /// Not valid() when there is no such message (any more).
  Arena::Location Find(std::uint64_t id) const;
  /// The places of the message `id` and of those behind it, as far as they stand in one segment.
  /// Requires that the message is there; others may not be valid().
  std::span<const Arena::Location> FindFrom(std::uint64_t id) const;
  /// Forgets messages that are there, in one segment.
  void Remove(std::uint64_t first_id, std::uint64_t count);

  /// The id the next message will get.
  std::uint64_t next_id() const { return next_id_; }

 private:
  static constexpr std::uint64_t kSegmentEntries = 16384;

  struct Segment {
    Pages pages;
    std::uint32_t live = 0;
    Arena::Location* entries() const { return static_cast<Arena::Location*>(pages.data()); }
  };

  void OpenSegment();
  void DropEmptyFront();

  std::uint64_t next_id_ = kFirstId;
  std::uint64_t first_segment_ = 0;  // number of segments_.front(): id / kSegmentEntries
  std::deque<Segment> segments_;
};

}  // namespace rivulet
