// Where a spool's messages lie in its journal: a place for each 64 KiB of records, or each commit
// where those are larger, and what each segment holds.
//
// Pure. Thread: one. Memory: 32 bytes a place.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "journal/format.h"

namespace rivulet {

class SpoolIndex {
 public:
  static constexpr std::uint64_t kApartBytes = 64 * 1024;

  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t first = 0;         // of its messages
    std::uint64_t end = 0;           // in the file, of what is committed
    std::uint64_t bytes_before = 0;  // of messages, as in Mark()
  };
  /// A batch, from where all messages of `first` and behind can be reached.
  struct Place {
    std::uint64_t first = 0;
    std::uint64_t bytes_before = 0;  // of messages before it, each with a newline, since some time
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;  // in the file, of its header
  };

  /// Records were committed in [begin, end) of that segment, the last one or a new one; the next
  /// message before them was `first`, with as many bytes of messages before it. Amortized O(1).
  void Add(std::uint64_t segment, std::uint64_t begin, std::uint64_t end, std::uint64_t first,
           std::uint64_t bytes_before, bool has_messages);
  /// The oldest segment is gone.
  void PopFront();

  /// Oldest first.
  const std::deque<Segment>& segments() const { return segments_; }
  /// Nothing when it is gone.
  const Segment* Find(std::uint64_t segment) const;
  /// Nothing when there is no segment behind.
  const Segment* Behind(std::uint64_t segment) const;
  /// The last place at or before that message; nothing when there is none. O(log places).
  std::optional<Place> PlaceOf(std::uint64_t message) const;
  /// Bytes of messages, each with its newline, before that message, as bytes_before counts: exact
  /// at places, else a guess between them. `end` and `end_bytes` stand for the one behind the last.
  std::uint64_t BytesBefore(std::uint64_t message, std::uint64_t end,
                            std::uint64_t end_bytes) const;
  /// Of the files, as far as they are committed. O(1).
  std::uint64_t used_bytes() const { return used_bytes_; }
  std::size_t places() const { return places_.size(); }

 private:
  std::deque<Segment> segments_;
  std::deque<Place> places_;  // by `first`
  std::uint64_t used_bytes_ = 0;
};

}  // namespace rivulet
