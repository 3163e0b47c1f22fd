#include "pubsub/replay_batch.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "pubsub/feed.h"

namespace rivulet {

const ReplayBuffer::LargeMessage* ReplayBuffer::FindLarge(std::uint64_t sequence, Framing framing,
                                                          bool single) const {
  const auto found = std::find_if(large.begin(), large.end(), [&](const LargeMessage& m) {
    return m.sequence == sequence && m.framing == framing && m.single == single &&
           !m.bytes.expired();
  });
  return found == large.end() ? nullptr : &*found;
}

void ReplayBuffer::AddLarge(LargeMessage message) {
  std::erase_if(large, [](const LargeMessage& m) { return m.bytes.expired(); });
  large.push_back(std::move(message));
}

std::uint64_t ReplayBuffer::held_bytes() const {
  std::uint64_t held = kept_bytes;
  for (const LargeMessage& message : large) held += message.bytes.expired() ? 0 : message.size;
  return held;
}

ReplayBatch::ReplayBatch(const Feed* feed, Framing framing, ReplayBuffer* buffer)
    : feed_(feed),
      framing_(framing),
      single_(feed->selection().single()),
      has_positions_(FramingHasPositions(framing)),
      buffer_(buffer) {}

ReplayBatch::~ReplayBatch() { Drop(); }

void ReplayBatch::Begin(std::size_t max_bytes) {
  assert(empty());
  if (buffer_->owner != nullptr) buffer_->owner->KeepRest();
  buffer_->owner = this;
  buffer_->ends.clear();
  ends_ = &buffer_->ends;
  room_bytes_ = std::min(max_bytes, ReplayBuffer::kBytes);
}

void ReplayBatch::End() {
  if (empty()) Drop();
}

bool ReplayBatch::Put(const TopicMessage& message) {
  if (own_) return false;  // a large one
  if (message.body.size() > ReplayBuffer::kBytes) return PutLarge(message);
  WritePosition(message);
  const std::size_t bytes = EncodedBytes(framing_, position_text_, message.body);
  if (bytes > room_bytes_ - bytes_) {
    if (bytes_ > 0) return false;
    if (bytes > ReplayBuffer::kBytes) return PutLarge(message);
    room_bytes_ = bytes;
  }
  Encode(framing_, position_text_, message.body, buffer_->bytes.get() + bytes_);
  bytes_ += bytes;
  ends_->push_back(bytes_);
  return true;
}

// As Put(), of one that the buffer has no room for.
bool ReplayBatch::PutLarge(const TopicMessage& message) {
  if (bytes_ > 0) return false;
  const bool single = single_ || !has_positions_;
  if (const auto* known = buffer_->FindLarge(message.sequence, framing_, single)) {
    own_ = known->bytes.lock();
    bytes_ = known->size;
  } else {
    WritePosition(message);
    bytes_ = EncodedBytes(framing_, position_text_, message.body);
    // Not make_shared: the weak pointer would keep the bytes.
    own_ = std::make_unique_for_overwrite<char[]>(bytes_);
    Encode(framing_, position_text_, message.body, own_.get());
    buffer_->AddLarge({.sequence = message.sequence,
                       .framing = framing_,
                       .single = single,
                       .size = bytes_,
                       .bytes = own_});
  }
  buffer_->owner = nullptr;
  own_ends_.assign(1, bytes_);
  ends_ = &own_ends_;
  return true;
}

void ReplayBatch::WritePosition(const TopicMessage& message) {
  if (!has_positions_) return;
  position_text_.clear();
  feed_->WritePosition(message, &position_text_);
}

bool ReplayBatch::Gather(std::size_t max_bytes, iovec* piece) const {
  assert(!empty());
  std::size_t end = bytes_;
  bool splits_message = false;
  if (end - sent_ > max_bytes) {
    const auto first = ends_->begin() + static_cast<std::ptrdiff_t>(ended_);
    const auto behind = std::upper_bound(first, ends_->end(), sent_ + max_bytes);
    splits_message = behind == first;
    end = splits_message ? sent_ + max_bytes : behind[-1];
  }
  *piece = {own_ ? own_.get() + sent_ : buffer_->bytes.get() + sent_, end - sent_};
  return splits_message;
}

std::uint64_t ReplayBatch::Consume(std::size_t bytes) {
  assert(bytes <= bytes_ - sent_);
  sent_ += bytes;
  const std::size_t ended_before = ended_;
  while (ended_ < ends_->size() && (*ends_)[ended_] <= sent_) message_sent_ = (*ends_)[ended_++];
  const std::size_t ended = ended_ - ended_before;
  if (empty()) Drop();
  return ended;
}

// The shared buffer is wanted. What is kept begins with the message in hand.
void ReplayBatch::KeepRest() {
  const std::size_t bytes = bytes_ - message_sent_;
  own_ = std::make_unique_for_overwrite<char[]>(bytes);
  kept_bytes_ = bytes;
  buffer_->kept_bytes += bytes;
  std::memcpy(own_.get(), buffer_->bytes.get() + message_sent_, bytes);
  own_ends_.clear();
  for (std::size_t i = ended_; i < ends_->size(); ++i) {
    own_ends_.push_back((*ends_)[i] - message_sent_);
  }
  ends_ = &own_ends_;
  bytes_ = bytes;
  sent_ -= message_sent_;
  message_sent_ = 0;
  ended_ = 0;
}

void ReplayBatch::Drop() {
  if (buffer_->owner == this) buffer_->owner = nullptr;
  own_.reset();
  buffer_->kept_bytes -= std::exchange(kept_bytes_, 0);
  own_ends_ = {};
  ends_ = nullptr;
  bytes_ = sent_ = message_sent_ = ended_ = 0;
}

}  // namespace rivulet
