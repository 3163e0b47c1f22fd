// Carries messages from a source through a reader, and carries out its verdicts.
//
// Tasks run on a thread of their own, in slices: some milliseconds of messages, or one message that
// takes longer. Meanwhile the loop fetches the next batch, settles what was decided, keeps leases
// alive and writes checkpoints. Nothing spins: with nothing to run the loop sleeps until a message
// comes or is due, a pause is over or the source is to be asked again.
//
// A message of a source that leases goes through the ledger (queuereader/runner/ledger.h). What was
// decided of it is told to the source once it is safe: with a checkpoint file when a checkpoint
// holds it, without when what it emitted was delivered. Others are settled as soon as they were
// run.
//
// Stopping, by Stop() or by an error: the message in hand ends, what was run is checkpointed and
// settled, every message that was not run goes back to the source. What the source does not take in
// time comes back by its lease, or is set aside, so that no message is lost.
//
// A task that hangs in this process longer than task_timeout cannot be stopped: its message is
// charged a try, everything else in hand is given back, and the reader ends with status 1. So it is
// with a task whose state is saved, or that is asked for something to show; no message is charged
// then. Time in which this process stood still as a whole is not the task's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "queuereader/outputs.h"
#include "queuereader/reader.h"
#include "queuereader/runner/checkpoint.h"
#include "queuereader/runner/crash_mark.h"
#include "queuereader/runner/executor.h"
#include "queuereader/runner/failed_messages.h"
#include "queuereader/runner/ledger.h"
#include "queuereader/source/source.h"
#include "store/hosted_store.h"
#include "store/memory_store.h"

namespace rivulet {

/// Writes what standard output holds, kills the children, and leaves: nothing else of the process
/// runs any more.
void ExitAtOnce(int status);

struct RunnerConfig {
  ReaderConfig reader;  // as the reader's: for messages charged a try here
  Duration sleeptime_queue_empty = std::chrono::milliseconds(500);
  Duration sleeptime_failed_queue = std::chrono::seconds(5);
  Duration sleeptime_requeue{};  // pause after a message was requeued
  Duration drain_timeout = std::chrono::seconds(10);
  std::optional<Duration> exit_when_empty{};
  Duration checkpoint_every = std::chrono::seconds(1);
  std::uint64_t checkpoint_messages = 100'000;    // or after so many, whichever is first
  Duration task_timeout{};                        // of a run in this process; zero: none
  Duration tick_every = std::chrono::seconds(1);  // Task::Tick()
  /// Names of tasks that run in processes of their own, and have their own time limit.
  std::vector<std::string> child_tasks;
  std::string program = "queuereader";  // in reports of crashes; empty: crashes are not watched
  /// Drops what a checkpoint holds of origins that are no more, instead of refusing the start.
  bool forget_sources = false;
  /// Looked at between two messages, on the task thread; Stop() is still to be called.
  std::function<bool()> stop_requested = [] { return false; };
  std::function<void()> after_slice = [] {};  // on the task thread
  /// All is done; on the loop. None: the loop is stopped.
  std::function<void()> on_end{};
  /// Ends the process though a task hangs.
  std::function<void(int status)> exit_process = &ExitAtOnce;
};

/// All must outlive the runner; the ones that may be nullptr say so.
struct RunnerParts {
  EventLoop* loop = nullptr;
  const Clock* clock = nullptr;
  Source* source = nullptr;
  Reader* reader = nullptr;
  Executor* executor = nullptr;
  FailedMessages* failed_messages = nullptr;
  CrashMark* crash_mark = nullptr;
  Outputs* outputs = nullptr;            // nullptr: no task emits
  CheckpointFile* checkpoint = nullptr;  // nullptr: none
  MemoryStore* memory_store = nullptr;   // in the checkpoint; nullptr: none
  /// What tasks share, whose waiting is no task's hang; nullptr: none.
  HostedStore* store = nullptr;
};

/// What the loop knows about the work.
struct RunnerStats {
  /// "running", "backing off", "waiting for messages", "waiting for outputs", "waiting for the
  /// store", "source away", "draining"
  std::string state;
  ReaderStats reader;  // as of the last slice
  Ledger::Counts ledger;
  std::size_t held = 0;  // not due yet, in memory (popped messages alone)
  std::uint64_t checkpoints = 0;
  std::uint64_t checkpoint_bytes = 0;         // of the last one
  Duration checkpoint_age{};                  // since the last one was safe; zero without
  Status checkpoint_status;                   // how the last one went
  std::optional<CrashMark::Current> current;  // the task and message in hand
  Duration busy{};                            // for how long
  std::uint64_t failed_messages = 0;          // set aside
  Status source_status;                       // OK, or why the source could not be asked last
  Status settling_status;                     // OK, or why it takes nothing back
  std::optional<StoreReport> store;
};

class Runner {
 public:
  Runner(RunnerConfig config, RunnerParts parts);
  ~Runner();

  /// Takes up what the checkpoint says. An error refuses the start. Before Start().
  Status Restore();
  /// Begins. RunnerConfig::on_end is called when all is done.
  void Start();
  /// Begins to stop. Again: nothing.
  void Stop();

  /// 0, or 1 when messages could not be put where they belong, or a task hung or cannot go on.
  int exit_status() const;
  /// Messages that were read and, because of a stop, not run nor put back: still in the input.
  std::uint64_t left() const;
  RunnerStats Stats() const;
  /// `look` runs between two slices, where tasks run; `done` then on the loop. While a task takes
  /// its time, both wait. Also when all is done, for as long as the loop runs again: the limit for
  /// a task that hangs is kept then, too.
  void Inspect(std::function<void(const Reader&)> look, std::function<void()> done);

  /// For ReaderSurroundings: marks what a task is called for. On any thread, one at a time.
  void Calling(const std::string& task, std::string_view what);
  /// The same: marks the message in hand. On the task thread, within Handle().
  void Entering(const std::string& task, std::size_t message, MonoTime since);
  void Left();
  /// For Outputs: something was delivered.
  void OnOutputs();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivulet
