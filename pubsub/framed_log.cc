#include "pubsub/framed_log.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace rivulet {

namespace {

constexpr std::uint64_t kSearchBytes = 1024 * 1024;
constexpr std::uint64_t kCopiedRemainderBytes = 64 * 1024;

}  // namespace

FramedLog::~FramedLog() {
  assert(cursors_.empty());
  FreeAll();
}

void FramedLog::Append(std::string_view position, std::string_view message) {
  assert(!cursors_.empty());
  const std::size_t bytes = EncodedBytes(framing_, position, message);
  if (tail_ == nullptr || !tail_->Fits(bytes)) AddBlock(bytes);
  Encode(framing_, position, message, tail_->Add(bytes));
  end_byte_ += bytes;
  ++end_index_;
  at_end_ = 0;
}

void FramedLog::AddBlock(std::size_t message_bytes) {
  std::unique_ptr<Block> block = pool_->Take(message_bytes);
  block->Reset(end_byte_, end_index_);
  Block* const added = block.get();
  if (tail_ == nullptr) {
    block->cursors = cursors_.size();
    head_ = std::move(block);
  } else {
    tail_->next = std::move(block);
  }
  tail_ = added;
}

void FramedLog::Attach(LogCursor* cursor) {
  cursor->slot_ = cursors_.size();
  cursors_.push_back(cursor);
  ++at_end_;
  cursor->generation_ = 0;
  if (tail_ == nullptr) return;  // stands at the head to come
  cursor->generation_ = generation_;
  cursor->block_ = tail_;
  ++tail_->cursors;
}

void FramedLog::Detach(LogCursor* cursor) {
  if (head_) {
    cursor->EnterBlock();
    --cursor->block_->cursors;
  }
  if (cursor->at_byte_ == end_byte_) --at_end_;
  cursors_[cursor->slot_] = cursors_.back();
  cursors_[cursor->slot_]->slot_ = cursor->slot_;
  cursors_.pop_back();
  FreeUnread();
}

void FramedLog::FreeUnread() {
  if (at_end_ == cursors_.size()) {
    FreeAll();
    return;
  }
  while (head_.get() != tail_ && head_->cursors == 0) {
    std::unique_ptr<Block> next = std::move(head_->next);
    pool_->Give(std::move(head_));
    head_ = std::move(next);
  }
}

// One block after the other, never a block that still owns the next: a long chain must not recurse.
void FramedLog::FreeAll() {
  if (!head_) return;
  while (head_) {
    std::unique_ptr<Block> next = std::move(head_->next);
    pool_->Give(std::move(head_));
    head_ = std::move(next);
  }
  tail_ = nullptr;
  ++generation_;
}

void FramedLog::FindSlow(std::uint64_t max_pending_bytes, std::vector<LogCursor*>* slow) {
  const std::uint64_t judged_byte = std::exchange(judged_byte_, end_byte_);
  if (!head_ || judged_byte < head_->first_byte() + max_pending_bytes) return;
  const std::uint64_t step = std::min(kSearchBytes, max_pending_bytes / 16 + 1);
  if (end_byte_ - searched_byte_ < step) return;
  searched_byte_ = end_byte_;
  for (LogCursor* cursor : cursors_) {
    if (cursor->at_byte_ + max_pending_bytes < judged_byte) slow->push_back(cursor);
  }
}

Remainder::~Remainder() {
  if (pinned_ != nullptr) pool_->Unpin(pinned_);
}

Remainder::Remainder(Remainder&& other) noexcept
    : pool_(other.pool_),
      pinned_(std::exchange(other.pinned_, nullptr)),
      in_block_(other.in_block_),
      copy_(std::move(other.copy_)),
      messages_(std::exchange(other.messages_, 0)) {}

Remainder& Remainder::operator=(Remainder&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(pinned_, other.pinned_);
  std::swap(in_block_, other.in_block_);
  std::swap(copy_, other.copy_);
  std::swap(messages_, other.messages_);
  return *this;
}

void LogCursor::Attach(FramedLog* log) {
  assert(log_ == nullptr);
  log_ = log;
  at_byte_ = message_byte_ = log->end_byte_;
  index_ = log->end_index_;
  end_byte_ = end_index_ = kNoEnd;
  log_->Attach(this);
}

void LogCursor::EndHere() {
  if (log_ == nullptr || end_byte_ != kNoEnd) return;
  end_byte_ = log_->end_byte_;
  end_index_ = log_->end_index_;
}

void LogCursor::Detach() {
  if (log_ == nullptr) return;
  log_->Detach(this);
  log_ = nullptr;
}

// Finds the block after the log began anew, and goes on to the next block at the end of one.
// Requires that the log has a block.
void LogCursor::EnterBlock() {
  if (generation_ != log_->generation_) {
    generation_ = log_->generation_;
    block_ = log_->head_.get();
  }
  while (block_->next && at_byte_ >= block_->end_byte()) {
    --block_->cursors;
    block_ = block_->next.get();
    ++block_->cursors;
  }
}

std::size_t LogCursor::Gather(std::span<iovec> pieces, std::size_t max_bytes) {
  max_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(max_bytes, pending_bytes()));
  if (max_bytes == 0) return 0;
  EnterBlock();
  std::size_t filled = 0;
  std::size_t at = static_cast<std::size_t>(at_byte_ - block_->first_byte());
  for (Block* block = block_; block != nullptr && filled < pieces.size();
       block = block->next.get(), at = 0) {
    std::size_t bytes = block->size_bytes() - at;
    const bool all = bytes <= max_bytes;
    if (!all) {
      const std::uint32_t whole = block->MessagesEndingBy(at + max_bytes);
      const std::size_t end = whole == 0 ? 0 : block->MessageEnd(whole - 1);
      bytes = end > at ? end - at : (filled == 0 ? max_bytes : 0);
    }
    if (bytes > 0) pieces[filled++] = {block->data() + at, bytes};
    if (!all) break;
    max_bytes -= bytes;
  }
  return filled;
}

bool LogCursor::EndsMessage(std::size_t bytes) const {
  const std::uint64_t end_byte = at_byte_ + bytes;
  const Block* block = block_;
  while (end_byte > block->end_byte()) block = block->next.get();
  const auto within = static_cast<std::size_t>(end_byte - block->first_byte());
  const std::uint32_t ended = block->MessagesEndingBy(within);
  return ended > 0 && block->MessageEnd(ended - 1) == within;
}

std::uint64_t LogCursor::Consume(std::size_t bytes) {
  if (bytes == 0) return 0;
  assert(bytes <= pending_bytes());
  const std::uint64_t index_before = index_;
  EnterBlock();
  at_byte_ += bytes;
  while (at_byte_ > block_->end_byte()) {
    --block_->cursors;
    block_ = block_->next.get();
    ++block_->cursors;
  }
  const std::uint32_t ended =
      block_->MessagesEndingBy(static_cast<std::size_t>(at_byte_ - block_->first_byte()));
  index_ = block_->first_index() + ended;
  message_byte_ = block_->first_byte() + (ended == 0 ? 0 : block_->MessageEnd(ended - 1));
  EnterBlock();
  if (at_byte_ == log_->end_byte_) ++log_->at_end_;
  log_->FreeUnread();
  return index_ - index_before;
}

Remainder LogCursor::Cut(std::size_t promised_bytes) {
  Remainder rest;
  if (pending_bytes() > 0 && (promised_bytes > 0 || mid_message())) CutInto(promised_bytes, &rest);
  Detach();
  return rest;
}

void LogCursor::CutInto(std::size_t promised_bytes, Remainder* rest) {
  EnterBlock();
  Block* last = block_;
  const std::uint64_t wanted_byte = at_byte_ + promised_bytes;
  while (wanted_byte > last->end_byte() && last->next) last = last->next.get();
  const auto within = static_cast<std::size_t>(wanted_byte - last->first_byte());
  std::uint32_t whole = last->MessagesEndingBy(within);
  if (whole == 0 || last->MessageEnd(whole - 1) < within) ++whole;
  const std::uint64_t end_byte = last->first_byte() + last->MessageEnd(whole - 1);
  const auto bytes = static_cast<std::size_t>(end_byte - at_byte_);
  const auto at = static_cast<std::size_t>(at_byte_ - block_->first_byte());
  rest->messages_ = last->first_index() + whole - index_;
  if (last == block_ && bytes > kCopiedRemainderBytes) {
    rest->pool_ = log_->pool_;
    rest->pinned_ = block_;
    rest->in_block_ = {block_->data() + at, bytes};
    rest->pool_->Pin(block_);
    return;
  }
  const Block* from = block_;
  for (std::size_t skip = at; rest->copy_.size() < bytes; skip = 0, from = from->next.get()) {
    const std::size_t part = std::min(from->size_bytes() - skip, bytes - rest->copy_.size());
    rest->copy_.append(from->data() + skip, part);
  }
}

std::uint64_t LogCursor::Skip(std::size_t promised_bytes, Remainder* rest) {
  FramedLog* const log = log_;
  const bool ends = end_byte_ != kNoEnd;
  const std::uint64_t lag = lag_messages();
  *rest = Cut(promised_bytes);
  Attach(log);
  if (ends) EndHere();
  return lag - rest->messages();
}

}  // namespace rivulet
