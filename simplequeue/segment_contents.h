// Which messages have a put or key record in which segment of the journal: what must be looked at
// before a segment can go (simplequeue/durability.h, cleaning).
//
// Kept as ranges of ids, so that a run of fresh puts costs one range however long it is, and a run
// of messages that were moved one for each stretch without a large gap. A range may hold ids that
// have no record in its segment: moving these as well is needless, never wrong. What a segment
// costs is bounded: 16 bytes a range, 8192 ranges.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "simplequeue/queue_log.h"

namespace rivulet {

/// A set of ids that may grow more than it was told.
class IdRanges {
 public:
  static constexpr std::size_t kMaxRanges = 8192;

  void Add(std::uint64_t id) { AddNear(id, id, 0); }
  /// The same for one of several that come in rising order, of which the first was `first_id`: what
  /// lies between them needs no care. O(1) amortised.
  void AddMoved(std::uint64_t id, std::uint64_t first_id);
  const std::vector<IdRun>& ranges() const { return ranges_; }

 private:
  void AddNear(std::uint64_t id, std::uint64_t first_id, std::uint64_t gap);
  void Merge();

  std::vector<IdRun> ranges_;
  std::size_t merge_at_ = 256;
};

class SegmentContents {
 public:
  struct Part {
    std::uint32_t queue = 0;
    IdRun ids;
  };

  void Add(std::uint64_t segment, std::uint32_t queue, std::uint64_t id) {
    Find(segment, queue).Add(id);
  }
  /// As IdRanges::AddMoved.
  void AddMoved(std::uint64_t segment, std::uint32_t queue, std::uint64_t id,
                std::uint64_t first_id) {
    Find(segment, queue).AddMoved(id, first_id);
  }
  /// Takes out what is known of the segments up to this one.
  std::vector<Part> Take(std::uint64_t segment);
  /// Ranges held, over all segments. O(segments x queues).
  std::size_t ranges() const;

 private:
  IdRanges& Find(std::uint64_t segment, std::uint32_t queue) {
    if (last_ == nullptr || segment != last_segment_ || queue != last_queue_) {
      last_ = &segments_[segment][queue];
      last_segment_ = segment;
      last_queue_ = queue;
    }
    return *last_;
  }

  std::map<std::uint64_t, std::map<std::uint32_t, IdRanges>> segments_;
  // Where the record before went.
  IdRanges* last_ = nullptr;
  std::uint64_t last_segment_ = 0;
  std::uint32_t last_queue_ = 0;
};

}  // namespace rivulet
