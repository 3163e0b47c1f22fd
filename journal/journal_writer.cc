#include "journal/journal_writer.h"

#include <random>
#include <utility>

namespace rivulet {

namespace {

Status Lasting(const Status& why) {
  return {StatusCode::kIoError, why.message() + "; nothing is written until a restart"};
}

std::uint64_t NewSalt() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

}  // namespace

Status SyncedFile::Sync() {
  if (failed_.ok()) failed_ = file_->Sync();
  return failed_;
}

JournalWriter::JournalWriter(JournalConfig config, FileLock lock, EventLoop& loop,
                             const Clock& clock, JournalOwner* owner, Disk& disk)
    : config_(std::move(config)),
      owner_(owner),
      disk_(disk),
      flush_(loop, [this] { Flush(); }),
      retry_(loop,
             [this] {
               next_ = Next::kAbsent;
               MakeNext();
             }),
      sync_timer_(loop, [this] { SyncNow(); }),
      flush_soon_(loop, [this] { Flush(); }),
      lock_(std::move(lock)),
      helper_(loop, clock) {}

JournalWriter::~JournalWriter() { static_cast<void>(Close()); }

Status JournalWriter::Start(const std::vector<RecoveredSegment>& recovered) {
  for (const RecoveredSegment& segment : recovered) {
    segments_.push_back(
        {segment.header.number, segment.header.start, segment.used_bytes, segment.disk_bytes});
    used_bytes_ += segment.used_bytes;
    disk_bytes_ += segment.disk_bytes;
  }
  if (segments_.empty()) {
    auto file = MakeFile(PathOf(1));
    if (!file.ok()) return file.status();
    disk_bytes_ += config_.segment_bytes;
    next_ = Next::kReady;
    next_file_ = std::move(*file);
    return Status::Ok();
  }
  Segment& last = segments_.back();
  begun_ = last.number;
  header_ = recovered.back().header;
  position_ = last.start + last.used_bytes - kSegmentHeaderBytes;
  synced_ = position_;
  auto file = disk_.Open(PathOf(last.number));
  if (!file.ok()) return file.status();
  file_ = std::make_shared<SyncedFile>(std::move(*file));
  if (last.disk_bytes < config_.segment_bytes) {
    Status status = file_->disk().Allocate(config_.segment_bytes);
    // On a full disk it goes on in the room that there is.
    if (status.ok()) {
      SetDiskBytes(&last, config_.segment_bytes);
    } else if (status.code() == StatusCode::kExhausted) {
      WaitForRoom(status);
    } else {
      return status;
    }
  }
  room_bytes_ = last.disk_bytes;
  begin_again_ = last.used_bytes == kSegmentHeaderBytes;
  return Status::Ok();
}

std::uint64_t JournalWriter::Append(std::string_view head, std::string_view body) {
  if (health_ == Health::kBroken) return open_segment();
  if (!gathering_) OpenBatch(head.size() + body.size());
  gather_.Add(head, body);
  return segments_.back().number;
}

void JournalWriter::OpenBatch(std::uint64_t record_bytes) {
  gathering_ = true;
  ++commit_;
  const bool begins = NeedsSegment(record_bytes);
  gather_.Begin(begins);
  flush_.Schedule();
  if (begins) segments_.push_back({begun_ + 1, 0, 0, 0});
  if (begins || std::exchange(begin_again_, false)) owner_->OnSegmentBegun();
}

bool JournalWriter::NeedsSegment(std::uint64_t record_bytes) const {
  if (segments_.empty()) return true;
  // While the first batch of a segment is being written the segment may yet have to be made anew:
  // then what comes now goes there too.
  if (write_running_ && writing_.begins_segment()) return false;
  constexpr std::uint64_t kMostFramingBytes = kBatchHeaderBytes + 10;
  const std::uint64_t used = segments_.back().used_bytes;
  return used > kSegmentHeaderBytes && used + record_bytes + kMostFramingBytes > room_bytes_;
}

/// Writes the open batch if it can be written now. Whatever it waits for calls this again.
void JournalWriter::Flush() {
  if (!gathering_ || write_running_ || health_ == Health::kBroken) return;
  if (gather_.begins_segment()) {
    if (next_ == Next::kNoRoom) return Full(no_room_);
    if (next_ != Next::kReady) return MakeNext();
    if (drop_running_) return;  // first the room, or the files outgrow their bound
    BeginSegment();
  }
  Write();
}

void JournalWriter::BeginSegment() {
  if (file_) FinishFile(std::move(file_), begun(), !always());
  file_ = std::move(next_file_);
  next_ = Next::kAbsent;
  room_bytes_ = config_.segment_bytes;
  Segment& segment = segments_.back();
  begun_ = segment.number;
  segment.start = position_;
  segment.used_bytes = kSegmentHeaderBytes;
  segment.disk_bytes = room_bytes_;  // counted when the file was made
  used_bytes_ += kSegmentHeaderBytes;
  header_ = {segment.number, position_, segments_.front().number, NewSalt(), config_.owner};
}

void JournalWriter::Write() {
  gathering_ = false;
  std::swap(gather_, writing_);
  writing_commit_ = commit_;
  Segment& segment = segments_.back();
  const std::string_view bytes = writing_.Seal(header_, position_, synced_);
  const std::uint64_t offset = writing_.begins_segment() ? 0 : segment.used_bytes;
  segment.used_bytes += writing_.log_bytes();
  used_bytes_ += writing_.log_bytes();
  position_ += writing_.log_bytes();
  if (segment.used_bytes > segment.disk_bytes) SetDiskBytes(&segment, segment.used_bytes);
  if (!always()) {
    OnWritten(file_->disk().WriteAt(offset, bytes), {});
    return;
  }
  write_running_ = true;
  helper_.Do(
      [file = file_, offset, bytes] {
        const Status status = file->disk().WriteAt(offset, bytes);
        return status.ok() ? file->Sync() : status;
      },
      [this](const Status& status, Duration took) { OnWritten(status, took); });
}

void JournalWriter::OnWritten(const Status& status, Duration took) {
  write_running_ = false;
  if (health_ == Health::kBroken) return;
  const bool breaks = !breaks_after_write_.ok();
  if (status.code() == StatusCode::kExhausted && !closed_ && !breaks) return TakeBack(status);
  if (!status.ok()) {
    CutBack();
    return breaks ? BreakNow(breaks_after_write_) : Break(status);
  }
  if (always()) {
    CountSync(took, position_);
  } else if (config_.sync.kind == SyncPolicy::Kind::kInterval) {
    SyncLater();
  }
  Complete();
  if (breaks) BreakNow(breaks_after_write_);
}

/// What was refused should not come back at the next start. Nothing depends on it.
void JournalWriter::CutBack() {
  const std::uint64_t offset =
      writing_.begins_segment() ? 0 : begun().used_bytes - writing_.log_bytes();
  helper_.Do([file = file_, offset] { return file->disk().Truncate(offset); },
             [](const Status&, Duration) {});
}

void JournalWriter::Complete() {
  complete_ = writing_commit_;
  ++stats_.commits;
  stats_.records += writing_.records();
  stats_.last_group = writing_.records();
  const std::uint64_t end = begun().used_bytes;
  const CommitPlace placed{complete_, begun_, end - writing_.log_bytes(), end};
  writing_.Shrink();
  const bool healed = health_ == Health::kFull;
  health_ = Health::kSound;
  DropWhenSafe();
  MakeNextEarly();
  if (gathering_ && always() && !closed_) {
    // After one more look at the sockets: who is answered now asks again at once, and comes along.
    flush_soon_.Start(Duration::zero());
  } else if (gathering_) {
    flush_.Schedule();
  }
  if (closed_) return;
  owner_->OnPlaced(placed);
  owner_->OnCommitted(complete_);
  if (healed) owner_->OnHealed();
}

void JournalWriter::Break(const Status& why) {
  if (health_ == Health::kBroken) return;
  if (write_running_) {
    // That batch may become safe: what is answered then must not say that it is not.
    if (breaks_after_write_.ok()) breaks_after_write_ = Lasting(why);
    return;
  }
  BreakNow(Lasting(why));
}

void JournalWriter::BreakNow(const Status& why) {
  health_ = Health::kBroken;
  why_ = why;
  ++stats_.failures;
  gathering_ = false;
  gather_.Begin(false);
  retry_.Cancel();
  sync_timer_.Cancel();
  if (!closed_) owner_->OnFailed(why_);
}

/// The open batch waits for a segment that cannot be made.
void JournalWriter::Full(const Status& why) {
  if (health_ != Health::kSound) return;
  health_ = Health::kFull;
  why_ = why;
  ++stats_.failures;
  if (!closed_) owner_->OnFailed(why_);
}

/// The batch that was to be written found the disk full. It goes to the head of a segment that is
/// yet to be made, with all that has gathered since; the log goes on where it began.
void JournalWriter::TakeBack(const Status& why) {
  Segment& failed = begun();
  position_ -= writing_.log_bytes();
  used_bytes_ -= writing_.log_bytes();
  failed.used_bytes -= writing_.log_bytes();
  BatchBuffer gathered;
  std::swap(gathered, gather_);
  const bool was_gathering = gathering_;
  const bool made_anew = writing_.begins_segment();
  if (!was_gathering) ++commit_;
  gathering_ = true;
  gather_.Begin(true);
  if (made_anew) {
    used_bytes_ -= kSegmentHeaderBytes;
    failed.used_bytes = 0;
    SetDiskBytes(&failed, 0);
    --begun_;
    helper_.Do([this, file = std::move(file_)] { return disk_.Remove(file->disk().path()); },
               [this](const Status& status, Duration) {
                 if (!status.ok()) Break(status);
               });
  } else {
    // In kAlways all that stays was synced before, and what failed may have been the sync.
    FinishFile(std::move(file_), failed, !always());
    if (segments_.back().number == begun_) segments_.push_back({begun_ + 1, 0, 0, 0});
    owner_->OnSegmentBegun();
  }
  file_.reset();
  gather_.AddAll(writing_);
  if (was_gathering) gather_.AddAll(gathered);
  Full(why);
  if (next_ == Next::kReady) flush_.Schedule();
  if (next_ == Next::kAbsent) WaitForRoom(why);
}

Status JournalWriter::Close() {
  if (closed_) return close_status_;
  closed_ = true;
  helper_.Stop();
  retry_.Cancel();
  sync_timer_.Cancel();
  // Everything is done at once from here on, so a batch needs two rounds at most: its segment and
  // itself.
  for (int round = 0; round < 2 && gathering_; ++round) {
    if (next_ == Next::kNoRoom) next_ = Next::kAbsent;
    Flush();
  }
  close_status_ = health_ == Health::kSound ? WriteEnd() : why_;
  if (next_ == Next::kReady) {
    // Recovery would remove it too.
    static_cast<void>(disk_.Remove(next_file_->disk().path()));
  }
  // What is appended from now on goes nowhere.
  health_ = Health::kBroken;
  why_ = {StatusCode::kIoError, "the journal " + config_.path + " is closed"};
  gathering_ = false;
  file_.reset();
  next_file_.reset();
  lock_ = FileLock();
  return close_status_;
}

/// Says in the log that all of it is synced, so that whatever is found bad there is damage.
Status JournalWriter::WriteEnd() {
  if (!file_) return Status::Ok();
  if (synced_ < position_) {
    if (Status status = file_->Sync(); !status.ok()) return status;
  }
  gather_.Begin(false);
  const std::string_view bytes = gather_.Seal(header_, position_, position_);
  const Status status = file_->disk().WriteAt(begun().used_bytes, bytes);
  return status.ok() ? file_->Sync() : status;
}

}  // namespace rivulet
