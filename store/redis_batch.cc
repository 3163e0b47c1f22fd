#include "store/redis_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "store/redis_script.h"
#include "store/redis_words.h"
#include "store/store_ops.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

// Of a pipelined batch in one call of the script: others are served between two calls.
constexpr std::size_t kMaxScriptCommands = 512;

bool TakeNumber(const RedisReply& reply, double* number) {
  if (reply.kind == RedisReply::Kind::kInteger) {
    *number = static_cast<double>(reply.integer);
    return true;
  }
  if (reply.kind != RedisReply::Kind::kText) return false;
  const char* end = reply.text.data() + reply.text.size();
  const auto [stop, error] = std::from_chars(reply.text.data(), end, *number);
  return error == std::errc() && stop == end;
}

// The script tells a number of more than 53 bits as text.
bool TakeWhole(const RedisReply& reply, std::int64_t* whole) {
  *whole = reply.integer;
  if (reply.kind != RedisReply::Kind::kText) return reply.kind == RedisReply::Kind::kInteger;
  const char* end = reply.text.data() + reply.text.size();
  const auto [stop, error] = std::from_chars(reply.text.data(), end, *whole);
  return error == std::errc() && stop == end;
}

bool TakeItems(RedisReply* reply, bool scores, std::vector<StoreItem>* items) {
  if (reply->kind != RedisReply::Kind::kArray || reply->elements.size() % 2 != 0) return false;
  items->resize(reply->elements.size() / 2);
  for (std::size_t i = 0; i < items->size(); ++i) {
    RedisReply& name = reply->elements[2 * i];
    RedisReply& value = reply->elements[2 * i + 1];
    StoreItem& item = (*items)[i];
    if (name.kind != RedisReply::Kind::kText || value.kind != RedisReply::Kind::kText) return false;
    item.name = std::move(name.text);
    if (scores) {
      if (!TakeNumber(value, &item.number)) return false;
    } else {
      item.text = std::move(value.text);
    }
  }
  return true;
}

/// False where it is no answer to `op`.
bool TakeAnswer(StoreOp op, RedisReply* from, StoreReply* to) {
  using Kind = StoreReply::Kind;
  switch (op) {
    case StoreOp::kGet:
    case StoreOp::kHashGet:
      to->kind = from->kind == RedisReply::Kind::kNil ? Kind::kNothing : Kind::kText;
      to->text = std::move(from->text);
      return from->kind == RedisReply::Kind::kNil || from->kind == RedisReply::Kind::kText;
    case StoreOp::kDelete:
    case StoreOp::kIncrement:
    case StoreOp::kExpire:
    case StoreOp::kHashIncrement:
    case StoreOp::kHashSize:
    case StoreOp::kSortedSize:
    case StoreOp::kDistinctAdd:
    case StoreOp::kDistinctCount:
    case StoreOp::kOnce:
    case StoreOp::kAdmit:
    case StoreOp::kHashHas:
    case StoreOp::kHashHolds:
      to->kind = Kind::kWhole;
      return TakeWhole(*from, &to->whole);
    case StoreOp::kSortedScore:
      if (from->kind == RedisReply::Kind::kNil) {
        to->kind = Kind::kNothing;
        return true;
      }
      [[fallthrough]];
    case StoreOp::kHashAdd:
    case StoreOp::kHashMin:
    case StoreOp::kHashMax:
    case StoreOp::kSortedAdd:
    case StoreOp::kSortedAddWithin:
    case StoreOp::kSortedAddDecayed:
      to->kind = Kind::kNumber;
      return TakeNumber(*from, &to->number);
    case StoreOp::kHashAll:
    case StoreOp::kSortedTop:
      to->kind = Kind::kItems;
      return TakeItems(from, op == StoreOp::kSortedTop, &to->items);
    default:
      to->kind = Kind::kDone;
      return from->kind == RedisReply::Kind::kInteger || from->kind == RedisReply::Kind::kStatus;
  }
}

}  // namespace

RedisBatch::RedisBatch(const StoreBatch& batch) : mode_(batch.mode()) {
  commands_.reserve(batch.size());
  StoreBatch::Reader reader(batch);
  StoreCommand command;
  while (reader.Next(&command)) commands_.push_back(command);
  replies_.resize(commands_.size());
  bytes_.reserve(batch.bytes().size() + 16 * commands_.size());
  if (mode_ == StoreBatch::Mode::kAtomic) {
    AddAtomic();
  } else {
    AddPipelined();
  }
  pending_ = pieces_.size();
}

void RedisBatch::AddAtomic() {
  for (const StoreCommand& command : commands_) {
    refused_ = JudgeStoreCommand(command, mode_);
    if (!refused_.ok()) return;
  }
  if (commands_.empty()) return;
  AddScript(0, commands_.size());
  pieces_.back().repeatable = AtomicIsRepeatable();
}

bool RedisBatch::AtomicIsRepeatable() const {
  bool guarded = false;
  bool depends = false;  // on what is held, which the batch itself may change
  bool changes = false;
  bool repeatable = true;
  for (const StoreCommand& command : commands_) {
    if (command.op == StoreOp::kOnce) guarded = !command.field.empty();
    depends |= IsRequirement(command.op);
    depends |= !guarded && (command.op == StoreOp::kHashHas || command.op == StoreOp::kHashHolds);
    changes |= !OnlyReads(command.op);
    repeatable &= guarded || IsRepeatableStoreOp(command.op);
  }
  return repeatable && !(depends && changes);
}

void RedisBatch::AddPipelined() {
  pieces_.reserve(commands_.size());
  for (std::size_t i = 0; i < commands_.size();) {
    Status judged = JudgeStoreCommand(commands_[i], mode_);
    if (!judged.ok()) {
      Fail(i++, std::move(judged));
    } else if (IsPlainRedis(commands_[i])) {
      AddPlain(i++);
    } else {
      std::size_t end = i + 1;
      while (end < commands_.size() && end - i < kMaxScriptCommands &&
             !IsPlainRedis(commands_[end]) && JudgeStoreCommand(commands_[end], mode_).ok()) {
        ++end;
      }
      AddScript(i, end - i);
      i = end;
    }
  }
}

void RedisBatch::AddPlain(std::size_t index) {
  Piece piece;
  piece.begin = bytes_.size();
  AppendPlainRedis(&bytes_, commands_[index]);
  piece.end = bytes_.size();
  piece.first = index;
  piece.count = 1;
  piece.repeatable = IsRepeatableStoreOp(commands_[index].op);
  pieces_.push_back(piece);
}

void RedisBatch::AddScript(std::size_t first, std::size_t count) {
  RedisScriptWords words;
  Piece piece;
  piece.script = true;
  piece.first = first;
  piece.count = count;
  for (std::size_t i = first; i < first + count; ++i) {
    words.Add(commands_[i]);
    piece.repeatable = piece.repeatable && IsRepeatableStoreOp(commands_[i].op);
  }
  piece.begin = bytes_.size();
  words.AppendTo(&bytes_, mode_ == StoreBatch::Mode::kAtomic ? "a" : "p");
  piece.end = bytes_.size();
  piece.words = words.words();
  pieces_.push_back(piece);
}

RedisRequest RedisBatch::Request() const {
  RedisRequest request;
  request.commands = pending_;
  request.bytes.reserve(bytes_.size() + 128);
  for (const Piece& piece : pieces_) {
    if (piece.done) continue;
    if (piece.script) {
      fmt::format_to(std::back_inserter(request.bytes), "*{}\r\n", piece.words + 2);
      AppendRedisWord(&request.bytes, piece.by_text ? "EVAL" : "EVALSHA");
      AppendRedisWord(&request.bytes, piece.by_text ? kRedisScript : RedisScriptSha());
    }
    request.bytes.append(bytes_, piece.begin, piece.end - piece.begin);
  }
  return request;
}

bool RedisBatch::repeatable() const {
  return std::all_of(pieces_.begin(), pieces_.end(),
                     [](const Piece& piece) { return piece.done || piece.repeatable; });
}

std::size_t RedisBatch::answered() const {
  std::size_t answered = 0;
  for (const Piece& piece : pieces_) answered += piece.done ? piece.count : 0;
  return answered;
}

void RedisBatch::Take(std::vector<RedisReply> replies) {
  passing_.clear();
  auto reply = replies.begin();
  for (Piece& piece : pieces_) {
    if (reply == replies.end()) break;
    if (!piece.done) TakePiece(&piece, &*reply++);
  }
}

void RedisBatch::Finish(Piece* piece) {
  piece->done = true;
  --pending_;
}

void RedisBatch::TakePiece(Piece* piece, RedisReply* reply) {
  const bool is_error = reply->kind == RedisReply::Kind::kError;
  if (is_error && IsPassingRedisError(reply->text)) {
    passing_ = std::move(reply->text);
    return;
  }
  if (is_error && piece->script && reply->text.starts_with("NOSCRIPT")) {
    piece->by_text = true;
    return;
  }
  Finish(piece);
  if (!piece->script) {
    TakeCommand(piece->first, reply);
  } else if (is_error) {
    const Status status = InvalidArgument("the store's script failed: " + reply->text);
    for (std::size_t i = 0; i < piece->count; ++i) Fail(piece->first + i, status);
  } else {
    TakeScript(*piece, reply);
  }
}

void RedisBatch::TakeScript(const Piece& piece, RedisReply* reply) {
  auto& parts = reply->elements;
  const bool done =
      parts.size() == 2 && parts[0].text == "done" && parts[1].elements.size() == piece.count;
  const bool refused = parts.size() == 4 && parts[0].text == "refused" && parts[1].integer >= 1 &&
                       static_cast<std::uint64_t>(parts[1].integer) <= piece.count;
  if (refused) {
    const std::size_t command = piece.first + static_cast<std::size_t>(parts[1].integer) - 1;
    Fail(command, RedisRefusal(commands_[command], parts[2].text, parts[3].text));
    return;
  }
  if (!done) {
    BeStrange(piece.first, *reply);
    return;
  }
  for (std::size_t i = 0; i < piece.count; ++i) {
    RedisReply& answer = parts[1].elements[i];
    const std::size_t command = piece.first + i;
    if (answer.kind == RedisReply::Kind::kStatus && answer.text == "skipped") {
      replies_[command].kind = StoreReply::Kind::kSkipped;
    } else if (mode_ == StoreBatch::Mode::kPipelined && answer.kind == RedisReply::Kind::kArray) {
      if (answer.elements.size() != 2) return BeStrange(command, answer);
      Fail(command,
           RedisRefusal(commands_[command], answer.elements[0].text, answer.elements[1].text));
    } else {
      TakeCommand(command, &answer);
    }
  }
}

void RedisBatch::TakeCommand(std::size_t command, RedisReply* reply) {
  if (reply->kind == RedisReply::Kind::kError) {
    TakeError(command, reply->text);
  } else if (!TakeAnswer(commands_[command].op, reply, &replies_[command])) {
    BeStrange(command, *reply);
  }
}

void RedisBatch::Fail(std::size_t command, Status status) {
  if (mode_ == StoreBatch::Mode::kAtomic) refused_ = status;
  replies_[command].kind = StoreReply::Kind::kFailed;
  replies_[command].status = std::move(status);
}

void RedisBatch::BeStrange(std::size_t command, const RedisReply& reply) {
  strange_ = true;
  Fail(command, {StatusCode::kCorrupt,
                 fmt::format("key {}: the server answered {}, which is no answer to the command",
                             ShownBytes(commands_[command].key), RedisKindName(reply.kind))});
}

Result<std::vector<StoreReply>> RedisBatch::Replies() {
  if (!refused_.ok()) return refused_;
  return std::move(replies_);
}

}  // namespace rivulet
