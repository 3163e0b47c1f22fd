// A batch as the commands that a Redis server is sent for it, and its replies as the batch's own.
//
//   RedisBatch redis(batch);
//   while (!redis.done()) { redis.Take(Send(redis.Request())); … }
//
// Each piece is one Redis command: a plain one for a command of a pipelined batch, the script
// (redis_script.h) for an atomic batch, or for neighbours that Redis has no command for. What has
// been answered is not sent again. Thread: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/redis_client.h"
#include "store/store.h"

namespace rivulet {

class RedisBatch {
 public:
  /// `batch` outlives this and is not changed.
  explicit RedisBatch(const StoreBatch& batch);

  /// What is still to be sent. Requires !done().
  RedisRequest Request() const;
  /// The replies to the last Request(), or those of its first commands.
  void Take(std::vector<RedisReply> replies);

  /// Has everything an answer, or was an atomic batch refused?
  bool done() const { return pending_ == 0; }
  /// Would sending what has no answer a second time change nothing?
  bool repeatable() const;
  /// Why the server did not carry out something that is to be sent again; empty: it knew no script.
  const std::string& passing() const { return passing_; }
  /// Did the server answer what no Redis answers? Its connection is not to be trusted any more.
  bool strange() const { return strange_; }

  /// Commands that failed because their key holds another kind of value: ask TYPE for each, and
  /// tell.
  const std::vector<std::size_t>& wrong_kinds() const { return wrong_kinds_; }
  std::string_view key(std::size_t command) const { return commands_[command].key; }
  void NameKind(std::size_t command, std::string_view redis_type);

  std::size_t commands() const { return commands_.size(); }
  std::size_t answered() const;
  /// Requires done(): the batch's answer. Once.
  Result<std::vector<StoreReply>> Replies();

 private:
  struct Piece {
    std::size_t begin = 0;  // its bytes, of bytes_; of a script: what follows the SHA-1
    std::size_t end = 0;
    std::size_t first = 0;  // its commands
    std::size_t count = 0;
    std::size_t words = 0;
    bool script = false;
    bool by_text = false;  // the server does not know the script
    bool repeatable = true;
    bool done = false;
  };

  void AddAtomic();
  void AddPipelined();
  void AddPlain(std::size_t index);
  void AddScript(std::size_t first, std::size_t count);
  bool AtomicIsRepeatable() const;
  void Fail(std::size_t command, Status status);
  void Finish(Piece* piece);
  void TakePiece(Piece* piece, RedisReply* reply);
  void TakeScript(const Piece& piece, RedisReply* reply);
  void TakeCommand(std::size_t command, RedisReply* reply);
  void TakeError(std::size_t command, const std::string& error);
  void BeStrange(std::size_t command, const RedisReply& reply);

  StoreBatch::Mode mode_;
  std::vector<StoreCommand> commands_;
  std::vector<StoreReply> replies_;
  std::vector<Piece> pieces_;
  std::string bytes_;
  std::size_t pending_ = 0;
  Status refused_;  // of an atomic batch
  std::string passing_;
  bool strange_ = false;
  std::vector<std::size_t> wrong_kinds_;
};

/// Why `command` is one that no store carries out; OK where it may be.
Status JudgeStoreCommand(const StoreCommand& command, StoreBatch::Mode mode);

/// Why the script refused a command, of what it answers.
Status RedisRefusal(const StoreCommand& command, std::string_view what, std::string_view value);

}  // namespace rivulet
