// One connection to a Redis server, that comes back by itself.
//
//   RedisClient client(loop, address, options);
//   RedisRequest request;
//   request.Add({"HINCRBY", "clicks", "DE", "1"});
//   request.Add({"HGETALL", "clicks"});
//   client.Send(std::move(request), [](RedisOutcome outcome) { … outcome.replies[1] … });
//
// What is sent in one turn of the loop goes out together, and replies come in the order of the
// requests (pipelining). A request has exactly one outcome:
//
//   OK               a reply for each of its commands; a reply may be an error
//   kUnknownOutcome  the connection was lost when the server may have read the request: it holds
//                    the replies that came before; any other command may have been done or not
//   kTooLarge        one of its replies is larger than the options allow: as kUnknownOutcome, but
//                    that asking again would end in the same way
//   kUnavailable     nothing of it was sent within its patience
//   kExhausted       nothing of it was sent: the queue is full
//
// A request of which nothing was sent when the connection is lost stays queued, and so does one of
// a single command that was not sent whole. Bytes that are no replies, replies that are too large
// and replies that nobody asked for close the connection: they never become another's reply.
//
// Names are looked up by getaddrinfo(), which blocks the loop; use an address where that matters.
// Thread: the loop's. Callbacks may Send(), and must not destroy the client.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "store/redis_reply.h"

struct redisContext;

namespace rivulet {

struct RedisAddress {
  std::string host;  // a name or an address; not used with unix_path
  std::uint16_t port = 6379;
  std::string unix_path;
  std::string user;  // of Redis 6's ACLs; empty: the default user
  std::string password;
  std::uint32_t db = 0;
  /// For a connection, and for an answer: so long without a byte is a connection lost.
  Duration timeout = std::chrono::seconds(5);

  /// As a URL, without the password.
  std::string Shown() const;
};

struct RedisClientOptions {
  const Clock* clock = nullptr;  // required; outlives the client
  BackoffConfig backoff = {std::chrono::milliseconds(50), std::chrono::seconds(5)};
  std::uint64_t seed = 1;  // of the backoff
  /// Of requests that are not answered yet.
  std::size_t max_queued_bytes = std::size_t{64} << 20;
  std::size_t max_queued_requests = 100'000;
  /// Of one reply.
  std::size_t max_reply_bytes = std::size_t{512} << 20;
};

/// One or more commands that are sent together.
struct RedisRequest {
  std::string bytes;
  std::size_t commands = 0;
  /// How long it may wait to be sent; nothing: for ever.
  std::optional<Duration> patience{};

  /// Appends a command.
  void Add(std::initializer_list<std::string_view> words);
};

/// Appends "$SIZE\r\nTEXT\r\n", a word of a command.
void AppendRedisWord(std::string* bytes, std::string_view text);

struct RedisOutcome {
  Status status;
  std::vector<RedisReply> replies;
};

class RedisClient {
 public:
  using Callback = std::function<void(RedisOutcome)>;

  /// Begins to connect.
  RedisClient(EventLoop& loop, RedisAddress address, RedisClientOptions options);
  /// Requests without an outcome get none.
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  /// Requires a command. Calls back later, but for kExhausted, which comes at once.
  void Send(RedisRequest request, Callback callback);
  /// Writes what is queued now, rather than at the end of the loop's turn.
  void Flush();
  /// Where the loop has not run for a while: reads what the server may have said meanwhile.
  void CheckAlive();
  /// Closes the connection: what was sent has kUnknownOutcome, and the rest stays queued. It
  /// connects again.
  void Disconnect(const std::string& why);
  /// Gives up what is queued, and the connection if something was sent: nothing waits any longer.
  void GiveUp(const std::string& why);

  bool ready() const { return state_ == State::kReady; }
  /// OK while ready. Else why not: kInvalidArgument where that will stay so (a wrong password, no
  /// such DB, no Redis), kUnavailable where it may pass. It tries again in either case.
  const Status& status() const { return status_; }
  /// Has the server been asked, and given a verdict, since the start or the last loss?
  bool judged() const { return ready() || !status_.ok(); }
  /// Connections that became ready.
  std::uint64_t connects() const { return connects_; }
  std::size_t queued() const { return queue_.size(); }
  const RedisAddress& address() const { return address_; }

 private:
  enum class State : std::uint8_t { kAway, kConnecting, kGreeting, kReady };
  struct Pending {
    RedisRequest request;
    Callback callback;
    std::vector<RedisReply> replies;
    std::size_t bytes = 0;
    std::size_t written = 0;
    std::optional<MonoTime> give_up_at{};
  };
  struct ContextDeleter {
    void operator()(redisContext* context) const;
  };

  void Connect();
  void OnIo(bool readable, bool writable);
  void FinishConnect();
  void Greet();
  void OnGreeting(RedisReply& reply);
  /// OK where the server is ready for commands after this reply.
  Status JudgeGreeting(const RedisReply& reply) const;
  void Become();
  bool WriteSome();
  void ReadSome();
  /// False where the connection was closed.
  bool TakeReplies();
  bool OnReply(RedisReply& reply);
  void Lose(Status why);
  void GiveOutcome(Pending pending, Status status);
  void WatchTime();
  void Watch();
  std::string Named(std::string_view what) const;

  EventLoop& loop_;
  RedisAddress address_;
  RedisClientOptions options_;
  std::string name_;
  State state_ = State::kAway;
  Status status_;
  std::uint64_t connects_ = 0;
  JitterBackoff backoff_;

  std::unique_ptr<redisContext, ContextDeleter> context_;
  std::unique_ptr<IoWatcher> watcher_;
  std::unique_ptr<RedisReplyReader> reader_;
  std::vector<std::string> greeting_;  // names of commands whose replies are still to come
  std::string greeting_bytes_;
  bool wants_write_ = false;

  // The first sent_ are sent whole; the next one perhaps in part.
  std::deque<Pending> queue_;
  std::size_t sent_ = 0;
  std::size_t queued_bytes_ = 0;
  MonoTime progress_at_{};
  Timer connect_timer_;
  Timer watch_timer_;
  Deferred flush_;
};

}  // namespace rivulet
