// A past in memory: messages packed into chunks, three to ten bytes each beside the body.
//
// A chunk holds messages one behind the other: sequence and time as differences from the message
// before, and the size, as varints (LEB128), then the body. Chunks grow with what is kept, from
// 4 KiB to 256 KiB, to an eighth of it, and are let go of whole. What is unused at the end of a
// full one is given back.
//
// Retention counts bodies. Messages of a few bytes are more overhead than body: fewer of them are
// kept, so that memory stays within four times the retention and a chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "pubsub/past.h"

namespace rivulet {

class MemoryPast final : public Past {
 public:
  /// The first message appended has `first_offset`.
  explicit MemoryPast(Retention retention, std::uint64_t first_offset = 0);
  ~MemoryPast() override;

  /// Requires message.offset == end_offset(), and neither sequence nor time below those of the
  /// message before. Lets go of what is too much or too old at message.time. Amortized O(message).
  void Append(const TopicMessage& message);
  /// Lets go of what is too old at `now`. O(chunks let go).
  void Trim(WallTime now);

  std::uint64_t first_offset() const override;
  std::uint64_t end_offset() const override { return end_offset_; }
  std::uint64_t retained_bytes() const override { return body_bytes_; }
  std::uint64_t gone_sequence() const override { return gone_sequence_; }
  /// This and the next two: O(log chunks + messages of a chunk). They never fail, nor does Next().
  Result<PastPlace> At(std::uint64_t offset) override;
  Result<std::uint64_t> OffsetAtTime(WallTime time) override;
  Result<std::uint64_t> OffsetAtSequence(std::uint64_t sequence) override;
  Result<std::optional<TopicMessage>> Next(PastPlace* place) override;
  Status ReadOn(PastPlace* place, MessageVisitor* visitor) override;
  std::uint64_t BytesFrom(std::uint64_t offset) const override;

  /// Memory that it holds.
  std::uint64_t memory_bytes() const;

 private:
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    std::size_t capacity = 0;
    std::size_t used = 0;
    std::uint64_t first_offset = 0;
    std::uint64_t count = 0;
    std::uint64_t body_bytes = 0;
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;
    std::int64_t first_time = 0;
    std::int64_t last_time = 0;

    std::uint64_t end_offset() const { return first_offset + count; }
  };
  struct Reader;

  void AddChunk(const TopicMessage& message, std::size_t needed_bytes);
  void LetGo(WallTime now);
  Reader ReaderAt(std::uint64_t offset) const;
  Reader ReaderOf(const PastPlace& place) const;
  PastPlace PlaceOf(const Reader& reader) const;

  Retention retention_;
  std::size_t max_chunk_bytes_;
  std::deque<Chunk> chunks_;
  std::uint32_t first_serial_ = 1;  // of the first chunk; those after it count on
  std::uint64_t end_offset_;
  std::uint64_t gone_sequence_ = 0;
  std::uint64_t body_bytes_ = 0;      // kept
  std::uint64_t used_bytes_ = 0;      // kept, with what is beside the bodies
  std::uint64_t capacity_bytes_ = 0;  // of all chunks
};

}  // namespace rivulet
