#include "pubsub/replay.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "pubsub/feed.h"
#include "pubsub/topic.h"
#include "pubsub/topic_set.h"

namespace rivulet {

namespace {

// Beside its body, what it costs to ask a filter about a message.
constexpr std::size_t kScannedMessageBytes = 64;

}  // namespace

Replay::Replay(TopicSet* set, Feed* feed, Framing framing, std::uint64_t until,
               ReplayBuffer* buffer)
    : set_(set),
      feed_(feed),
      single_(feed->selection().single()),
      until_(until),
      batch_(feed, framing, buffer) {}

Status Replay::Start(const ReplayStart& start) {
  ReplayStart from = start;
  if (start.kind == ReplayStart::Kind::kPosition && start.position > EndPosition()) {
    from.kind = ReplayStart::Kind::kEarliest;
    AddGap(std::nullopt);
  }
  for (Topic* topic : feed_->topics()) {
    if (!single_ && topic->end_offset() == 0) continue;
    Result<std::uint64_t> offset = OffsetOf(*topic, from);
    if (!offset.ok()) return offset.status();
    if (Status status = AddReading(topic, *offset); !status.ok()) return status;
  }
  for (std::size_t i = 0; i < readings_.size() && !single_; ++i) {
    if (Status status = PushHead(i); !status.ok()) return status;
  }
  refreshed_sequence_ = set_->end_sequence();
  position_ = NextPosition();
  PlaceGap();
  return Status::Ok();
}

// Where to begin in one topic; tells of what is gone.
Result<std::uint64_t> Replay::OffsetOf(const Topic& topic, const ReplayStart& start) {
  const std::uint64_t end = topic.end_offset();
  const std::uint64_t first = std::min(topic.first_offset(), end);
  Past* const past = topic.past();
  switch (start.kind) {
    case ReplayStart::Kind::kNow:
      return end;
    case ReplayStart::Kind::kEarliest:
      return first;
    case ReplayStart::Kind::kTime: {
      if (past == nullptr) return end;
      Result<std::uint64_t> offset = past->OffsetAtTime(start.time);
      if (!offset.ok()) return offset;
      return std::clamp(*offset, first, end);
    }
    case ReplayStart::Kind::kPosition:
      break;
  }
  if (single_) {
    if (start.position >= first) return start.position;
    if (const std::uint64_t wanted = std::min(first, until_); wanted > start.position) {
      AddGap(wanted - start.position);
    }
    return first;
  }
  if (start.position >= set_->end_sequence()) return end;
  if (past == nullptr) {
    AddGap(std::nullopt);
    return end;
  }
  Result<std::uint64_t> found = past->OffsetAtSequence(start.position);
  if (!found.ok()) return found;
  const std::uint64_t offset = std::clamp(*found, first, end);
  if (offset == first && first > 0 && past->gone_sequence() > start.position) {
    AddGap(std::nullopt);  // which of those gone came behind the position, nobody knows
  }
  return offset;
}

Status Replay::AddReading(Topic* topic, std::uint64_t offset) {
  Reading reading{.topic = topic, .offset = offset, .place = {}};
  if (Past* const past = topic->past(); past != nullptr) {
    Result<PastPlace> place = past->At(offset);
    if (!place.ok()) return place.status();
    reading.place = *place;
    // Where damage was set aside messages are missing between others.
    if (place->offset > offset) {
      AddGap((single_ ? std::max(std::min(place->offset, until_), offset) : place->offset) -
             offset);
      reading.offset = place->offset;
    }
  }
  if (!single_) known_.insert(topic);
  readings_.push_back(reading);
  return Status::Ok();
}

// Encodes a topic's next messages, those before `limit_sequence`.
Result<Replay::Stop> Replay::ReadOn(std::size_t index, std::uint64_t limit_sequence) {
  Reading& reading = readings_[index];
  const std::uint64_t end = reading.topic->end_offset();
  Past* const past = reading.topic->past();
  reading_ = &reading;
  limit_sequence_ = limit_sequence;
  kept_offset_ = end;
  stop_ = Stop::kEnd;
  if (reading.offset >= end) return stop_;
  if (past != nullptr) {
    if (Status status = past->ReadOn(&reading.place, this); !status.ok()) return status;
    if (stop_ == Stop::kEnd && reading.offset < end) stop_ = Stop::kGone;
    if (stop_ != Stop::kGone) return stop_;
    Result<PastPlace> place = past->At(kept_offset_);
    if (!place.ok()) return place.status();
    reading.place = *place;
  }
  AddGap((single_ ? std::min(kept_offset_, until_) : kept_offset_) - reading.offset);
  reading.offset = kept_offset_;
  return Stop::kGone;
}

bool Replay::OnMessage(TopicMessage& message) {
  const auto stop = [this](Stop why) {
    stop_ = why;
    return false;
  };
  const std::uint64_t end = reading_->topic->end_offset();
  if (message.offset != reading_->offset) {
    assert(message.offset > reading_->offset);
    kept_offset_ = std::min(message.offset, end);
    return stop(Stop::kGone);
  }
  if (message.offset >= end) return stop(Stop::kEnd);
  if (message.sequence >= limit_sequence_) {
    next_sequence_ = message.sequence;
    return stop(Stop::kLater);
  }
  const std::uint64_t position = feed_->PositionOf(message);
  if (position >= until_) {
    position_ = position;
    return stop(Stop::kFull);
  }
  if (scanned_bytes_ >= kMaxScanBytes) return stop(Stop::kFull);
  message.topic = reading_->topic->name();
  if (Filter* const filter = feed_->filter(); filter != nullptr && !filter->Keeps(message)) {
    scanned_bytes_ += message.body.size() + kScannedMessageBytes;
  } else if (!batch_.Put(message)) {
    return stop(Stop::kFull);
  }
  position_ = position + 1;
  ++reading_->offset;
  return true;
}

// Goes on in the topic that was read last for as long as its messages come before all others': what
// is read in vain is one message a change of topics.
Status Replay::ReadMerged() {
  while (true) {
    if (current_ == kNone) {
      if (heads_.empty()) return Status::Ok();
      std::pop_heap(heads_.begin(), heads_.end(), std::greater<>());
      current_ = heads_.back().second;
      heads_.pop_back();
      readings_[current_].has_head = false;
    }
    const Result<Stop> stop = ReadOn(current_, heads_.empty() ? UINT64_MAX : heads_.front().first);
    if (!stop.ok()) return stop.status();
    if (*stop == Stop::kFull) return Status::Ok();
    const std::size_t index = std::exchange(current_, kNone);
    if (*stop == Stop::kGone) return PushHead(index);
    if (*stop == Stop::kLater) PushHead(index, next_sequence_);
  }
}

// Puts a reading among those that have a next message, if it has one.
Status Replay::PushHead(std::size_t index) {
  while (true) {
    const Result<Stop> stop = ReadOn(index, 0);
    if (!stop.ok()) return stop.status();
    if (*stop == Stop::kGone) continue;
    if (*stop == Stop::kLater) PushHead(index, next_sequence_);
    return Status::Ok();
  }
}

void Replay::PushHead(std::size_t index, std::uint64_t sequence) {
  readings_[index].has_head = true;
  heads_.emplace_back(sequence, index);
  std::push_heap(heads_.begin(), heads_.end(), std::greater<>());
}

// Finds the messages, and the topics, that came to be since it was here last.
Status Replay::Refresh() {
  if (single_ || refreshed_sequence_ == set_->end_sequence()) return Status::Ok();
  for (Topic* topic : feed_->topics()) {
    if (topic->end_offset() == 0 || known_.contains(topic)) continue;
    if (Status status = AddReading(topic, 0); !status.ok()) return status;
  }
  current_ = kNone;
  for (std::size_t i = 0; i < readings_.size(); ++i) {
    if (readings_[i].has_head) continue;
    if (Status status = PushHead(i); !status.ok()) return status;
  }
  refreshed_sequence_ = set_->end_sequence();
  return Status::Ok();
}

void Replay::AddGap(std::optional<std::uint64_t> missed) {
  if (gap_.has_value()) {
    gap_->missed = gap_->missed && missed ? std::optional(*gap_->missed + *missed) : std::nullopt;
  } else {
    gap_ = Gap{.missed = missed, .next = 0};
  }
}

void Replay::PlaceGap() {
  if (!gap_.has_value()) return;
  position_ = NextPosition();
  gap_->next = position_;
}

std::uint64_t Replay::EndPosition() const {
  return single_ ? feed_->topics().front()->end_offset() : set_->end_sequence();
}

std::uint64_t Replay::NextPosition() const {
  if (single_) return readings_.front().offset;
  return heads_.empty() ? EndPosition() : heads_.front().first;
}

bool Replay::all_read() const {
  if (single_) return readings_.front().offset >= readings_.front().topic->end_offset();
  if (refreshed_sequence_ != set_->end_sequence() || !heads_.empty()) return false;
  return current_ == kNone || readings_[current_].offset >= readings_[current_].topic->end_offset();
}

bool Replay::caught_up() const { return batch_.empty() && !gap_.has_value() && all_read(); }

bool Replay::at_end() const {
  if (!batch_.empty() || gap_.has_value()) return false;
  return position_ >= until_ || (all_read() && EndPosition() >= until_);
}

Result<Replay::Gathered> Replay::Gather(std::span<iovec> pieces, std::size_t max_bytes) {
  if (batch_.empty()) {
    if (gap_.has_value()) return Gathered{};
    if (Status status = Fill(max_bytes); !status.ok()) return status;
    if (batch_.empty()) return Gathered{};
  }
  const bool splits_message = batch_.Gather(max_bytes, pieces.data());
  return Gathered{.pieces = 1, .splits_message = splits_message};
}

// Encodes the next batch. Nothing is in hand before; nothing may be after.
Status Replay::Fill(std::size_t max_bytes) {
  Status status = Refresh();
  if (status.ok() && !gap_.has_value()) {
    batch_.Begin(max_bytes);
    scanned_bytes_ = 0;
    if (single_) {
      status = ReadOn(0, UINT64_MAX).status();
    } else {
      status = ReadMerged();
    }
    batch_.End();
  }
  PlaceGap();
  // What was encoded goes out first; the error comes again.
  return batch_.empty() ? status : Status::Ok();
}

std::uint64_t Replay::lag_messages() const {
  std::uint64_t messages = batch_.unsent_messages();
  for (const Reading& reading : readings_) {
    messages += reading.topic->end_offset() - reading.offset;
  }
  return messages;
}

std::uint64_t Replay::lag_bytes() const {
  std::uint64_t bytes = batch_.unsent_bytes();
  for (const Reading& reading : readings_) {
    const Past* const past = reading.topic->past();
    if (past != nullptr) bytes += past->BytesFrom(reading.offset);
  }
  return bytes;
}

}  // namespace rivulet
