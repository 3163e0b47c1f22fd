// Carries messages from a source through a reader, and carries out its verdicts.
//
// While one batch runs the next is fetched. Messages run in slices of a few milliseconds, so that
// answers and timers are served between them; the stop signal is looked at between any two
// messages. Nothing spins: with nothing to run the loop sleeps until a message is due, a pause is
// over or the source is to be asked again.
//
// Stopping, by Stop() or by an error: the message in hand ends, a fetch on its way is awaited, and
// every message that was not run goes back to the source. What the source does not take in time is
// set aside, so that no message is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "queuereader/failed_messages.h"
#include "queuereader/hold.h"
#include "queuereader/reader.h"
#include "queuereader/source.h"

namespace rivulet {

struct RunnerConfig {
  Duration sleeptime_queue_empty = std::chrono::milliseconds(500);
  Duration sleeptime_failed_queue = std::chrono::seconds(5);
  Duration drain_timeout = std::chrono::seconds(10);
  std::optional<Duration> exit_when_empty{};
  /// Looked at between two messages; Stop() is still to be called.
  std::function<bool()> stop_requested = [] { return false; };
};

class Runner {
 public:
  /// All must outlive the runner.
  Runner(EventLoop& loop, const Clock& clock, RunnerConfig config, Source& source, Reader& reader,
         FailedMessages& failed_messages);

  /// Begins. The loop is stopped when all is done.
  void Start();
  /// Begins to stop. Again: nothing.
  void Stop();

  /// 0, or 1 when messages could not be put where they belong.
  int exit_status() const { return exit_status_; }
  /// Messages that were read and, because of a stop, not run nor put back: still in the input.
  std::uint64_t left() const { return left_; }
  std::size_t held() const { return hold_.size(); }

 private:
  enum class State : std::uint8_t { kRunning, kDraining, kStopped };
  enum class Aside : std::uint8_t { kGivenUp, kMalformed, kNotPutBack };

  void Pump();
  void PumpSoon();
  void StartFetch();
  void OnFetched(Batch batch);
  void OnEmpty();
  void RunSlice();
  bool RunNext();
  void RunMessage(const Delivery& message, std::string_view body);
  void HoldBack(const Delivery& message, std::string_view body, WallTime due);
  void Requeue(std::uint32_t origin, std::string body);
  void SetAside(std::uint32_t origin, std::string_view body, Aside kind, std::string_view why);
  void OnRefused(const std::string& body, const Status& why);
  bool HasMessages() const;
  bool Idle() const;
  void ScheduleWake();
  void Fail(const Status& status);

  void Drain();
  void PutBackAll();
  void PutBack(const Delivery& message, std::string body);
  void OnDrainDeadline();
  void Finish();

  EventLoop& loop_;
  const Clock& clock_;
  RunnerConfig config_;
  Source& source_;
  Reader& reader_;
  FailedMessages& failed_messages_;
  Hold hold_;
  Timer wake_;
  Timer drain_deadline_;

  State state_ = State::kRunning;
  int exit_status_ = 0;
  std::uint64_t left_ = 0;
  Batch current_;
  std::size_t at_ = 0;         // the next message of current_
  std::optional<Batch> next_;  // fetched while current_ runs
  bool fetching_ = false;
  bool ended_ = false;
  bool requeued_since_fetch_ = false;  // an answer of kEnded may not know of it
  bool put_back_ = false;              // Drain() has given everything back
  bool pump_posted_ = false;
  MonoTime fetch_at_{};  // not before
  MonoTime paused_until_{};
  std::optional<MonoTime> empty_since_;
  struct Unplaced {
    std::uint32_t origin;
    std::string body;
  };
  std::vector<Unplaced> unplaced_;  // could not be set aside
};

}  // namespace rivulet
