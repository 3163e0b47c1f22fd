// How a RedisClient gets a connection: it connects, and greets the server.
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "store/redis_client.h"

namespace rivulet {

std::string RedisAddress::Shown() const {
  const std::string who = user.empty() ? std::string() : user + "@";
  if (!unix_path.empty()) {
    return fmt::format("redis+unix://{}{}{}", who, unix_path,
                       db == 0 ? "" : fmt::format("?db={}", db));
  }
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("redis://{}{}{}{}:{}/{}", who, brackets ? "[" : "", host, brackets ? "]" : "",
                     port, db);
}

void RedisClient::ContextDeleter::operator()(redisContext* context) const { redisFree(context); }

void RedisClient::Connect() {
  state_ = State::kConnecting;
  context_.reset(address_.unix_path.empty()
                     ? redisConnectNonBlock(address_.host.c_str(), address_.port)
                     : redisConnectUnixNonBlock(address_.unix_path.c_str()));
  if (!context_ || context_->err != 0) {
    const std::string why = context_ ? context_->errstr : "no memory for a connection";
    Lose({StatusCode::kUnavailable, Named("cannot be reached: " + why)});
    return;
  }
  reader_ = std::make_unique<RedisReplyReader>(options_.max_reply_bytes);
  watcher_ = std::make_unique<IoWatcher>(
      loop_, context_->fd, [this](bool readable, bool writable) { OnIo(readable, writable); });
  watcher_->Watch(false, true);
  connect_timer_.Start(address_.timeout);
}

void RedisClient::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    Lose({StatusCode::kUnavailable,
          Named(fmt::format("cannot be reached: {}", std::strerror(error)))});
    return;
  }
  state_ = State::kGreeting;
  Greet();
}

void RedisClient::Greet() {
  RedisRequest request;
  greeting_.clear();
  if (!address_.password.empty() || !address_.user.empty()) {
    if (address_.user.empty()) {
      request.Add({"AUTH", address_.password});
    } else {
      request.Add({"AUTH", address_.user, address_.password});
    }
    greeting_.emplace_back("AUTH");
  }
  if (address_.db != 0) {
    request.Add({"SELECT", std::to_string(address_.db)});
    greeting_.emplace_back("SELECT");
  }
  // A server that loads its data, or serves nothing now, says so here.
  request.Add({"PING"});
  greeting_.emplace_back("PING");
  greeting_bytes_ = std::move(request.bytes);
  Flush();
}

Status RedisClient::JudgeGreeting(const RedisReply& reply) const {
  const std::string& asked = greeting_.front();
  if (reply.kind != RedisReply::Kind::kError) {
    const bool fine =
        reply.kind == RedisReply::Kind::kStatus && reply.text == (asked == "PING" ? "PONG" : "OK");
    if (fine) return {};
    return InvalidArgument(Named(
        fmt::format("is no Redis server: it answered {} to {}", RedisKindName(reply.kind), asked)));
  }
  const std::string& text = reply.text;
  // Some users may not ask it, and are users all the same.
  if (asked == "PING" && text.starts_with("NOPERM")) return {};
  if (asked == "AUTH" && !text.starts_with("LOADING")) {
    return InvalidArgument(Named(fmt::format(
        "refuses the {}: {}", address_.user.empty() ? "password" : "user or password", text)));
  }
  if (text.starts_with("NOAUTH")) {
    return InvalidArgument(Named("needs a password: " + text));
  }
  if (asked == "SELECT" && text.starts_with("ERR")) {
    return InvalidArgument(Named(fmt::format("has no DB {}: {}", address_.db, text)));
  }
  return {StatusCode::kUnavailable, Named(text)};
}

void RedisClient::OnGreeting(RedisReply& reply) {
  Status judged = JudgeGreeting(reply);
  if (!judged.ok()) {
    Lose(std::move(judged));
    return;
  }
  greeting_.erase(greeting_.begin());
  if (greeting_.empty()) Become();
}

void RedisClient::Become() {
  state_ = State::kReady;
  status_ = {};
  ++connects_;
  backoff_.Reset();
  connect_timer_.Cancel();
  progress_at_ = options_.clock->Now();
  Flush();
}

}  // namespace rivulet
