// What the pasts keep in each segment of the journal: a segment in which nothing is kept can go.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <map>

namespace rivulet {

/// Of runs of messages (pubsub/record.h).
struct RunAmount {
  std::uint64_t records = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  // of bodies

  RunAmount& operator+=(const RunAmount& other) {
    records += other.records;
    messages += other.messages;
    bytes += other.bytes;
    return *this;
  }
  RunAmount& operator-=(const RunAmount& other) {
    records -= other.records;
    messages -= other.messages;
    bytes -= other.bytes;
    return *this;
  }
  /// About what they take in the files.
  std::uint64_t file_bytes() const { return bytes + 2 * messages + 20 * records; }
};

class SegmentUse {
 public:
  void Add(std::uint64_t segment, const RunAmount& amount) {
    segments_[segment] += amount;
    total_ += amount;
  }
  void Remove(std::uint64_t segment, const RunAmount& amount) {
    const auto found = segments_.find(segment);
    found->second -= amount;
    if (found->second.records == 0) segments_.erase(found);
    total_ -= amount;
  }

  bool Uses(std::uint64_t segment) const { return segments_.count(segment) > 0; }
  const RunAmount& total() const { return total_; }

 private:
  std::map<std::uint64_t, RunAmount> segments_;
  RunAmount total_;
};

}  // namespace rivulet
