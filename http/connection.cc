#include "http/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "http/request.h"
#include "http/server.h"
#include "http/websocket_session.h"

namespace rivulet {

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr Duration kLingerTime = std::chrono::seconds(2);

}  // namespace

Connection::Connection(Server& server, int fd, std::string peer)
    : server_(server), fd_(fd), since_(server.clock_.Now()), peer_(std::move(peer)) {
  event_assign(
      &read_event_, server.loop_.base(), fd, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Connection*>(self)->OnReadable(); },
      this);
  event_assign(
      &write_event_, server.loop_.base(), fd, EV_WRITE | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Connection*>(self)->OnWritable(); },
      this);
  event_add(&read_event_, nullptr);
}

Connection::~Connection() { Release(); }

void Connection::OnReadable() {
  char* buffer = server_.read_buffer_.get();
  const ssize_t got = recv(fd_, buffer, kReadBytes, 0);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got == 0 && hold_count_ > 0 && state_ != State::kDeferred && state_ != State::kStreaming) {
      half_closed_ = true;  // what it sent last is answered, when it may be
      return UpdateReading();
    }
    Close();  // also half-closed: whoever will not send any more is not waited for
    return;
  }
  if (state_ == State::kLingering) return;
  server_.now_ = server_.clock_.Now();
  const std::string_view data(buffer, static_cast<std::size_t>(got));
  if (websocket_ != nullptr) return ReceiveWebSocket(data);
  if (state_ == State::kStreaming || state_ == State::kDeferred || !read_ahead_.empty()) {
    read_ahead_.append(data);
    if (state_ == State::kHead || state_ == State::kBody) {
      ServeReadAhead();
    } else {
      UpdateReading();
    }
    return;
  }
  const std::size_t used = Serve(data);
  if (used < data.size() && state_ != State::kClosed) read_ahead_.assign(data.substr(used));
}

void Connection::ServeReadAhead() {
  if (read_ahead_.empty()) return;
  std::string input;
  input.swap(read_ahead_);
  const std::size_t used = Serve(input);
  if (used >= input.size() || state_ == State::kClosed) return;
  input.erase(0, used);
  read_ahead_.swap(input);
}

std::size_t Connection::Serve(std::string_view input) {
  std::size_t used = 0;
  bool more = true;
  while (more) {
    more = ServeBatch(input, &used);
    Flush(&server_.out_);
    if (state_ == State::kLingering) return input.size();
    if (websocket_ != nullptr) {
      ReceiveWebSocket(input.substr(used));
      used = input.size();
    }
    if (state_ == State::kStreaming && !blocked()) {
      Pump();
      more = state_ == State::kHead;  // it has ended already, and makes way for what is behind it
    }
  }
  return used;
}

// Serves requests until the input is used up, a request must be waited for, or it is time to write
// the answers out. Returns whether there is more to serve after that.
bool Connection::ServeBatch(std::string_view input, std::size_t* used) {
  for (int served = 0; !blocked_ && !hold_full_ && *used < input.size(); ++served) {
    if (served >= kMaxPipelined || server_.out_.size() >= kFlushBytes) return true;
    bool progress = false;
    if (state_ == State::kHead) {
      progress = ReadHead(input, used);
    } else if (state_ == State::kBody) {
      progress = ReadBody(input, used);
    }
    if (!progress) return false;
  }
  return false;
}

// Returns whether there may be more to do with the rest of the input.
bool Connection::ReadHead(std::string_view input, std::size_t* used) {
  const std::string_view rest = input.substr(*used);
  const bool had_started = parser_.started();
  switch (parser_.Parse(rest)) {
    case RequestParser::Outcome::kNeedMore:
      if (!had_started && parser_.started()) since_ = server_.now_;
      return false;
    case RequestParser::Outcome::kError:
      FailRequest(parser_.error_status(), parser_.error_reason());
      return false;
    case RequestParser::Outcome::kDone:
      break;
  }
  const RequestHead& head = parser_.head();
  if (!head.chunked && head.content_length == 0) {
    *used += parser_.head_bytes();
    Dispatch(rest.data(), {});
    return true;
  }
  if (head.content_length > server_.config_.max_body_bytes) {
    FailRequest(413, fmt::format("body of {} bytes is larger than --max-body-size={}",
                                 head.content_length, server_.config_.max_body_bytes));
    return false;
  }
  const std::string_view after = rest.substr(parser_.head_bytes());
  if (!head.chunked && after.size() >= head.content_length) {
    *used += parser_.head_bytes() + head.content_length;
    Dispatch(rest.data(), after.substr(0, head.content_length));
    return true;
  }
  return StartBody(input, used);
}

void Connection::CheckDeadline(MonoTime now) {
  const ServerConfig& config = server_.config_;
  const Duration waited = now - since_;
  const bool unread = !unsent_.empty() && (hold_count_ == 0 || blocked_);
  if (now >= end_by_ || (unread && waited >= config.idle_timeout)) return Close();
  switch (state_) {
    case State::kHead:
      if (!unsent_.empty()) return;
      if (parser_.started() && waited >= config.header_timeout) {
        FailRequest(408, "the request head took too long");
        Flush(&server_.out_);
      } else if (waited >= config.idle_timeout) {
        Close();
      }
      return;
    case State::kBody:
      return CheckBodyRate(now);
    case State::kLingering:
      if (hold_count_ == 0 && waited >= kLingerTime) Close();
      return;
    case State::kStreaming:
      return CheckMessageRate(now);
    case State::kDeferred:
    case State::kClosed:
      return;
  }
}

void Connection::Drain() {
  close_after_answer_ = true;
  switch (state_) {
    case State::kHead:
      if (idle()) Close();
      return;
    case State::kBody:
      if (!upload_) return;
      server_.now_ = server_.clock_.Now();
      DrainUpload();
      return Flush(&server_.out_);
    case State::kStreaming:
      source_->Drain();
      Wake();
      return;
    default:
      return;
  }
}

void Connection::Refuse() {
  server_.now_ = since_;
  FailRequest(503, "too many connections");
  Flush(&server_.out_);
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  Release();
  server_.Bury(this);
}

void Connection::Release() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  event_del(&read_event_);
  event_del(&write_event_);
  close(fd_);
  fd_ = -1;
  if (pending_ != nullptr) pending_->connection_ = nullptr;
  pending_ = nullptr;
  if (hold_count_ > 0) server_.DropHolding(this);
  hold_count_ = 0;
}

}  // namespace rivulet
