// Which position of its source a bridge may go on from: the one behind the last message that is
// done with (or safe in a spool), with all before it.
//
// The bridge says after every message what has been appended so far (Note), and how far messages
// are done (Done). Pure. Memory: 32 bytes for each run of messages whose positions follow each
// other and which are not done with; the messages of one topic that no filter drops are one run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "bridge/source.h"

namespace rivulet {

class PositionTracker {
 public:
  /// Messages up to number `end` (exclusive) came from before `position`. Numbers never fall, nor
  /// do the positions of a URL within a run. The last one of a URL for the same number counts
  /// (messages that were filtered away move the position only). Nothing where the source has no
  /// positions. Every message may be noted, or only some. Amortized O(1).
  void Note(std::uint64_t end, const SourcePosition& position);
  /// Messages before `number` are done with. Calls `tell` for every URL whose position moved, with
  /// the latest one; the URL that was noted last comes last. Amortized O(1) a run.
  void Done(std::uint64_t number, const std::function<void(const SourcePosition&)>& tell);

 private:
  // With the messages before number n done, begin <= n <= end, the source goes on at position
  // next - (end - n): between two notes that are as many messages as positions apart, every message
  // took one position. What is before `begin` has been told.
  struct Run {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t next = 0;
    std::size_t url = 0;
  };
  std::deque<Run> runs_;  // by `end`
};

}  // namespace rivulet
