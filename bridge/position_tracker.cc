#include "bridge/position_tracker.h"

#include <algorithm>
#include <vector>

namespace rivulet {

void PositionTracker::Note(std::uint64_t end, const SourcePosition& position) {
  if (!position.next) return;
  if (!runs_.empty()) {
    Run& last = runs_.back();
    const bool follows = last.url == position.url && last.end<end&& * position.next> last.next &&
                         end - last.end == *position.next - last.next;
    if (follows) {
      last.end = end;
      last.next = *position.next;
      return;
    }
  }
  for (auto run = runs_.rbegin(); run != runs_.rend() && run->end == end; ++run) {
    if (run->url != position.url || run->begin != run->end) continue;
    run->next = *position.next;
    return;
  }
  runs_.push_back({end, end, *position.next, position.url});
}

void PositionTracker::Done(std::uint64_t number,
                           const std::function<void(const SourcePosition&)>& tell) {
  std::vector<SourcePosition> moved;  // one for each URL, of which there are few
  const auto move = [&moved](std::size_t url, std::uint64_t next) {
    std::erase_if(moved, [url](const SourcePosition& other) { return other.url == url; });
    moved.push_back({url, next});
  };
  while (!runs_.empty() && runs_.front().end <= number) {
    move(runs_.front().url, runs_.front().next);
    runs_.pop_front();
  }
  if (!runs_.empty() && runs_.front().begin <= number) {
    Run& run = runs_.front();
    move(run.url, run.next - (run.end - number));
    run.begin = number + 1;
  }
  for (const auto& position : moved) tell(position);
}

}  // namespace rivulet
