// The runner's inside. What happens when is in runner.cc, fetching in runner_fetch.cc, slices and
// their verdicts in runner_slice.cc, settling in runner_settle.cc,
// leases in runner_leases.cc, checkpoints in
// runner_checkpoint.cc, the end in runner_drain.cc, a task that hangs in runner_hang.cc.
//
// Thread: the loop's, but Shared and slices.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/backoff.h"
#include "base/event_loop.h"
#include "queuereader/runner/hold.h"
#include "queuereader/runner/runner.h"
#include "queuereader/runner/slice.h"

namespace rivulet {

// How often within task_timeout a task is looked at.
inline constexpr int kChecksOfTimeout = 4;
// How old the copy of the reader's figures may be.
inline constexpr Duration kStatsPeriod = std::chrono::milliseconds(100);
// Bodies on their way back to a source, beyond which no more messages run.
inline constexpr std::size_t kMaxRequeues = 1'000;

struct Runner::Impl : std::enable_shared_from_this<Runner::Impl> {
  enum class State : std::uint8_t { kRunning, kDraining, kHung, kStopped };
  /// A message that was fetched, and is not in a slice.
  struct Pending {
    std::shared_ptr<const FetchedBatch> batch;
    std::uint32_t message = 0;
  };
  /// What a settlement with a body said, until the source has taken it: the body is ours again when
  /// it is refused.
  struct Requeue {
    std::uint32_t origin = 0;
    std::string receipt;
    std::string body;
  };
  /// Leases that the source is asked to prolong.
  struct Touching {
    std::uint32_t origin = 0;
    std::vector<Ledger::Token> tokens;
    std::vector<std::string> receipts;  // beside tokens
    MonoTime until{};
    std::uint64_t asked = 0;  // Ledger::doubts() then
  };
  /// Also of a slice that runs when the runner is gone.
  struct Shared {
    std::atomic<bool> stopping{false};
    Slice* slice = nullptr;  // that runs now; the task thread's
  };

  Impl(RunnerConfig config, RunnerParts parts);

  // runner.cc
  void Pump();
  void Stop();
  void Fail(const Status& status);
  void OnUnusable(const std::string& why);
  void Finish();
  void ScheduleWake();
  bool stop_requested() const { return shared->stopping || config.stop_requested(); }
  bool paused() const { return parts.clock->Now() < paused_until; }
  /// Nothing is in hand here, nor on its way to the source or to an output.
  bool Idle() const;
  bool OutputsDelivered() const;
  RunnerStats Stats() const;
  const char* StateName() const;
  bool WaitsForStore() const;

  // runner_fetch.cc
  void StartFetch();
  bool WantsMore() const;
  void OnFetched(Batch batch);
  void OnEmpty();
  void Take(Batch batch);
  /// The message of which the queue had no room for the body, with that.
  void TakeWithBody(const FetchedBatch& fetched, std::size_t message, Ledger::Received received);
  void AskDrained();
  /// The queue is empty, and has been for long enough, but nothing can be made safe.
  void EndWithoutCheckpoint();
  /// When to ask though a long poll is not answered yet.
  std::optional<MonoTime> AskDrainedAt() const;
  void AskDrainedInPoll();
  std::vector<std::string> OriginNames() const;

  // runner_slice.cc
  void StartSlice();
  /// But for a pause.
  bool MayRunSlices() const;
  bool FillSlice();
  void TakeDue();
  Ledger::Lease LeaseOf(const FetchedBatch& batch, std::uint32_t message, MonoTime now) const;
  void OnSliceDone();
  void PutBackUnrun(Slice& done);
  /// Carries out what was decided of the first `ran` messages.
  void Apply(Slice& done, std::size_t ran);
  void ApplyRemark(const Slice::Item& item, Slice::Remark& remark, std::uint64_t emitted);
  void Decide(const Slice::Item& item, Ledger::Decision decision);
  void HoldBack(const Slice::Item& item, WallTime due);
  void NotSetAside(const Slice::Item& item, const Status& why);
  void LogRequeued(std::string_view why);
  void WantStats();
  /// Task::Tick() of all tasks, unless the last one has not come back yet.
  void Tick();

  // runner_settle.cc
  void SettleUnleased(const Delivery& delivery, Fate fate, std::string body, Duration delay);
  void Requeued(Settlement* settlement);
  void SendDirect();
  void SettleCovered();
  void OnSettled(std::uint64_t token, Settled how, const Status& why);
  /// What the ledger is to be told.
  Settled OnRefused(std::uint64_t token, const Requeue& refused, const Status& why);
  /// True when it is on disk; else the reader stops with status 1.
  bool SetAside(std::string_view body, std::string_view kind, std::string_view why);

  // runner_leases.cc
  /// Prolongs leases that need it, and asks about those that are doubted.
  void Touch();
  void TouchSoon();
  void SendTouch(Touching touching);
  void OnTouched(const Touching& touching, const Status& status);
  void OnLost(std::uint32_t origin, const std::vector<std::string>& receipts);
  void OnDoubted(std::uint32_t origin);

  // runner_checkpoint.cc
  Status Restore();
  Status LoadLedger(const std::string& saved);
  void StartCheckpoint();
  bool CheckpointDue() const;
  void BeginCheckpoint();
  void Gather(const Status& status, CheckpointSections sections);
  void OnCheckpoint(const Status& status, std::uint64_t decisions);
  /// There is a decision, or a message that was run, that no checkpoint holds.
  bool Uncovered() const;

  // runner_drain.cc
  void Drain();
  bool AllSettled() const;
  void ReturnAll();
  void ReturnPending(const Pending& unrun);
  void OnDrainDeadline();
  /// Sets aside what would be lost with this process, and says how much that was.
  std::size_t EndSource(std::string_view why);

  // runner_hang.cc
  void CheckHang();
  /// Whether the task thread has had its time for what it has in hand since then, as this process
  /// runs.
  bool HasHadItsTime(MonoTime now, MonoTime since);
  void OnHang(const CrashMark::Current& current, const std::string& why);
  void OnCallHang(const std::string& why);
  void BeginHung();
  void ChargeHung(const Slice::Item& item, const std::string& why);
  void AwaitHungEnd();
  void EndHung();

  RunnerConfig config;
  RunnerParts parts;
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  Ledger ledger;
  Hold hold;
  Deferred pump;
  Timer wake;
  Timer touch;
  Timer touch_again;
  JitterBackoff touch_backoff;
  Timer drain_deadline;
  Timer hang_check;
  MonoTime hang_checked{};
  MonoTime in_hand_since{};  // of what the checks saw last
  int in_hand_halves = 0;    // of checks since
  Timer tick;

  State state = State::kRunning;
  int exit_status = 0;
  std::uint64_t left = 0;

  // Fetching.
  bool fetching = false;
  bool ended = false;
  bool asking_drained = false;
  bool requeued_since_fetch = false;  // an answer of kEnded may not know of it
  MonoTime fetch_at{};                // not before
  MonoTime fetch_began{};
  std::uint64_t fetch_doubts = 0;  // Ledger::doubts() then
  std::optional<MonoTime> empty_since;
  MonoTime ask_again_at{};  // whether all is drained
  Status source_status;
  std::size_t last_batch = 0;
  std::shared_ptr<const std::vector<std::string>> origin_names;
  std::optional<CrashMark::Crash> crash;  // to be told with its message
  std::string name;                       // scratch

  // Running.
  std::deque<Pending> pending;
  std::size_t pending_bytes = 0;
  std::shared_ptr<Slice> running;  // nullptr: none
  std::shared_ptr<Slice> spare;
  std::optional<Duration> time_a_message;
  MonoTime paused_until{};
  bool outputs_full = false;
  ReaderStats stats;
  bool stats_stale = false;
  MonoTime stats_at{};
  bool ticking = false;
  MonoTime requeue_log_from{};
  std::uint64_t requeues_logged = 0;

  // Settling.
  std::vector<Settlement> direct;                       // past the ledger, to be sent
  std::unordered_map<std::uint64_t, Requeue> requeues;  // by token
  std::uint64_t last_token = 0;
  std::size_t unplaced = 0;  // messages that could be put nowhere

  // Checkpoints.
  bool saving = false;
  bool dirty = false;              // something changed since the last one was gathered
  std::uint64_t run_since = 0;     // messages that were run since then
  std::uint64_t gathered_run = 0;  // of the one that is being written
  // Of a message whose try ended the process before: no task runs until a checkpoint holds that,
  // or the next crash could make this start forget it, for ever.
  enum class Charge : std::uint8_t { kNone, kRuns, kDecided, kSaving };
  Charge charge = Charge::kNone;
  MonoTime checkpoint_began{};
  MonoTime checkpoint_done{};
  std::uint64_t checkpoints = 0;
  Status checkpoint_status;
  MonoTime no_checkpoint_since{};  // of a checkpoint_status that is an error

  // The end.
  bool returned = false;    // ReturnAll() was done
  bool last_tried = false;  // the checkpoint after everything was settled
};

}  // namespace rivulet
