// The journal's files, byte by byte. Also told to people in rivulet-journal(5).
//
// A journal is a folder of segments, `00000000000000000001.journal` and so on, and a file `lock`.
// A segment is a header and batches behind each other; a batch is a header and records; a record is
// its size as a varint and that many bytes, whose meaning is their owner's (simplequeue's are in
// simplequeue/record.h). All numbers are little-endian.
//
//   segment header, 64 bytes            batch header, 16 bytes
//    0  8  magic "rivuletJ"              0  4  check
//    8  4  version, 1                    4  4  bytes of records that follow
//   12  4  check                         8  4  how far back the log is known to be synced
//   16  8  number                       12  2  flags: bit 0 void
//   24  8  start: position of the       14  2  mark 0x4a72
//          first batch in the log
//   32  8  oldest segment still needed
//   40  8  salt
//   48 16  owner, padded with NULs
//
// Positions count bytes of batches since the journal was made, over all segments, so that one
// number says how far something has come. What is written by one commit is one batch: it comes back
// whole or not at all. What lies in a segment at or behind the next segment's start is void: that
// is how a commit that failed half-way is taken back.
//
// The check of a batch is the low half of XXH3-64 over what follows it, seeded with the sum of the
// segment's salt and the batch's position: bytes of another segment, another place or a message
// made to look like a batch do not pass. (A CRC would find every flip of up to three bits for
// certain where this leaves one in 2^32, but knows no seed; xxHash is ten times faster than
// zlib's.) The check of a segment header is the same over the header with its check zero, seed 0.
//
// Why "how far back it is synced": a batch that cannot be read is a torn tail when the power went
// before it was synced, and damage when it had been. Whatever lies behind tells: a batch that says
// that the log was synced beyond the bad place makes it damage. Sectors of one unsynced stretch may
// reach the disk in any order, so that "nothing valid follows" would be the wrong question.
//
// A void batch stands where damage was set aside by --salvage: its records are to be skipped.
//
// Rejected: a check a record (8 bytes each, and half an /mput could come back), fixed 32 KiB blocks
// (they make a reader's resynchronization easy, and every message's framing hard), recycled
// segments (faster fdatasync on some disks, but old bytes would have to be told from new by more
// than luck).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet {

inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kBatchHeaderBytes = 16;
/// Bytes of records in one batch.
inline constexpr std::uint32_t kMaxBatchBytes = 0x7fff'ffff;

struct SegmentHeader {
  std::uint64_t number = 0;
  std::uint64_t start = 0;   // position of the first batch
  std::uint64_t oldest = 0;  // the lowest segment that was needed when this one was begun
  std::uint64_t salt = 0;
  std::string owner;  // at most 16 bytes
};

struct BatchHeader {
  std::uint32_t bytes = 0;        // of records
  std::uint32_t synced_back = 0;  // from this batch's position; kSyncedUnknown: too far
  bool is_void = false;
};
inline constexpr std::uint32_t kSyncedUnknown = UINT32_MAX;

/// Where a record stands in the files. {segment, offset} alone is the first record behind a batch's
/// header.
struct RecordPlace {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;       // in the file, of the record's size; or of a batch's header
  std::uint64_t batch_end = 0;    // in the file, of the record's batch; 0: offset is a header's
  std::uint64_t batch_begin = 0;  // in the file, of that batch's header; 0: likewise, or not known

  bool operator==(const RecordPlace&) const = default;
};

/// "00000000000000000001.journal"
std::string SegmentName(std::uint64_t number);
/// Nothing for a name that is not a segment's.
std::optional<std::uint64_t> SegmentNumber(std::string_view name);

/// Exactly kSegmentHeaderBytes.
std::string EncodeSegmentHeader(const SegmentHeader& header);
/// Nothing when it is short, of another version or fails its check.
std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

/// Writes the header of a batch over its first kBatchHeaderBytes, which must be there already;
/// `batch` holds the records behind them. `position` is the batch's, `synced` the log's.
void SealBatch(char* batch, std::size_t batch_bytes, std::uint64_t salt, std::uint64_t position,
               std::uint64_t synced, bool is_void = false);
/// The batch at the beginning of `bytes`, when a whole one that passes its check stands there.
/// O(its bytes).
std::optional<BatchHeader> CheckBatch(std::string_view bytes, std::uint64_t salt,
                                      std::uint64_t position);

/// The header at the beginning of `bytes` as it stands there, unchecked; nothing when none does.
std::optional<BatchHeader> PeekBatch(std::string_view bytes);

/// CheckBatch() for a batch that comes in pieces.
class BatchCheck {
 public:
  /// `header`: kBatchHeaderBytes of them.
  BatchCheck(std::string_view header, std::uint64_t salt, std::uint64_t position);
  ~BatchCheck();
  BatchCheck(const BatchCheck&) = delete;
  BatchCheck& operator=(const BatchCheck&) = delete;
  void Add(std::string_view records);
  /// After all of its records.
  bool Passes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

void AppendVarint(std::string* out, std::uint64_t value);
/// Takes a varint of at most 64 bits off `*bytes`. Nothing, and `*bytes` as it was, when there is
/// no whole one.
std::optional<std::uint64_t> TakeVarint(std::string_view* bytes);
/// As TakeVarint(), but inline for what is short, as nearly all of it is. False when there is none.
inline bool TakeNumber(std::string_view* bytes, std::uint64_t* value) {
  if (!bytes->empty() && (bytes->front() & 0x80) == 0) {
    *value = static_cast<std::uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    return true;
  }
  const std::optional<std::uint64_t> taken = TakeVarint(bytes);
  if (taken) *value = *taken;
  return taken.has_value();
}
/// Takes the first record off the records of a batch. Nothing when there is no whole one.
std::optional<std::string_view> TakeRecord(std::string_view* records);

}  // namespace rivulet
