// The records that pubsub writes to the journal, byte by byte: its topics, what was published, and
// the keys of idempotent publishing. Also told to people in rivulet-journal(5).
//
// A record is a byte that names its type, and fields that are varints but where stated:
//
//   1 topic      topic, next offset, name to the end
//   2 messages   topic, first offset, distance, time, messages to the end
//   3 key        topic, first offset, messages, clients, until, key to the end
//   4 sequence   next sequence, time of the last message
//
// A topic is its number, which its `topic` record names; each segment begins with a `sequence`
// record and the `topic` records of all topics to which something was published, so that offsets
// and sequences go on although every message may have been let go. Times are wall time in
// nanoseconds since 1970.
//
// A `messages` record is a run: messages of one topic, published one after another at one time.
// Each is the size of its body and its body; offset and sequence of the first are told, those of
// the others follow. The distance is the first sequence minus the first offset, as 64 bits: 0 where
// there is one topic. So a line of a large /pub costs one or two bytes beside its body, and a
// message alone in its record some 16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "pubsub/publish_keys.h"

namespace rivulet {

/// Owner of pubsub's journals.
inline constexpr std::string_view kPubsubOwner = "pubsub";

enum class TopicRecordType : std::uint8_t { kTopic = 1, kMessages, kKey, kSequence };

/// "topic", "messages" and so on.
std::string_view TopicRecordTypeName(TopicRecordType type);

/// Times in records are 1970 to this: the year 2223.
inline constexpr std::int64_t kMaxTopicRecordNs = 8'000'000'000'000'000'000;
/// Bytes of a record beside its messages, at most.
inline constexpr std::size_t kMostRunHeadBytes = 48;

/// What a `messages` record tells. Its messages are valid as long as the bytes it was read from.
struct MessageRun {
  std::uint32_t topic = 0;
  std::uint64_t first_offset = 0;
  std::uint64_t first_sequence = 0;
  WallTime time{};
  std::string_view messages;  // TakeMessage() takes them off
};

// Each appends a record to `*out`; of a run what stands before its messages. Times that a record
// cannot hold are moved to its bounds.
void EncodeTopic(std::string* out, std::uint32_t topic, std::uint64_t next_offset,
                 std::string_view name);
void EncodeRunHead(std::string* out, const MessageRun& run);
void EncodePublishKey(std::string* out, std::uint32_t topic, const PublishedUnderKey& what,
                      std::string_view key);
void EncodeSequence(std::string* out, std::uint64_t next_sequence, WallTime last_time);

/// Adds a message to those of a run.
void AppendMessage(std::string* messages, std::string_view body);
/// Takes the body of the first message off. False when there is none left, or no whole one.
bool TakeMessage(std::string_view* messages, std::string_view* body);

/// A record's fields; those that its type has not are as they were. Its views borrow from the bytes
/// it was decoded from.
struct TopicRecord {
  TopicRecordType type{};
  std::uint32_t topic = 0;          // topic, messages, key
  std::string_view name;            // topic
  std::uint64_t next_offset = 0;    // topic
  MessageRun run;                   // messages
  std::uint64_t count = 0;          // messages: how many
  std::uint64_t body_bytes = 0;     // messages: of all bodies
  std::string_view key;             // key
  PublishedUnderKey published;      // key
  std::uint64_t next_sequence = 0;  // sequence
  WallTime last_time{};             // sequence
};

/// kCorrupt for bytes that nothing here could have written; the message says what is wrong with
/// them. O(messages).
Status DecodeTopicRecord(std::string_view bytes, TopicRecord* record);
/// Whether the bytes are a run of that topic, as far as their first two fields tell. O(1).
bool IsRunOf(std::string_view bytes, std::uint32_t topic);
/// Reads a run's head, and looks at none of its messages. False when that is none. O(1).
bool DecodeRun(std::string_view bytes, MessageRun* run);

/// Records as JSON, for people. They are told in their order, so that the names of topics are
/// known.
class TopicRecordDescriber {
 public:
  /// `topic`: tells only records of that one; empty: all. At most `max_body_bytes` are shown of all
  /// bodies of a record.
  TopicRecordDescriber(std::string topic, std::size_t max_body_bytes)
      : topic_(std::move(topic)), max_body_bytes_(max_body_bytes) {}

  /// Appends the members of an object, without its braces: the type, the topic by its name, and
  /// what the record tells; times as UNIX seconds, bodies as text, or as Base64 when they are not
  /// UTF-8; what makes no sense as hex. False, and nothing appended, for a record of another topic.
  bool AppendMembers(std::string_view record, std::string* out);

 private:
  std::string topic_;
  std::size_t max_body_bytes_;
  std::map<std::uint32_t, std::string> names_;  // by number
  TopicRecord record_;
};

}  // namespace rivulet
