#include "http/reply.h"

#include <fmt/format.h>

#include <cassert>
#include <utility>

#include "base/json.h"
#include "http/connection.h"
#include "http/request.h"
#include "http/server.h"
#include "http/websocket_session.h"

namespace rivulet {

namespace {

// 16 bytes in base64.
bool IsWebSocketKey(std::string_view key) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return key.size() == 24 && key.ends_with("==") &&
         key.find_first_not_of(kDigits) == key.size() - 2;
}

}  // namespace

void Reply::AddHeader(std::string_view name, std::string_view value) {
  extra_headers_->append(name).append(": ").append(value).append("\r\n");
}

void Reply::StartHead(int status) {
  assert(!answered_);
  answered_ = true;
  status_ = status;
  Server& server = connection_->server_;
  ++server.stats_.answers[static_cast<std::size_t>(status / 100)];
  server.RenewDate();
  if (status == 200) {
    out_->append(server.ok_prefix_);
    return;
  }
  fmt::format_to(std::back_inserter(*out_), "HTTP/1.1 {} {}\r\n{}", status, ReasonPhrase(status),
                 server.date_line_);
}

void Reply::EndHead() {
  out_->append(*extra_headers_);
  if (connection_->close_after_answer_) {
    out_->append("Connection: close\r\n");
  } else if (!request_.http11()) {
    out_->append("Connection: keep-alive\r\n");
  }
  out_->append("\r\n");
}

void Reply::WriteHead(int status, std::string_view content_type, std::size_t content_length) {
  StartHead(status);
  if (status != 204) {
    char digits[20];
    const auto end = fmt::format_to(digits, "{}", content_length);
    out_->append("Content-Length: ").append(digits, end).append("\r\n");
  }
  if (!content_type.empty()) out_->append("Content-Type: ").append(content_type).append("\r\n");
  EndHead();
}

void Reply::WriteStreamHead(std::string_view content_type) {
  if (!request_.http11()) connection_->close_after_answer_ = true;
  StartHead(200);
  out_->append("Content-Type: ").append(content_type).append("\r\n");
  if (request_.http11()) out_->append("Transfer-Encoding: chunked\r\n");
  EndHead();
}

void Reply::Text(int status, std::string_view body) { Body(status, kTextPlain, body); }

void Reply::Body(int status, std::string_view content_type, std::string_view body) {
  WriteHead(status, body.empty() ? std::string_view() : content_type, body.size());
  if (!request_.is_head()) out_->append(body);
}

std::string* Reply::BeginBody(int status, std::string_view content_type, std::size_t bytes) {
  WriteHead(status, bytes == 0 ? std::string_view() : content_type, bytes);
  if (request_.is_head()) return nullptr;
  return out_;
}

void Reply::Error(int status, std::string_view message) {
  if ((status == 503 || status == 507) &&
      extra_headers_->find("Retry-After") == std::string::npos) {
    AddHeader("Retry-After", "1");
  }
  std::string body;
  if (request_.accepts_json()) {
    body = fmt::format("{{\"status\":{},\"error\":", status);
    AppendJsonString(&body, message);
    body.append("}\n");
    return Body(status, kApplicationJson, body);
  }
  body.append(message).push_back('\n');
  Text(status, body);
}

void Reply::Stream(std::string_view content_type, std::unique_ptr<StreamSource> source) {
  WriteStreamHead(content_type);
  if (request_.is_head()) return;
  connection_->source_ = std::move(source);
  connection_->source_->Attached(connection_);
}

bool Reply::CheckHandshake() {
  const auto refuse = [this](int status, std::string_view message) {
    Error(status, message);
    return false;
  };
  if (!request_.http11()) return refuse(400, "a WebSocket needs HTTP/1.1");
  if (!AsksForWebSocket(request_)) {
    AddHeader("Upgrade", "websocket");
    AddHeader("Connection", "Upgrade");
    return refuse(426, "this is for a WebSocket: GET with Upgrade: websocket");
  }
  if (!IsWebSocketKey(request_.Header("Sec-WebSocket-Key").value_or(""))) {
    return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  }
  if (request_.Header("Sec-WebSocket-Version").value_or("") != "13") {
    AddHeader("Sec-WebSocket-Version", "13");
    AddHeader("Upgrade", "websocket");
    AddHeader("Connection", "Upgrade");
    return refuse(426, "Sec-WebSocket-Version must be 13");
  }
  const Server& server = connection_->server_;
  if (!server.OriginAllowed(request_)) {
    return refuse(403, fmt::format("origin {} is not allowed: it must be that of this server, or "
                                   "named by --allow-origin",
                                   request_.Header("Origin").value_or("")));
  }
  if (server.draining()) return refuse(503, "the daemon is going down");
  return true;
}

bool Reply::WebSocket(std::unique_ptr<StreamSource> source,
                      std::unique_ptr<WebSocketListener> listener, const WebSocketLimits& limits) {
  auto session = std::make_unique<WebSocketSession>(std::move(source), std::move(listener), limits);
  if (!CheckHandshake()) return false;
  StartHead(101);
  const std::string_view key = request_.Header("Sec-WebSocket-Key").value_or("");
  out_->append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
      .append(WebSocketAccept(key))
      .append("\r\n")
      .append(*extra_headers_)
      .append("\r\n");
  connection_->close_after_answer_ = true;
  connection_->websocket_ = session.get();
  connection_->source_ = std::move(session);
  connection_->source_->Attached(connection_);
  return true;
}

void Reply::HoldUntil(std::uint64_t mark) {
  assert(!answered_);
  if (mark <= connection_->server_.released_) return;
  connection_->HoldUntil(mark, &request_);
}

PendingReply Reply::Defer() {
  assert(!answered_);
  answered_ = true;
  return {connection_, request_.is_head()};
}

PendingReply::PendingReply(Connection* connection, bool is_head)
    : connection_(connection), is_head_(is_head) {
  connection_->pending_ = this;
}

PendingReply::PendingReply(PendingReply&& other) noexcept { *this = std::move(other); }

PendingReply& PendingReply::operator=(PendingReply&& other) noexcept {
  if (this == &other) return *this;
  GiveUp();
  connection_ = std::exchange(other.connection_, nullptr);
  is_head_ = other.is_head_;
  hold_until_ = std::exchange(other.hold_until_, 0);
  if (connection_ != nullptr) connection_->pending_ = this;
  return *this;
}

PendingReply::~PendingReply() { GiveUp(); }

void PendingReply::GiveUp() {
  Send(503, kTextPlain, "the daemon gave up on this request\n", "Retry-After: 1\r\n");
}

bool PendingReply::Reachable() { return connection_ != nullptr && connection_->PeerListens(); }

void PendingReply::Send(int status, std::string_view content_type, std::string_view body,
                        std::string_view extra_headers) {
  if (connection_ == nullptr) return;
  Connection* const connection = std::exchange(connection_, nullptr);
  const std::uint64_t mark = std::exchange(hold_until_, 0);
  if (mark > connection->server_.released_) connection->HoldUntil(mark, nullptr);
  connection->SendPending(status, content_type, body, extra_headers, is_head_);
}

}  // namespace rivulet
