// The durable log that daemons stand on: records go in, commits come out, and after a crash the
// records come back. Design decision 6; the files are told in journal/format.h.
//
// Group commit: what is appended during one loop turn is one batch. At the end of the turn it is
// written, and made as safe as the policy says; then its commit is complete. The owner holds
// answers back until then (http/reply.h, HoldUntil), so that an answer promises what it says:
//   kAlways    the helper thread writes and fdatasyncs the batch; meanwhile the next one gathers
//   kInterval  the loop writes the batch; the helper fdatasyncs once an interval, while there is
//              something to sync
//   kNone      the loop writes the batch; the system syncs when it likes, and at a change of
//              segment the helper does
// Everything that may block for long (fdatasync, making, shortening and removing of files) is the
// helper's, in one queue, in order.
//
// Failures (promise P2). A full disk: the batch at hand is taken back (Owner::OnFailed), everything
// that is written later refused (Admit), and once a second a new segment is tried; when it has been
// made and synced, the records that were taken back are written there, and all is well (OnHealed).
// Segments are allocated whole, before they are needed, so that a disk is found full early: then
// what grows the log is refused, and what shrinks it (a finish) goes on in the room that is left.
// Any other failure, and a failed fdatasync of acknowledged bytes whatever its reason: everything
// is refused until the process is started again. A descriptor is never synced again after that.
//
// Cleaning: segments leave from the oldest on, so that a record that says "message 7 is finished"
// never leaves before the record of message 7. The owner appends again what is live in the oldest
// segment and then drops it. With CleaningNeeded() followed the files stay below twice the live
// bytes and two segments; and since a round moves at most `live` bytes for as many bytes of
// garbage, a record is rewritten about once in its life time.
//
// Thread: the loop's. Memory: the batch that gathers and the one that is being written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "journal/disk.h"
#include "journal/recovery.h"

namespace rivulet {

class EventLoop;

struct SyncPolicy {
  enum class Kind { kAlways, kInterval, kNone };
  Kind kind = Kind::kAlways;
  Duration interval{};  // of kInterval
};
/// "always", "none", or a duration.
Result<SyncPolicy> ParseSyncPolicy(std::string_view text);

struct JournalConfig {
  std::string path;   // of the folder; made when there is none
  std::string owner;  // who may open it: "simplequeue"; at most 16 bytes
  SyncPolicy sync;
  std::uint64_t segment_bytes = 16ULL << 20;
  bool salvage = false;
  RecoveryProgress progress;           // of Open(), when wanted
  std::string option = "--data-path";  // what gave the folder, for messages
};

/// Where a commit's records lie: batches behind each other in one file.
struct CommitPlace {
  std::uint64_t commit = 0;
  std::uint64_t segment = 0;
  std::uint64_t begin = 0;  // in the file, of the first batch's header
  std::uint64_t end = 0;
};

class JournalOwner {
 public:
  virtual ~JournalOwner() = default;
  /// Called for each commit before OnCommitted() tells it: for who reads records back
  /// (journal/reader.h). There lie, in order, the records of all commits behind the one placed
  /// before. (A commit that a full disk took back is not told: its records lie in the place of the
  /// next one, behind what OnSegmentBegun() appended. Nor is what Close() writes.)
  virtual void OnPlaced(const CommitPlace& /*place*/) {}
  /// The open batch is the first of a segment: append what every segment must begin with. Called
  /// from inside Append(); and before OnFailed() of a full disk, because what is written later is
  /// written to a new segment, these records first and those that were taken back behind them.
  virtual void OnSegmentBegun() {}
  /// All commits up to that number are complete.
  virtual void OnCommitted(std::uint64_t commit) = 0;
  /// What was appended since the last complete commit is not safe, and its answers must say so.
  /// With a full disk (kExhausted) it will be written later; else never.
  virtual void OnFailed(const Status& why) = 0;
  virtual void OnHealed() {}
};

class Journal {
 public:
  struct Stats {
    std::uint64_t commits = 0;
    std::uint64_t records = 0;
    std::uint64_t syncs = 0;
    std::uint64_t failures = 0;
    std::uint64_t last_group = 0;  // records of the last commit
  };
  /// Is a write refused?
  enum class Work { kGrows, kShrinks };

  /// Locks the folder, brings back what is there (`visit` is called for every record, in order) and
  /// is ready to append. kInvalidArgument: not a journal of this owner, or locked by a process that
  /// the message names. kCorrupt: damage, at file:offset. `loop`, `clock` (which is read on the
  /// helper's thread too), `owner` and `disk` must outlive the journal; `owner` hears nothing
  /// before this returns.
  static Result<std::unique_ptr<Journal>> Open(JournalConfig config, EventLoop& loop,
                                               const Clock& clock, JournalOwner* owner,
                                               const RecordVisitor& visit, RecoveryReport* report,
                                               Disk& disk = Disk::System());
  /// Closes, as Close() does.
  virtual ~Journal() = default;
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Adds a record, `head` and `body` behind each other, to the open batch. Returns the number of
  /// the segment it goes to, or of one before it. A record has at most kMaxBatchBytes - 10 bytes.
  /// While Admit() refuses, records are still taken (a time-out must be
  /// told, and the owner has stopped what grows).
  virtual std::uint64_t Append(std::string_view head, std::string_view body = {}) = 0;
  /// The commit that the record appended last goes with; what is held for it may be answered once
  /// OnCommitted() has told that number.
  virtual std::uint64_t last_commit() const = 0;
  /// OK, or why nothing may be promised now: kExhausted heals by itself, kIoError does not.
  virtual Status Admit(Work work) const = 0;

  /// Whether the oldest segment should be cleaned, so many bytes of records (as appended, with 20
  /// bytes for each) being live.
  virtual bool CleaningNeeded(std::uint64_t live_bytes) const = 0;
  virtual std::uint64_t oldest_segment() const = 0;
  virtual std::uint64_t open_segment() const = 0;
  /// Removes the oldest segment once everything appended so far is complete and synced. At most one
  /// waits at a time: `dropping()`.
  virtual void DropOldest() = 0;
  virtual bool dropping() const = 0;
  /// Where a full disk holds back what was appended, DropOldest() would wait for it. This does not:
  /// for an owner that needs nothing of the oldest segment but what the complete commits of the
  /// next one tell. Nothing to do otherwise, or without such a segment.
  virtual void DropOldestWhileFull() {}

  virtual const Stats& stats() const = 0;
  virtual const LatencyHistogram& sync_latency() const = 0;
  /// Of all files.
  virtual std::uint64_t disk_bytes() const = 0;

  /// Writes and syncs what is there, marks the log as ended, and stops the helper. Blocks. OnFailed
  /// and OnCommitted are not called any more.
  virtual Status Close() = 0;
};

}  // namespace rivulet
