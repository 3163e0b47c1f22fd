#include "pubsub/memory_past.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>
#include <utility>

namespace rivulet {

namespace {

constexpr std::size_t kMinChunkBytes = 4 * 1024;
constexpr std::size_t kMaxChunkBytes = 256 * 1024;
constexpr std::size_t kTinyChunkBytes = 256;  // where the retention itself is small
constexpr std::size_t kPartOfRetention = 8;
constexpr std::size_t kMaxOverhead = 4;  // times the retention
constexpr std::size_t kMaxVarintBytes = 10;

char* PutVarint(char* out, std::uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

std::uint64_t TakeVarint(const char** at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*(*at)++);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

std::int64_t Ticks(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

// Stands before a message; `sequence` and `time` are those of the one before it.
struct MemoryPast::Reader {
  std::size_t chunk = 0;  // which; none at the end of a past without chunks
  std::size_t at = 0;     // in its bytes
  std::uint64_t offset = 0;
  std::uint64_t sequence = 0;
  std::int64_t time = 0;

  static Reader AtBegin(std::size_t index, const Chunk& chunk) {
    return {index, 0, chunk.first_offset, chunk.first_sequence, chunk.first_time};
  }
  // Requires that there is a message.
  TopicMessage Take(const Chunk& from) {
    const char* next = from.bytes.get() + at;
    sequence += TakeVarint(&next);
    time += static_cast<std::int64_t>(TakeVarint(&next));
    const auto size = static_cast<std::size_t>(TakeVarint(&next));
    at = static_cast<std::size_t>(next - from.bytes.get()) + size;
    return {{}, offset++, sequence, WallTime(Duration(time)), {next, size}};
  }
};

MemoryPast::MemoryPast(Retention retention, std::uint64_t first_offset)
    : retention_(retention),
      max_chunk_bytes_(std::clamp<std::size_t>(retention.bytes / kPartOfRetention, kTinyChunkBytes,
                                               kMaxChunkBytes)),
      end_offset_(first_offset) {}

MemoryPast::~MemoryPast() = default;

void MemoryPast::Append(const TopicMessage& message) {
  assert(message.offset == end_offset_);
  const std::size_t most_bytes = 3 * kMaxVarintBytes + message.body.size();
  if (chunks_.empty() || chunks_.back().capacity - chunks_.back().used < most_bytes ||
      (retention_.time > Duration::zero() &&
       Ticks(message.time) - chunks_.back().first_time >
           retention_.time.count() / static_cast<std::int64_t>(kPartOfRetention))) {
    AddChunk(message, most_bytes);
  }
  Chunk& chunk = chunks_.back();
  char* const begin = chunk.bytes.get() + chunk.used;
  char* out = PutVarint(begin, message.sequence - chunk.last_sequence);
  out = PutVarint(out, static_cast<std::uint64_t>(Ticks(message.time) - chunk.last_time));
  out = PutVarint(out, message.body.size());
  if (!message.body.empty()) std::memcpy(out, message.body.data(), message.body.size());
  const auto added = static_cast<std::size_t>(out - begin) + message.body.size();
  chunk.used += added;
  chunk.body_bytes += message.body.size();
  chunk.last_sequence = message.sequence;
  chunk.last_time = Ticks(message.time);
  ++chunk.count;
  ++end_offset_;
  used_bytes_ += added;
  body_bytes_ += message.body.size();
  LetGo(message.time);
}

void MemoryPast::AddChunk(const TopicMessage& message, std::size_t needed_bytes) {
  if (!chunks_.empty()) {
    Chunk& full = chunks_.back();
    if (full.capacity - full.used > full.capacity / kPartOfRetention) {
      auto fitting = std::make_unique_for_overwrite<char[]>(full.used);
      std::memcpy(fitting.get(), full.bytes.get(), full.used);
      full.bytes = std::move(fitting);
      capacity_bytes_ -= full.capacity - full.used;
      full.capacity = full.used;
    }
  }
  Chunk chunk;
  chunk.capacity = std::min(std::max<std::size_t>(used_bytes_ / kPartOfRetention, kMinChunkBytes),
                            max_chunk_bytes_);
  chunk.capacity = std::max(chunk.capacity, needed_bytes);
  chunk.bytes = std::make_unique_for_overwrite<char[]>(chunk.capacity);
  chunk.first_offset = message.offset;
  chunk.first_sequence = chunk.last_sequence = message.sequence;
  chunk.first_time = chunk.last_time = Ticks(message.time);
  capacity_bytes_ += chunk.capacity;
  chunks_.push_back(std::move(chunk));
}

void MemoryPast::Trim(WallTime now) { LetGo(now); }

void MemoryPast::LetGo(WallTime now) {
  while (!chunks_.empty()) {
    const Chunk& oldest = chunks_.front();
    const bool too_much = body_bytes_ - oldest.body_bytes >= retention_.bytes;
    const bool too_costly =
        used_bytes_ - oldest.used >= kMaxOverhead * retention_.bytes + kMinChunkBytes;
    const bool too_old = retention_.time > Duration::zero() &&
                         Ticks(now) - oldest.last_time >= retention_.time.count();
    if (!too_much && !too_costly && !too_old) return;
    body_bytes_ -= oldest.body_bytes;
    used_bytes_ -= oldest.used;
    capacity_bytes_ -= oldest.capacity;
    gone_sequence_ = oldest.last_sequence + 1;
    chunks_.pop_front();
    ++first_serial_;
  }
}

std::uint64_t MemoryPast::first_offset() const {
  return chunks_.empty() ? end_offset_ : chunks_.front().first_offset;
}

MemoryPast::Reader MemoryPast::ReaderAt(std::uint64_t offset) const {
  offset = std::clamp(offset, first_offset(), end_offset_);
  const auto behind = std::upper_bound(
      chunks_.begin(), chunks_.end(), offset,
      [](std::uint64_t value, const Chunk& chunk) { return value < chunk.first_offset; });
  if (behind == chunks_.begin()) return {0, 0, offset, 0, 0};
  const auto index = static_cast<std::size_t>(behind - chunks_.begin()) - 1;
  Reader reader = Reader::AtBegin(index, chunks_[index]);
  while (reader.offset < offset) reader.Take(chunks_[index]);
  return reader;
}

// The hints say which chunk and where in it, and what the message before was. They hold as long as
// the chunk is kept: its serial number, of which 32 bits are enough, and its offsets say whether it
// is. A place at a chunk's end goes on in the chunk behind it.
MemoryPast::Reader MemoryPast::ReaderOf(const PastPlace& place) const {
  const std::size_t index = static_cast<std::uint32_t>(place.hint[0] >> 32) - first_serial_;
  if (index < chunks_.size()) {
    const Chunk& chunk = chunks_[index];
    if (place.offset >= chunk.first_offset && place.offset < chunk.end_offset()) {
      return {index, static_cast<std::uint32_t>(place.hint[0]), place.offset, place.hint[1],
              static_cast<std::int64_t>(place.hint[2])};
    }
    if (place.offset == chunk.end_offset() && index + 1 < chunks_.size()) {
      return Reader::AtBegin(index + 1, chunks_[index + 1]);
    }
  }
  return ReaderAt(place.offset);
}

PastPlace MemoryPast::PlaceOf(const Reader& reader) const {
  if (reader.chunk >= chunks_.size()) return {reader.offset, {0, 0, 0}};
  const std::uint32_t serial = first_serial_ + static_cast<std::uint32_t>(reader.chunk);
  return {reader.offset,
          {static_cast<std::uint64_t>(serial) << 32 | reader.at, reader.sequence,
           static_cast<std::uint64_t>(reader.time)}};
}

Result<PastPlace> MemoryPast::At(std::uint64_t offset) { return PlaceOf(ReaderAt(offset)); }

Result<std::uint64_t> MemoryPast::OffsetAtTime(WallTime time) {
  const std::int64_t ticks = Ticks(time);
  const auto found =
      std::partition_point(chunks_.begin(), chunks_.end(),
                           [ticks](const Chunk& chunk) { return chunk.last_time < ticks; });
  if (found == chunks_.end()) return end_offset_;
  Reader reader = Reader::AtBegin(0, *found);
  while (true) {
    const TopicMessage message = reader.Take(*found);
    if (message.time >= time) return message.offset;
  }
}

Result<std::uint64_t> MemoryPast::OffsetAtSequence(std::uint64_t sequence) {
  const auto found = std::partition_point(
      chunks_.begin(), chunks_.end(),
      [sequence](const Chunk& chunk) { return chunk.last_sequence < sequence; });
  if (found == chunks_.end()) return end_offset_;
  Reader reader = Reader::AtBegin(0, *found);
  while (true) {
    const TopicMessage message = reader.Take(*found);
    if (message.sequence >= sequence) return message.offset;
  }
}

Result<std::optional<TopicMessage>> MemoryPast::Next(PastPlace* place) {
  if (place->offset >= end_offset_ || chunks_.empty()) {
    place->offset = std::clamp(place->offset, first_offset(), end_offset_);
    return std::optional<TopicMessage>();
  }
  Reader reader = ReaderOf(*place);
  const TopicMessage message = reader.Take(chunks_[reader.chunk]);
  *place = PlaceOf(reader);
  return std::optional<TopicMessage>(message);
}

Status MemoryPast::ReadOn(PastPlace* place, MessageVisitor* visitor) {
  if (place->offset >= end_offset_ || chunks_.empty()) return Status::Ok();
  Reader reader = ReaderOf(*place);
  bool taken = true;
  while (taken && reader.chunk < chunks_.size()) {
    const Chunk& chunk = chunks_[reader.chunk];
    while (taken && reader.offset < chunk.end_offset()) {
      Reader behind = reader;
      TopicMessage message = behind.Take(chunk);
      taken = visitor->OnMessage(message);
      if (taken) reader = behind;
    }
    if (!taken || reader.chunk + 1 == chunks_.size()) break;
    reader = Reader::AtBegin(reader.chunk + 1, chunks_[reader.chunk + 1]);
  }
  *place = PlaceOf(reader);
  return Status::Ok();
}

std::uint64_t MemoryPast::BytesFrom(std::uint64_t offset) const {
  auto chunk = std::partition_point(chunks_.begin(), chunks_.end(), [offset](const Chunk& each) {
    return each.end_offset() <= offset;
  });
  if (chunk == chunks_.end()) return 0;
  // Of the chunk in which it begins, its share of messages.
  const std::uint64_t from = std::max(offset, chunk->first_offset);
  auto bytes = static_cast<std::uint64_t>(static_cast<double>(chunk->body_bytes) *
                                          static_cast<double>(chunk->end_offset() - from) /
                                          static_cast<double>(chunk->count));
  for (++chunk; chunk != chunks_.end(); ++chunk) bytes += chunk->body_bytes;
  return bytes;
}

std::uint64_t MemoryPast::memory_bytes() const {
  return capacity_bytes_ + chunks_.size() * sizeof(Chunk);
}

}  // namespace rivulet
