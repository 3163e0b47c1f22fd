// Tells one queue what becomes of the messages that it leased out: /finish, /requeue, /bury.
//
// Receipts go together, thousands a request, and one request at a time while more gather; requeues
// by their delay, those with another body each alone, several at a time. A request that failed is
// sent again, after a pause that grows, until it is answered. One whose answer was lost, or that is
// told again after a restart, meets receipts that no longer hold then: of messages that are gone,
// which is as well as done, or that may come again (missed=why).
//
// A queue that is full has no room for a longer body, and may have none before some message of it
// is done with: after some tries the message is requeued as it is, and told as Settled::kAsItWas.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/event_loop.h"
#include "http/client.h"
#include "queuereader/source/frames.h"
#include "queuereader/source/queue_origin.h"
#include "queuereader/source/source.h"

namespace rivulet {

class QueueSettler {
 public:
  using OnSettled = std::function<void(std::uint64_t token, Settled how, const Status& why)>;

  /// A request had no answer: the queue may be gone, with its leases.
  using OnBroken = std::function<void()>;

  /// All must outlive it.
  QueueSettler(EventLoop& loop, Client& client, const QueueOrigin& origin, BackoffConfig backoff,
               OnSettled on_settled, OnBroken on_broken);
  QueueSettler(const QueueSettler&) = delete;
  QueueSettler& operator=(const QueueSettler&) = delete;

  /// A settlement with a receipt. Nothing is sent before Send(). O(1).
  void Add(Settlement settlement);
  void Send();
  std::size_t unsettled() const { return unsettled_; }
  /// OK, or why the last tries failed, once there were some.
  const Status& status() const { return status_; }
  /// Gives up; nothing more is called.
  void Abandon();

 private:
  // What one request tells.
  struct Errand {
    std::string path;
    std::string receipts;  // one a line: the body of the request, unless there is another
    std::vector<std::uint64_t> tokens;  // of those
    bool replaces = false;              // a requeue with another body, of one receipt
    bool as_it_was = false;             // for want of room, one whose body was not taken
    std::string body;
  };
  struct Running {
    Errand errand;
    ClientCall call;  // reads the errand
  };
  struct Lane {
    std::string_view verb;  // which the answer begins with
    std::size_t max_running;
    std::deque<Errand> waiting;
    std::list<Running> running;
  };

  static void Gather(Lane* lane, const Settlement& settlement, std::string_view path);
  void Start(Lane& lane);
  void OnAnswer(Lane& lane, std::list<Running>::iterator running, const ClientResponse& response);
  void Again(Lane& lane, Errand errand, const std::string& why);
  /// True when the body was left out, so that the requeue may fit.
  bool LeaveOutBody(Errand* errand, const ClientResponse& response);
  void Refused(Lane& lane, Errand errand, const std::string& why);
  void Answered(const Lane& lane, const Errand& errand, const std::vector<MissedReceipt>& missed);
  void Tell(std::uint64_t token, Settled how, const Status& why);

  Client& client_;
  const QueueOrigin& origin_;
  OnSettled on_settled_;
  OnBroken on_broken_;
  Status status_;
  int no_room_ = 0;  // times in a row that a body was not taken for want of room
  std::size_t unsettled_ = 0;
  bool abandoned_ = false;
  JitterBackoff backoff_;
  Timer pause_;  // after a failure nothing is sent for that long
  Lane finish_{"finished", 1, {}, {}};
  Lane bury_{"buried", 1, {}, {}};
  Lane requeue_;
  Lane replace_;
};

}  // namespace rivulet
