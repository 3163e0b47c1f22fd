// The store in a folder: --store=file:DIR. All of it is in memory, and every change is in a journal
// (journal/format.h) before Run() returns: what has been answered is there after a kill -9, and,
// with FileStoreSync::kAlways, after a power cut.
//
//   DIR/lock                            one process at a time has the store
//   DIR/snapshot                        all of it at one moment (store/file_snapshot.h)
//   DIR/00000000000000000001.journal    what was changed since
//
// A record of the journal is the batch that was run and when: one Run() comes back whole or not at
// all. The store's time is the latest that it was ever run at, so that what is read back comes to
// the same though the wall clock was set back. The owner "store" in the segments' headers names the
// format of the records; another format has another owner, and is refused by that name.
//
// A snapshot is made when the journal is longer than FileStoreOptions::least_journal_bytes and
// twice the snapshot before: the folder holds at most three times the store, and what it writes is
// less than twice what changes. Run() waits for it: some tenths of a second for a million keys.
//
// Full disk: room is reserved before the memory changes, so a Run() that changes something answers
// kUnavailable and nothing is done; it goes on when there is room again. Where a file system
// reserves nothing, and a write fails half-way, it is cut off, and memory is read back from the
// disk. Any other failure of the disk: kUnknownOutcome once, then kUnavailable until the program is
// started again, for reading too, because memory holds what may not be safe.
//
// Where DIR is removed under it: the files that are open go on being written to and are gone with
// the process; when the next segment is due nothing can be made, and changes answer kUnavailable.
//
// A torn tail of the journal is cut when it is opened; damage anywhere else refuses (kCorrupt, at
// FILE:OFFSET).
//
// Cost: of the memory store, and 16 bytes and a write() for each Run() that changes something, with
// kAlways an fdatasync. Reading touches no disk. Open(): O(bytes of the folder).
//
// Thread: the one that runs tasks, but what HostedStore says otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_lock.h"
#include "base/status.h"
#include "journal/recovery.h"
#include "store/file_log.h"
#include "store/hosted_store.h"
#include "store/memory_store.h"

namespace rivulet {

enum class FileStoreSync : std::uint8_t {
  kAlways,  // a change is answered when the disk has it
  kNone,    // when the system has it, which writes it to the disk when it likes
};

struct FileStoreOptions {
  std::string folder;  // made when there is none, but not its parents
  FileStoreSync sync = FileStoreSync::kAlways;
  /// As it is now, though another process has it; changes answer kInvalidArgument.
  bool read_only = false;
  const Clock* clock = nullptr;  // required; outlives the store
  std::uint64_t segment_bytes = 16ULL << 20;
  std::uint64_t least_journal_bytes = 16ULL << 20;
  Disk* disk = nullptr;  // for tests; nullptr: the system's. Outlives the store
};

/// The time of a run, which never goes back.
class RunClock final : public Clock {
 public:
  MonoTime Now() const override { return MonoTime(wall_.time_since_epoch()); }
  WallTime WallNow() const override { return wall_; }
  void MoveTo(WallTime wall) {
    if (wall > wall_) wall_ = wall;
  }

 private:
  WallTime wall_{};
};

class FileStore final : public HostedStore {
 public:
  /// kInvalidArgument: another process has it (its number is told), or it is of another format.
  /// kCorrupt: damage. kIoError: what the system said.
  static Result<std::unique_ptr<FileStore>> Open(const FileStoreOptions& options);
  /// Syncs what was written.
  ~FileStore() override;
  FileStore(const FileStore&) = delete;
  FileStore& operator=(const FileStore&) = delete;

  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override;
  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                        std::size_t most) override;

  Result<std::optional<std::string>> Get(std::string_view key) override;
  Status Set(std::string_view key, std::string_view value) override;
  Result<std::int64_t> Increment(std::string_view key, std::int64_t by) override;
  Status Delete(std::string_view key) override;
  Result<std::int64_t> HashIncrement(std::string_view key, std::string_view field,
                                     std::int64_t by) override;
  Result<double> SortedAdd(std::string_view key, std::string_view member, double by) override;

  StoreReport Report() const override;

  /// What Open() found in the journal: how many runs, and what was cut off of them.
  const RecoveryReport& recovered() const { return recovered_; }
  std::uint64_t snapshots() const { return snapshots_.load(std::memory_order_relaxed); }

 private:
  explicit FileStore(const FileStoreOptions& options);

  // Before and after the memory store (file_store.cc).
  Status Readable();
  Status Admit(std::uint64_t batch_bytes);
  Status Keep(const StoreBatch& batch);
  template <typename Answer, typename Fill, typename Change>
  Answer ChangeOne(Fill fill, Change change);
  template <typename Answer>
  Answer Counted(Answer answer);
  Result<std::vector<StoreReply>> CountedRun(Result<std::vector<StoreReply>> replies,
                                             std::size_t commands);

  // Reading back, snapshots (file_store_load.cc).
  Status Start();
  Status LoadBesideWriter();
  std::string Outline() const;
  Status Load(bool repair, std::vector<RecoveredSegment>* segments);
  Status RemoveCovered() const;
  Status Replay(std::string_view record);
  Status ReadBack(const Status& why);
  void MakeSnapshot();
  Status Break(const Status& why);
  void SetStatus(const Status& status);
  std::string SnapshotPath() const { return options_.folder + "/snapshot"; }

  const FileStoreOptions options_;
  Disk& disk_;
  RunClock clock_;
  std::unique_ptr<MemoryStore> memory_;
  FileLock lock_;
  std::unique_ptr<FileLog> log_;  // nothing: read-only
  RecoveryReport recovered_;
  StoreBatch one_;                       // of a single command
  Status broken_;                        // until the next start
  bool full_ = false;                    // the last change was refused for that
  std::uint64_t first_segment_ = 1;      // behind the snapshot
  std::uint64_t first_position_ = 0;     // where it begins
  std::uint64_t snapshot_bytes_ = 0;     // of the last one; 0: there is none
  std::uint64_t snapshot_at_bytes_ = 0;  // of the journal, when the next is due

  std::atomic<std::uint64_t> commands_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> unknown_ = 0;
  std::atomic<std::uint64_t> disk_bytes_ = 0;
  std::atomic<std::uint64_t> snapshots_ = 0;
  mutable std::mutex mutex_;
  Status status_;  // guarded by mutex_
};

}  // namespace rivulet
