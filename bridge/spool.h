// A backlog on disk: what a bridge has read and some destination has not taken yet, in a journal
// (journal/journal.h), so that neither a destination that is down nor a crash of the bridge loses
// it.
//
// Every message is appended to the journal and kept in memory, too, up to memory_bytes; a
// destination that is further behind is read to from the disk, in stretches of about 1 MiB, while
// the others go on from memory. What is appended may be delivered before it is safe; it is safe
// (committed()) as --spool-sync says, and only then is its source told so.
//
// With the messages the journal keeps how far each source was read, in the same commit, and, some
// times a second, how far each destination has come; every segment begins with all of that: so a
// segment can be dropped once its messages are done with, and a restart goes on where the last one
// stopped. After a crash, messages whose answer came in the last moments are sent once more.
//
// Disk use stays below max_bytes and one segment. At max_bytes the spool is full(): the source must
// wait (kWait); or the oldest segment is dropped, whoever has not taken its messages (kDropOldest):
// start() moves, and dropped() counts.
//
// A full disk: what is in memory and on disk is delivered on, the spool is full() until there is
// room again. Any other failure of the disk: health() says so, full() is true for good.
//
// Thread: the loop's. Memory: memory_bytes, what is not committed yet, a stretch for each
// destination that is behind, and 32 bytes for every 64 KiB on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/status.h"
#include "bridge/backlog.h"
#include "journal/disk.h"
#include "journal/journal.h"

namespace rivulet {

struct SpoolConfig {
  enum class WhenFull : std::uint8_t { kWait, kDropOldest };

  std::string path;  // of the folder; made when there is none
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  WhenFull when_full = WhenFull::kWait;
  SyncPolicy sync;
  std::uint64_t segment_bytes = std::uint64_t{16} << 20;
  std::uint64_t memory_bytes = std::uint64_t{16} << 20;
  /// What a destination is known by from one run to the next: its URL. In fan-out all of them; in
  /// round robin one name for all. One that the spool does not know begins at the oldest message
  /// that some reader of the last run was not done with. Those that it knows and that are not here
  /// any more are forgotten, with a log line.
  std::vector<std::string> readers;
  /// What the log says of a full disk: what happens until there is room again.
  std::string meanwhile = "the source waits";
};

class Spool : public Backlog {
 public:
  /// Of a message. A longer one is lost, logged and counted in dropped().
  static constexpr std::uint64_t kMaxMessageBytes = std::uint64_t{1} << 30;

  /// Locks the folder, recovers it. Errors as Journal::Open. `on_commit` is called from the loop
  /// when committed() has moved, health() has changed or there may be room again, and once a
  /// second. `loop`, `clock` and `disk` must outlive it.
  static Result<std::unique_ptr<Spool>> Open(SpoolConfig config, EventLoop& loop,
                                             const Clock& clock, std::function<void()> on_commit,
                                             Disk& disk = Disk::System());

  // Of recovery.
  /// For each reader of the config the first message it is not done with.
  virtual const std::vector<std::uint64_t>& begin_at() const = 0;
  /// Where the source of that SourceKey() goes on, if it was ever told.
  virtual std::optional<std::uint64_t> source_position(std::string_view key) const = 0;
  /// Of how many sources that is known.
  virtual std::size_t sources() const = 0;

  /// The reader is done with all messages before `number`. The least of all readers is what
  /// DropBefore() says, which the caller calls as for any backlog.
  virtual void SetDone(std::size_t reader, std::uint64_t number) = 0;
  /// What has been appended so far came from before this position of that source. Told in the same
  /// turn of the loop as its messages, it is kept with them, or lost with them.
  virtual void SetSource(std::string_view key, std::uint64_t position) = 0;
  /// Messages before this number are as safe as the sync policy says.
  virtual std::uint64_t committed() const = 0;

  /// As Close() said, after it.
  virtual Status health() const = 0;
  /// Messages that were let go because the spool was full (kDropOldest), and which some reader was
  /// not done with.
  virtual std::uint64_t dropped() const = 0;
  virtual std::uint64_t disk_bytes() const = 0;
  virtual const LatencyHistogram& sync_latency() const = 0;
  /// Makes safe what is there. Blocks.
  virtual Status Close() = 0;
};

}  // namespace rivulet
