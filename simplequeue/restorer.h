// From the records of a journal to queues. Used at the start of the daemon and by rivulet-journal.
//
// Records come in the order they were written. A message may be told several times (once put, and
// again whenever its segment was cleaned); whichever of these is the first that is still there,
// what follows makes the same of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "simplequeue/record.h"
#include "simplequeue/wall_times.h"

namespace rivulet {

class Queue;
class QueueSet;

struct RestoredCounts {
  std::uint64_t queues = 0;
  std::uint64_t messages = 0;
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;
  std::uint64_t dead = 0;
  std::uint64_t had_been_in_flight = 0;  // ready now, or dead
};

class QueueRestorer {
 public:
  /// `queues` must outlive it, and hold nothing but what the restorer puts there. `salvage`: the
  /// record that names a queue may be lost. Then what concerns the queue waits, in memory, until
  /// another names it, as each segment does; or it comes back as "nameless-NUMBER".
  QueueRestorer(QueueSet* queues, const WallTimes& times, bool salvage = false)
      : queues_(queues), times_(times), salvage_(salvage) {}

  /// kCorrupt for a record that could not have been written here, one of a queue without a name
  /// among them.
  Status Visit(std::string_view record);
  /// The one visited last.
  const DecodedRecord& record() const { return record_; }
  /// After the last record: puts the queues in order.
  RestoredCounts End(MonoTime now);

 private:
  Status VisitQueue();
  void ApplyWaiting(Queue& queue);
  void Apply(Queue& queue);
  Queue* FindQueue(std::uint32_t number);

  QueueSet* queues_;
  WallTimes times_;
  bool salvage_;
  DecodedRecord record_;
  std::map<std::uint32_t, std::vector<std::string>> nameless_;  // records by the queue's number
  std::uint32_t last_number_ = 0;
  Queue* last_queue_ = nullptr;
};

}  // namespace rivulet
