#include "store/file_log.h"

#include <algorithm>
#include <random>
#include <utility>

namespace rivulet {

namespace {

/// What a record of so many bytes takes in a file at most.
constexpr std::uint64_t kMostFramingBytes = kBatchHeaderBytes + 10;
/// A segment grows by so much at a time: a small store costs little, and few records wait for it.
constexpr std::uint64_t kStepBytes = 1 << 20;

std::uint64_t NewSalt() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

Status Lasting(const Status& why) { return {StatusCode::kIoError, why.message()}; }

}  // namespace

FileLog::FileLog(Config config, Disk& disk) : config_(std::move(config)), disk_(disk) {}

FileLog::~FileLog() = default;

std::string FileLog::PathOf(std::uint64_t number) const {
  return config_.folder + "/" + SegmentName(number);
}

Status FileLog::Start(const std::vector<RecoveredSegment>& recovered, std::uint64_t number,
                      std::uint64_t position) {
  next_number_ = first_number_ = number;
  position_ = first_position_ = position;
  if (recovered.empty()) {
    synced_ = position_;
    return Status::Ok();
  }
  for (const RecoveredSegment& segment : recovered) {
    segments_.push_back({segment.header.number, segment.disk_bytes});
  }
  const RecoveredSegment& last = recovered.back();
  first_number_ = recovered.front().header.number;
  first_position_ = recovered.front().header.start;
  next_number_ = last.header.number + 1;
  header_ = last.header;
  used_bytes_ = last.used_bytes;
  room_bytes_ = last.disk_bytes;
  position_ = header_.start + used_bytes_ - kSegmentHeaderBytes;
  synced_ = position_;
  auto file = disk_.Open(PathOf(header_.number));
  if (!file.ok()) return file.status();
  file_ = std::move(*file);
  return Status::Ok();
}

Status FileLog::Reserve(std::uint64_t record_bytes) {
  const std::uint64_t bytes = record_bytes + kMostFramingBytes;
  const bool ends =
      used_bytes_ > kSegmentHeaderBytes && used_bytes_ + bytes > config_.segment_bytes;
  if (!file_ || ends) return MakeSegment(kSegmentHeaderBytes + bytes);
  const std::uint64_t end = std::max(used_bytes_, kSegmentHeaderBytes) + bytes;
  return end <= room_bytes_ ? Status::Ok() : Grow(end);
}

Status FileLog::Grow(std::uint64_t bytes) {
  // Not beyond the segment's end, where nothing will be written.
  const std::uint64_t step = std::min((bytes / kStepBytes + 1) * kStepBytes, config_.segment_bytes);
  const std::uint64_t room = std::max(bytes, step);
  if (Status status = file_->Allocate(room); !status.ok()) return status;
  room_bytes_ = room;
  segments_.back().disk_bytes = room;
  return Status::Ok();
}

/// The segment that was written to until now stays that if there is no room for another.
Status FileLog::MakeSegment(std::uint64_t bytes) {
  const std::string path = PathOf(next_number_);
  auto file = disk_.Create(path);
  if (!file.ok()) return file.status();
  const std::uint64_t room = std::max(bytes, std::min(kStepBytes, config_.segment_bytes));
  Status status = (*file)->Allocate(room);
  if (status.ok() && config_.sync) status = (*file)->Sync();
  // Without a sync of what is in it, too: a hole among the segments would be damage.
  if (status.ok()) status = disk_.SyncDirectory(config_.folder);
  if (!status.ok()) {
    const Status removed = disk_.Remove(path);
    return removed.ok() ? status : removed;
  }
  if (file_) {
    // The room that it did not use. Nothing depends on it: the next segment tells where it ends.
    if (file_->Truncate(used_bytes_).ok()) segments_.back().disk_bytes = used_bytes_;
  }
  file_ = std::move(*file);
  segments_.push_back({next_number_, room});
  header_ = {next_number_, position_, first_number_, NewSalt(), config_.owner};
  ++next_number_;
  used_bytes_ = 0;
  room_bytes_ = room;
  return Status::Ok();
}

Status FileLog::Append(std::string_view head, std::string_view body) {
  buffer_.Begin(used_bytes_ == 0);
  buffer_.Add(head, body);
  const std::string_view bytes =
      buffer_.Seal(header_, position_, config_.sync ? position_ : synced_);
  Status status = file_->WriteAt(used_bytes_, bytes);
  if (status.code() == StatusCode::kExhausted) return TakeBack(status);
  if (status.ok() && config_.sync) status = file_->Sync();
  if (!status.ok()) return Lasting(status);
  used_bytes_ += bytes.size();
  position_ += buffer_.log_bytes();
  room_bytes_ = std::max(room_bytes_, used_bytes_);
  buffer_.Shrink();
  return Status::Ok();
}

Status FileLog::TakeBack(const Status& why) {
  if (Status status = file_->Truncate(used_bytes_); !status.ok()) return Lasting(status);
  room_bytes_ = used_bytes_;
  segments_.back().disk_bytes = used_bytes_;
  return why;
}

Status FileLog::DropAll() {
  file_.reset();
  first_number_ = next_number_;
  first_position_ = position_;
  while (!segments_.empty()) {
    if (Status status = disk_.Remove(PathOf(segments_.front().number)); !status.ok()) return status;
    segments_.erase(segments_.begin());
  }
  return Status::Ok();
}

std::uint64_t FileLog::disk_bytes() const {
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.disk_bytes;
  return bytes;
}

Status FileLog::Close() {
  if (!file_ || used_bytes_ == 0) return Status::Ok();
  for (const Segment& segment : segments_) {
    if (config_.sync || segment.number == header_.number) continue;
    auto file = disk_.Open(PathOf(segment.number));
    Status status = file.ok() ? (*file)->Sync() : file.status();
    if (!status.ok()) return status;
  }
  if (!config_.sync) {
    if (Status status = file_->Sync(); !status.ok()) return status;
  }
  buffer_.Begin(false);
  const std::string_view bytes = buffer_.Seal(header_, position_, position_);
  Status status = file_->WriteAt(used_bytes_, bytes);
  if (status.ok()) status = file_->Truncate(used_bytes_ + bytes.size());
  if (status.ok()) status = file_->Sync();
  file_.reset();
  return status;
}

}  // namespace rivulet
