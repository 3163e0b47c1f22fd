#include "journal/recovery.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <random>

#include "journal/salvage.h"
#include "journal/segment_files.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kProgressBytes = 4 << 20;

class Recovery {
 public:
  Recovery(const RecoveryOptions& options, const RecordVisitor& visit, RecoveryReport* report,
           Disk& disk)
      : options_(options), visit_(visit), report_(report), disk_(disk) {}

  Result<std::vector<RecoveredSegment>> Run();

 private:
  // Before the batches are read.
  Status CheckOwners() const;
  Status RemoveNeverBegun();
  Status RemoveLeftovers();

  // Segment by segment; `i` is an index of files_. A torn tail ends it: ended_ is set.
  Status ReadSegment(std::size_t i);
  Status ReadBatches(std::size_t i, std::string_view file, std::uint64_t end);
  Status ReadBatch(std::size_t i, const SegmentScanner& scanner);
  Status MissingBefore(std::size_t i);
  Status NoHeader(std::size_t i);

  // What is done about a bad place.
  bool WasSynced(std::uint64_t position, std::size_t i, const SegmentScanner* scanner);
  void SearchSynced(SegmentScanner scanner);
  Status CutAt(std::size_t i, std::uint64_t offset, std::string_view bytes);
  Status CutBefore(std::size_t i);
  Status CutFrom(std::size_t i);
  Status Shorten(RecoveredSegment* segment);
  Status SetAsideIn(std::size_t i, std::string_view bytes, std::uint64_t from, std::uint64_t to);
  Status ReplaceByVoid(std::uint64_t number, const std::string& path, std::size_t next);
  Status RemoveFrom(std::size_t i);

  std::optional<std::uint64_t> NextStart(std::size_t i) const;
  std::uint64_t End(std::size_t i) const;
  Status SyncUnsynced();
  void Progress(std::uint64_t done_bytes);

  const RecoveryOptions& options_;
  const RecordVisitor& visit_;
  RecoveryReport* report_;
  Disk& disk_;
  std::vector<SegmentFile> files_;
  std::vector<RecoveredSegment> recovered_;
  std::optional<std::uint64_t> position_;      // where the log has come to
  std::uint64_t synced_ = 0;                   // the highest synced position a good batch has told
  std::optional<std::uint64_t> synced_later_;  // the same of all that lies behind a bad place
  bool ended_ = false;
  bool directory_changed_ = false;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t finished_bytes_ = 0;  // of the segments before this one
  std::uint64_t told_bytes_ = 0;
};

std::string At(const std::string& path, std::uint64_t offset) {
  return fmt::format("{}:{}", path, offset);
}

Status Damage(const std::string& path, std::uint64_t offset, const std::string& what) {
  return {StatusCode::kCorrupt, fmt::format("{}: {}", At(path, offset), what)};
}

std::uint64_t SyncedOf(const SegmentScanner& scanner, const SegmentHeader& header) {
  const std::uint32_t back = scanner.batch().synced_back;
  const std::uint64_t position = header.start + scanner.batch_offset() - kSegmentHeaderBytes;
  return back == kSyncedUnknown || back > position ? 0 : position - back;
}

Result<std::vector<RecoveredSegment>> Recovery::Run() {
  auto files = ListSegments(options_.path);
  if (!files.ok()) return files.status();
  files_ = std::move(*files);
  // A log that goes back is none: such a header is not this journal's.
  std::uint64_t start = 0;
  for (SegmentFile& file : files_) {
    if (file.header && file.header->start < start) file.header.reset();
    if (file.header) start = file.header->start;
    total_bytes_ += file.bytes;
  }
  if (Status status = CheckOwners(); !status.ok()) return status;
  if (Status status = RemoveNeverBegun(); !status.ok()) return status;
  if (Status status = RemoveLeftovers(); !status.ok()) return status;
  for (std::size_t i = 0; i < files_.size() && !ended_; ++i) {
    if (Status status = MissingBefore(i); !status.ok()) return status;
    if (Status status = ReadSegment(i); !status.ok()) return status;
  }
  if (Status status = SyncUnsynced(); !status.ok()) return status;
  if (options_.progress) options_.progress(total_bytes_, total_bytes_);
  return std::move(recovered_);
}

Status Recovery::CheckOwners() const {
  for (const SegmentFile& file : files_) {
    if (!file.header || options_.owner.empty() || file.header->owner == options_.owner) continue;
    return InvalidArgument(fmt::format("{}: the journal of \"{}\", not of \"{}\"", file.path,
                                       file.header->owner, options_.owner));
  }
  return Status::Ok();
}

Status Recovery::RemoveNeverBegun() {
  while (!files_.empty()) {
    const SegmentFile& last = files_.back();
    if (last.header || (!last.blank && last.data_behind_header)) break;
    // Blank with data behind: its first sector did not reach the disk. Whether that may be is told
    // by what lies before it, of which nothing says more than it does itself.
    if (last.data_bytes > 0) {
      report_->cut_bytes += last.data_bytes;
      report_->cut_at = At(last.path, 0);
    }
    if (Status status = RemoveFrom(files_.size() - 1); !status.ok()) return status;
  }
  return Status::Ok();
}

Status Recovery::RemoveLeftovers() {
  std::uint64_t oldest = 0;
  for (const SegmentFile& file : files_) {
    if (file.header) oldest = file.header->oldest;
  }
  std::size_t leftovers = 0;
  while (leftovers < files_.size() && files_[leftovers].number < oldest) {
    if (!options_.read_only) {
      if (Status s = disk_.Remove(files_[leftovers].path); !s.ok()) return s;
      directory_changed_ = true;
    }
    ++leftovers;
  }
  files_.erase(files_.begin(), files_.begin() + static_cast<std::ptrdiff_t>(leftovers));
  return Status::Ok();
}

/// Where the log goes on behind segment `i`, as far as a later header tells.
std::optional<std::uint64_t> Recovery::NextStart(std::size_t i) const {
  for (std::size_t next = i + 1; next < files_.size(); ++next) {
    if (files_[next].header) return files_[next].header->start;
  }
  return std::nullopt;
}

/// The offset at which the segment ends; what lies behind it is void. Beyond the file's own end
/// when bytes are missing.
std::uint64_t Recovery::End(std::size_t i) const {
  const auto next = NextStart(i);
  return next ? kSegmentHeaderBytes + *next - files_[i].header->start : files_[i].bytes;
}

Status Recovery::MissingBefore(std::size_t i) {
  if (i == 0) return Status::Ok();
  for (std::uint64_t number = files_[i - 1].number + 1; number < files_[i].number; ++number) {
    const std::string path = options_.path + "/" + SegmentName(number);
    if (!options_.salvage) return Damage(path, 0, "the segment is missing");
    ++report_->bad_places;
    if (Status status = ReplaceByVoid(number, path, i); !status.ok()) return status;
  }
  return Status::Ok();
}

Status Recovery::NoHeader(std::size_t i) {
  const SegmentFile& segment = files_[i];
  if (segment.blank && !WasSynced(position_.value_or(0), i, nullptr)) return CutBefore(i);
  if (!options_.salvage) return Damage(segment.path, 0, "the segment's header is bad");
  report_->bad_bytes += segment.data_bytes;
  ++report_->bad_places;
  if (!options_.read_only) {
    auto file = ReadFileBytes(segment.path);
    if (!file.ok()) return file.status();
    const std::string_view data = std::string_view(*file).substr(0, segment.data_bytes);
    if (Status status = SetAside(disk_, segment.path, 0, data); !status.ok()) return status;
    directory_changed_ = true;
  }
  if (NextStart(i)) return ReplaceByVoid(segment.number, segment.path, i);
  ended_ = true;
  return RemoveFrom(i);
}

Status Recovery::ReadSegment(std::size_t i) {
  if (!files_[i].header) return NoHeader(i);
  const SegmentHeader& header = *files_[i].header;
  if (!position_) position_ = header.start;
  auto file = ReadFileBytes(files_[i].path);
  if (!file.ok()) return file.status();
  const std::uint64_t end = End(i);
  ++report_->segments;
  recovered_.push_back({header, kSegmentHeaderBytes, files_[i].bytes});
  if (Status status = ReadBatches(i, *file, end); !status.ok()) return status;
  finished_bytes_ += files_[i].bytes;
  return Status::Ok();
}

Status Recovery::ReadBatches(std::size_t i, std::string_view file, std::uint64_t end) {
  const SegmentHeader& header = *files_[i].header;
  const std::string_view bytes = file.substr(0, end);
  SegmentScanner scanner(bytes, header);
  const auto come_to = [&](std::uint64_t offset) {
    recovered_.back().used_bytes = offset;
    position_ = header.start + offset - kSegmentHeaderBytes;
  };
  const bool next_is_good =
      i + 1 < files_.size() && files_[i + 1].header && files_[i + 1].number == files_[i].number + 1;
  while (true) {
    while (scanner.Next()) {
      if (Status status = ReadBatch(i, scanner); !status.ok()) {
        if (status.code() != StatusCode::kCorrupt || !options_.salvage) return status;
        const std::uint64_t from = scanner.batch_offset();
        status = SetAsideIn(i, bytes, from, scanner.offset());
        if (!status.ok()) return status;
      }
      come_to(scanner.offset());
      Progress(finished_bytes_ + scanner.offset());
    }
    const std::uint64_t bad = scanner.offset();
    if (bad == end || (!next_is_good && scanner.rest_is_zero())) return Status::Ok();
    if (!WasSynced(*position_, i, &scanner)) return CutAt(i, bad, file);
    if (!options_.salvage) return Damage(files_[i].path, bad, "the batch is bad");
    const std::uint64_t to = scanner.SkipToNextGood() ? scanner.offset() : end;
    if (Status status = SetAsideIn(i, bytes, bad, to); !status.ok()) return status;
    come_to(to);
    if (to == end) return Status::Ok();
  }
}

/// kCorrupt: a record that its owner refuses.
Status Recovery::ReadBatch(std::size_t i, const SegmentScanner& scanner) {
  synced_ = std::max(synced_, SyncedOf(scanner, *files_[i].header));
  ++report_->batches;
  report_->bytes += kBatchHeaderBytes + scanner.records().size();
  std::string_view records = scanner.batch().is_void ? std::string_view() : scanner.records();
  const std::uint64_t at = scanner.batch_offset(), end = scanner.offset();
  while (!records.empty()) {
    const RecordPlace place{files_[i].number, end - records.size(), end, at};
    const auto record = TakeRecord(&records);
    if (!record) return Damage(files_[i].path, at, "a record is longer than its batch");
    if (Status status = visit_(*record, place); !status.ok()) {
      return Damage(files_[i].path, at, status.message());
    }
    ++report_->records;
  }
  return Status::Ok();
}

/// Whether what stood at `position` had been synced, as far as anything behind it tells.
bool Recovery::WasSynced(std::uint64_t position, std::size_t i, const SegmentScanner* scanner) {
  if (!synced_later_) {
    synced_later_ = 0;
    if (scanner != nullptr) SearchSynced(*scanner);
    for (std::size_t later = i + 1; later < files_.size(); ++later) {
      if (!files_[later].header) continue;
      const auto file = ReadFileBytes(files_[later].path);
      if (!file.ok()) continue;
      SearchSynced(
          SegmentScanner(std::string_view(*file).substr(0, End(later)), *files_[later].header));
    }
  }
  return *synced_later_ > position;
}

void Recovery::SearchSynced(SegmentScanner scanner) {
  do {
    while (scanner.Next()) {
      synced_later_ = std::max(*synced_later_, SyncedOf(scanner, scanner.header()));
    }
  } while (scanner.SkipToNextGood());
  // What is not known is not thrown away.
  if (scanner.gave_up()) synced_later_ = UINT64_MAX;
}

Status Recovery::CutAt(std::size_t i, std::uint64_t offset, std::string_view bytes) {
  ended_ = true;
  report_->cut_bytes += std::max(DataBytes(bytes), offset) - offset;
  report_->cut_at = At(files_[i].path, offset);
  if (Status status = CutFrom(i + 1); !status.ok()) return status;
  return Shorten(&recovered_.back());
}

/// To what is used of it.
Status Recovery::Shorten(RecoveredSegment* segment) {
  segment->disk_bytes = std::min(segment->disk_bytes, segment->used_bytes);
  if (options_.read_only) return Status::Ok();
  auto file = disk_.Open(options_.path + "/" + SegmentName(segment->header.number));
  if (!file.ok()) return file.status();
  if (Status status = (*file)->Truncate(segment->used_bytes); !status.ok()) return status;
  return (*file)->Sync();
}

Status Recovery::CutBefore(std::size_t i) {
  ended_ = true;
  report_->cut_at = At(files_[i].path, 0);
  // With the next start goes what told that something behind the last good batch is void.
  if (!recovered_.empty()) {
    if (Status status = Shorten(&recovered_.back()); !status.ok()) return status;
  }
  return CutFrom(i);
}

Status Recovery::CutFrom(std::size_t i) {
  for (std::size_t cut = i; cut < files_.size(); ++cut) {
    const auto file = ReadFileBytes(files_[cut].path);
    if (file.ok()) report_->cut_bytes += DataBytes(*file);
  }
  return RemoveFrom(i);
}

/// Removes the segments from `i` on, the newest first, so that a crash leaves no hole.
Status Recovery::RemoveFrom(std::size_t i) {
  while (files_.size() > i) {
    const SegmentFile& last = files_.back();
    if (!options_.read_only) {
      if (Status status = disk_.Remove(last.path); !status.ok()) return status;
      directory_changed_ = true;
    }
    files_.pop_back();
  }
  return Status::Ok();
}

Status Recovery::SetAsideIn(std::size_t i, std::string_view bytes, std::uint64_t from,
                            std::uint64_t to) {
  const std::string_view bad = bytes.substr(from, to - from);
  report_->bad_bytes += bad.size();
  ++report_->bad_places;
  if (options_.read_only) return Status::Ok();
  directory_changed_ = true;
  const SegmentFile& segment = files_[i];
  if (Status status = SetAside(disk_, segment.path, from, bad); !status.ok()) return status;
  if (Status status = disk_.SyncDirectory(options_.path); !status.ok()) return status;
  return OverwriteByVoid(disk_, segment.path, *segment.header, from, to);
}

/// Puts a segment without records where one is missing or unreadable, up to where the next one that
/// can be read begins: `next`, or one behind it.
Status Recovery::ReplaceByVoid(std::uint64_t number, const std::string& path, std::size_t next) {
  std::uint64_t until = 0;
  std::string owner = options_.owner;
  for (; next < files_.size(); ++next) {
    if (!files_[next].header) continue;
    until = files_[next].header->start;
    owner = files_[next].header->owner;
    break;
  }
  SegmentHeader header;
  header.number = number;
  header.start = position_.value_or(until);
  header.oldest = files_.front().number;
  header.salt = std::uint64_t{std::random_device()()} << 32 | std::random_device()();
  header.owner = owner;
  const std::uint64_t bytes = std::max(until, header.start) - header.start;
  position_ = header.start + bytes;
  recovered_.push_back({header, kSegmentHeaderBytes + bytes, kSegmentHeaderBytes + bytes});
  if (options_.read_only) return Status::Ok();
  directory_changed_ = true;
  if (Status status = disk_.SyncDirectory(options_.path); !status.ok()) return status;
  return WriteVoidSegment(disk_, path, header, bytes);
}

/// What was read may be in the page cache alone, when it was a process that died and not the power:
/// from here on it counts as synced.
Status Recovery::SyncUnsynced() {
  if (options_.read_only) return Status::Ok();
  for (const RecoveredSegment& segment : recovered_) {
    if (segment.header.start + segment.used_bytes - kSegmentHeaderBytes <= synced_) continue;
    auto file = disk_.Open(options_.path + "/" + SegmentName(segment.header.number));
    if (!file.ok()) return file.status();
    if (Status status = (*file)->Sync(); !status.ok()) return status;
  }
  return directory_changed_ ? disk_.SyncDirectory(options_.path) : Status::Ok();
}

void Recovery::Progress(std::uint64_t done_bytes) {
  if (!options_.progress || done_bytes - told_bytes_ < kProgressBytes) return;
  told_bytes_ = done_bytes;
  options_.progress(done_bytes, total_bytes_);
}

}  // namespace

Result<std::vector<RecoveredSegment>> Recover(const RecoveryOptions& options,
                                              const RecordVisitor& visit, RecoveryReport* report,
                                              Disk& disk) {
  *report = RecoveryReport();
  return Recovery(options, visit, report, disk).Run();
}

}  // namespace rivulet
