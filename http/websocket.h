// WebSocket (RFC 6455) on the server's side: the handshake, what comes from the client, and control
// frames between the frames of a stream.
//
// What is sent is a StreamSource whose bytes are whole frames already (so that one encoding serves
// all subscribers); WebSocketFrame() and WriteWebSocketHeader() make them. What is received is read
// by wslay: fragments are joined, control frames may stand between them, text is checked as UTF-8,
// and whatever breaks the protocol ends the connection with the close code that RFC 6455 7.4.1
// gives it (1002, 1007, 1009).
//
//   reply.WebSocket(std::move(source), std::move(listener), limits);
//
// Pings are answered, of several unanswered ones the last (5.5.2). A close is answered with its
// code and ends the stream once its frame in hand has been sent. When the source ends, its last
// bytes must have been a close frame; what the client still says is read over until its own. Ends
// that the client does not answer or read within two seconds are cut. When the daemon drains the
// source is told (StreamSource::Drain); without a source the client is sent close 1001.
//
// A client that does not read is heard all the same, and costs the newest pong and the newest
// answer; that it stays behind is its source's business. A WebSocket has no idle timeout: TCP
// keepalive finds who has gone (about two minutes). But a message or frame that has begun must go
// on as a body must (promise P8): after header_timeout of grace at min_body_bytes_per_second,
// however fast it was before, and control frames within it do not count; else it is dropped, and
// the connection ended by close 1008.
//
// Memory: beside the message that is being received, 9 KiB while a frame is half received and 0.3
// KiB otherwise. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace rivulet {

class Request;
class Stream;

enum class WebSocketOpcode : std::uint8_t {
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

/// Codes of RFC 6455 7.4.1.
inline constexpr std::uint16_t kCloseNormal = 1000;
inline constexpr std::uint16_t kCloseGoingAway = 1001;
inline constexpr std::uint16_t kClosePolicy = 1008;
inline constexpr std::uint16_t kCloseInternal = 1011;

inline constexpr std::size_t kMaxWebSocketHeaderBytes = 10;
/// Of an unmasked frame with so many bytes of payload: 2, 4 or 10.
std::size_t WebSocketHeaderBytes(std::size_t payload_bytes);
/// Writes exactly that many bytes at `out`: one final frame.
void WriteWebSocketHeader(WebSocketOpcode opcode, std::size_t payload_bytes, char* out);
/// A whole frame.
std::string WebSocketFrame(WebSocketOpcode opcode, std::string_view payload);
/// A close frame. `reason` is cut to 123 bytes, at a character.
std::string WebSocketCloseFrame(std::uint16_t code, std::string_view reason);

/// The request asks to become a WebSocket: GET, `Upgrade: websocket`, `Connection: Upgrade`.
bool AsksForWebSocket(const Request& request);
/// Of a handshake: the value of Sec-WebSocket-Accept (4.2.2).
std::string WebSocketAccept(std::string_view key);

struct WebSocketLimits {
  std::size_t max_message_bytes = 64ULL << 20;  // received; more is answered by close 1009
};

/// Who hears what the client sends. Destroyed with the connection, before the source.
class WebSocketListener {
 public:
  virtual ~WebSocketListener() = default;
  /// A whole message; text is UTF-8. What is returned (UTF-8 too) is sent as a text frame once the
  /// frame in hand is out. An answer that has not begun to be sent is replaced by the next one, so
  /// of messages that come together the last one's answer is sent, and it must say all there is to
  /// say. Empty: no answer.
  virtual std::string OnMessage(std::string_view payload, bool text) = 0;
};

}  // namespace rivulet
