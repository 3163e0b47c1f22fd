// Which position of its source a bridge may go on from: the one behind the last message that is
// done with (or safe in a spool), with all before it.
//
// The bridge says after every read what has been appended so far (Note), and how far messages are
// done (Done). Pure. Memory: 32 bytes for each read whose messages are not done with.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "bridge/source.h"

namespace rivulet {

class PositionTracker {
 public:
  /// Messages up to number `end` (exclusive) came from before `position`. Numbers never fall. The
  /// last one for the same number counts (messages that were filtered away move the position only).
  void Note(std::uint64_t end, const SourcePosition& position);
  /// Messages before `number` are done with. Calls `tell` for every URL whose position moved, with
  /// the furthest one. Amortized O(1) a note.
  void Done(std::uint64_t number, const std::function<void(const SourcePosition&)>& tell);

 private:
  struct Entry {
    std::uint64_t end = 0;
    SourcePosition position;
  };
  std::deque<Entry> entries_;  // by `end`
};

}  // namespace rivulet
