// The named queues of a process, made by their first put, over one arena, and their agenda: which
// queue's time comes next.
//
// Thread: one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/status.h"
#include "simplequeue/arena.h"
#include "simplequeue/queue.h"
#include "simplequeue/queue_agenda.h"

namespace rivulet {

inline constexpr std::string_view kDefaultQueue = "default";

class QueueSet {
 public:
  /// `log` (may be nullptr) hears of the changes of all queues and must outlive the set.
  QueueSet(QueueLimits limits, std::size_t max_queues, QueueLog* log = nullptr);

  /// The queue of that name, made when there is none. kInvalidArgument for what IsName()
  /// does not accept, kExhausted when there are max_queues already. O(log queues).
  Result<Queue*> FindOrMake(std::string_view name);
  /// nullptr when no put has made it.
  Queue* Find(std::string_view name);
  /// Queues are numbered from 1, which is the default queue, in the order of their making. nullptr
  /// when there is none. O(1).
  Queue* FindByNumber(std::uint32_t number);
  Queue& default_queue() { return *default_queue_; }

  /// For recovery: the queue of that name and number, made when there is none, whatever max_queues
  /// is. kCorrupt when one of both belongs to another queue or cannot be one's.
  Result<Queue*> Restore(std::string_view name, std::uint32_t number);

  /// Sees to it that the agenda has the queue's next_due(). The queues do so themselves.
  void Note(Queue& queue) {
    if (queue.next_due() < queue.noted_) queue.NoteDue(queue.next_due());
  }
  /// When Advance() has something to do, at the earliest; MonoTime::max() for never. O(1).
  MonoTime next_due() const { return agenda_.empty() ? MonoTime::max() : agenda_.front().when; }
  /// Advances the queues whose time has come, all together by at most `max` timers; calls
  /// `each(queue)` for every one in which messages became ready. What is left over is due at once.
  template <typename Each>
  void Advance(MonoTime now, std::size_t max, Each&& each) {
    while (max > 0 && next_due() <= now) {
      if (Queue* queue = AdvanceNext(now, &max)) each(*queue);
    }
  }

  /// By name. An ordered map, not a hash: clients choose the names.
  const std::map<std::string, std::unique_ptr<Queue>, std::less<>>& all() const { return queues_; }
  std::size_t allocated_bytes() const { return arena_.allocated_bytes(); }

 private:
  Queue* Make(std::string_view name, std::uint32_t number);
  // Advances the queue whose turn it is; nullptr when nothing became ready.
  Queue* AdvanceNext(MonoTime now, std::size_t* max);

  QueueLimits limits_;
  std::size_t max_queues_;
  QueueLog* log_;
  Arena arena_;
  std::map<std::string, std::unique_ptr<Queue>, std::less<>> queues_;
  std::unordered_map<std::uint32_t, Queue*> by_number_;
  std::uint32_t last_number_ = 0;
  QueueAgenda agenda_;
  Queue* default_queue_ = nullptr;
};

}  // namespace rivulet
