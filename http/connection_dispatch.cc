// Requests of Connection to their handlers: which route, who may, and what every answer carries.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "http/bearer.h"
#include "http/connection.h"
#include "http/request.h"
#include "http/server.h"

namespace rivulet {

namespace {

// What pages of other origins may read of our answers besides the usual fields.
constexpr std::string_view kExposedFields =
    "Idempotency-Replayed, Retry-After, X-Arms, X-Arms-Age, X-Attempts, X-Duplicate, X-Gap, "
    "X-Message-Id, X-Offset, X-Receipt, X-Round";

}  // namespace

template <typename Handle>
void Connection::Call(const char* head_base, std::string_view body, const Handle& handle) {
  const RequestHead& head = parser_.head();
  const std::string_view path = Path(head_base);
  server_.extra_headers_.clear();
  const Request request(head, head_base, path, body, peer_);
  Reply reply(this, request, &server_.out_, &server_.extra_headers_);
  dispatching_ = true;
  handle(request, reply);
  dispatching_ = false;
  if (!reply.answered()) return;
  ++server_.stats_.requests;
  if (server_.config_.access_log) {
    // The query may hold a message or a token: that there was one is all that is told.
    LogInfo("{} {} {}{} {}", peer_, MethodName(head.method), path,
            head.query.size > 0 ? "?..." : "", reply.status_);
  }
  AfterCall();
}

void Connection::AfterCall() {
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

std::string_view Connection::Path(const char* head_base) {
  const std::string_view path = parser_.head().path.In(head_base);
  if (path.find('%') == std::string_view::npos) return path;
  server_.decoded_path_ = PercentDecode(path, false);
  return server_.decoded_path_;
}

void Connection::Dispatch(const char* head_base, std::string_view body) {
  http11_ = parser_.head().http11;
  close_after_answer_ = !parser_.head().keep_alive || server_.draining_;
  Call(head_base, body, [this](const Request& request, Reply& reply) {
    Route* const route = Admit(request, reply);
    if (route == nullptr) return;
    if (route->served_in_batch++ == 0) server_.served_routes_.push_back(route);
    if (upload_) {
      const auto upload = std::move(upload_);
      upload->Finish(reply);
    } else {
      route->handler(request, reply);
    }
    if (!reply.answered()) reply.Error(500, "the handler gave no answer");
  });
}

void Connection::OpenUpload() {
  const Route* const found = server_.router_.Find(Path(head_bytes_.data()));
  if (found == nullptr || !found->open_upload) return;
  http11_ = true;
  close_after_answer_ = true;  // an answer now: the body is not read
  Call(head_bytes_.data(), {}, [this](const Request& request, Reply& reply) {
    const Route* const route = Admit(request, reply);
    if (route == nullptr) return;
    auto upload = route->open_upload(request, reply);
    if (!reply.answered()) upload_ = std::move(upload);
  });
  in_message_ = false;
  if (upload_) WatchPeer();
}

void Connection::FailUpload(int status, std::string_view reason) {
  close_after_answer_ = true;
  Call(head_bytes_.data(), {}, [&](const Request& request, Reply& reply) {
    upload_.reset();
    if (!server_.config_.allow_origins.empty()) AddCorsHeaders(request, reply);
    reply.Error(status, reason);
  });
  std::string().swap(head_bytes_);
}

Route* Connection::Admit(const Request& request, Reply& reply) {
  if (request.path().find('\0') != std::string_view::npos) {
    reply.Error(400, "a path cannot hold a NUL");
    return nullptr;
  }
  if (!server_.config_.allow_origins.empty()) AddCorsHeaders(request, reply);
  if (request.path() == "*") {
    AnswerOptions(request, reply, kActsOrLooks);
    return nullptr;
  }
  Route* const route = server_.router_.Find(request.path());
  if (!server_.config_.token.empty() && (route == nullptr || !route->open) &&
      request.method() != Method::kOptions &&
      CompareToken(request, server_.config_.token) != BroughtToken::kRight) {
    reply.AddHeader("WWW-Authenticate", "Bearer");
    reply.Error(401, "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN");
    return nullptr;
  }
  if (route == nullptr) {
    reply.Error(404, "no such path");
  } else if (request.method() == Method::kOptions) {
    AnswerOptions(request, reply, route->methods);
  } else if ((route->methods & Bit(request.method())) == 0) {
    reply.AddHeader("Allow", AllowValue(route->methods));
    reply.Error(405, fmt::format("{} takes {}", route->path, AllowValue(route->methods)));
  } else {
    return route;
  }
  return nullptr;
}

void Connection::AnswerOptions(const Request& request, Reply& reply, MethodSet methods) {
  reply.AddHeader("Allow", AllowValue(methods));
  if (request.Header("Access-Control-Request-Method")) {
    reply.AddHeader("Access-Control-Allow-Methods", AllowValue(methods));
    reply.AddHeader("Access-Control-Allow-Headers",
                    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID");
  }
  reply.Text(204, {});
}

void Connection::AddCorsHeaders(const Request& request, Reply& reply) const {
  // Also where there is none: a cache must not give that answer to a page.
  reply.AddHeader("Vary", "Origin");
  const auto origin = request.Header("Origin");
  if (!origin || !server_.OriginListed(*origin)) return;
  reply.AddHeader("Access-Control-Allow-Origin", server_.any_origin_ ? "*" : *origin);
  reply.AddHeader("Access-Control-Expose-Headers", kExposedFields);
}

bool Server::OriginListed(std::string_view origin) const {
  const auto& allowed = config_.allow_origins;
  return any_origin_ || std::find(allowed.begin(), allowed.end(), origin) != allowed.end();
}

bool Server::OriginAllowed(const Request& request) const {
  const auto origin = request.Header("Origin");
  if (!origin || OriginListed(*origin)) return true;
  // RFC 6454 6.2: scheme "://" host [ ":" port ]. Behind a proxy the scheme may not be ours.
  const std::size_t scheme_end = origin->find("://");
  const auto host = request.Header("Host");
  return host && scheme_end != std::string_view::npos &&
         EqualsIgnoreCase(origin->substr(scheme_end + 3), *host);
}

void Connection::FailRequest(int status, std::string_view reason) {
  server_.RenewDate();
  fmt::format_to(std::back_inserter(server_.out_),
                 "HTTP/1.1 {} {}\r\n{}Content-Length: {}\r\nContent-Type: {}\r\n{}"
                 "Connection: close\r\n\r\n",
                 status, ReasonPhrase(status), server_.date_line_, reason.size() + 1, kTextPlain,
                 status == 503   ? "Retry-After: 1\r\n"
                 : status == 415 ? "Accept-Encoding: identity\r\n"  // RFC 9110 12.5.3
                                 : "");
  if (parser_.head().method != Method::kHead) server_.out_.append(reason).push_back('\n');
  ++server_.stats_.answers[static_cast<std::size_t>(status / 100)];
  if (server_.config_.access_log) LogInfo("{} refused: {} {}", peer_, status, reason);
  close_after_answer_ = true;
  AfterAnswer();
}

}  // namespace rivulet
