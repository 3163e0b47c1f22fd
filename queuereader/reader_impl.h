// What the parts of the reader share. Included by reader*.cc alone.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/json_message.h"
#include "queuereader/reader.h"
#include "queuereader/task_context.h"

namespace rivulet {

inline constexpr std::size_t kMaxChunk = 512;
/// Of so many messages one is measured exactly, where it is fast: see ReaderStats.
inline constexpr int kMeasured = 16;

struct Reader::Impl {
  enum class Role : std::uint8_t { kTask, kPreprocess, kValidate, kGiveUp };

  /// A task with its place in the reader.
  struct Slot {
    Slot(Role its_role, NamedTask named, const Impl& impl)
        : role(its_role),
          name(std::move(named.name)),
          task(std::move(named.task)),
          charges_one(named.charges_one),
          looks_beyond(named.looks_beyond),
          backoff(impl.config.backoff),
          context(name, impl.surroundings) {}
    /// "task sum", "--preprocess double".
    std::string Label() const;
    /// "task:sum", "task:--preprocess=double".
    std::string Section() const;

    Role role;
    std::string name;
    std::unique_ptr<Task> task;
    bool charges_one;
    bool looks_beyond;
    mutable bool told_batch_size = false;  // that batch_size() threw
    TaskCounts counts;
    LatencyHistogram run_time;
    TaskBackoff backoff;  // of kTask alone; see BackoffOf()
    TaskContext context;
  };

  /// A message in hand.
  struct Work {
    enum class State : std::uint8_t {
      kRuns,     // goes through the tasks that are left
      kCharged,  // has failed as a whole: every task that was left stays so
      kDecided,  // the verdict stands
    };
    JsonDocument document;
    std::unique_ptr<JsonDocument> replacement;  // of preprocess
    std::string replaced_text;
    Envelope envelope;
    JsonMessage message;
    Incoming incoming;
    std::size_t index = 0;  // in what Handle() was given
    int tries = 0;          // this one counted
    State state = State::kDecided;
    bool waits = false;                    // for a task that cannot go on: that charges no try
    std::vector<std::string_view> failed;  // names
    Verdict* verdict = nullptr;
  };

  Impl(ReaderConfig its_config, ReaderTasks its_tasks, ReaderSurroundings its_surroundings);
  void AddSlot(Role role, NamedTask named);

  // reader.cc
  /// Without `begin` the clock is read as often as it takes to be exact.
  bool LooksAhead() const;
  MonoTime Handle(std::span<const Incoming> messages, WallTime when, std::optional<MonoTime> begin,
                  std::vector<Verdict>* verdicts, std::span<const Incoming> next);
  /// Those that Handle() was told of before.
  bool TakePrepared(std::span<const Incoming> messages, std::vector<Verdict>* verdicts);
  void Prepare(std::span<const Incoming> messages);
  void BeginAll(std::span<const Incoming> messages, std::vector<Verdict>* verdicts);
  void Begin(Work& work);
  /// True when it is to be run.
  bool Count(const Work& work);
  MonoTime RunBegins(std::span<const Incoming> messages, std::optional<MonoTime> begin);
  void StartAnnouncing(std::size_t messages, std::size_t first_piece);
  void Announce(Work& work);
  void TellAhead();
  void BindOriginal(Work& work) const;
  void Conclude(Work& work);
  void FailUnknownTasks(Work& work) const;
  void Retry(Work& work);
  void Wait(Work& work) const;

  // reader_run.cc
  bool IsLeft(const Slot& slot, const Work& work) const;
  static std::size_t BatchOf(const Slot& slot);
  static bool RunsAlone(const Slot& slot, const Work& work) {
    return work.tries > 1 && !slot.charges_one;
  }
  void RunSlot(Slot& slot, std::size_t messages);
  void RunBatch(Slot& slot);
  bool RunOnce(Slot& slot, bool* fed);
  bool Guarded(Slot& slot);
  void Account(Slot& slot, Work& work, Outcome& outcome, bool* fed);
  void Succeeded(Slot& slot, const Outcome& outcome);
  Outcome Replace(Work& work, const Outcome& outcome) const;
  static void WaitFor(const Slot& slot, Work& work);
  void TakeEmissions(Slot& slot);
  void GiveUp(Work& work);
  MonoTime Now() const { return surroundings.clock ? surroundings.clock->Now() : MonoTime(); }
  TaskBackoff& BackoffOf(Slot& slot) { return slot.role == Role::kTask ? slot.backoff : gate; }
  const TaskBackoff& BackoffOf(const Slot& slot) const {
    return slot.role == Role::kTask ? slot.backoff : gate;
  }

  // reader_state.cc
  std::string SaveCounts() const;
  Status LoadCounts(std::string_view saved);

  const ReaderConfig config;
  const ReaderSurroundings surroundings;
  std::deque<Slot> slots;  // all_tasks, then the others that there are; addresses are kept
  std::size_t task_count = 0;
  std::vector<std::string> names;  // of all_tasks
  Slot* preprocess = nullptr;
  Slot* validate = nullptr;
  Slot* giveup = nullptr;
  TaskBackoff gate;  // of preprocess and validate together
  ReaderCounts counts;
  std::string fatal;
  bool has_run = false;  // a task, within this Handle()

  std::vector<std::unique_ptr<Work>> works;           // kept from one chunk to the next
  WallTime now{};                                     // of this Handle()
  MonoTime run_started{};                             // of the next run: the end of the one before
  Duration parse_time{};                              // of a message, when it was measured last
  Duration last_time{};                               // of the last message that was handled alone
  int unmeasured = kMeasured;                         // messages since
  Slot* hears_ahead = nullptr;                        // of what is read now; nullptr: no task
  std::size_t announces = 0;                          // how many it may still be told
  std::size_t announce_at = 0;                        // how many together, the next time
  std::vector<const Message*> announced;              // to be told together
  bool told_all = false;                              // it has heard of all that it will run
  std::vector<std::unique_ptr<Work>> prepared_works;  // of the next Handle()
  std::vector<Verdict> prepared_verdicts;
  std::size_t prepared = 0;  // how many
  std::vector<Work*> batch;  // of one run
  std::vector<const Message*> batch_messages;
  std::vector<Outcome> outcomes;

  /// Of tasks that this reader does not have, as they were loaded.
  std::map<std::string, std::string> kept_sections;
  struct KeptCounts {
    TaskCounts counts;
    TaskContext::Counters counters;
  };
  std::map<std::string, KeptCounts> kept_counts;
};

/// Marks a call into a task that is no run, while it lives.
class MarkedCall {
 public:
  MarkedCall(const ReaderSurroundings& surroundings, const std::string& task, std::string_view what)
      : surroundings_(surroundings) {
    if (surroundings_.calling) surroundings_.calling(task, what);
  }
  ~MarkedCall() {
    if (surroundings_.calling && surroundings_.left) surroundings_.left();
  }
  MarkedCall(const MarkedCall&) = delete;
  MarkedCall& operator=(const MarkedCall&) = delete;

 private:
  const ReaderSurroundings& surroundings_;
};

/// Adds "LABEL: WHY" to what failed before.
void AppendWhy(std::string* all, std::string_view label, std::string_view why);

}  // namespace rivulet
