// simplequeue over HTTP: which endpoint does what. Each handler is parse, guard, act, reply.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "http/daemon.h"
#include "simplequeue/overflow_log.h"
#include "simplequeue/queue_set.h"

namespace rivulet {

struct QueueOptions {
  std::uint64_t max_depth = 0;
  std::uint64_t max_bytes = 0;
  std::uint64_t max_queues = 1000;
  std::uint64_t max_mget = 0;
  std::string overflow;  // "reject", "log" or empty: log when there is a file for it
  std::string overflow_log;
  std::string mget_item_sep = "\n";
  std::string mput_item_sep = "\n";
  bool enable_exit = false;
};

void AddQueueOptions(Options* options, QueueOptions* queue);
/// Checks over several options.
Status CheckQueueOptions(const QueueOptions& queue);

class QueueApi {
 public:
  /// `daemon` must outlive it.
  QueueApi(Daemon& daemon, QueueOptions options);

  /// Opens what the options name.
  Status Open();
  /// Routes and metrics on the daemon.
  void Install();
  /// SIGHUP: the overflow log again.
  void Reopen();
  /// At the end: with an overflow log, what is still queued goes there, as the original does.
  Status FlushToOverflowLog();

 private:
  void Put(const Request& request, Reply& reply);
  void MultiPut(const Request& request, Reply& reply);
  void Get(const Request& request, Reply& reply);
  void MultiGet(const Request& request, Reply& reply);
  void Dump(const Request& request, Reply& reply);
  void Stats(const Request& request, Reply& reply);
  void Exit(const Request& request, Reply& reply);

  /// The queue the request names, made if need be; nullptr after an error was answered.
  Queue* QueueToPut(const Request& request, Reply& reply);
  /// Answers the error itself. `*queue` is nullptr for a name nobody has put to.
  bool QueueToRead(const Request& request, Reply& reply, Queue** queue);
  /// Room for so many more messages, by refusing or by moving the oldest out. Answers the error.
  bool MakeRoom(Queue& queue, std::uint64_t messages, std::uint64_t bytes, Reply& reply);
  /// The same for a batch. With an overflow log a batch larger than the queue may be is taken too:
  /// its first messages go straight to the log, and leave `*batch`.
  bool MakeRoomForBatch(Queue& queue, std::vector<std::string_view>* batch, Reply& reply);
  /// Answers the error.
  bool OverflowOldest(Queue& queue, Reply& reply);
  Status MoveOldestToLog(Queue& queue);
  std::string StatsText(const QueueStats& stats, const Queue* queue) const;
  std::string StatsJson(const QueueStats& stats, const Queue* queue) const;
  void WriteMetrics(std::string* out) const;

  Daemon& daemon_;
  QueueOptions options_;
  QueueSet queues_;
  OverflowLog overflow_log_;
  bool logs_overflow_ = false;
  std::vector<Queue::Message> front_;  // of the /mget that is served, kept for its memory
};

}  // namespace rivulet
