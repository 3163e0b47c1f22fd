// How a message looks on a subscriber's wire. A feed encodes a message once for each framing in
// use; what is stored is ready to send.
//
// kMultipart    a part of multipart/x-mixed-replace: its fields, an empty line, the message, and
//               the boundary that ends it. The stream begins with the first boundary.
// kLines        message, newline. The stream begins with an empty line, "\r\n".
// kFramed       size in decimal digits, newline, message, newline (base/frames.h).
// kSse          an event of an event stream (WHATWG HTML 9.2): `id:` is the position, every line of
//               the message (LF, CR or CRLF ends one) a `data:` of its own. The stream begins with
//               `retry:`.
// kWebSocket    one unmasked frame (RFC 6455 5.2): text where the message is UTF-8, else binary.
// kLinesAt, kFramedAt, kWebSocketAt   the same with the position and a space before the message (in
//               kFramedAt before the size: "17 5\nhello\n").
//
// A position is what a client gives to `since=` or Last-Event-ID to go on: of a feed of one topic
// the offset, "17"; of a feed of several "SEQUENCE TOPIC OFFSET", of which the first number counts.
//
// Notices are what is not a message: a gap, a kick, a heartbeat, the end. In kSse they are events
// (`event: gap`, `event: kicked`) and comments, in kWebSocket control frames where there is one
// (ping; close with its code) and a text frame for a gap, in all others a message of its own:
// `{"_gap_":{"missed":25,"next":42}}` (missed is null when nobody knows),
// `{"_heartbeat_":UNIXTIME}` and `ERROR_TOO_SLOW. kicked for having N pending bytes`. Where
// messages have positions before them (kLinesAt, kFramedAt, kWebSocketAt), such a message has "-"
// for its position.
//
// To add a framing: an enumerator, kFramingCount, and a case in each function of framing.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

enum class Framing : std::uint8_t {
  kMultipart,
  kLines,
  kFramed,
  kSse,
  kWebSocket,
  kLinesAt,
  kFramedAt,
  kWebSocketAt,
};
inline constexpr std::size_t kFramingCount = 8;

/// Whether Encode() reads the position.
bool FramingHasPositions(Framing framing);
inline bool IsWebSocket(Framing framing) {
  return framing == Framing::kWebSocket || framing == Framing::kWebSocketAt;
}

/// The stream's Content-Type; empty for WebSocket.
std::string_view FramingContentType(Framing framing);
/// What a subscriber is sent before the first message.
std::string_view FramingPreamble(Framing framing);

/// Bytes that Encode() writes for this message. O(1), but O(message) for kSse and WebSocket.
std::size_t EncodedBytes(Framing framing, std::string_view position, std::string_view message);
/// Writes exactly EncodedBytes() bytes at `out`. O(message).
void Encode(Framing framing, std::string_view position, std::string_view message, char* out);

/// What is lost between two messages of a stream.
struct Gap {
  std::optional<std::uint64_t> missed;  // messages; nothing when the topic began anew
  std::uint64_t next = 0;               // offset (or sequence) from which it goes on
};
std::string EncodedGap(Framing framing, const Gap& gap);
/// What a kicked slow consumer is told last: `ERROR_TOO_SLOW. kicked for having N pending bytes`;
/// to a WebSocket a close frame with 1008 and that reason.
std::string EncodedKickNotice(Framing framing, std::uint64_t pending_bytes);
/// `now` in seconds of Unix time; an SSE comment, a WebSocket ping.
std::string EncodedHeartbeat(Framing framing, WallTime now);
/// What ends a stream well: empty but for SSE (a comment) and WebSocket (a close frame: 1001 when
/// the daemon goes down, 1000 at `until=`).
std::string EncodedEnd(Framing framing, bool going_down);

}  // namespace rivulet
