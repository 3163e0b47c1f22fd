#include "file_to_http/offset_tracker.h"

namespace rivulet {

namespace {
constexpr std::size_t kRunMessages = 4096;
}  // namespace

void OffsetTracker::Note(const FilePlace& behind) {
  const bool fits = !runs_.empty() && runs_.back().begin.file == behind.file &&
                    runs_.back().ends.size() < kRunMessages &&
                    behind.offset - runs_.back().begin.offset <= UINT32_MAX;
  // A run begins at its first message's end: however long that was, the difference is small.
  if (!fits) runs_.push_back({end_, behind, {}});
  Run& run = runs_.back();
  run.ends.push_back(static_cast<std::uint32_t>(behind.offset - run.begin.offset));
  ++end_;
  last_ = behind;
}

FilePlace OffsetTracker::Done(std::uint64_t number) {
  if (number == end_) {
    runs_.clear();
    first_ = number;
    return done_ = last_;
  }
  if (number <= first_) return done_;
  first_ = number;
  while (runs_.size() > 1 && runs_[1].first < number) runs_.pop_front();
  const Run& run = runs_.front();
  done_ = {run.begin.file, run.begin.offset + run.ends[number - 1 - run.first]};
  return done_;
}

}  // namespace rivulet
