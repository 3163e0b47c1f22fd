// A request body that is used as it comes, instead of being gathered first: for chunked uploads
// without a known end (`tail -f log | curl -T - URL`).
//
// The connection decodes the body and hands it on piece by piece; nothing of it is kept there, and
// max_body_bytes bounds no more than what the upload itself makes of it. While the upload says that
// it is between two messages the client may be silent for as long as it likes (TCP keepalive finds
// who has gone); inside one it must go on at min_body_bytes_per_second, after header_timeout of
// grace, however fast it was before (promise P8). A client that goes before the end has its upload
// destroyed without Finish().
//
// When the daemon drains, an upload is ended as soon as it is between two messages: 503, and the
// connection closes. What it took before that stays taken (P9).
//
// Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace rivulet {

class Reply;
class Request;

inline constexpr std::size_t kMaxUnsafeUploadBytes = 4 * 1024 * 1024;

class Upload {
 public:
  virtual ~Upload() = default;
  /// The next bytes of the body, cut anywhere. Not OK: the request is answered with the HTTP status
  /// that fits (400 kInvalidArgument, 413 kTooLarge, 507 kExhausted, 503 others) and the message,
  /// and the connection closes.
  virtual Status Receive(std::string_view bytes) = 0;
  /// What was received goes on being made safe until Server::Release() of this mark; 0: it is safe.
  /// While more than kMaxUnsafeUploadBytes are not, the connection reads no further: a client is as
  /// fast as the disk.
  virtual std::uint64_t safe_mark() { return 0; }
  /// No message is half received.
  virtual bool between_messages() const = 0;
  /// The body has ended: answers, as a handler does (HoldUntil, Defer). Destroyed after it.
  virtual void Finish(Reply& reply) = 0;
};

/// Called with the head of a request whose body is chunked, once it may use the route (token,
/// method); request.body() is empty. `100 Continue` is said after it. Returns nullptr after
/// answering an error (the connection closes; the body is not read), or without having answered:
/// then the body is gathered and given to the route's handler as any other.
using UploadOpener = std::function<std::unique_ptr<Upload>(const Request& request, Reply& reply)>;

}  // namespace rivulet
