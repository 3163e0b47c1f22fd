#include "http/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "http/request.h"
#include "http/server.h"

namespace rivulet {

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr Duration kLingerTime = std::chrono::seconds(2);

// Equal in time that depends on the lengths alone.
bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  return difference == 0;
}

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

// The body is chunked or has not come whole: it is gathered in body_.
bool Connection::StartBody(std::string_view input, std::size_t* used) {
  head_bytes_.assign(input.substr(*used, parser_.head_bytes()));
  *used += parser_.head_bytes();
  if (parser_.head().expect_continue && *used == input.size()) {
    server_.out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
  state_ = State::kBody;
  since_ = server_.now_;
  decoder_.Reset();
  return true;
}

bool Connection::ReadBody(std::string_view input, std::size_t* used) {
  const std::string_view rest = input.substr(*used);
  const RequestHead& head = parser_.head();
  if (head.chunked) {
    std::size_t taken = 0;
    const auto outcome = decoder_.Decode(rest, server_.config_.max_body_bytes, &body_, &taken);
    *used += taken;
    if (outcome == ChunkDecoder::Outcome::kError) {
      FailRequest(decoder_.error_status(), decoder_.error_reason());
      return false;
    }
    if (outcome == ChunkDecoder::Outcome::kNeedMore) return false;
  } else {
    const std::size_t taken =
        std::min<std::uint64_t>(head.content_length - body_.size(), rest.size());
    body_.append(rest.substr(0, taken));
    *used += taken;
    if (body_.size() < head.content_length) return false;
  }
  Dispatch(head_bytes_.data(), body_);
  std::string().swap(body_);
  std::string().swap(head_bytes_);
  return true;
}

void Connection::Dispatch(const char* head_base, std::string_view body) {
  const RequestHead& head = parser_.head();
  ++server_.stats_.requests;
  http11_ = head.http11;
  close_after_answer_ = !head.keep_alive || server_.draining_;
  std::string_view path = head.path.In(head_base);
  if (path.find('%') != std::string_view::npos) {
    server_.decoded_path_ = PercentDecode(path, false);
    path = server_.decoded_path_;
  }
  server_.extra_headers_.clear();
  const Request request(head, head_base, path, body, peer_);
  Reply reply(this, request, &server_.out_, &server_.extra_headers_);
  dispatching_ = true;
  Answer(request, reply);
  if (!reply.answered()) reply.Error(500, "the handler gave no answer");
  dispatching_ = false;
  if (server_.config_.access_log) {
    // The query may hold a message or a token: that there was one is all that is told.
    LogInfo("{} {} {}{} {}", peer_, MethodName(head.method), path,
            head.query.size > 0 ? "?..." : "", reply.status_);
  }
  parser_.Reset();
  if (source_) {
    state_ = State::kStreaming;
    WatchPeer();
  } else if (pending_ != nullptr) {
    state_ = State::kDeferred;
  } else {
    AfterAnswer();
  }
}

void Connection::Answer(const Request& request, Reply& reply) {
  if (request.path().find('\0') != std::string_view::npos) {
    return reply.Error(400, "a path cannot hold a NUL");
  }
  if (!server_.config_.allow_origins.empty()) AddCorsHeaders(request, reply);
  if (request.path() == "*") return AnswerOptions(request, reply, kActsOrLooks);
  Route* route = server_.router_.Find(request.path());
  if (!server_.config_.token.empty() && (route == nullptr || !route->open) &&
      request.method() != Method::kOptions && !Authorized(request)) {
    reply.AddHeader("WWW-Authenticate", "Bearer");
    return reply.Error(401, "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN");
  }
  if (route == nullptr) return reply.Error(404, "no such path");
  if (request.method() == Method::kOptions) return AnswerOptions(request, reply, route->methods);
  if ((route->methods & Bit(request.method())) == 0) {
    reply.AddHeader("Allow", AllowValue(route->methods));
    return reply.Error(405, fmt::format("{} takes {}", route->path, AllowValue(route->methods)));
  }
  if (route->served_in_batch++ == 0) server_.served_routes_.push_back(route);
  route->handler(request, reply);
}

void Connection::AnswerOptions(const Request& request, Reply& reply, MethodSet methods) {
  reply.AddHeader("Allow", AllowValue(methods));
  if (request.Header("Access-Control-Request-Method")) {
    reply.AddHeader("Access-Control-Allow-Methods", AllowValue(methods));
    reply.AddHeader("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID");
  }
  reply.Text(204, {});
}

bool Connection::Authorized(const Request& request) const {
  if (const auto field = request.Header("Authorization")) {
    if (field->size() > 7 && EqualsIgnoreCase(field->substr(0, 7), "Bearer ")) {
      return ConstantTimeEquals(field->substr(7), server_.config_.token);
    }
  }
  const auto parameter = request.Param("token");
  return parameter && ConstantTimeEquals(*parameter, server_.config_.token);
}

void Connection::AddCorsHeaders(const Request& request, Reply& reply) const {
  const auto origin = request.Header("Origin");
  if (!origin) return;
  const auto& allowed = server_.config_.allow_origins;
  const bool any = std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
  if (!any && std::find(allowed.begin(), allowed.end(), *origin) == allowed.end()) return;
  reply.AddHeader("Access-Control-Allow-Origin", any ? "*" : *origin);
  reply.AddHeader("Vary", "Origin");
}

void Connection::FailRequest(int status, std::string_view reason) {
  server_.RenewDate();
  fmt::format_to(std::back_inserter(server_.out_),
                 "HTTP/1.1 {} {}\r\n{}Content-Length: {}\r\nContent-Type: {}\r\n{}"
                 "Connection: close\r\n\r\n",
                 status, ReasonPhrase(status), server_.date_line_, reason.size() + 1, kTextPlain,
                 status == 503 ? "Retry-After: 1\r\n" : "");
  if (parser_.head().method != Method::kHead) server_.out_.append(reason).push_back('\n');
  ++server_.stats_.answers[static_cast<std::size_t>(status / 100)];
  if (server_.config_.access_log) LogInfo("{} refused: {} {}", peer_, status, reason);
  close_after_answer_ = true;
  AfterAnswer();
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
    case State::kBody: {
      const auto earned = std::chrono::seconds(body_.size() / config.min_body_bytes_per_second);
      if (waited >= config.header_timeout + earned) {
        FailRequest(408, "the body came slower than 1KiB/s");
        Flush(&server_.out_);
      }
      return;
    }
    case State::kLingering:
      if (hold_count_ == 0 && waited >= kLingerTime) Close();
      return;
    case State::kDeferred:
    case State::kStreaming:
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
