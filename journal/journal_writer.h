// The journal behind its interface: which batch goes where, when, and what follows from how it
// went.
//
// The loop's thread knows all positions; the helper only makes the calls that block, in one queue.
// A batch that gathers is in one of three situations: it waits for the end of the turn, for the
// batch before it (kAlways), or for the segment that it is to begin.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "journal/batch_buffer.h"
#include "journal/folder_lock.h"
#include "journal/helper.h"
#include "journal/journal.h"

namespace rivulet {

/// A segment's file that remembers a failed sync, so that nobody syncs it again.
class SyncedFile {
 public:
  explicit SyncedFile(std::unique_ptr<DiskFile> file) : file_(std::move(file)) {}
  /// The helper's thread.
  Status Sync();
  DiskFile& disk() { return *file_; }

 private:
  std::unique_ptr<DiskFile> file_;
  Status failed_;
};

class JournalWriter final : public Journal {
 public:
  JournalWriter(JournalConfig config, FileLock lock, EventLoop& loop, const Clock& clock,
                JournalOwner* owner, Disk& disk);
  ~JournalWriter() override;

  /// Goes on behind what recovery found. Blocks.
  Status Start(const std::vector<RecoveredSegment>& recovered);

  std::uint64_t Append(std::string_view head, std::string_view body) override;
  std::uint64_t last_commit() const override { return commit_; }
  Status Admit(Work work) const override;
  bool CleaningNeeded(std::uint64_t live_bytes) const override;
  std::uint64_t oldest_segment() const override;
  std::uint64_t open_segment() const override;
  void DropOldest() override;
  void DropOldestWhileFull() override;
  bool dropping() const override { return dropping_; }
  const Stats& stats() const override { return stats_; }
  const LatencyHistogram& sync_latency() const override { return sync_latency_; }
  std::uint64_t disk_bytes() const override { return disk_bytes_; }
  Status Close() override;

 private:
  using FilePtr = std::shared_ptr<SyncedFile>;
  enum class Health {
    kSound,
    kFull,    // a batch was taken back, and waits for a segment
    kBroken,  // until restart
  };
  enum class Next { kAbsent, kMaking, kReady, kNoRoom };
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t start = 0;
    std::uint64_t used_bytes = 0;  // 0 until it is begun
    std::uint64_t disk_bytes = 0;
  };

  // A batch on its way (journal_writer.cc).
  void OpenBatch(std::uint64_t record_bytes);
  bool NeedsSegment(std::uint64_t record_bytes) const;
  void Flush();
  void BeginSegment();
  void Write();
  void OnWritten(const Status& status, Duration took);
  void Complete();
  void CutBack();

  // Failures (journal_writer.cc).
  void Break(const Status& why);
  void BreakNow(const Status& why);
  void Full(const Status& why);
  void TakeBack(const Status& why);

  // Segments (journal_segments.cc).
  Segment& begun();
  std::string PathOf(std::uint64_t number) const;
  void MakeNextEarly();
  void MakeNext();
  Result<FilePtr> MakeFile(const std::string& path) const;
  void WaitForRoom(const Status& why);
  void OnMade(const Status& status, const FilePtr& file);
  void FinishFile(FilePtr file, const Segment& segment, bool sync);
  void OnFinished(std::uint64_t number, std::uint64_t bytes);
  void DropWhenSafe();
  void Drop();
  void OnDropped(const Status& status, std::uint64_t synced);
  void SetDiskBytes(Segment* segment, std::uint64_t bytes);

  // Syncs of kInterval (journal_segments.cc).
  void SyncLater();
  void SyncNow();
  void CountSync(Duration took, std::uint64_t synced);

  Status WriteEnd();
  bool always() const { return config_.sync.kind == SyncPolicy::Kind::kAlways; }

  const JournalConfig config_;
  JournalOwner* const owner_;
  Disk& disk_;
  Deferred flush_;
  Timer retry_;
  Timer sync_timer_;
  Timer flush_soon_;

  Health health_ = Health::kSound;
  Status why_;                 // of kFull and kBroken
  Status breaks_after_write_;  // of kBroken, once the batch that is being written is told of
  bool closed_ = false;
  Status close_status_;
  Stats stats_;
  LatencyHistogram sync_latency_;

  BatchBuffer gather_;
  BatchBuffer writing_;
  bool gathering_ = false;
  bool write_running_ = false;  // in the helper
  std::uint64_t commit_ = 0;    // of the batch opened last
  std::uint64_t writing_commit_ = 0;
  std::uint64_t complete_ = 0;

  std::uint64_t position_ = 0;  // where the next batch will begin
  std::uint64_t synced_ = 0;    // everything before is
  bool sync_running_ = false;
  bool sync_again_ = false;

  std::deque<Segment> segments_;  // the last may be one that the open batch is to begin
  std::uint64_t begun_ = 0;       // number of the newest segment that has been begun
  FilePtr file_;          // its file; nothing before the first, and after a taken back batch
  SegmentHeader header_;  // its header
  std::uint64_t room_bytes_ = 0;  // what was allocated for it
  bool begin_again_ = false;      // the batch that it began with was cut off as torn
  std::uint64_t used_bytes_ = 0;  // of all segments together
  std::uint64_t disk_bytes_ = 0;

  Next next_ = Next::kAbsent;
  FilePtr next_file_;
  Status no_room_;  // of kNoRoom

  bool dropping_ = false;
  bool drop_running_ = false;
  std::uint64_t drop_after_ = 0;  // commit

  FileLock lock_;
  Helper helper_;  // last: gone first
};

}  // namespace rivulet
