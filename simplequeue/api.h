// simplequeue over HTTP: which endpoint does what. Each handler is parse, guard, act, reply.
//
// With a Durability every change is told to the journal by the heart, and its answer is held back
// until the journal says that it is safe: Admit() before the change, Promise() before the answer.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "http/daemon.h"
#include "simplequeue/api_options.h"
#include "simplequeue/long_polls.h"
#include "simplequeue/overflow_log.h"
#include "simplequeue/queue_set.h"
#include "simplequeue/taking.h"

namespace rivulet {

class Durability;

class QueueApi {
 public:
  /// `daemon` and `durability` (nullptr: queues live in memory alone) must outlive it.
  QueueApi(Daemon& daemon, QueueOptions options, Durability* durability = nullptr);
  ~QueueApi();

  /// Opens the overflow log.
  Status OpenOverflowLog();
  /// Brings back what the data path holds. Before the first request is served.
  Status Recover();
  /// Routes and metrics on the daemon.
  void Install();
  /// SIGHUP: the overflow log again.
  void Reopen();
  /// The drain begins: who waits for a message is answered that there is none.
  void EndPolls() { polls_.EndAll(); }
  /// At the end, with no connection left: the journal is closed. Without one, what is still queued
  /// goes to the overflow log, as the original does.
  Status Close();

 private:
  enum class Work : std::uint8_t { kGrows, kShrinks };
  struct Taken {
    Queue* queue;
    std::uint64_t commit;
  };
  struct HeldReceipt {
    Queue* queue;
    std::string_view text;
    std::uint64_t id = 0;  // of the message to look for when it does not hold; 0: it is gone
  };

  // Putting (api_put.cc).
  void Put(const Request& request, Reply& reply);
  void MultiPut(const Request& request, Reply& reply);
  static bool ParsePut(const Request& request, Reply& reply, Queue::PutOptions* options);
  bool CheckKey(const std::string& key, Reply& reply) const;
  /// True when the message with this key is there already, and that was answered, or when the key
  /// cannot be kept, and that was.
  bool AnswerKey(Queue& queue, const std::string& key, MonoTime now, Reply& reply);
  /// Messages were put so.
  void Added(Queue& queue, const Queue::PutOptions& options);
  /// Room for so many more messages, by refusing or by moving the oldest out. Answers the error.
  bool MakeRoom(Queue& queue, std::uint64_t messages, std::uint64_t bytes, Reply& reply);
  /// The same for a batch. With an overflow log a batch larger than the queue may be is taken too:
  /// its first messages go straight to the log, and leave `*batch`.
  bool MakeRoomForBatch(Queue& queue, std::vector<std::string_view>* batch, Reply& reply);
  bool PassToLog(Queue& queue, std::vector<std::string_view>* batch, std::uint64_t bytes,
                 Reply& reply);
  /// Answers the error.
  bool OverflowOldest(Queue& queue, Reply& reply);
  Status MoveOldestToLog(Queue& queue);
  void AnswerFull(const Queue& queue, Reply& reply) const;

  // Taking (api_take.cc).
  void Get(const Request& request, Reply& reply);
  void MultiGet(const Request& request, Reply& reply);
  void Take(const Request& request, Reply& reply, Taking& taking);
  void AnswerNothing(const Taking& taking, Reply& reply) const;
  /// Whoever leases is told whether message numbers outlive the process.
  // What the answer's header tells of its body: X-Format, X-Message-Ids.
  void TellForm(const Taking& taking, Reply& reply) const;
  std::string FormFields(const Taking& taking) const;
  void Look(const Queue* queue, const Taking& taking, Reply& reply);
  // Require a ready message.
  void TakeNow(Queue& queue, const Taking& taking, Reply& reply);
  void LeaseNow(Queue& queue, const Taking& taking, Reply& reply);
  void LeaseReady(Queue& queue, const Taking& taking);
  bool ServePoll(const std::string& name, LongPoll& poll);
  void EndPoll(LongPoll& poll) const;
  /// Empties front_, leases_ and text_, which are kept for their memory as long as it is small.
  void TrimScratch();

  // Leases (api_leases.cc).
  void Finish(const Request& request, Reply& reply);
  void Requeue(const Request& request, Reply& reply);
  void Touch(const Request& request, Reply& reply);
  void Bury(const Request& request, Reply& reply);
  /// Reads the receipts of a request into receipts_. Answers the error.
  bool ReadReceipts(const Request& request, Reply& reply);
  /// missed=why: the answer tells of each receipt that does not hold what became of its message.
  /// Answers the error.
  bool ReadTellsWhy(const Request& request, Reply& reply);
  static std::string_view WhyMissed(const HeldReceipt& receipt);
  /// Calls `act(queue, holdings)`, which returns how many held and writes the others into missed_,
  /// for the receipts of each queue in turn; answers "VERB N" and the receipts that do not hold,
  /// with tells_why_ each with the reason.
  template <typename Act>
  void ActOnReceipts(std::string_view verb, Reply& reply, Act&& act);
  void RequeueAnew(Reply& reply, Duration delay, std::string_view body);
  void Requeued(Queue& queue, Duration delay);

  // Managing (api_manage.cc).
  void Kick(const Request& request, Reply& reply);
  void Peek(const Request& request, Reply& reply);
  void Pause(const Request& request, Reply& reply);
  void Unpause(const Request& request, Reply& reply);
  void Empty(const Request& request, Reply& reply);
  void Queues(const Request& request, Reply& reply);
  void Dump(const Request& request, Reply& reply);
  void Exit(const Request& request, Reply& reply);

  // Numbers (api_stats.cc).
  void Stats(const Request& request, Reply& reply);
  static std::string StatsText(const QueueStats& stats, const Queue* queue);
  std::string StatsJson(const QueueStats& stats, const Queue* queue) const;
  void AppendQueuesJson(std::string* out) const;
  void AppendJournalJson(std::string* out) const;
  void WriteMetrics(std::string* out) const;

  /// The queue the request names, made if need be; nullptr after an error was answered.
  Queue* QueueToPut(const Request& request, Reply& reply);
  /// Answers the error itself. `*queue` is nullptr for a name nobody has put to.
  bool QueueToRead(const Request& request, Reply& reply, Queue** queue);

  /// Whether the journal takes a change now; answers 507 or 503 when it does not.
  bool Admit(Work work, Reply& reply);
  bool Admits(Work work) const;
  void NoteRefusing(const Status& admitted);
  /// The answer about to be given waits until all that changed is safe.
  void Promise(Reply& reply) const;
  /// Messages were taken for good: they are forgotten once that is safe.
  void NoteTaken(Queue& queue);
  void OnCommitted(std::uint64_t commit);
  void OnFailed(const Status& why);
  void OnHealed();

  /// There may be messages for who waits.
  void Wake(const Queue& queue) { polls_.Wake(queue.name()); }
  /// Now, with the leases ended and the messages woken whose time has come.
  MonoTime Settle();
  void Advance(MonoTime now, std::size_t max);
  /// After what may have given a queue something to do sooner than before.
  void ArmTimer();

  Daemon& daemon_;
  QueueOptions options_;
  Durability* durability_;
  QueueSet queues_;
  OverflowLog overflow_log_;
  bool logs_overflow_ = false;
  std::uint32_t epoch_;      // of the receipts of this process
  std::string message_ids_;  // for how long they mean the same, as X-Message-Ids tells it
  LongPolls polls_;
  Timer wake_refused_;
  Timer due_timer_;
  MonoTime armed_for_ = MonoTime::max();

  std::deque<Taken> taken_;  // not committed
  bool refusing_ = false;    // changes, as logged last

  // Of the request that is served, kept for their memory.
  std::vector<Queue::Message> front_;
  std::vector<Queue::Lease> leases_;
  std::string text_;
  std::string receipt_parameter_;
  std::vector<HeldReceipt> receipts_;
  bool tells_why_ = false;
  std::vector<Queue::Holding> holdings_;  // beside receipts_
  std::vector<std::size_t> missed_;
};

}  // namespace rivulet
