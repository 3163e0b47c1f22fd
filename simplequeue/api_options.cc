#include "simplequeue/api_options.h"

#include <fmt/format.h>

#include "base/units.h"
#include "simplequeue/params.h"

namespace rivulet {

namespace {

constexpr double kMostAttempts = 1e6;

void AddLeaseOptions(Options* options, QueueOptions* queue) {
  options
      ->Uint("max-attempts", &queue->max_attempts,
             "leases after which an unfinished message goes to the dead letters; 0: no bound")
      .Metavar("N")
      .Range(0, kMostAttempts);
  options->Time("max-lease", &queue->max_lease, "longest lease a client may ask for")
      .Metavar("TIME");
  options->Time("max-wait", &queue->max_wait, "longest wait= of a /get or /mget").Metavar("TIME");
  options
      ->Time("dedupe-window", &queue->dedupe_window,
             "time in which a second put with the same key= is dropped; 0: key= is refused")
      .Metavar("TIME");
  options
      ->Uint("max-keys", &queue->max_keys,
             "keys a queue remembers at a time; further puts with one answer 503")
      .Metavar("N")
      .Range(1, 1e9);
}

Status CheckTime(const char* name, Duration value, Duration least) {
  if (value >= least && value <= kLongestTime) return Status::Ok();
  return InvalidArgument(fmt::format("{}={}: must be from {} to {}", name, FormatDuration(value),
                                     FormatDuration(least), FormatDuration(kLongestTime)));
}

}  // namespace

void AddQueueOptions(Options* options, QueueOptions* queue) {
  options->Section("Queue");
  options
      ->Uint("max-depth", &queue->max_depth,
             "messages a queue may hold, ready, in flight, deferred and dead; 0: no bound")
      .Metavar("N");
  options->Bytes("max-bytes", &queue->max_bytes, "bytes of messages a queue may hold; 0: no bound")
      .Metavar("SIZE");
  options->Text("overflow", &queue->overflow, "what happens to a put beyond the bounds")
      .Metavar("reject|log")
      .OneOf({"reject", "log"})
      .DefaultText("log with --overflow-log, else reject");
  options
      ->Text("overflow-log", &queue->overflow_log,
             "file that takes the oldest messages, one a line, to make room for new ones; what is "
             "queued at the end goes there too")
      .Metavar("FILE");
  options->Uint("max-queues", &queue->max_queues, "named queues there may be")
      .Metavar("N")
      .Range(1, 1e6);
  options->Uint("max-mget", &queue->max_mget, "messages one /mget may take; 0: no bound")
      .Metavar("N");
  options->Text("mget-item-sep", &queue->mget_item_sep, "separator between messages of /mget")
      .Metavar("TEXT")
      .DefaultText("newline");
  options->Text("mput-item-sep", &queue->mput_item_sep, "separator between messages of /mput")
      .Metavar("TEXT")
      .DefaultText("newline");
  AddLeaseOptions(options, queue);
  options->Flag("enable-exit", &queue->enable_exit, "let any client stop the daemon by /exit");
}

Status CheckQueueOptions(const QueueOptions& queue) {
  if (queue.overflow == "log" && queue.overflow_log.empty()) {
    return InvalidArgument("--overflow=log: must come with --overflow-log=FILE");
  }
  if (queue.mput_item_sep.empty()) {
    return InvalidArgument("--mput-item-sep=: must not be empty");
  }
  constexpr Duration kLeastTime = std::chrono::milliseconds(1);
  if (Status s = CheckTime("--max-lease", queue.max_lease, kLeastTime); !s.ok()) return s;
  if (Status s = CheckTime("--max-wait", queue.max_wait, Duration::zero()); !s.ok()) return s;
  return CheckTime("--dedupe-window", queue.dedupe_window, Duration::zero());
}

}  // namespace rivulet
