// Up to where in its files every message is done with, from the numbers that the messages got.
//
// Pure. Memory: some 4 bytes for each message that is not done with.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace rivulet {

/// Behind everything that is done with. Files before it are done with as a whole.
struct FilePlace {
  std::size_t file = 0;  // the first is 0
  std::uint64_t offset = 0;
  bool operator==(const FilePlace&) const = default;
};

class OffsetTracker {
 public:
  /// The place where reading begins, and the number of the first message.
  explicit OffsetTracker(FilePlace begin = {}, std::uint64_t first = 0)
      : done_(begin), last_(begin), first_(first), end_(first) {}

  /// The next message ends at this place. Places never fall. Amortized O(1).
  void Note(const FilePlace& behind);
  /// All up to this place was read, and there was no other message.
  void Pass(const FilePlace& place) { last_ = place; }
  /// All messages before `number`, which never falls and is at most that of the next message, are
  /// done with. Where to go on. Amortized O(1).
  FilePlace Done(std::uint64_t number);

 private:
  struct Run {
    std::uint64_t first = 0;  // number of its first message
    FilePlace begin;
    std::vector<std::uint32_t> ends;  // behind each message, from begin.offset
  };

  std::deque<Run> runs_;  // of what is not done with
  FilePlace done_;
  FilePlace last_;
  std::uint64_t first_;  // not done with
  std::uint64_t end_;
};

}  // namespace rivulet
