// What simplequeue writes into its journal, byte by byte: one record a change of a queue. Also told
// to people in rivulet-journal(5).
//
// A record is a byte that names its type, and fields that are varints but where stated:
//
//   1 queue    queue, next id, flags (1: paused), name to the end
//   2 put      flags, queue, id, put at, [due], [ttl], [attempts], [position], [state],
//              [bytes of the key, the key], body to the end
//   3 lease    queue, runs
//   4 forget   queue, runs
//   5 return   queue, position, flags (1: kicked), runs
//   6 defer    queue, due, runs
//   7 bury     queue, position, runs
//   8 key      queue, id, until, key to the end
//
// A queue is its number, which its `queue` record names; each segment begins with the records of
// all queues. Times are wall time in milliseconds since 1970. A put's flags say which of the fields
// in brackets stand there (1, 2, 4 and so on, in their order); what does not is none, or a ready
// message's that was never leased. A position is two varints: its message's id, and what is added
// to that. Runs are how many there are, and for each its first id (as the zigzag of the distance
// from the end of the run before; the first from 0) and its count.
//
// So a fresh message costs 10 to 12 bytes beside its body, its size in the batch included 12 to 14,
// alone in its batch 28 to 30; a lease or a finish 6 to 9. Fixed fields would cost a put 40.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "simplequeue/queue_log.h"

namespace rivulet {

enum class RecordType : std::uint8_t {
  kQueue = 1,
  kPut,
  kLease,
  kForget,
  kReturn,
  kDefer,
  kBury,
  kKey,
};
inline constexpr std::size_t kRecordTypes = 9;  // with 0, which is none

/// "queue", "put" and so on.
std::string_view RecordTypeName(RecordType type);

/// Times in records are 0 to this: the year 2223. Adding two of them overflows nothing.
inline constexpr std::int64_t kMaxRecordMs = 8'000'000'000'000;
/// Ids in records are 1 to this, so that FreshPosition() of each has room.
inline constexpr std::uint64_t kMaxRecordId = (1ULL << (64 - kPositionBits)) - 1;

/// A message as a put record tells it, but for its key and body.
struct StoredMessage {
  std::uint64_t id = 0;
  MessageState state = MessageState::kReady;
  std::uint32_t attempts = 0;
  std::uint64_t position = 0;
  std::int64_t put_at_ms = 0;
  std::int64_t due_ms = 0;  // of a deferred one
  std::int64_t ttl_ms = 0;  // 0: for ever
};

// Each appends a record to `*out`; of a put what stands before its body.
void EncodeQueue(std::string* out, std::uint32_t queue, std::string_view name,
                 std::uint64_t next_id, bool paused);
void EncodePut(std::string* out, std::uint32_t queue, const StoredMessage& message,
               std::string_view key);
void EncodeLease(std::string* out, std::uint32_t queue, std::span<const IdRun> runs);
void EncodeForget(std::string* out, std::uint32_t queue, std::span<const IdRun> runs);
void EncodeReturn(std::string* out, std::uint32_t queue, std::uint64_t position, bool kicked,
                  std::span<const IdRun> runs);
void EncodeDefer(std::string* out, std::uint32_t queue, std::int64_t due_ms,
                 std::span<const IdRun> runs);
void EncodeBury(std::string* out, std::uint32_t queue, std::uint64_t position,
                std::span<const IdRun> runs);
void EncodeKey(std::string* out, std::uint32_t queue, std::uint64_t id, std::int64_t until_ms,
               std::string_view key);

/// A record's fields; those that its type has not are as they were. Its texts borrow from the bytes
/// it was decoded from. Use one for many records: it keeps its memory.
struct DecodedRecord {
  RecordType type{};
  std::uint32_t queue = 0;
  std::string_view name;       // queue
  std::uint64_t next_id = 0;   // queue
  bool paused = false;         // queue
  StoredMessage message;       // put
  std::string_view key;        // put, key
  std::string_view body;       // put
  std::vector<IdRun> runs;     // lease, forget, return, defer, bury
  std::uint64_t position = 0;  // return, bury
  bool kicked = false;         // return
  std::int64_t due_ms = 0;     // defer
  std::uint64_t id = 0;        // key
  std::int64_t until_ms = 0;   // key
};

/// kCorrupt for bytes that no Encode* could have written; the message says what is wrong with them.
Status DecodeRecord(std::string_view bytes, DecodedRecord* record);

}  // namespace rivulet
