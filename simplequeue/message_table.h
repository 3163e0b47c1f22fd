// From a message's id to where its body is. Ids are dense and grow by one, so the table is an array
// in segments: 8 bytes a message, O(1) each way while no segment is missing between the first and
// the last (else O(log segments)), and a segment whose messages are all gone is given back to the
// system. (A hash map would cost four times that.)
//
// What few messages have, a segment has in a second array, mapped when the first of its messages
// needs it: 24 bytes a message that all are zero for one that is ready and was never leased.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "simplequeue/arena.h"
#include "simplequeue/pages.h"
#include "simplequeue/queue_log.h"

namespace rivulet {

class MessageTable {
 public:
  /// The id of the first message.
  static constexpr std::uint64_t kFirstId = 1;

  /// What a message has once it was leased, deferred, returned or buried.
  struct Extra {
    std::int64_t due_ns = 0;         // of MonoTime; in flight and deferred
    std::uint64_t position = 0;      // 0: FreshPosition(id)
    std::uint32_t lease_number = 0;  // in flight; 0: none
    std::uint32_t attempts_and_state = 0;

    static constexpr std::uint32_t kMaxAttempts = (1U << 24) - 1;
    std::uint32_t attempts() const { return attempts_and_state >> 8; }
    MessageState state() const { return static_cast<MessageState>(attempts_and_state & 0xff); }
    /// Attempts beyond kMaxAttempts count as that many.
    void Set(MessageState state, std::uint32_t attempts) {
      attempts_and_state = (attempts < kMaxAttempts ? attempts : kMaxAttempts) << 8 |
                           static_cast<std::uint32_t>(state);
    }
  };

  /// Neighbours in one segment. Messages that are not there have a place that is not valid().
  struct Slice {
    const Arena::Location* places = nullptr;  // nullptr: none of them is there
    const Extra* extras = nullptr;            // nullptr: all of them are zero
    std::size_t count = 0;
  };

  /// Adds a message and returns its id.
  std::uint64_t Add(Arena::Location place) {
    if (segments_.empty() || segments_.back().number != next_id_ / kSegmentEntries) OpenSegment();
    Segment& segment = segments_.back();
    segment.places()[next_id_ % kSegmentEntries] = place;
    ++segment.live;
    return next_id_++;
  }
  /// Adds a message, with its extra zero, where there is none or replaces its place. The next id
  /// will be larger.
  void Insert(std::uint64_t id, Arena::Location place);

  /// Not valid() when there is no such message (any more).
  Arena::Location Find(std::uint64_t id) const {
    const Segment* segment = FindSegment(id / kSegmentEntries);
    return segment == nullptr ? Arena::Location() : segment->places()[id % kSegmentEntries];
  }
  /// The messages from `id` on, at most `max` > 0, as far as they belong to one segment.
  Slice FindFrom(std::uint64_t id, std::uint64_t max) const;
  /// How many of so many ids from `id` on belong to its segment.
  static std::uint64_t WithinSegment(std::uint64_t id, std::uint64_t count) {
    return std::min(count, kSegmentEntries - id % kSegmentEntries);
  }
  /// Of a message that may be there; nullptr: zero.
  const Extra* FindExtra(std::uint64_t id) const {
    const Segment* segment = FindSegment(id / kSegmentEntries);
    return segment == nullptr ? nullptr : segment->ExtraOf(id);
  }
  /// The extras from that of the message `id`, which is there, to that of the last of its segment.
  Extra* MakeExtras(std::uint64_t id);

  /// Forgets those of the messages, all in one segment, that are there.
  void Remove(std::uint64_t first_id, std::uint64_t count);

  /// Forgets a message that is there and returns its place.
  Arena::Location Extract(std::uint64_t id) {
    Segment& segment = segments_[IndexOf(id / kSegmentEntries)];
    const Arena::Location place = std::exchange(segment.places()[id % kSegmentEntries], {});
    if (--segment.live == 0 && segment.number != next_id_ / kSegmentEntries) Remove(id, 1);
    return place;
  }

  /// Calls each(id, place, extra or nullptr) for every message, by id, as long as it returns true.
  /// Nothing may be added or removed meanwhile.
  template <typename Each>
  void ForEach(Each&& each) const {
    for (const Segment& segment : segments_) {
      std::uint32_t left = segment.live;
      for (std::uint64_t i = 0; i < kSegmentEntries && left > 0; ++i) {
        if (!segment.places()[i].valid()) continue;
        --left;
        const std::uint64_t id = segment.number * kSegmentEntries + i;
        if (!each(id, segment.places()[i], segment.ExtraOf(id))) return;
      }
    }
  }

  /// The id the next message will get.
  std::uint64_t next_id() const { return next_id_; }
  /// Leaves out the ids before that one.
  void RaiseNextId(std::uint64_t next_id) {
    if (next_id > next_id_) next_id_ = next_id;
  }

 private:
  static constexpr std::uint64_t kSegmentEntries = 16384;

  struct Segment {
    std::uint64_t number = 0;  // id / kSegmentEntries
    Pages place_pages;
    Pages extra_pages;
    std::uint32_t live = 0;
    Arena::Location* places() const { return static_cast<Arena::Location*>(place_pages.data()); }
    Extra* ExtraOf(std::uint64_t id) const {
      return extra_pages ? static_cast<Extra*>(extra_pages.data()) + id % kSegmentEntries : nullptr;
    }
  };

  static constexpr std::size_t kNowhere = SIZE_MAX;
  // Of the segment with that number; kNowhere when there is none.
  std::size_t IndexOf(std::uint64_t number) const {
    if (segments_.empty() || number < segments_.front().number) return kNowhere;
    const std::uint64_t index = number - segments_.front().number;
    if (index < segments_.size() && segments_[index].number == number) return index;
    return SearchSegment(number);
  }
  const Segment* FindSegment(std::uint64_t number) const {
    const std::size_t index = IndexOf(number);
    return index == kNowhere ? nullptr : &segments_[index];
  }
  std::size_t SearchSegment(std::uint64_t number) const;
  void OpenSegment();

  std::uint64_t next_id_ = kFirstId;
  std::deque<Segment> segments_;  // by number; only those with messages, and the last
};

}  // namespace rivulet
