#include <cstring>

#include "journal/recovery.h"

namespace rivulet {

namespace {

/// What a search hashes at most, in whole files: messages may be full of what looks like batches,
/// and each is to be hashed before it is known not to be one.
constexpr std::uint64_t kSearchFiles = 256;
constexpr std::size_t kMarkOffset = 14;

/// What CheckBatch() reads to say no: nothing when the header alone tells.
std::uint64_t HashedBytes(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes || bytes[kMarkOffset + 1] != 'J') return 0;
  std::uint64_t records = 0;
  for (std::size_t i = 8; i-- > 4;) records = records << 8 | static_cast<unsigned char>(bytes[i]);
  return records <= bytes.size() - kBatchHeaderBytes ? kBatchHeaderBytes + records : 0;
}

}  // namespace

SegmentScanner::SegmentScanner(std::string_view bytes, const SegmentHeader& header)
    : bytes_(bytes), header_(header) {}

std::uint64_t SegmentScanner::Position(std::uint64_t offset) const {
  return header_.start + offset - kSegmentHeaderBytes;
}

bool SegmentScanner::Next() {
  if (offset_ >= bytes_.size()) return false;
  const std::string_view rest = bytes_.substr(offset_);
  const auto batch = CheckBatch(rest, header_.salt, Position(offset_));
  if (!batch) return false;
  batch_ = *batch;
  batch_offset_ = offset_;
  records_ = rest.substr(kBatchHeaderBytes, batch->bytes);
  offset_ += kBatchHeaderBytes + batch->bytes;
  return true;
}

bool SegmentScanner::rest_is_zero() const {
  return offset_ >= bytes_.size() ||
         bytes_.find_first_not_of('\0', offset_) == std::string_view::npos;
}

bool SegmentScanner::SkipToNextGood() {
  std::uint64_t budget = kSearchFiles * bytes_.size();
  // No batch is shorter than its header, so the next one is at least that far.
  for (std::uint64_t at = offset_ + kBatchHeaderBytes; at + kBatchHeaderBytes <= bytes_.size();
       ++at) {
    // The mark's first byte finds candidates as fast as memory can be read.
    const char* const from = bytes_.data() + at + kMarkOffset;
    const void* const mark = std::memchr(from, 'r', bytes_.size() - at - kMarkOffset);
    if (mark == nullptr) return false;
    at += static_cast<std::uint64_t>(static_cast<const char*>(mark) - from);
    const std::string_view rest = bytes_.substr(at);
    const std::uint64_t cost = HashedBytes(rest);
    if (cost == 0) continue;
    if (CheckBatch(rest, header_.salt, Position(at))) {
      offset_ = at;
      return true;
    }
    gave_up_ = cost > budget;
    if (gave_up_) return false;
    budget -= cost;
  }
  return false;
}

}  // namespace rivulet
