// What a bridge keeps of its work, on disk where it was told to: the messages that wait, where the
// source goes on, and what was refused.
//
//   with a spool   a source's position is kept in the spool, with the messages before it; the
//                  offset file follows what is committed there
//   without one    messages wait in memory, and the offset file follows what all destinations are
//                  done with
// Neither moves over refused messages before their dead letters are safe from a power cut; these
// are synced at once, and at most once a second, so that a destination that refuses much slows
// nothing.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_lock.h"
#include "base/status.h"
#include "bridge/backlog.h"
#include "bridge/dead_letters.h"
#include "bridge/forwarder.h"
#include "bridge/position_file.h"
#include "bridge/position_tracker.h"
#include "bridge/spool.h"
#include "ps_to_http/config.h"

namespace rivulet {

class BridgeFiles {
 public:
  /// Opens what the config names, and tells it where to go on: source.begin_at, source.first and
  /// forwarder.begin_at. `loop` and `clock` must outlive it.
  static Result<std::unique_ptr<BridgeFiles>> Open(BridgeConfig* config, EventLoop& loop,
                                                   const Clock& clock);
  BridgeFiles(EventLoop& loop, const Clock& clock, const BridgeConfig& config);  // of Open()
  ~BridgeFiles();
  BridgeFiles(const BridgeFiles&) = delete;
  BridgeFiles& operator=(const BridgeFiles&) = delete;

  Backlog* backlog() { return backlog_.get(); }
  /// nullptr: messages wait in memory.
  Spool* spool() { return spool_; }
  const Spool* spool() const { return spool_; }
  /// nullptr: refused messages are lost.
  DeadLetters* dead_letters() { return dead_letters_.get(); }
  /// Whether what waits is there after a restart.
  bool keeps_backlog() const { return spool_ != nullptr && spool_->health().ok(); }

  /// Called from the loop when Follow() is due: more is committed, or dead letters are safe; or
  /// when the health of the spool has changed.
  void OnChange(std::function<void()> callback) { on_change_ = std::move(callback); }
  /// What the backlog holds came from before this position, which there is. To be called after
  /// every message.
  void Note(const SourcePosition& position) {
    if (positions_ != nullptr) tracker_.Note(backlog_->end(), position);
    if (spool_ != nullptr) spool_->SetSource(keys_[position.url], position.next.value());
  }
  /// Moves positions and records of progress to what is done with.
  void Follow(const Forwarder& forwarder);
  /// After SIGHUP.
  Status Reopen();
  /// The last Follow(), made safe. Blocks. The first error of several.
  Status Close(const Forwarder& forwarder);

 private:
  Status OpenSpool(BridgeConfig* config, const Clock& clock);
  void ContinueFromSpool(BridgeConfig* config);
  Status OpenPositions(BridgeConfig* config, const Clock& clock);
  bool SyncLetters();
  void Changed();
  void Move(const Forwarder& forwarder);

  EventLoop& loop_;
  const Clock& clock_;
  std::vector<std::string> keys_;  // of the sources, by URL
  std::size_t readers_ = 1;        // of the spool
  std::unique_ptr<Backlog> backlog_;
  Spool* spool_ = nullptr;  // backlog_, when it is one
  std::unique_ptr<DeadLetters> dead_letters_;
  FileLock offset_lock_;
  std::unique_ptr<PositionFile> positions_;
  PositionTracker tracker_;
  Timer sync_letters_;
  std::uint64_t safe_letters_ = 0;
  MonoTime next_sync_{};
  std::function<void()> on_change_;
};

}  // namespace rivulet
