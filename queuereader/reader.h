// The heart of a queue reader: what becomes of one message.
//
// It parses the message and its envelope, runs the tasks that are left, and says what is to be done
// with the message next. It does no I/O and reads no clock (the tasks may); the runner carries out
// the verdicts. A fresh message whose tasks are all done costs no allocation here.
//
//   Verdict verdict = reader.Handle(bytes, clock.WallNow());
//   if (verdict.next == Verdict::Next::kRequeue) source.Requeue(origin, std::move(verdict.body));
//   if (verdict.pause > Duration::zero()) …
//
// Every message handled counts once: messages = finished + dropped + requeued + given_up +
// malformed. Thread: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "queuereader/backoff.h"
#include "queuereader/envelope.h"
#include "queuereader/task.h"

namespace rivulet {

struct ReaderConfig {
  int max_tries = 5;                                  // at least 1
  Duration requeue_delay = std::chrono::seconds(90);  // times the tries so far
  Duration max_backoff = std::chrono::seconds(120);   // zero: never pauses
};

struct NamedTask {
  std::string name;
  std::unique_ptr<Task> task;
};

struct Verdict {
  enum class Next : std::uint8_t {
    kFinished,   // nothing more to do
    kDropped,    // a task answered drop: nothing more to do
    kRequeue,    // put `body` back into the queue
    kHold,       // not due before `due`; nothing was run, nothing counted
    kGiveUp,     // tried often enough: set `body` aside
    kMalformed,  // no JSON, or no valid envelope: set the message itself aside
  };
  Next next = Next::kFinished;
  std::string body;
  WallTime due{};
  Duration pause{};  // to wait before the next message, after a failure
  std::string why;   // what failed, for the log; empty when nothing did
};

struct ReaderCounts {
  std::uint64_t messages = 0;
  std::uint64_t finished = 0;
  std::uint64_t dropped = 0;
  std::uint64_t requeued = 0;
  std::uint64_t given_up = 0;
  std::uint64_t malformed = 0;
};

struct TaskCounts {
  std::uint64_t done = 0;    // with drops
  std::uint64_t failed = 0;  // each try
};

class Reader {
 public:
  /// Names must differ. `giveup` may be null; it runs on each message that is given up.
  Reader(ReaderConfig config, std::vector<NamedTask> tasks, std::unique_ptr<Task> giveup = nullptr);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Runs what is left to do on a message. Never throws. Verdict::body is set for kRequeue and
  /// kGiveUp alone.
  Verdict Handle(std::string_view message, WallTime now);

  const ReaderCounts& counts() const { return counts_; }
  std::size_t task_count() const { return tasks_.size(); }
  const std::string& task_name(std::size_t i) const { return tasks_[i].name; }
  const TaskCounts& task_counts(std::size_t i) const { return tasks_[i].counts; }
  /// Lets the task write its summary; a text "error" where it throws.
  void SummarizeTask(std::size_t i, Summary& summary) const;

 private:
  class JsonMessage;
  struct Slot {
    std::string name;
    std::unique_ptr<Task> task;
    Backoff backoff;
    TaskCounts counts;
  };

  bool IsLeft(const Slot& slot) const;
  /// True when the task asked to drop the message.
  bool RunTask(Slot& slot, const Message& message, Verdict* verdict);
  void FailUnknownTasks(Verdict* verdict);
  void Retry(std::string_view message, int tries, WallTime now, Verdict* verdict);
  void GiveUp(const Message& message, Verdict* verdict);

  ReaderConfig config_;
  std::vector<Slot> tasks_;
  std::unique_ptr<Task> giveup_;
  ReaderCounts counts_;
  JsonDocument document_;
  Envelope envelope_;
  std::unique_ptr<JsonMessage> message_;
  std::vector<std::string_view> failed_;  // names, during Handle(), in the order of the tasks
};

}  // namespace rivulet
