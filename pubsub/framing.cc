#include "pubsub/framing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/json.h"
#include "http/websocket.h"

namespace rivulet {

namespace {

constexpr std::string_view kPartHead = "content-type: */*\r\ncontent-length: ";
constexpr std::string_view kPartHeadEnd = "\r\n\r\n";
constexpr std::string_view kPartEnd = "\r\n--xXPubSubXx\r\n";
constexpr std::string_view kId = "id: ";
constexpr std::string_view kData = "data: ";
constexpr std::string_view kNoData = "data:\n";
constexpr std::string_view kNoPosition = "-";

char* Put(char* out, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

char* Put(char* out, char byte) {
  *out = byte;
  return out + 1;
}

char* PutDecimal(char* out, std::size_t n) {
  const fmt::format_int decimal(n);
  return Put(out, {decimal.data(), decimal.size()});
}

std::size_t DecimalDigits(std::size_t n) {
  std::size_t digits = 1;
  while (n >= 10) {
    n /= 10;
    ++digits;
  }
  return digits;
}

// Takes a text apart at LF, CR and CRLF. A text without one is a line; what follows the last one is
// a line too, though it be empty. The next of each is remembered, so that a text with many of one
// and none of the other is not searched again and again.
class Lines {
 public:
  explicit Lines(std::string_view text)
      : text_(text), line_feed_(text.find('\n')), carriage_return_(text.find('\r')) {}

  bool Next(std::string_view* line) {
    if (at_ > text_.size()) return false;
    const std::size_t end = std::min(line_feed_, carriage_return_);
    if (end == std::string_view::npos) {
      *line = text_.substr(at_);
      at_ = text_.size() + 1;
      return true;
    }
    *line = text_.substr(at_, end - at_);
    at_ = end + (end == carriage_return_ && line_feed_ == end + 1 ? 2 : 1);
    if (line_feed_ < at_) line_feed_ = text_.find('\n', at_);
    if (carriage_return_ < at_) carriage_return_ = text_.find('\r', at_);
    return true;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_feed_;
  std::size_t carriage_return_;
};

// Apart, so that the short framings pay nothing for it.
[[gnu::noinline]] std::size_t EventBytes(std::string_view position, std::string_view message) {
  std::size_t bytes = kId.size() + position.size() + 2;
  if (message.empty()) return bytes + kNoData.size();
  std::string_view line;
  for (Lines lines(message); lines.Next(&line);) bytes += kData.size() + line.size() + 1;
  return bytes;
}

[[gnu::noinline]] void EncodeEvent(std::string_view position, std::string_view message, char* out) {
  out = Put(Put(Put(out, kId), position), '\n');
  if (message.empty()) out = Put(out, kNoData);
  std::string_view line;
  for (Lines lines(message); !message.empty() && lines.Next(&line);) {
    out = Put(Put(Put(out, kData), line), '\n');
  }
  Put(out, '\n');
}

// A position is ASCII: whether the payload is UTF-8 is decided by the message alone.
[[gnu::noinline]] void EncodeFrame(std::size_t payload_bytes, std::string_view position,
                                   std::string_view message, char* out) {
  const bool text = IsValidUtf8(message);
  WriteWebSocketHeader(text ? WebSocketOpcode::kText : WebSocketOpcode::kBinary, payload_bytes,
                       out);
  out += WebSocketHeaderBytes(payload_bytes);
  if (!position.empty()) out = Put(Put(out, position), ' ');
  Put(out, message);
}

std::string Encoded(Framing framing, std::string_view position, std::string_view message) {
  std::string encoded(EncodedBytes(framing, position, message), '\0');
  Encode(framing, position, message, encoded.data());
  return encoded;
}

std::int64_t UnixSeconds(WallTime now) {
  return std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
}

}  // namespace

bool FramingHasPositions(Framing framing) {
  switch (framing) {
    case Framing::kSse:
    case Framing::kLinesAt:
    case Framing::kFramedAt:
    case Framing::kWebSocketAt:
      return true;
    case Framing::kMultipart:
    case Framing::kLines:
    case Framing::kFramed:
    case Framing::kWebSocket:
      return false;
  }
  return false;
}

std::string_view FramingContentType(Framing framing) {
  switch (framing) {
    case Framing::kMultipart:
      return "multipart/x-mixed-replace; boundary=xXPubSubXx";
    case Framing::kLines:
      return "application/json";
    case Framing::kLinesAt:
      return "text/plain; charset=utf-8";
    case Framing::kFramed:
      return "application/vnd.rivulet.framed";
    case Framing::kFramedAt:
      return "application/vnd.rivulet.framed; offsets=1";
    case Framing::kSse:
      return "text/event-stream";
    case Framing::kWebSocket:
    case Framing::kWebSocketAt:
      return {};
  }
  return {};
}

std::string_view FramingPreamble(Framing framing) {
  switch (framing) {
    case Framing::kMultipart:
      return "--xXPubSubXx\r\n";
    case Framing::kLines:
      return "\r\n";
    case Framing::kSse:
      return "retry: 1000\n\n";
    case Framing::kFramed:
    case Framing::kWebSocket:
    case Framing::kLinesAt:
    case Framing::kFramedAt:
    case Framing::kWebSocketAt:
      return {};
  }
  return {};
}

std::size_t EncodedBytes(Framing framing, std::string_view position, std::string_view message) {
  const std::size_t bytes = message.size();
  switch (framing) {
    case Framing::kMultipart:
      return kPartHead.size() + DecimalDigits(bytes) + kPartHeadEnd.size() + bytes +
             kPartEnd.size();
    case Framing::kLines:
      return bytes + 1;
    case Framing::kLinesAt:
      return position.size() + 1 + bytes + 1;
    case Framing::kFramed:
      return DecimalDigits(bytes) + 1 + bytes + 1;
    case Framing::kFramedAt:
      return position.size() + 1 + DecimalDigits(bytes) + 1 + bytes + 1;
    case Framing::kSse:
      return EventBytes(position, message);
    case Framing::kWebSocket:
      return WebSocketHeaderBytes(bytes) + bytes;
    case Framing::kWebSocketAt: {
      const std::size_t payload_bytes = position.size() + 1 + bytes;
      return WebSocketHeaderBytes(payload_bytes) + payload_bytes;
    }
  }
  return 0;
}

void Encode(Framing framing, std::string_view position, std::string_view message, char* out) {
  switch (framing) {
    case Framing::kMultipart:
      out = Put(PutDecimal(Put(out, kPartHead), message.size()), kPartHeadEnd);
      Put(Put(out, message), kPartEnd);
      return;
    case Framing::kLinesAt:
      out = Put(Put(out, position), ' ');
      [[fallthrough]];
    case Framing::kLines:
      Put(Put(out, message), '\n');
      return;
    case Framing::kFramedAt:
      out = Put(Put(out, position), ' ');
      [[fallthrough]];
    case Framing::kFramed:
      out = Put(PutDecimal(out, message.size()), '\n');
      Put(Put(out, message), '\n');
      return;
    case Framing::kSse:
      EncodeEvent(position, message, out);
      return;
    case Framing::kWebSocket:
      EncodeFrame(message.size(), {}, message, out);
      return;
    case Framing::kWebSocketAt:
      EncodeFrame(position.size() + 1 + message.size(), position, message, out);
      return;
  }
}

std::string EncodedGap(Framing framing, const Gap& gap) {
  const std::string missed = gap.missed ? fmt::format("{}", *gap.missed) : "null";
  const std::string what = fmt::format("{{\"missed\":{},\"next\":{}}}", missed, gap.next);
  if (framing == Framing::kSse) return fmt::format("event: gap\ndata: {}\n\n", what);
  return Encoded(framing, kNoPosition, fmt::format("{{\"_gap_\":{}}}", what));
}

std::string EncodedKickNotice(Framing framing, std::uint64_t pending_bytes) {
  const std::string notice =
      fmt::format("ERROR_TOO_SLOW. kicked for having {} pending bytes", pending_bytes);
  if (IsWebSocket(framing)) return WebSocketCloseFrame(kClosePolicy, notice);
  if (framing == Framing::kSse) return fmt::format("event: kicked\ndata: {}\n\n", notice);
  return Encoded(framing, kNoPosition, notice);
}

std::string EncodedHeartbeat(Framing framing, WallTime now) {
  const std::string seconds = fmt::format("{}", UnixSeconds(now));
  if (IsWebSocket(framing)) return WebSocketFrame(WebSocketOpcode::kPing, seconds);
  if (framing == Framing::kSse) return fmt::format(": heartbeat {}\n\n", seconds);
  return Encoded(framing, kNoPosition, fmt::format("{{\"_heartbeat_\":{}}}", seconds));
}

std::string EncodedEnd(Framing framing, bool going_down) {
  const std::string_view why = going_down ? "the daemon is going down" : "until= is reached";
  if (IsWebSocket(framing)) {
    return WebSocketCloseFrame(going_down ? kCloseGoingAway : kCloseNormal, why);
  }
  if (framing == Framing::kSse) return fmt::format(": {}\n\n", why);
  return {};
}

}  // namespace rivulet
