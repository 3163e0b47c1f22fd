// The half of DiskSpool that is about recovery, reading, and room.
#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "base/log.h"
#include "base/units.h"
#include "bridge/disk_spool.h"
#include "journal/journal_report.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kLeastMaxBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kLeastSegments = 4;
// What is on its way to the disk should fit into the quarter of a segment that is left when the
// next one is made: so a disk is found full while there is room to tell of readers.
constexpr std::uint64_t kUnsafePart = 8;
constexpr std::uint64_t kLeastUnsafeBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostUnsafeBytes = std::uint64_t{4} << 20;
constexpr Duration kPollEach = std::chrono::seconds(1);
constexpr Duration kCleanAgain = std::chrono::milliseconds(5);

}  // namespace

// Recovery.

Status DiskSpool::Start(Disk& disk) {
  if (config_.max_bytes < kLeastMaxBytes) {
    return InvalidArgument(fmt::format("spool {}: {} at most must be {} or more", config_.path,
                                       FormatByteCount(config_.max_bytes),
                                       FormatByteCount(kLeastMaxBytes)));
  }
  config_.segment_bytes = std::min(config_.segment_bytes, config_.max_bytes / kLeastSegments);
  limit_bytes_ = config_.max_bytes - config_.segment_bytes / 2;
  max_unsafe_bytes_ =
      std::clamp(config_.segment_bytes / kUnsafePart, kLeastUnsafeBytes, kMostUnsafeBytes);

  JournalConfig journal;
  journal.path = config_.path;
  journal.owner = kSpoolOwner;
  journal.option = "--spool-path";
  journal.sync = config_.sync;
  journal.segment_bytes = config_.segment_bytes;
  journal.progress = RecoveryProgressLog(config_.path, clock_);
  RestoredSpool restored;
  SpoolRestorer restorer(&restored);
  RecoveryReport report;
  auto opened = Journal::Open(
      std::move(journal), loop_, clock_, this,
      [&restorer](std::string_view record, const RecordPlace& place) {
        return restorer.Visit(record, place);
      },
      &report, disk);
  if (!opened.ok()) return opened.status();
  journal_ = std::move(*opened);
  LogRepairs(config_.path, report);
  Restore(std::move(restored));
  return {};
}

void DiskSpool::Restore(RestoredSpool restored) {
  index_ = std::move(restored.index);
  read_back_ = std::make_unique<SpoolReadBack>(config_.path, &index_, config_.readers.size() + 1);
  tail_ = std::make_unique<MessageLog>(config_.memory_bytes, restored.next);
  appended_ = committed_ = restored.next;
  bytes_ = committed_bytes_ = restored.bytes;
  for (auto& [url, position] : restored.sources) {
    sources_.push_back({std::move(url), position, position, position});
  }
  // Where the last one was that is known, also by a name that it has no more.
  std::uint64_t oldest = restored.readers.empty() ? restored.first : restored.next;
  for (const auto& [name, done] : restored.readers) oldest = std::min(oldest, done);
  oldest = std::max(oldest, restored.first);
  for (const std::string& name : config_.readers) {
    const auto known = std::ranges::find(restored.readers, name, &NamedNumber::first);
    const bool is_known = known != restored.readers.end();
    begin_at_.push_back(is_known ? std::max(known->second, restored.first) : oldest);
    readers_.push_back({name, begin_at_.back(), begin_at_.back()});
    if (is_known) {
      restored.readers.erase(known);
    } else if (restored.next > oldest) {
      LogInfo("spool {}: {} begins with the {} that are there", config_.path, name,
              Counted(restored.next - oldest, "message"));
    }
  }
  for (const auto& [name, done] : restored.readers) {
    LogWarning("spool {}: {} is not a destination any more, and forgotten; it had not taken {}",
               config_.path, name,
               Counted(restored.next - std::max(done, restored.first), "message"));
  }
  start_ = begin_at_.empty() ? oldest : *std::ranges::min_element(begin_at_);
  LogInfo("spool {}: {} to deliver, about {}", config_.path, Counted(end() - start_, "message"),
          Megabytes(held_bytes()));
  // From here on indexes are those of this run.
  state_due_ = !restored.is_new;
  if (state_due_) turn_.Schedule();
  LetGo();
  for (std::uint64_t& first : begin_at_) first = std::max(first, start_);
  Clean();
  poll_timer_.StartEvery(kPollEach);
}

// Reading.

MessageBatch DiskSpool::Slice(std::uint64_t first, std::uint64_t max_messages) {
  assert(first >= start_ && first < end() && max_messages > 0);
  if (first >= tail_->start()) return tail_->Slice(first, max_messages);
  auto batch = read_back_->Slice(first, max_messages, committed_);
  if (batch.ok()) {
    read_failed_ = false;
    return std::move(*batch);
  }
  if (!std::exchange(read_failed_, true)) {
    LogError("spool {}: message {} cannot be read, and is tried again: {}", config_.path, first,
             batch.status().message());
  }
  MessageBatch none;
  none.first = first;
  return none;
}

std::uint64_t DiskSpool::held_bytes() const {
  if (tail_->start() <= start_) return tail_->held_bytes();
  return bytes_ - index_.BytesBefore(start_, committed_, committed_bytes_);
}

std::uint64_t DiskSpool::memory_bytes() const {
  return tail_->held_bytes() + read_back_->memory_bytes() +
         index_.places() * sizeof(SpoolIndex::Place);
}

// Room.

void DiskSpool::DropBefore(std::uint64_t first) {
  assert(first <= end());
  if (first <= start_) return;
  MoveStart(first);
  Clean();
}

void DiskSpool::MoveStart(std::uint64_t first) {
  start_ = first;
  if (first > tail_->start()) tail_->DropBefore(first);
  read_back_->DropBefore(first);
}

/// What is committed can be read from the disk.
void DiskSpool::TrimMemory() {
  while (tail_->held_bytes() > config_.memory_bytes && tail_->start() < committed_) {
    const MessageBatch oldest = tail_->Slice(tail_->start(), committed_ - tail_->start());
    tail_->DropBefore(oldest.end());
  }
}

bool DiskSpool::has_room() const {
  return HasRoom(limit_bytes_ - config_.segment_bytes / 4, max_unsafe_bytes_ / 2);
}

bool DiskSpool::HasRoom(std::uint64_t limit_bytes, std::uint64_t unsafe) const {
  if (closed_ || !health().ok() || unsafe_bytes() >= unsafe) return false;
  std::uint64_t used = index_.used_bytes() + unsafe_bytes();
  // An open segment without a message that is needed goes with the next one that is begun, for
  // which there must be room.
  if (start_ == end() && !index_.segments().empty()) used -= index_.segments().back().end;
  return used < limit_bytes;
}

/// With kDropOldest: the oldest segments, in time for those behind them.
void DiskSpool::LetGo() {
  if (config_.when_full != SpoolConfig::WhenFull::kDropOldest) return;
  const auto& segments = index_.segments();
  std::uint64_t used = index_.used_bytes() + unsafe_bytes();
  const std::uint64_t allowed = limit_bytes_ - config_.segment_bytes / 2;
  std::uint64_t first = start_;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const std::uint64_t behind = segments[i + 1].first;
    if (used < allowed && behind > first) break;
    used -= segments[i].end;
    first = std::max(first, behind);
  }
  if (first == start_) return;
  std::uint64_t oldest_needed = readers_.empty() ? start_ : end();
  for (const Reader& reader : readers_) oldest_needed = std::min(oldest_needed, reader.done);
  oldest_needed = std::max(oldest_needed, start_);
  if (oldest_needed < first) {
    dropped_ += first - oldest_needed;
    LogWarning("spool {}: it is full: {} let go that were not delivered", config_.path,
               Counted(first - oldest_needed, "message"));
  }
  MoveStart(first);
}

/// Has the oldest segment removed that is not needed, one at a time. Whether one went.
bool DiskSpool::Clean() {
  const auto& segments = index_.segments();
  bool went = false;
  while (segments.size() > 1 && segments.front().number < journal_->oldest_segment()) {
    index_.PopFront();
    went = true;
  }
  if (segments.size() < 2 || segments[1].first > start_ || closed_) return went;
  if (!journal_->dropping()) {
    read_back_->Forget(segments.front().number);
    journal_->DropOldest();
  }
  // A disk that this spool has filled has no room again before that.
  journal_->DropOldestWhileFull();
  if (!clean_timer_.active() && !broken_) clean_timer_.Start(kCleanAgain);
  return went;
}

void DiskSpool::CleanLater() {
  if (Clean()) on_commit_();
}

/// That the disk has room again is not always told.
void DiskSpool::Poll() {
  Clean();
  on_commit_();
}

}  // namespace rivulet
