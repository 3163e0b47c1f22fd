// The life of segments: made ahead, finished, dropped; and the syncs between commits.
#include <algorithm>
#include <utility>

#include "journal/journal_writer.h"

namespace rivulet {

namespace {
constexpr Duration kRetryEvery = std::chrono::seconds(1);
}

Status JournalWriter::Admit(Work work) const {
  if (health_ != Health::kSound) return why_;
  if (!breaks_after_write_.ok()) return breaks_after_write_;
  if (next_ != Next::kNoRoom) return Status::Ok();
  const bool has_room = !segments_.empty() && segments_.back().used_bytes < room_bytes_;
  return work == Work::kShrinks && has_room ? Status::Ok() : no_room_;
}

bool JournalWriter::CleaningNeeded(std::uint64_t live_bytes) const {
  if (segments_.size() < 2 || dropping_ || health_ != Health::kSound) return false;
  // Beside what is used there may be the unused quarter of the open segment and the one made ahead
  // of it. Moving what is live in the oldest adds as much before any room is free, and half of that
  // again comes from outside meanwhile; a fifth of a segment more may come until it is removed, and
  // where there is room to be early, half a segment. (Earlier still, and with one live segment what
  // was just moved would be moved again.)
  const std::uint64_t segment = config_.segment_bytes;
  const std::uint64_t moved = std::min(segment, live_bytes);
  const std::uint64_t early = std::min(segment / 2, (live_bytes - moved) / 4);
  return used_bytes_ + moved + moved / 2 + segment * 9 / 20 + early > 2 * live_bytes + segment;
}

std::uint64_t JournalWriter::oldest_segment() const {
  return segments_.empty() ? begun_ + 1 : segments_.front().number;
}

std::uint64_t JournalWriter::open_segment() const {
  return segments_.empty() ? begun_ + 1 : segments_.back().number;
}

/// The segment that is written to. There is one, and at most one behind it.
JournalWriter::Segment& JournalWriter::begun() {
  Segment& last = segments_.back();
  return last.number == begun_ ? last : segments_[segments_.size() - 2];
}

std::string JournalWriter::PathOf(std::uint64_t number) const {
  return config_.path + "/" + SegmentName(number);
}

void JournalWriter::SetDiskBytes(Segment* segment, std::uint64_t bytes) {
  disk_bytes_ += bytes - segment->disk_bytes;
  segment->disk_bytes = bytes;
}

/// Before it is needed, so that no batch waits for it; but not before what is about to be dropped
/// has made room.
void JournalWriter::MakeNextEarly() {
  if (next_ != Next::kAbsent || dropping_ || closed_ || segments_.empty()) return;
  // A segment whose first batch may be taken back is itself the next one.
  if (write_running_ && writing_.begins_segment()) return;
  if (segments_.back().used_bytes >= config_.segment_bytes / 4 * 3) MakeNext();
}

void JournalWriter::MakeNext() {
  if (next_ != Next::kAbsent || health_ == Health::kBroken) return;
  next_ = Next::kMaking;
  auto made = std::make_shared<FilePtr>();
  helper_.Do(
      [this, made, path = PathOf(begun_ + 1)] {
        auto file = MakeFile(path);
        if (file.ok()) *made = std::move(*file);
        return file.status();
      },
      [this, made](const Status& status, Duration) { OnMade(status, *made); });
}

/// The helper's thread, and Start().
Result<JournalWriter::FilePtr> JournalWriter::MakeFile(const std::string& path) const {
  auto file = disk_.Create(path);
  if (!file.ok()) return file.status();
  Status status = (*file)->Allocate(config_.segment_bytes);
  if (status.ok()) status = (*file)->Sync();
  if (status.ok()) status = disk_.SyncDirectory(config_.path);
  if (status.ok()) return std::make_shared<SyncedFile>(std::move(*file));
  // What was reserved of it is needed elsewhere, and the next try makes it anew.
  const Status removed = disk_.Remove(path);
  return removed.ok() ? status : removed;
}

void JournalWriter::OnMade(const Status& status, const FilePtr& file) {
  if (health_ == Health::kBroken) return;
  if (status.ok()) {
    next_ = Next::kReady;
    next_file_ = file;
    disk_bytes_ += config_.segment_bytes;
    if (gathering_) flush_.Schedule();
    return;
  }
  if (status.code() != StatusCode::kExhausted) return Break(status);
  WaitForRoom(status);
  // Not while another batch is on its way, which would seem to heal it.
  if (gathering_ && gather_.begins_segment() && !write_running_) Full(status);
}

void JournalWriter::WaitForRoom(const Status& why) {
  next_ = Next::kNoRoom;
  no_room_ = why;
  if (!closed_) retry_.Start(kRetryEvery);
}

/// Gives back what the segment does not use, and makes the rest of it safe.
void JournalWriter::FinishFile(FilePtr file, const Segment& segment, bool sync) {
  const std::uint64_t used = segment.used_bytes;
  const std::uint64_t end = segment.start + used - kSegmentHeaderBytes;
  helper_.Do(
      [file = std::move(file), used, sync] {
        const Status status = file->disk().Truncate(used);
        return status.ok() && sync ? file->Sync() : status;
      },
      [this, used, end, sync, number = segment.number](const Status& status, Duration took) {
        if (!status.ok()) return Break(status);
        if (sync) CountSync(took, end);
        OnFinished(number, used);
      });
}

void JournalWriter::OnFinished(std::uint64_t number, std::uint64_t bytes) {
  for (Segment& segment : segments_) {
    if (segment.number == number) SetDiskBytes(&segment, bytes);
  }
}

void JournalWriter::DropOldest() {
  if (dropping_ || segments_.size() < 2 || health_ == Health::kBroken) return;
  dropping_ = true;
  drop_after_ = commit_;
  DropWhenSafe();
}

void JournalWriter::DropWhenSafe() {
  if (!dropping_ || drop_running_ || complete_ < drop_after_ || health_ != Health::kSound) return;
  Drop();
}

void JournalWriter::DropOldestWhileFull() {
  if (health_ != Health::kFull || drop_running_ || segments_.size() < 2) return;
  const Segment& next = segments_[1];
  if (next.number > begun_ || next.used_bytes <= kSegmentHeaderBytes) return;
  dropping_ = true;
  Drop();
}

void JournalWriter::Drop() {
  drop_running_ = true;
  // All before this has been written; in kAlways it has been synced too.
  const std::uint64_t written = always() ? synced_ : position_;
  helper_.Do(
      [this, file = always() ? nullptr : file_, path = PathOf(segments_.front().number)] {
        Status status = file ? file->Sync() : Status::Ok();
        if (status.ok()) status = disk_.Remove(path);
        return status.ok() ? disk_.SyncDirectory(config_.path) : status;
      },
      [this, written](const Status& status, Duration) { OnDropped(status, written); });
}

void JournalWriter::OnDropped(const Status& status, std::uint64_t synced) {
  drop_running_ = false;
  dropping_ = false;
  if (!status.ok()) return Break(status);
  if (gathering_) flush_.Schedule();
  synced_ = std::max(synced_, synced);
  used_bytes_ -= segments_.front().used_bytes;
  disk_bytes_ -= segments_.front().disk_bytes;
  segments_.pop_front();
  if (next_ == Next::kNoRoom && !closed_) {
    retry_.Cancel();
    next_ = Next::kAbsent;
    MakeNext();
  }
  MakeNextEarly();
}

void JournalWriter::SyncLater() {
  if (!sync_timer_.active() && !closed_) sync_timer_.Start(config_.sync.interval);
}

void JournalWriter::SyncNow() {
  if (sync_running_) {
    sync_again_ = true;
    return;
  }
  if (!file_ || synced_ == position_ || health_ == Health::kBroken) return;
  sync_running_ = true;
  helper_.Do([file = file_] { return file->Sync(); },
             [this, written = position_](const Status& status, Duration took) {
               sync_running_ = false;
               if (!status.ok()) return Break(status);
               CountSync(took, written);
               if (std::exchange(sync_again_, false)) SyncNow();
             });
}

void JournalWriter::CountSync(Duration took, std::uint64_t synced) {
  synced_ = std::max(synced_, synced);
  ++stats_.syncs;
  sync_latency_.Observe(took);
}

}  // namespace rivulet
