#include "store/redis_reply.h"

#include <fmt/format.h>
#include <hiredis/read.h>
#include <hiredis/sds.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace rivulet {
namespace {

// Of a status, an error, a number or a length: what is longer is none of a Redis.
constexpr std::size_t kMaxLineBytes = std::size_t{64} << 10;
constexpr std::size_t kElementBytes = 64;

Status Bad(std::string why) { return {StatusCode::kCorrupt, std::move(why)}; }
Status TooLarge(std::string why) { return {StatusCode::kTooLarge, std::move(why)}; }

}  // namespace

bool IsPassingRedisError(std::string_view error) {
  static constexpr std::array<std::string_view, 12> kCodes = {
      "LOADING", "OOM",       "READONLY", "MASTERDOWN", "BUSY",       "TRYAGAIN",
      "NOAUTH",  "WRONGPASS", "NOPERM",   "MISCONF",    "NOREPLICAS", "CLUSTERDOWN"};
  std::string_view code = error.substr(0, error.find(' '));
  // Before version 7 a script's error stands behind words about the script.
  if (error.starts_with("ERR Error running script")) {
    const std::size_t at = error.find(": -");
    if (at == std::string_view::npos) return false;
    code = error.substr(at + 3);
    code = code.substr(0, code.find(' '));
  }
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

std::string_view RedisKindName(RedisReply::Kind kind) {
  switch (kind) {
    case RedisReply::Kind::kNil:
      return "nothing";
    case RedisReply::Kind::kInteger:
      return "an integer";
    case RedisReply::Kind::kStatus:
      return "a status";
    case RedisReply::Kind::kText:
      return "a text";
    case RedisReply::Kind::kError:
      return "an error";
    case RedisReply::Kind::kArray:
      return "an array";
  }
  return "?";
}

// hiredis builds replies by these functions; here in place, so that an integer costs nothing. An
// element's address holds until its next sibling is made, which is when hiredis has done with it.
struct RedisReplyReader::Building {
  RedisReply root;
  std::size_t bytes = 0;
  std::size_t max_bytes = 0;
  bool too_large = false;
  bool handed_out = false;

  static RedisReply* Place(const redisReadTask* task, RedisReply::Kind kind, std::size_t size) {
    auto* self = static_cast<Building*>(task->privdata);
    self->bytes += size + kElementBytes;
    if (self->bytes > self->max_bytes) {
      self->too_large = true;
      return nullptr;
    }
    RedisReply* reply = &self->root;
    if (task->parent != nullptr) {
      reply = &static_cast<RedisReply*>(task->parent->obj)->elements.emplace_back();
    }
    reply->kind = kind;
    return reply;
  }
  static void* Text(const redisReadTask* task, char* text, std::size_t size) {
    const auto kind = task->type == REDIS_REPLY_ERROR    ? RedisReply::Kind::kError
                      : task->type == REDIS_REPLY_STATUS ? RedisReply::Kind::kStatus
                                                         : RedisReply::Kind::kText;
    RedisReply* reply = Place(task, kind, size);
    if (reply != nullptr) reply->text.assign(text, size);
    return reply;
  }
  static void* Array(const redisReadTask* task, int elements) {
    auto* self = static_cast<Building*>(task->privdata);
    const std::size_t left = (self->max_bytes - std::min(self->bytes, self->max_bytes));
    if (elements > 0 && static_cast<std::size_t>(elements) > left / kElementBytes) {
      self->too_large = true;
      return nullptr;
    }
    RedisReply* reply = Place(task, RedisReply::Kind::kArray, 0);
    // What is announced is believed in small numbers alone.
    if (reply != nullptr && elements > 0) {
      reply->elements.reserve(std::min(static_cast<std::size_t>(elements), std::size_t{1024}));
    }
    return reply;
  }
  static void* Integer(const redisReadTask* task, long long value) {
    RedisReply* reply = Place(task, RedisReply::Kind::kInteger, 0);
    if (reply != nullptr) reply->integer = value;
    return reply;
  }
  static void* Nil(const redisReadTask* task) { return Place(task, RedisReply::Kind::kNil, 0); }
  static void Free(void*) {}
};

void RedisReplyReader::ReaderDeleter::operator()(redisReader* reader) const {
  redisReaderFree(reader);
}

RedisReplyReader::RedisReplyReader(std::size_t max_bytes)
    : building_(std::make_unique<Building>()) {
  static redisReplyObjectFunctions functions = {Building::Text, Building::Array, Building::Integer,
                                                Building::Nil, Building::Free};
  building_->max_bytes = max_bytes;
  reader_.reset(redisReaderCreateWithFunctions(&functions));
  if (reader_) reader_->privdata = building_.get();
}

RedisReplyReader::~RedisReplyReader() = default;

Status RedisReplyReader::Feed(const char* bytes, std::size_t size) {
  if (!reader_ || redisReaderFeed(reader_.get(), bytes, size) != REDIS_OK) {
    return Bad("there is no memory for its reply");
  }
  return {};
}

Result<RedisReply*> RedisReplyReader::Next() {
  if (building_->handed_out) {
    building_->root = RedisReply();
    building_->bytes = 0;
    building_->handed_out = false;
  }
  void* reply = nullptr;
  if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
    if (building_->too_large) {
      return TooLarge(fmt::format("a reply of more than {} bytes", building_->max_bytes));
    }
    return Bad(reader_->errstr);
  }
  if (reply != nullptr) {
    building_->handed_out = true;
    return &building_->root;
  }
  const Status judged = JudgeUnfinished();
  if (!judged.ok()) return judged;
  return static_cast<RedisReply*>(nullptr);
}

bool RedisReplyReader::inside_reply() const {
  return reader_ && (reader_->ridx > 0 || reader_->len > reader_->pos);
}

Status RedisReplyReader::JudgeUnfinished() const {
  if (reader_->ridx < 0) return {};
  const std::string_view rest(reader_->buf + reader_->pos, reader_->len - reader_->pos);
  const redisReadTask& task = reader_->rstack[reader_->ridx];
  const std::size_t line = rest.substr(0, kMaxLineBytes).find('\r');
  if (line == std::string_view::npos) {
    if (rest.size() < kMaxLineBytes) return {};
    return Bad(fmt::format("a line of more than {} bytes", kMaxLineBytes));
  }
  if (task.type != REDIS_REPLY_STRING) return {};
  std::int64_t announced = 0;
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + line, announced);
  if (error != std::errc() || stop != rest.data() + line || announced < -1) {
    return Bad(fmt::format("a length of '{}'", rest.substr(0, std::min<std::size_t>(line, 32))));
  }
  const std::size_t left = building_->max_bytes - std::min(building_->bytes, building_->max_bytes);
  if (announced > 0 && static_cast<std::uint64_t>(announced) > left) {
    return TooLarge(
        fmt::format("a reply of {} bytes: it must be at most {}", announced, building_->max_bytes));
  }
  return {};
}

}  // namespace rivulet
