#include "bridge/spool_read_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bridge/spool_record.h"

namespace rivulet {

namespace {

constexpr std::size_t kStretchBytes = MessageLog::kBlockBytes;
// A stretch is read at once, so that few windows serve many readers.
constexpr std::size_t kWindowBytes = std::size_t{1} << 20;
constexpr std::size_t kWindows = 2;
constexpr std::size_t kMaxOpenFiles = 16;

}  // namespace

SpoolReadBack::SpoolReadBack(std::string path, const SpoolIndex* index, std::size_t max_stretches)
    : index_(index),
      reader_({std::move(path), kWindowBytes, kWindows, kMaxOpenFiles}),
      max_stretches_(std::max<std::size_t>(max_stretches, 1)) {}

Result<MessageBatch> SpoolReadBack::Slice(std::uint64_t first, std::uint64_t max_messages,
                                          std::uint64_t end) {
  Stretch* stretch = Kept(first);
  if (stretch == nullptr) {
    const auto read = Read(first, end);
    if (!read.ok()) return read.status();
    stretch = *read;
  }
  stretch->used = ++uses_;
  return stretch->log.Slice(first, max_messages);
}

void SpoolReadBack::DropBefore(std::uint64_t first) {
  stretches_.remove_if([first](const Stretch& stretch) { return stretch.log.end() <= first; });
}

void SpoolReadBack::Forget(std::uint64_t segment) {
  std::erase_if(spots_, [segment](const Spot& spot) { return spot.place.segment <= segment; });
  reader_.Forget(segment);
}

std::uint64_t SpoolReadBack::memory_bytes() const {
  std::uint64_t bytes = 0;
  for (const Stretch& stretch : stretches_) bytes += stretch.log.held_bytes();
  return bytes;
}

SpoolReadBack::Stretch* SpoolReadBack::Kept(std::uint64_t first) {
  for (Stretch& stretch : stretches_) {
    if (first >= stretch.log.start() && first < stretch.log.end()) return &stretch;
  }
  return nullptr;
}

Result<SpoolReadBack::Stretch*> SpoolReadBack::Read(std::uint64_t first, std::uint64_t end) {
  auto spot = SpotOf(first);
  if (!spot.ok()) return spot.status();
  if (stretches_.size() == max_stretches_) {
    stretches_.erase(std::ranges::min_element(stretches_, {}, &Stretch::used));
  }
  Stretch& stretch = stretches_.emplace_back(first);
  if (Status status = Fill(end, &*spot, &stretch.log); !status.ok()) {
    stretches_.pop_back();
    return status;
  }
  Remember(*spot);
  ++stretches_read_;
  return &stretch;
}

/// The nearest run at or before that message that is known, or something before it.
Result<SpoolReadBack::Spot> SpoolReadBack::SpotOf(std::uint64_t message) const {
  const auto place = index_->PlaceOf(message);
  if (!place) {
    return Status(StatusCode::kCorrupt, fmt::format("message {} is not in the spool", message));
  }
  Spot nearest{place->first, {place->segment, place->offset}};
  for (const Spot& spot : spots_) {
    if (spot.first <= message && spot.first >= nearest.first) nearest = spot;
  }
  return nearest;
}

void SpoolReadBack::Remember(const Spot& spot) {
  if (spots_.size() == 2 * max_stretches_) spots_.erase(spots_.begin());
  spots_.push_back(spot);
}

/// Messages from the log's end on, at least one. Leaves `*spot` where the next ones are.
Status SpoolReadBack::Fill(std::uint64_t end, Spot* spot, MessageLog* log) {
  const std::uint64_t first = log->end();
  while (log->end() < end) {
    RecordPlace behind = spot->place;
    const auto record = Next(&behind);
    // What can be read is given first.
    if (!record.ok()) return log->end() > first ? Status::Ok() : record.status();
    SpoolRun run;
    if (!DecodeSpoolRun(*record, &run)) {
      spot->place = behind;
      continue;
    }
    std::uint64_t number = run.first;
    if (number > log->end()) {
      return {StatusCode::kCorrupt, fmt::format("{}: message {} is not there: the next one is {}",
                                                SegmentName(behind.segment), log->end(), number)};
    }
    std::string_view message;
    for (std::string_view rest = run.messages; TakeSpoolMessage(&rest, &message); ++number) {
      if (number < log->end()) continue;
      const bool is_full = log->held_bytes() + message.size() + 1 > kStretchBytes;
      if (log->end() == end || (is_full && log->end() > first)) {
        spot->first = run.first;
        return {};
      }
      log->Append(message);
    }
    *spot = {number, behind};
  }
  return {};
}

/// The next record of the journal.
Result<std::string_view> SpoolReadBack::Next(RecordPlace* place) {
  while (true) {
    const SpoolIndex::Segment* const segment = index_->Find(place->segment);
    if (segment != nullptr) {
      const auto record = reader_.Next(place, segment->end);
      if (!record.ok()) return record.status();
      if (record->has_value()) return **record;
    }
    const SpoolIndex::Segment* const behind = index_->Behind(place->segment);
    if (behind == nullptr) {
      return Status(StatusCode::kCorrupt, fmt::format("{}:{}: the journal ends before its messages",
                                                      SegmentName(place->segment), place->offset));
    }
    *place = {behind->number, kSegmentHeaderBytes};
  }
}

}  // namespace rivulet
