#include "simplequeue/queue_runs.h"

#include <algorithm>

namespace rivulet {

namespace {

constexpr std::uint64_t kWorthwhileHoles = 1024;

// Of the first of these messages, how many are there, or how many are not.
std::uint64_t Leading(const MessageTable::Slice& slice, bool there) {
  if (slice.places == nullptr) return there ? 0 : slice.count;
  std::uint64_t count = 0;
  while (count < slice.count && slice.places[count].valid() == there) ++count;
  return count;
}

}  // namespace

void QueueRuns::PushFront(std::uint64_t position, std::uint64_t id) {
  ++live_;
  if (!runs_.empty()) {
    Run& first = runs_.front();
    const Run alone{position, id, 1};
    if (id + 1 == first.first_id && position + alone.step() == first.position &&
        alone.step() == first.step()) {
      first = {position, id, first.count + 1};
      return;
    }
  }
  runs_.push_front({position, id, 1});
}

QueueRuns::Run QueueRuns::PopFront(std::uint64_t max, const MessageTable& table) {
  Run out = runs_.front();
  out.count = MessageTable::WithinSegment(out.first_id, std::min(max, out.count));
  if (holes_ > 0) out.count = Leading(table.FindFrom(out.first_id, out.count), true);
  Skip(out.count);
  live_ -= out.count;
  if (holes_ > 0) TrimFront(table);
  return out;
}

void QueueRuns::Skip(std::uint64_t count) {
  Run& run = runs_.front();
  if (count == run.count) return runs_.pop_front();
  run = {run.position + count * run.step(), run.first_id + count, run.count - count};
}

void QueueRuns::TrimFront(const MessageTable& table) {
  while (holes_ > 0 && !runs_.empty()) {
    const Run& run = runs_.front();
    const std::uint64_t gone = Leading(table.FindFrom(run.first_id, run.count), false);
    if (gone == 0) return;
    holes_ -= gone;
    Skip(gone);
  }
}

void QueueRuns::Dropped(const MessageTable& table) {
  --live_;
  ++holes_;
  TrimFront(table);
  if (holes_ < live_ + kWorthwhileHoles) return;
  std::deque<Run> runs;
  for (std::uint64_t position = 0;;) {
    const Run run = Next(&position, UINT64_MAX, table);
    if (run.count == 0) break;
    const bool joins = !runs.empty() && runs.back().step() == run.step() &&
                       runs.back().first_id + runs.back().count == run.first_id &&
                       runs.back().last_position() + run.step() == run.position;
    if (joins) {
      runs.back().count += run.count;
    } else {
      runs.push_back(run);
    }
  }
  runs_ = std::move(runs);
  holes_ = 0;
}

void QueueRuns::Clear() {
  runs_.clear();
  live_ = 0;
  holes_ = 0;
}

QueueRuns::Run QueueRuns::Next(std::uint64_t* position, std::uint64_t max,
                               const MessageTable& table) const {
  auto run = runs_.begin();
  if (run != runs_.end() && *position > run->last_position()) {
    run = std::lower_bound(run, runs_.end(), *position,
                           [](const Run& r, std::uint64_t p) { return r.last_position() < p; });
  }
  for (; run != runs_.end(); ++run) {
    const std::uint64_t step = run->step();
    std::uint64_t index = 0;
    if (*position > run->position) index = (*position - run->position + step - 1) / step;
    while (index < run->count) {
      Run found{run->position + index * step, run->first_id + index,
                std::min(max, run->count - index)};
      if (holes_ > 0) {
        const auto slice = table.FindFrom(found.first_id, run->count - index);
        if (const std::uint64_t gone = Leading(slice, false); gone > 0) {
          index += gone;
          continue;
        }
        found.count = std::min(max, Leading(slice, true));
      }
      *position = found.position + (found.count - 1) * step + 1;
      return found;
    }
  }
  return {};
}

}  // namespace rivulet
