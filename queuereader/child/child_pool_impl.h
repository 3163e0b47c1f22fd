// The inside of ChildPool, for its two files: what runs messages, and what asks.
#pragma once

#include <poll.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/child/child_pool.h"
#include "queuereader/child/child_pool_worker.h"

namespace rivulet {

struct ChildPool::Impl {
  using Worker = ChildPoolWorker;

  Impl(const Clock& its_clock, ChildPoolConfig its_config, ChildDialect& its_dialect)
      : clock(its_clock), config(std::move(its_config)), dialect(its_dialect) {
    for (std::size_t i = 0; i < std::max<std::size_t>(config.workers, 1); ++i) {
      workers.push_back(std::make_unique<Worker>(config.restart, config.seed + i));
    }
  }

  void Ahead(std::span<const Message* const> its_messages);
  bool SendAhead(MonoTime now);
  void ForgetAhead();
  void CheckAhead(std::span<const Message* const> its_messages);
  void Append(std::span<const Message* const> its_messages);
  void Begin(std::span<const Message* const> messages, std::span<Outcome> outcomes,
             Context& context, bool one_at_a_time);
  void Run();
  void Deliver();
  void EndRun();

  void Assign(MonoTime now);
  bool MayStart(const Worker& worker, MonoTime now) const;
  void Fill(Worker& worker, MonoTime now);
  void FlushAll();
  void Await(MonoTime now);
  Duration NapTime() const;
  Duration WaitTime(MonoTime now) const;
  void ReadFrom(Worker& worker, MonoTime now);
  void CheckDeadline(Worker& worker, MonoTime now);
  void CheckIdle(Worker& worker);

  bool TakeAnswers(Worker& worker, MonoTime now);
  bool TakeOne(Worker& worker, MonoTime now);
  void Answer(Worker& worker, MonoTime now);

  Status StartWorker(std::size_t index);
  void Excess(Worker& worker);
  void Broken(Worker& worker, const std::string& why);
  /// Who of the messages that a child owed an answer has made it end.
  enum class Blame : std::uint8_t { kNobody, kFirst, kAny };
  Blame BlameOfEnd() const { return config.answers_each ? Blame::kFirst : Blame::kAny; }
  void Lost(Worker& worker, const std::string& why, Blame blame, std::uint64_t* counter);
  void StartFailed(Worker& worker, const std::string& why);
  void CheckDeadStarts(const std::string& why, Blame blame);
  void SendAnew(const std::vector<std::size_t>& owed);
  void Charge(std::size_t message, const std::string& why);
  /// It has its outcome.
  void Settle(std::size_t message);
  void NoteEnd(Worker& worker);
  void LogEnd(Worker& worker, const std::string& how);
  std::string Named(const std::string& why) const { return config.child.name + ": " + why; }
  std::string NoAnswerInTime(const Worker& worker) const;

  Status Ask(std::size_t index, std::string_view request,
             const std::function<Result<bool>(std::string_view*)>& take);
  Status Converse(Worker& worker, const std::function<Result<bool>(std::string_view*)>& take);
  Status AwaitStart(std::size_t index);
  void End(Duration patience);

  /// Of a child that has closed its output, to have ended too: so that it can be told how.
  static constexpr Duration kEndPatience = std::chrono::milliseconds(500);
  /// How often a stop is looked for while a start is waited for.
  static constexpr Duration kStopLook = std::chrono::milliseconds(20);
  /// How long is not listened: at most, and what it is not worth while for.
  static constexpr Duration kMostNap = std::chrono::microseconds(500);
  static constexpr Duration kLeastNap = std::chrono::microseconds(15);
  /// Until one of `watched` is ready.
  void Poll(Duration wait);

  const Clock& clock;
  ChildPoolConfig config;
  ChildDialect& dialect;
  std::function<Status(std::size_t)> on_start;
  bool starting = false;  // within on_start
  std::vector<std::unique_ptr<Worker>> workers;
  ChildPoolStats stats;
  int dead_starts = 0;  // in a row
  bool ever_answered = false;
  std::vector<pollfd> watched;
  std::vector<Worker*> watched_workers;

  /// A message of the run in hand, or of one that comes.
  struct Entry {
    const Message* message = nullptr;
    Outcome outcome = Outcome::Done();
    bool settled = false;               // has its outcome
    bool alone = false;                 // to be sent while nothing else is in the child's hand
    std::unique_ptr<ChildAnswer> said;  // where that is more than an outcome
  };
  Entry& At(std::size_t message) { return entries[message - first]; }
  bool IsOfRun(std::size_t message) const { return message < first + of_run; }

  // Messages have numbers, by which workers owe them.
  std::deque<Entry> entries;
  std::size_t first = 0;         // the number of the first entry
  std::size_t of_run = 0;        // so many of them are the run in hand
  std::size_t left = 0;          // of the run, without an outcome
  std::deque<std::size_t> todo;  // to be sent, in order
  Context* context = nullptr;    // of the run
  std::span<Outcome> outcomes;
};

}  // namespace rivulet
