// The heart of a queue reader: what becomes of messages.
//
// It parses a message and its envelope, runs --preprocess, --validate and the tasks that are left,
// and says what is to be done with the message next. It does no I/O and reads no clock (the tasks
// may); the runner carries out the verdicts. A fresh message whose tasks are all done costs no
// allocation here.
//
//   std::vector<Verdict> verdicts;
//   reader.Handle(incoming, now, &verdicts);     // as many as chunk() says at a time
//   if (verdicts[0].next == Verdict::Next::kRequeue) …
//
// The tasks of one message run in the order they were given. Where a task takes batches, a chunk of
// messages goes through the first task, then what was not dropped through the second, and so on;
// else message by message, so that a pause after a failure comes before the next one. A message
// that was tried before runs alone, and those of a batch that throws are run again one by one, at
// once: a poisoned message costs its neighbours no try.
//
// Every message handled counts once: messages = finished + dropped + requeued + given_up +
// malformed. Thread: one, the one that runs tasks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "queuereader/backoff.h"
#include "queuereader/envelope.h"
#include "queuereader/task.h"

namespace rivulet {

struct ReaderConfig {
  int max_tries = 5;                                  // at least 1
  Duration requeue_delay = std::chrono::seconds(90);  // times the tries so far
  TaskBackoffConfig backoff;  // of each task, and of preprocess and validate
};

struct NamedTask {
  std::string name;
  std::unique_ptr<Task> task;
  /// Of a batch that ends its process it charges the one to blame: those that were tried before may
  /// come together.
  bool charges_one = false;
  /// Its Ahead() may be told of the messages of the run after the next one, too: all that it is
  /// told is run in that order, but where the reader cannot go on.
  bool looks_beyond = false;
};

/// Names in `all_tasks` must differ. The others may have no task.
struct ReaderTasks {
  std::vector<NamedTask> all_tasks;
  NamedTask preprocess;  // may replace a message's data, or drop it
  NamedTask validate;    // drops the messages that shall not be processed; Done() lets them pass
  NamedTask requeue_giveup;  // runs on each message that is given up
};

/// What tasks reach. Must outlive the reader.
struct ReaderSurroundings {
  const Clock* clock = nullptr;      // for Context::now() and for how long a run took
  Store* store = nullptr;            // nullptr: Context::store() throws
  std::vector<std::string> outputs;  // the names that Context::Emit() takes
  /// Is told before and after every run of a task, for reports of crashes: the message's place in
  /// what Handle() was given (of a batch the first one's), and about when the run began. Empty:
  /// nobody.
  std::function<void(const std::string& task, std::size_t message, MonoTime since)> entering;
  std::function<void()> left;
  /// The same, with `left`, of what is asked of a task besides: `what` as "its state was saved".
  std::function<void(const std::string& task, std::string_view what)> calling = {};
};

/// A message as it was received.
struct Incoming {
  std::string_view bytes;
  std::string_view id;  // Message::id()
  /// Not empty: its last try ended the process, and this is how. The try is charged, nothing is
  /// run.
  std::string_view crash;
};

/// What a task has emitted.
struct Emission {
  std::uint32_t output = 0;  // index in ReaderSurroundings::outputs
  std::string message;
};

struct Verdict {
  enum class Next : std::uint8_t {
    kFinished,   // nothing more to do
    kDropped,    // a task answered drop: nothing more to do
    kRequeue,    // put `body` back into the queue, to be due at `due`
    kHold,       // not due before `due`; nothing was run, nothing counted
    kGiveUp,     // tried often enough: set `body` aside
    kMalformed,  // no JSON, or no valid envelope: set the message itself aside
  };
  Next next = Next::kFinished;
  std::string body;
  WallTime due{};
  Duration pause{};  // to wait before the next message, after a failure
  std::string why;   // what failed, for the log; empty when nothing did
  /// Of the tasks that did not fail, in order. Those of a batch stand with its last message, unless
  /// the task says whose they are.
  std::vector<Emission> emissions;
};

/// What becomes of a message whose try ended outside of Handle() (the process crashed, a task
/// hung): requeued with a try more, or given up. Runs nothing, counts nothing. Any thread.
/// `task_names`: what is left of a message that does not say.
Verdict ChargeTry(std::string_view message, const ReaderConfig& config,
                  const std::vector<std::string>& task_names, WallTime now, std::string_view why);

struct ReaderCounts {
  std::uint64_t messages = 0;
  std::uint64_t finished = 0;
  std::uint64_t dropped = 0;
  std::uint64_t requeued = 0;
  std::uint64_t given_up = 0;
  std::uint64_t malformed = 0;
};

struct TaskCounts {
  std::uint64_t done = 0;      // with drops
  std::uint64_t failed = 0;    // each try
  std::uint64_t retried = 0;   // of the tries, done or failed: not the first of their message
  std::uint64_t given_up = 0;  // messages that were given up with this task left
};

/// A copy of all that there is to tell about the reader but the tasks' own summaries.
struct ReaderStats {
  struct OfTask {
    std::string name;
    TaskCounts counts;
    /// Of a message; of one in a batch its share. Where the first task takes microseconds, and
    /// messages are small, the clock is read when it is done with one, and only for each sixteenth
    /// when it begins: the others have begun so long after the message before as that one took to
    /// parse. A run that takes long is seen in any case.
    LatencyHistogram run_time;
    Duration backoff{};  // the timer's pause now; zero where nothing failed of late
    std::vector<std::pair<std::string, std::uint64_t>> counters;  // by Context::Count()
  };
  ReaderCounts counts;
  std::vector<OfTask>
      tasks;  // all_tasks, in order; then preprocess, validate, requeue_giveup if any
};

class Reader {
 public:
  Reader(ReaderConfig config, ReaderTasks tasks, ReaderSurroundings surroundings);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// How many messages Handle() shall be given now: 1 unless a task takes batches and no task is
  /// failing.
  std::size_t chunk() const;
  /// Handle() can do with `next`.
  bool looks_ahead() const;
  /// Runs what is left to do on each message; at most chunk() of them. Replaces `verdicts` with one
  /// each. Never throws. Verdict::body is set for kRequeue and kGiveUp alone. None at all: nothing
  /// was run, see fatal().
  void Handle(std::span<const Incoming> messages, WallTime now, std::vector<Verdict>* verdicts);
  /// For who handles many, one after the other: `begin` is what the clock says now, and what is
  /// returned is what it said when the last task was done; `begin` where none ran.
  /// `next`: what it will be given the next time, whatever becomes of these, unless it cannot go
  /// on; then they may be more than chunk(). Is read now, so that a task which hands messages on to
  /// somebody has more for them to do meanwhile. Must live until then.
  MonoTime Handle(std::span<const Incoming> messages, WallTime now, MonoTime begin,
                  std::vector<Verdict>* verdicts, std::span<const Incoming> next = {});

  /// Task::Tick() of each task, where tasks run, between two Handle()s. What they throw is ignored.
  void Tick();

  /// Not empty: a task cannot go on (TaskUnusable), and this is why; nothing more is to be handled.
  /// The messages in hand then were charged no try: they are as before where nothing had seen them,
  /// else requeued for the tasks that are left.
  const std::string& fatal() const;

  const ReaderCounts& counts() const;
  ReaderStats Stats() const;
  std::size_t task_count() const;  // of all_tasks
  const std::string& task_name(std::size_t i) const;
  const TaskCounts& task_counts(std::size_t i) const;
  /// Lets the task write its summary; a text "error" where it throws.
  void SummarizeTask(std::size_t i, Summary& summary) const;
  /// What the task has to show. What it throws is thrown here.
  std::vector<std::string> Views(std::size_t i) const;
  std::optional<View> Show(std::size_t i, std::string_view view) const;

  /// The state of each task as "task:NAME" (of the others "task:--preprocess=NAME" and so on), and
  /// the counts as "counts": sections of a checkpoint. Tasks without state have none. An error when
  /// a task's Save() threw: there is no checkpoint then.
  Result<std::map<std::string, std::string>> Save() const;
  /// Goes on from there, before the first Handle(). What is there of tasks that this reader does
  /// not have is kept, and given again by Save(); what is neither "task:…" nor "counts" is left
  /// alone. The error names the task.
  Status Load(const std::map<std::string, std::string>& saved);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
