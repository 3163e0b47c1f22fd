#include "journal/batch_buffer.h"

#include <cstring>
#include <utility>

namespace rivulet {

namespace {
constexpr std::size_t kKeptBytes = 1 << 20;
}

void BatchBuffer::Begin(bool begins_segment) {
  begins_segment_ = begins_segment;
  records_ = 0;
  before_.clear();
  bytes_.assign(first_batch(), '\0');
  BeginBatch();
}

void BatchBuffer::BeginBatch() {
  batch_ = bytes_.size();
  bytes_.append(kBatchHeaderBytes, '\0');
}

void BatchBuffer::Add(std::string_view head, std::string_view body) {
  const std::uint64_t size = head.size() + body.size();
  const std::uint64_t in_batch = bytes_.size() - batch_ - kBatchHeaderBytes;
  constexpr std::uint64_t kMostVarintBytes = 10;
  if (in_batch + size + kMostVarintBytes > max_batch_bytes_ && in_batch > 0) {
    before_.push_back(batch_);
    BeginBatch();
  }
  AppendVarint(&bytes_, size);
  bytes_.append(head);
  bytes_.append(body);
  ++records_;
}

void BatchBuffer::AddAll(const BatchBuffer& other) {
  for (std::size_t i = 0; i <= other.before_.size(); ++i) {
    const bool last = i == other.before_.size();
    const std::size_t from = (last ? other.batch_ : other.before_[i]) + kBatchHeaderBytes;
    const std::size_t next = i + 1 < other.before_.size() ? other.before_[i + 1] : other.batch_;
    std::string_view records(other.bytes_);
    records = records.substr(from, (last ? other.bytes_.size() : next) - from);
    while (const auto record = TakeRecord(&records)) Add(*record, {});
  }
}

std::string_view BatchBuffer::Seal(const SegmentHeader& header, std::uint64_t position,
                                   std::uint64_t synced) {
  if (begins_segment_) {
    std::memcpy(bytes_.data(), EncodeSegmentHeader(header).data(), kSegmentHeaderBytes);
  }
  const std::size_t first = first_batch();
  const auto seal = [&](std::size_t from, std::size_t to) {
    SealBatch(bytes_.data() + from, to - from, header.salt, position + from - first, synced);
  };
  for (std::size_t i = 0; i < before_.size(); ++i) {
    seal(before_[i], i + 1 < before_.size() ? before_[i + 1] : batch_);
  }
  seal(batch_, bytes_.size());
  return bytes_;
}

void BatchBuffer::Shrink() {
  if (bytes_.capacity() <= kKeptBytes) return;
  // Not shrink_to_fit(), which would copy what is not needed any more; and swapped, because a
  // string that is assigned an empty one keeps its memory.
  BatchBuffer fresh(max_batch_bytes_);
  std::swap(*this, fresh);
}

}  // namespace rivulet
