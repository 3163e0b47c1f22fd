// How a handler answers. Exactly one of Text, Body, BeginBody, Error, Stream, WebSocket or Defer is
// called for a request; a handler that calls none has its client answered 500.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"
#include "http/stream.h"
#include "http/websocket.h"

namespace rivulet {

class Connection;
class PendingReply;
class Request;

class Reply {
 public:
  /// Of the server. `out` is where the answer's bytes go.
  Reply(Connection* connection, const Request& request, std::string* out,
        std::string* extra_headers)
      : connection_(connection), request_(request), out_(out), extra_headers_(extra_headers) {}
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  /// A field of the answer, before the answer. `value` must be without control bytes (ours are
  /// numbers and names; nothing of the client's goes in unchecked).
  void AddHeader(std::string_view name, std::string_view value);

  /// Text for people and shells. An empty body has no Content-Type.
  void Text(int status, std::string_view body);
  void Body(int status, std::string_view content_type, std::string_view body);
  /// For a body that is written piece by piece: append exactly `bytes` to what is returned, at
  /// once. nullptr when only the head is wanted (HEAD).
  std::string* BeginBody(int status, std::string_view content_type, std::size_t bytes);
  /// One line that says what was wrong and what would be right, without newline; as JSON to a
  /// client that accepts it. 503 and 507 say Retry-After. Unless told by AddHeader.
  void Error(int status, std::string_view message);
  /// An answer without a known end. On HEAD the source is dropped unused.
  void Stream(std::string_view content_type, std::unique_ptr<StreamSource> source);
  /// Completes the handshake of a WebSocket (http/websocket.h); for a request that
  /// AsksForWebSocket(). What is wrong with the handshake is answered as RFC 6455 4.2 asks (400,
  /// 426 with Sec-WebSocket-Version, 403 for an origin that is not allowed) and returned as false;
  /// the parts are destroyed unused. `source` gives whole frames; `listener` may be null: then
  /// messages of the client are read and dropped.
  bool WebSocket(std::unique_ptr<StreamSource> source, std::unique_ptr<WebSocketListener> listener,
                 const WebSocketLimits& limits);
  /// The answer comes later. The connection serves no further request until then. HEAD gets the
  /// head of it.
  PendingReply Defer();

  /// The answer must not leave before Server::Release(mark): what it promises is not safe yet.
  /// Called before the answer is given. Further requests of the connection are served meanwhile
  /// (at most 64, or 256 KiB of answers); their answers wait behind this one. A mark that has been
  /// released already holds nothing. Not with Stream.
  void HoldUntil(std::uint64_t mark);

  bool answered() const { return answered_; }

 private:
  friend class Connection;
  void WriteHead(int status, std::string_view content_type, std::size_t content_length);
  void WriteStreamHead(std::string_view content_type);
  void StartHead(int status);
  void EndHead();
  /// False when this has answered why not.
  bool CheckHandshake();

  Connection* connection_;
  const Request& request_;
  std::string* out_;
  std::string* extra_headers_;
  bool answered_ = false;
  int status_ = 0;
};

/// An answer owed. Move-only; belongs to the loop's thread. Dropped unanswered, it answers 503.
class PendingReply {
 public:
  PendingReply() = default;
  PendingReply(PendingReply&& other) noexcept;
  PendingReply& operator=(PendingReply&& other) noexcept;
  ~PendingReply();

  /// False once the client has gone (or this was answered): then nothing can be told any more.
  bool alive() const { return connection_ != nullptr; }
  /// As alive(), and the client has not just closed its side: asks the socket (one system call).
  /// For who is about to give something away with the answer.
  bool Reachable();
  /// As Reply::HoldUntil, for the answer that Send() gives.
  void HoldUntil(std::uint64_t mark) { hold_until_ = mark; }
  /// Extra fields are given as complete lines: "X-Message-Id: 7\r\n".
  void Send(int status, std::string_view content_type, std::string_view body,
            std::string_view extra_headers = {});

 private:
  friend class Connection;
  friend class Reply;
  PendingReply(Connection* connection, bool is_head);
  void GiveUp();

  Connection* connection_ = nullptr;
  bool is_head_ = false;
  std::uint64_t hold_until_ = 0;
};

}  // namespace rivulet
