// Puts messages back into queues: of those that are not leased, and so are new messages there.
//
// One after the other, each to the queue it came from, or to the next one where that fails; with
// `delay=` for queues that know it. Tried until one answers. Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "http/client.h"
#include "queuereader/source/queue_origin.h"
#include "queuereader/source/source.h"

namespace rivulet {

/// Of a message that was not leased: whether it is to be put back. What is not is settled already.
inline bool GoesBack(const Settlement& settlement) {
  const bool again = settlement.fate == Fate::kRequeue || settlement.fate == Fate::kReturn;
  return again && !settlement.body.empty();
}

class QueuePutter {
 public:
  using OnSettled = std::function<void(std::uint64_t token, Settled how, const Status& why)>;

  /// All must outlive it. `pause` between two rounds over the queues, none of which took it.
  QueuePutter(EventLoop& loop, Client& client, const std::vector<QueueOrigin>& origins,
              Duration pause, OnSettled on_settled);

  /// `settlement` has the body that is put. Calls back later, from the loop.
  void Put(Settlement settlement);
  std::size_t waiting() const { return waiting_.size(); }
  /// Gives up; nothing more is called. Returns the bodies that were not taken.
  std::vector<std::string> Abandon();

 private:
  struct Entry {
    std::uint64_t token;
    std::uint32_t origin;
    Duration delay;
    std::shared_ptr<const std::string> body;
    std::size_t tried;  // queues
  };

  void SendNext();
  void OnAnswer(const ClientResponse& response);

  Client& client_;
  const std::vector<QueueOrigin>& origins_;
  Duration pause_;
  OnSettled on_settled_;
  std::deque<Entry> waiting_;  // the first one is being put
  Timer again_;
  ClientCall call_;
};

}  // namespace rivulet
