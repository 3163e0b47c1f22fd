// The named queues of a process, made by their first put, over one arena.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "simplequeue/arena.h"
#include "simplequeue/queue.h"

namespace rivulet {

inline constexpr std::string_view kDefaultQueue = "default";

class QueueSet {
 public:
  QueueSet(QueueLimits limits, std::size_t max_queues);

  /// The queue of that name, made when there is none. kInvalidArgument for what IsName()
  /// does not accept, kExhausted when there are max_queues already. O(log queues).
  Result<Queue*> FindOrMake(std::string_view name);
  /// nullptr when no put has made it.
  Queue* Find(std::string_view name);
  Queue& default_queue() { return *default_queue_; }

  /// By name. An ordered map, not a hash: clients choose the names.
  const std::map<std::string, std::unique_ptr<Queue>, std::less<>>& all() const { return queues_; }
  std::size_t allocated_bytes() const { return arena_.allocated_bytes(); }

 private:
  QueueLimits limits_;
  std::size_t max_queues_;
  Arena arena_;
  std::map<std::string, std::unique_ptr<Queue>, std::less<>> queues_;
  Queue* default_queue_ = nullptr;
};

}  // namespace rivulet
