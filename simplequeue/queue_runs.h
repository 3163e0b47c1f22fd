// An order of messages by position, as runs of consecutive ids: a million messages that came behind
// each other are one run of 24 bytes.
//
// Fresh messages stand at FreshPosition(id), so a run of them has a position every 2^24; those that
// were given a position later stand directly behind each other.
//
// Messages leave at the front. One that is dropped in the middle leaves a hole, which is passed
// over when its turn comes; when there are more holes than messages the runs are made anew, so that
// everything is O(1) amortised a message but where stated.
#pragma once

#include <cstdint>
#include <deque>

#include "simplequeue/message_table.h"
#include "simplequeue/queue_log.h"

namespace rivulet {

class QueueRuns {
 public:
  struct Run {
    std::uint64_t position = 0;  // of the first
    std::uint64_t first_id = 0;
    std::uint64_t count = 0;

    std::uint64_t step() const {
      return position == FreshPosition(first_id) ? FreshPosition(1) : 1;
    }
    std::uint64_t last_position() const { return position + (count - 1) * step(); }
  };

  /// How many messages, holes not counted.
  std::uint64_t size() const { return live_; }
  /// How many runs they take.
  std::size_t runs() const { return runs_.size(); }
  /// The oldest. Requires size() > 0.
  std::uint64_t front_id() const { return runs_.front().first_id; }

  /// A message behind all.
  void PushBack(std::uint64_t position, std::uint64_t id) {
    ++live_;
    if (!runs_.empty()) {
      Run& last = runs_.back();
      if (last.first_id + last.count == id &&
          last.position + last.count * last.step() == position) {
        ++last.count;
        return;
      }
    }
    runs_.push_back({position, id, 1});
  }
  /// A message before all.
  void PushFront(std::uint64_t position, std::uint64_t id);
  /// Takes the oldest, which all are in the table, in one of its segments, and of consecutive ids:
  /// at most `max`. Requires size() > 0. Call it before they leave the table.
  Run PopFront(std::uint64_t max, const MessageTable& table);
  /// One of the messages, in whatever place, has left the table.
  void Dropped(const MessageTable& table);
  void Clear();

  /// The first message at or behind `*position` and those of consecutive ids behind it, at most
  /// `max`; moves `*position` behind them. Its count is 0 at the end. O(log runs), or O(1) near the
  /// front, and O(holes passed).
  Run Next(std::uint64_t* position, std::uint64_t max, const MessageTable& table) const;

 private:
  void Skip(std::uint64_t count);
  void TrimFront(const MessageTable& table);

  std::deque<Run> runs_;  // by position; the first message is no hole
  std::uint64_t live_ = 0;
  std::uint64_t holes_ = 0;
};

}  // namespace rivulet
