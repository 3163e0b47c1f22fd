// Opening a file store: what the folder holds comes back into memory; and snapshots.
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/replace_file.h"
#include "journal/segment_files.h"
#include "store/file_snapshot.h"
#include "store/file_store.h"

namespace rivulet {

namespace {

constexpr std::string_view kOwner = "store";
/// How often a folder that another process writes to is read, until it held still.
constexpr int kTries = 50;
constexpr Duration kBetweenTries = std::chrono::milliseconds(2);
constexpr std::size_t kSnapshotHeadBytes = 56;

}  // namespace

FileStore::FileStore(const FileStoreOptions& options)
    : options_(options),
      disk_(options.disk != nullptr ? *options.disk : Disk::System()),
      memory_(std::make_unique<MemoryStore>(clock_)) {}

FileStore::~FileStore() {
  // What was answered is as safe as was promised already.
  if (log_ && broken_.ok()) static_cast<void>(log_->Close());
}

Result<std::unique_ptr<FileStore>> FileStore::Open(const FileStoreOptions& options) {
  std::unique_ptr<FileStore> store(new FileStore(options));  // NOLINT: the constructor is private
  const Status status = options.read_only ? store->LoadBesideWriter() : store->Start();
  if (!status.ok()) return status;
  return store;
}

Status FileStore::Start() {
  const std::string what = "file:" + options_.folder;
  if (mkdir(options_.folder.c_str(), 0750) != 0 && errno != EEXIST) return IoError(what, errno);
  auto lock = FileLock::Acquire(options_.folder + "/lock", what);
  if (!lock.ok()) return lock.status();
  lock_ = std::move(*lock);
  // A snapshot that was not finished.
  static_cast<void>(unlink((SnapshotPath() + ".new").c_str()));
  std::vector<RecoveredSegment> segments;
  if (Status status = Load(true, &segments); !status.ok()) return status;
  log_ = std::make_unique<FileLog>(
      FileLog::Config{options_.folder, std::string(kOwner), options_.segment_bytes,
                      options_.sync == FileStoreSync::kAlways},
      disk_);
  if (Status status = log_->Start(segments, first_segment_, first_position_); !status.ok()) {
    return status;
  }
  snapshot_at_bytes_ = std::max(options_.least_journal_bytes, 2 * snapshot_bytes_);
  disk_bytes_ = log_->disk_bytes() + snapshot_bytes_;
  return Status::Ok();
}

/// By which a folder that another process writes to is told from one that it leaves alone.
std::string FileStore::Outline() const {
  std::string outline;
  const auto head = ReadFileBytes(SnapshotPath(), kSnapshotHeadBytes);
  if (head.ok()) outline = *head;
  const auto files = ListSegments(options_.folder);
  if (!files.ok()) return outline;
  for (const SegmentFile& file : *files) {
    outline += fmt::format("|{} {}", file.number, file.bytes);
  }
  return outline;
}

/// The writer may replace the snapshot and remove segments meanwhile, or be writing what is read:
/// then once more. What is wrong twice in a folder that holds still is damage.
Status FileStore::LoadBesideWriter() {
  struct stat folder {};
  if (stat(options_.folder.c_str(), &folder) != 0) {
    return IoError("file:" + options_.folder, errno);
  }
  Status status;
  std::string wrong_before;
  for (int i = 0; i < kTries; ++i) {
    if (i > 0) std::this_thread::sleep_for(kBetweenTries);
    const std::string outline = Outline();
    const auto head = ReadFileBytes(SnapshotPath(), kSnapshotHeadBytes);
    std::vector<RecoveredSegment> segments;
    status = Load(false, &segments);
    const auto head_after = ReadFileBytes(SnapshotPath(), kSnapshotHeadBytes);
    const bool same = head.ok() == head_after.ok() && (!head.ok() || *head == *head_after);
    if (status.ok() && same) {
      for (const RecoveredSegment& segment : segments) disk_bytes_ += segment.disk_bytes;
      disk_bytes_ += snapshot_bytes_;
      return status;
    }
    if (!status.ok()) {
      const std::string wrong = outline + status.message();
      if (wrong == wrong_before && outline == Outline()) return status;
      wrong_before = wrong;
    } else {
      status = {StatusCode::kUnavailable,
                fmt::format("file:{}: it changes faster than it can be read", options_.folder)};
    }
  }
  return status;
}

Status FileStore::Load(bool repair, std::vector<RecoveredSegment>* segments) {
  auto snapshot = ReadFileSnapshot(SnapshotPath());
  if (!snapshot.ok()) return snapshot.status();
  const FileSnapshot none;
  const FileSnapshot& from = *snapshot ? **snapshot : none;
  clock_ = RunClock();
  clock_.MoveTo(from.time);
  if (Status status = memory_->Load(from.saved); !status.ok()) {
    return {StatusCode::kCorrupt, fmt::format("{}: {}", SnapshotPath(), status.message())};
  }
  snapshot_bytes_ = *snapshot ? kSnapshotHeadBytes + from.saved.size() : 0;
  first_segment_ = from.segment;
  first_position_ = from.position;
  if (repair) {
    if (Status status = RemoveCovered(); !status.ok()) return status;
  }
  RecoveryOptions options;
  options.path = options_.folder;
  options.owner = kOwner;
  options.read_only = !repair;
  auto recovered = Recover(
      options,
      [this](std::string_view record, const RecordPlace& place) {
        return place.segment < first_segment_ ? Status::Ok() : Replay(record);
      },
      &recovered_, disk_);
  if (!recovered.ok()) return recovered.status();
  if (!recovered->empty() && recovered->front().header.number > first_segment_) {
    return {StatusCode::kCorrupt,
            fmt::format("{}/{}:0: the segment is missing, or the snapshot before segment {}",
                        options_.folder, SegmentName(first_segment_),
                        recovered->front().header.number)};
  }
  *segments = std::move(*recovered);
  return Status::Ok();
}

/// Segments that a snapshot stands for: a crash may have come before they were removed.
Status FileStore::RemoveCovered() const {
  const auto files = ListSegments(options_.folder);
  if (!files.ok()) return files.status();
  for (const SegmentFile& file : *files) {
    if (file.number >= first_segment_) break;
    if (Status status = disk_.Remove(file.path); !status.ok()) return status;
  }
  return Status::Ok();
}

/// The disk was full where it had promised room, and memory holds what the disk does not.
Status FileStore::ReadBack(const Status& why) {
  const WallTime now = clock_.WallNow();
  std::vector<RecoveredSegment> segments;
  if (Status status = Load(false, &segments); !status.ok()) return Break(status);
  // All of it, or memory has lost what was answered.
  std::uint64_t end = first_position_;
  if (!segments.empty()) {
    const RecoveredSegment& last = segments.back();
    end = last.header.start + last.used_bytes - kSegmentHeaderBytes;
  }
  if (end != log_->position()) return Break(why);
  clock_.MoveTo(now);
  full_ = true;
  Status status(StatusCode::kUnavailable,
                fmt::format("file:{}: {}", options_.folder, why.message()));
  SetStatus(status);
  return status;
}

void FileStore::MakeSnapshot() {
  FileSnapshot snapshot{log_->next_segment(), log_->position(), clock_.WallNow(), memory_->Save()};
  const std::string bytes = EncodeFileSnapshot(snapshot);
  Status status = ReplaceFile(SnapshotPath(), bytes);
  if (!status.ok()) {
    // The journal is enough; the next try is made when it has grown by as much again as is least.
    snapshot_at_bytes_ = log_->log_bytes() + options_.least_journal_bytes;
    SetStatus(status);
    return;
  }
  snapshot_bytes_ = bytes.size();
  snapshot_at_bytes_ = std::max(options_.least_journal_bytes, 2 * snapshot_bytes_);
  snapshots_.fetch_add(1, std::memory_order_relaxed);
  // What cannot be removed now is removed by the next snapshot, or the next start.
  status = log_->DropAll();
  SetStatus(status);
}

}  // namespace rivulet
