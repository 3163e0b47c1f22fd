#include "pubsub/disk_past.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <iterator>

namespace rivulet {

namespace {

constexpr std::uint64_t kMinStretchBytes = 512;  // where the retention itself is small
constexpr std::uint64_t kPartOfRetention = 8;
constexpr std::uint64_t kMaxStretchMessages = 4096;
constexpr std::uint64_t kFarBytes = 256 * 1024;
constexpr std::uint64_t kFewBytes = 4 * 1024;
constexpr std::uint64_t kMaxOverhead = 4;  // times the retention
constexpr unsigned kHalfBits = 32;

}  // namespace

DiskPast::DiskPast(RunReader* reader, SegmentUse* use, std::uint32_t topic, Retention retention)
    : reader_(reader),
      use_(use),
      topic_(topic),
      retention_(retention),
      stretch_bytes_(
          std::clamp(retention.bytes / kPartOfRetention, kMinStretchBytes, kStretchBytes)) {}

bool DiskPast::Fits(const Stretch& stretch, const PlacedRun& run) const {
  const std::uint64_t begin = stretch.place.offset;
  if (run.place.segment != stretch.place.segment || run.place.offset < begin ||
      run.first_offset != stretch.end_offset()) {
    return false;
  }
  const std::uint64_t bytes = stretch.amount.bytes + run.bytes;
  const std::uint64_t messages = stretch.amount.messages + run.messages;
  if (bytes > stretch_bytes_ || messages > kMaxStretchMessages) return false;
  if (run.place.offset - begin > kFarBytes && stretch.amount.bytes >= kFewBytes) return false;
  return retention_.time == Duration::zero() ||
         run.time - stretch.time <= retention_.time / static_cast<int>(kPartOfRetention);
}

DiskPast::Stretch DiskPast::Made(const PlacedRun& run) const {
  return {run.first_offset, run.first_sequence, run.time, {1, run.messages, run.bytes},
          bytes_ever_,      run.place,          run.end};
}

void DiskPast::Extend(Stretch* stretch, const PlacedRun& run) {
  stretch->amount += {1, run.messages, run.bytes};
  stretch->end = run.end;
}

void DiskPast::Add(const PlacedRun& run) {
  assert(run.first_offset == end_offset_);
  const RunAmount amount{1, run.messages, run.bytes};
  if (!stretches_.empty() && Fits(stretches_.back(), run)) {
    Extend(&stretches_.back(), run);
  } else {
    stretches_.push_back(Made(run));
  }
  use_->Add(run.place.segment, amount);
  kept_ += amount;
  bytes_ever_ += run.bytes;
  end_offset_ += run.messages;
  last_time_ = run.time;
  end_sequence_ = run.first_sequence + run.messages;
  Trim(run.time);
}

void DiskPast::Move(const PlacedRun& run) {
  if (run.first_offset < first_offset()) return;
  const std::size_t index = Find(run.first_offset);
  if (index == stretches_.size()) return;
  Stretch& from = stretches_[index];
  // Moved in order, so that it is the first of what is left there.
  if (from.first_offset != run.first_offset || from.place.segment == run.place.segment) return;
  const RunAmount amount{1, run.messages, run.bytes};
  Stretch made = Made(run);
  made.bytes_before = from.bytes_before;
  use_->Remove(from.place.segment, amount);
  use_->Add(run.place.segment, amount);
  from.first_offset += run.messages;
  from.sequence = run.first_sequence + run.messages;
  from.time = run.time;
  from.bytes_before += run.bytes;
  from.amount -= amount;
  const bool extends = index > 0 && Fits(stretches_[index - 1], run);
  if (extends) Extend(&stretches_[index - 1], run);
  if (from.amount.records > 0) {
    if (!extends) stretches_.insert(stretches_.begin() + static_cast<std::ptrdiff_t>(index), made);
  } else if (extends) {
    stretches_.erase(stretches_.begin() + static_cast<std::ptrdiff_t>(index));
  } else {
    from = made;
  }
}

void DiskPast::PopFront() {
  const Stretch& front = stretches_.front();
  use_->Remove(front.place.segment, front.amount);
  kept_ -= front.amount;
  stretches_.pop_front();
  if (last_found_ > 0) --last_found_;
}

void DiskPast::Trim(WallTime now) {
  while (!stretches_.empty()) {
    const Stretch& oldest = stretches_.front();
    RunAmount rest = kept_;
    rest -= oldest.amount;
    const bool too_much = rest.bytes >= retention_.bytes;
    // Empty messages take room too.
    const bool too_costly = rest.file_bytes() >= kMaxOverhead * retention_.bytes + kStretchBytes;
    const WallTime last = stretches_.size() > 1 ? stretches_[1].time : last_time_;
    const bool too_old = retention_.time > Duration::zero() && now - last >= retention_.time;
    if (!too_much && !too_costly && !too_old) return;
    PopFront();
  }
}

void DiskPast::Restore(const PlacedRun& run) {
  const RunAmount amount{1, run.messages, run.bytes};
  last_time_ = std::max(last_time_, run.time);
  const std::uint64_t known = end_sequence_ == UINT64_MAX ? 0 : end_sequence_;
  end_sequence_ = std::max(known, run.first_sequence + run.messages);
  if (stretches_.empty() || run.first_offset >= stretches_.back().end_offset()) {
    if (!stretches_.empty() && Fits(stretches_.back(), run)) {
      Extend(&stretches_.back(), run);
    } else {
      stretches_.push_back(Made(run));
    }
  } else {
    // Of what was moved, and is also still where it was, the first counts.
    const std::size_t index = Find(run.first_offset);
    if (stretches_[index].first_offset <= run.first_offset) return;
    const auto behind = filled_.upper_bound(run.first_offset);
    Stretch* const before = behind == filled_.begin() ? nullptr : &std::prev(behind)->second;
    if (before != nullptr && before->end_offset() > run.first_offset) return;
    if (before != nullptr && Fits(*before, run)) {
      Extend(before, run);
    } else {
      filled_.emplace(run.first_offset, Made(run));
    }
  }
  use_->Add(run.place.segment, amount);
  kept_ += amount;
}

void DiskPast::EndRestore(std::uint64_t end_offset, bool holes) {
  if (!filled_.empty()) {
    std::deque<Stretch> merged;
    auto filled = filled_.begin();
    for (const Stretch& stretch : stretches_) {
      for (; filled != filled_.end() && filled->first < stretch.first_offset; ++filled) {
        merged.push_back(filled->second);
      }
      merged.push_back(stretch);
    }
    // None is left: each came before something in stretches_.
    stretches_ = std::move(merged);
    filled_.clear();
  }
  if (stretches_.empty() || stretches_.back().end_offset() != end_offset)
    end_sequence_ = UINT64_MAX;
  std::uint64_t needed = end_offset;
  std::size_t kept = stretches_.size();
  while (kept > 0 && (holes || stretches_[kept - 1].end_offset() == needed)) {
    needed = stretches_[--kept].first_offset;
  }
  for (; kept > 0; --kept) PopFront();
  bytes_ever_ = 0;
  for (Stretch& stretch : stretches_) {
    stretch.bytes_before = bytes_ever_;
    bytes_ever_ += stretch.amount.bytes;
  }
  end_offset_ = end_offset;
}

std::uint64_t DiskPast::first_offset() const {
  return stretches_.empty() ? end_offset_ : stretches_.front().first_offset;
}

std::uint64_t DiskPast::gone_sequence() const {
  if (first_offset() == 0) return 0;
  return stretches_.empty() ? end_sequence_ : stretches_.front().sequence;
}

std::size_t DiskPast::Find(std::uint64_t offset) {
  for (std::size_t near = last_found_; near < stretches_.size() && near < last_found_ + 2; ++near) {
    if (offset < stretches_[near].first_offset) break;
    if (offset < stretches_[near].end_offset()) return last_found_ = near;
  }
  auto found = std::partition_point(
      stretches_.begin(), stretches_.end(),
      [offset](const Stretch& stretch) { return stretch.end_offset() <= offset; });
  return last_found_ = static_cast<std::size_t>(found - stretches_.begin());
}

// Two numbers are in one hint. Where one does not fit, as in a segment of more than 4 GiB, there is
// no hint.

DiskPast::Spot DiskPast::SpotOf(const PastPlace& place) {
  Spot spot;
  spot.place.segment = place.hint[0] >> kHalfBits;
  spot.place.offset = place.hint[1] >> kHalfBits;
  spot.place.batch_begin = static_cast<std::uint32_t>(place.hint[1]);
  spot.place.batch_end = place.hint[2];
  spot.inner = static_cast<std::uint32_t>(place.hint[0]);
  return spot;
}

void DiskPast::SetSpot(const Spot& spot, PastPlace* place) {
  const RecordPlace& at = spot.place;
  if (((at.segment | spot.inner | at.offset | at.batch_begin) >> kHalfBits) != 0) {
    *place = {place->offset, {0, 0, 0}};
    return;
  }
  place->hint[0] = at.segment << kHalfBits | spot.inner;
  place->hint[1] = at.offset << kHalfBits | at.batch_begin;
  place->hint[2] = at.batch_end;
}

/// The run of the message of that offset, at `from` or behind it. nullptr: it is not there.
Result<const RunReader::Found*> DiskPast::Search(const Stretch& stretch, std::uint64_t offset,
                                                 const RecordPlace& from, Spot* spot) {
  *spot = {from, 0};
  while (true) {
    auto found = reader_->Find(topic_, spot->place, stretch.end);
    if (!found.ok() || *found == nullptr) return found;
    const MessageRun& run = (*found)->run;
    // A run with later ones may be one that was moved here behind what is sought.
    if (run.first_offset <= offset) {
      std::string_view rest = run.messages;
      std::string_view body;
      std::uint64_t at = run.first_offset;
      while (at < offset && TakeMessage(&rest, &body)) ++at;
      if (!rest.empty()) {
        *spot = {(*found)->place, run.messages.size() - rest.size()};
        return found;
      }
    }
    spot->place = (*found)->next;
  }
}

Result<const RunReader::Found*> DiskPast::Seek(PastPlace* place, Spot* spot) {
  const std::size_t index = Find(place->offset);
  const bool at_end = index == stretches_.size();
  const std::uint64_t nearest =
      at_end ? end_offset_ : std::max(place->offset, stretches_[index].first_offset);
  // What was let go takes its hints along.
  if (place->offset != nearest) *place = {nearest, {0, 0, 0}};
  if (at_end) return nullptr;
  const Stretch& stretch = stretches_[index];
  *spot = SpotOf(*place);
  if (spot->place.segment == stretch.place.segment) {
    // Inside of a run nothing is to be searched.
    if (spot->inner > 0) {
      auto found = reader_->Find(topic_, spot->place, stretch.end);
      if (!found.ok() || *found != nullptr) return found;
    } else if (spot->place.offset >= stretch.place.offset) {
      auto found = Search(stretch, place->offset, spot->place, spot);
      if (!found.ok() || *found != nullptr) return found;
    }
  }
  auto found = Search(stretch, place->offset, stretch.place, spot);
  if (!found.ok() || *found != nullptr) return found;
  return Status(StatusCode::kCorrupt,
                fmt::format("message {} of topic number {} is not in {} between bytes {} and {}",
                            place->offset, topic_, SegmentName(stretch.place.segment),
                            stretch.place.offset, stretch.end));
}

Result<std::optional<TopicMessage>> DiskPast::Next(PastPlace* place) {
  Spot spot;
  auto found = Seek(place, &spot);
  if (!found.ok()) return found.status();
  if (*found == nullptr) return std::optional<TopicMessage>();
  const MessageRun& run = (*found)->run;
  std::string_view rest = run.messages.substr(spot.inner);
  TopicMessage message;
  message.offset = place->offset;
  message.sequence = run.first_sequence + (place->offset - run.first_offset);
  message.time = run.time;
  // There is one, as Seek() saw it.
  static_cast<void>(TakeMessage(&rest, &message.body));
  spot.inner = run.messages.size() - rest.size();
  if (rest.empty()) spot = {(*found)->next, 0};
  ++place->offset;
  SetSpot(spot, place);
  return std::optional<TopicMessage>(message);
}

Status DiskPast::ReadOn(PastPlace* place, MessageVisitor* visitor) {
  while (true) {
    Spot spot;
    auto found = Seek(place, &spot);
    if (!found.ok()) return found.status();
    if (*found == nullptr) return Status::Ok();
    const MessageRun& run = (*found)->run;
    std::string_view rest = run.messages.substr(spot.inner);
    while (true) {
      spot.inner = run.messages.size() - rest.size();
      std::string_view body;
      if (!TakeMessage(&rest, &body)) break;
      const std::uint64_t sequence = run.first_sequence + (place->offset - run.first_offset);
      TopicMessage message{{}, place->offset, sequence, run.time, body};
      if (!visitor->OnMessage(message)) {
        SetSpot({(*found)->place, spot.inner}, place);
        return Status::Ok();
      }
      ++place->offset;
    }
    SetSpot({(*found)->next, 0}, place);
  }
}

Result<const RunReader::Found*> DiskPast::NextRun(PastPlace* place) {
  Spot spot;
  auto found = Seek(place, &spot);
  if (!found.ok() || *found == nullptr) return found;
  place->offset = (*found)->run.first_offset;
  std::string_view rest = (*found)->run.messages;
  std::string_view body;
  while (TakeMessage(&rest, &body)) ++place->offset;
  SetSpot({(*found)->next, 0}, place);
  return found;
}

Result<PastPlace> DiskPast::At(std::uint64_t offset) {
  PastPlace place{std::max(offset, first_offset()), {0, 0, 0}};
  Spot spot;
  auto found = Seek(&place, &spot);
  if (!found.ok()) return found.status();
  if (*found != nullptr) SetSpot(spot, &place);
  return place;
}

template <typename IsIt>
Result<std::uint64_t> DiskPast::FirstFrom(std::size_t stretch, const IsIt& is_it) {
  if (stretch == stretches_.size()) return end_offset_;
  PastPlace place{stretches_[stretch].first_offset, {0, 0, 0}};
  while (true) {
    const auto message = Next(&place);
    if (!message.ok()) return message.status();
    if (!message->has_value()) return end_offset_;
    if (is_it(**message)) return (*message)->offset;
  }
}

// What is sought is in the last stretch that begins before it, or the first message behind that.

Result<std::uint64_t> DiskPast::OffsetAtTime(WallTime time) {
  const auto behind = std::partition_point(stretches_.begin(), stretches_.end(),
                                           [time](const Stretch& s) { return s.time < time; });
  const auto index = static_cast<std::size_t>(behind - stretches_.begin());
  return FirstFrom(index == 0 ? 0 : index - 1,
                   [time](const TopicMessage& message) { return message.time >= time; });
}

Result<std::uint64_t> DiskPast::OffsetAtSequence(std::uint64_t sequence) {
  const auto behind =
      std::partition_point(stretches_.begin(), stretches_.end(),
                           [sequence](const Stretch& s) { return s.sequence < sequence; });
  const auto index = static_cast<std::size_t>(behind - stretches_.begin());
  return FirstFrom(index == 0 ? 0 : index - 1, [sequence](const TopicMessage& message) {
    return message.sequence >= sequence;
  });
}

std::uint64_t DiskPast::BytesFrom(std::uint64_t offset) const {
  auto found = std::partition_point(
      stretches_.begin(), stretches_.end(),
      [offset](const Stretch& stretch) { return stretch.end_offset() <= offset; });
  if (found == stretches_.end()) return 0;
  const std::uint64_t before = offset <= found->first_offset ? 0 : offset - found->first_offset;
  return bytes_ever_ - found->bytes_before -
         found->amount.bytes * before / std::max<std::uint64_t>(found->amount.messages, 1);
}

}  // namespace rivulet
