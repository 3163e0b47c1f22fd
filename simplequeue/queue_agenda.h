// Which queue's time comes next, of all the queues of a process: there may be a million, so that
// none may be asked that has nothing to do.
//
// A heap of times. An entry holds when it is the queue's noted one; others of it were left behind.
#pragma once

#include <algorithm>
#include <vector>

#include "base/clock.h"

namespace rivulet {

class Queue;

class QueueAgenda {
 public:
  struct Due {
    MonoTime when{};
    Queue* queue = nullptr;
  };

  /// O(log entries).
  void Add(MonoTime when, Queue* queue) {
    heap_.push_back({when, queue});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  bool empty() const { return heap_.empty(); }
  const Due& front() const { return heap_.front(); }
  void PopFront() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    heap_.pop_back();
  }

 private:
  static bool Later(const Due& a, const Due& b) { return a.when > b.when; }

  std::vector<Due> heap_;
};

}  // namespace rivulet
