// What a Redis server answers, and the reader that makes it of bytes.
//
// Source: RESP 2, https://redis.io/docs/reference/protocol-spec; parsed by hiredis.
//
// Nothing is held because the server says so: lengths are judged when they are announced, and what
// arrives for one reply is counted. Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct redisReader;

namespace rivulet {

struct RedisReply {
  enum class Kind : std::uint8_t { kNil, kInteger, kStatus, kText, kError, kArray };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  std::string text;  // of a status ("OK"), a text, an error ("WRONGTYPE Operation against …")
  std::vector<RedisReply> elements;
};

/// Is it the kind of error after which nothing was done, and which passes: a server that loads its
/// data, is full, is a replica, is busy, or does not let this user in (yet)?
bool IsPassingRedisError(std::string_view error);

/// "integer", "array"…, for messages.
std::string_view RedisKindName(RedisReply::Kind kind);

class RedisReplyReader {
 public:
  /// A reply of more than `max_bytes` (of its texts, and 64 for each element) is an error.
  explicit RedisReplyReader(std::size_t max_bytes);
  ~RedisReplyReader();
  RedisReplyReader(const RedisReplyReader&) = delete;
  RedisReplyReader& operator=(const RedisReplyReader&) = delete;

  /// Takes bytes as they come from the server. Next() must have answered nothing since the last.
  Status Feed(const char* bytes, std::size_t size);
  /// The next whole reply, to be moved from; null where more bytes are needed. An error, and the
  /// reader of no more use, where the bytes are no replies (kCorrupt) or one is too large
  /// (kTooLarge). Valid until the
  /// next call.
  Result<RedisReply*> Next();
  /// Does a reply that has begun lack more than this reader has buffered?
  bool inside_reply() const;

 private:
  struct Building;
  struct ReaderDeleter {
    void operator()(redisReader* reader) const;
  };

  Status JudgeUnfinished() const;

  std::unique_ptr<Building> building_;
  std::unique_ptr<redisReader, ReaderDeleter> reader_;
};

}  // namespace rivulet
