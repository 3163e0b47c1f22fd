// The records that a spool (bridge/spool.h) writes to its journal, byte by byte. Also told to
// people in rivulet-journal(5).
//
// A record is a byte that names its type, and fields that are varints (7 bits a byte, the low ones
// first, the high bit set on all but the last) but where stated:
//
//   1 run     number of the first message, then messages to the end, at least one: each is its
//             size and that many bytes
//   2 done    reader, number: it is done with all messages before
//   3 source  source, position: where that source goes on behind all messages before this record
//   4 state   number of the next message;
//             how many readers there are, and of each: its name's size, its name, as in `done`;
//             how many sources, and of each: its URL's size, its URL, as in `source`
//
// A reader or source is its index in the last `state` record, from 0; sources that are told later
// take the next index, by another `state` record. Each segment begins with one, so that those
// before it can go. Numbers lead from one run to the next without a hole.
//
// A run has what one turn of the loop brought, but ends at about 64 KiB, so that a message of 100
// bytes costs one byte beside its own, and one that comes alone some 30 with its batch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace rivulet {

/// Owner of a spool's journal.
inline constexpr std::string_view kSpoolOwner = "ps_to_http";

enum class SpoolRecordType : std::uint8_t { kRun = 1, kDone, kSource, kState };

/// "run", "done" and so on.
std::string_view SpoolRecordTypeName(SpoolRecordType type);

struct SpoolRun {
  std::uint64_t first = 0;
  std::string_view messages;  // TakeSpoolMessage() takes them off
};

/// A reader or a source, and how far it is.
using SpoolMark = std::pair<std::string_view, std::uint64_t>;

// Each appends a record to `*out`; of a run what stands before its messages.
void EncodeSpoolRunHead(std::string* out, std::uint64_t first);
void EncodeSpoolDone(std::string* out, std::uint64_t reader, std::uint64_t number);
void EncodeSpoolSource(std::string* out, std::uint64_t source, std::uint64_t position);
void EncodeSpoolState(std::string* out, std::uint64_t next, const std::vector<SpoolMark>& readers,
                      const std::vector<SpoolMark>& sources);

/// Adds a message to those of a run.
void AppendSpoolMessage(std::string* messages, std::string_view message);
/// Takes the first message off. False when there is none left, or no whole one.
bool TakeSpoolMessage(std::string_view* messages, std::string_view* message);

/// A record's fields; those that its type has not are as they were. Its views borrow from the bytes
/// it was decoded from.
struct SpoolRecord {
  SpoolRecordType type{};
  SpoolRun run;                    // run
  std::uint64_t count = 0;         // run: messages
  std::uint64_t bytes = 0;         // run: of all of them
  std::uint64_t index = 0;         // done, source
  std::uint64_t number = 0;        // done: number; source: position; state: next
  std::vector<SpoolMark> readers;  // state
  std::vector<SpoolMark> sources;  // state
};

/// kCorrupt for bytes that nothing here could have written; the message says what is wrong with
/// them. O(messages).
Status DecodeSpoolRecord(std::string_view bytes, SpoolRecord* record);
/// Whether the bytes are a run, and its head if so; looks at none of its messages. O(1).
bool DecodeSpoolRun(std::string_view bytes, SpoolRun* run);

/// Records as JSON, for people.
class SpoolRecordDescriber {
 public:
  /// At most `max_body_bytes` are shown of all messages of a record.
  explicit SpoolRecordDescriber(std::size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}

  /// Appends the members of an object, without its braces: the type and what the record tells,
  /// readers and sources by their names as far as a `state` told them (of a URL what stands before
  /// its query, which may hold a token); what makes no sense as hex.
  void AppendMembers(std::string_view bytes, std::string* out);

 private:
  std::size_t max_body_bytes_;
  std::vector<std::string> readers_;
  std::vector<std::string> sources_;
  SpoolRecord record_;
};

}  // namespace rivulet
