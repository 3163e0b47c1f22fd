// A running file_to_http: files, gates and delivery on one loop, and how it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/terminal_line.h"
#include "bridge/dead_letters.h"
#include "bridge/delivery.h"
#include "bridge/message_filter.h"
#include "bridge/message_log.h"
#include "file_to_http/config.h"
#include "file_to_http/depth_gate.h"
#include "file_to_http/file_lines.h"
#include "file_to_http/offset_file.h"
#include "file_to_http/offset_tracker.h"
#include "file_to_http/progress.h"
#include "file_to_http/rate_limit.h"
#include "http/client.h"

namespace rivulet {

/// read == delivered + refused + filtered + pending.
struct FeederCounts {
  std::uint64_t read = 0;  // lines but for empty ones
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0;
  std::uint64_t filtered = 0;
  std::uint64_t empty = 0;
  std::uint64_t pending = 0;
};

/// Thread: the loop's. Must be destroyed before its loop.
class Feeder {
 public:
  static constexpr int kExitTaken = 0;
  static constexpr int kExitNotTaken = 1;

  /// Looks whether every file can be read, and opens the offset file and the dead letters. `loop`
  /// and `clock` must outlive it.
  static Result<std::unique_ptr<Feeder>> Open(EventLoop& loop, const Clock& clock,
                                              FeederConfig config);
  /// Of Open().
  Feeder(EventLoop& loop, const Clock& clock, FeederConfig config,
         std::unique_ptr<DeadLetters> dead_letters);
  ~Feeder();

  /// Reads and delivers until all is done with, then stops the loop; the loop must run.
  void Start();
  /// Reads no more, delivers what is pending within the drain timeout, then stops the loop. A
  /// second call stops it at once.
  void Drain();
  /// After SIGHUP: what is appended to may have been moved away.
  void ReopenDeadLetters();
  /// Once the loop has stopped: the offset file says what is done.
  void Finish();

  /// 0 when everything was read and taken; with --loop, which ends by a signal alone, when
  /// everything that was read was taken.
  int exit_status() const;
  FeederCounts counts() const;
  /// "N read, N delivered, ...".
  std::string Summary() const;

 private:
  Status OpenInput();
  void ScheduleTurn() { turn_.Start(Duration::zero()); }
  /// One turn of reading: the lines in hand, then the next piece.
  void Turn();
  /// Sees to it that line_ is there; false when what was read holds no more.
  bool NextLine();
  /// True when there are no more lines in hand; else what holds them schedules the next turn.
  bool TakeLines();
  /// Messages that rate and depth allow now; at 0 they will schedule the next turn.
  std::uint64_t Allowed();
  void Took(std::uint64_t messages);
  void OnProgress();
  void NoteDone();
  void StopWhenDone();
  ProgressFigures Figures() const;
  std::string WaitingFor() const;
  std::uint64_t BytesDone() const;
  void ShowProgress();
  void PrintStats();

  EventLoop& loop_;
  const Clock& clock_;
  FeederConfig config_;
  FileLines lines_;
  MessageFilter filter_;
  MessageLog log_;
  std::unique_ptr<DeadLetters> dead_letters_;
  HttpDelivery delivery_;
  Client client_;  // of the depth gate
  std::optional<DepthGate> depth_;
  std::optional<RateLimit> rate_;
  std::unique_ptr<OffsetFile> offsets_;
  OffsetTracker tracker_;
  FilePlace done_;
  std::optional<std::string_view> line_;  // cut off and filtered, and not taken yet
  Timer turn_;  // no Deferred: between two turns the loop must see what else there is
  Timer drain_;
  Timer stats_;
  Timer show_;
  TerminalLine terminal_;
  RecentRate message_rate_;
  RecentRate byte_rate_;
  MonoTime started_{};
  MonoTime last_stats_{};
  std::uint64_t last_delivered_ = 0;
  bool waiting_for_room_ = false;
  bool all_read_ = false;
  bool draining_ = false;
  bool hurried_ = false;  // told to end twice
};

}  // namespace rivulet
