#include "http/websocket.h"

#include <openssl/sha.h>

#include <array>
#include <cstring>

#include "base/base64.h"
#include "http/request.h"

namespace rivulet {

namespace {

// RFC 6455 1.3.
constexpr std::string_view kAcceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kMaxShortBytes = 125;
constexpr std::size_t kMaxCloseReasonBytes = kMaxShortBytes - 2;
constexpr unsigned char kFinalBit = 0x80;

char* PutBigEndian(std::uint64_t value, std::size_t bytes, char* out) {
  for (std::size_t i = bytes; i-- > 0;) *out++ = static_cast<char>(value >> (8 * i));
  return out;
}

}  // namespace

std::size_t WebSocketHeaderBytes(std::size_t payload_bytes) {
  if (payload_bytes <= kMaxShortBytes) return 2;
  return payload_bytes <= 0xffff ? 4 : 10;
}

void WriteWebSocketHeader(WebSocketOpcode opcode, std::size_t payload_bytes, char* out) {
  *out++ = static_cast<char>(kFinalBit | static_cast<unsigned char>(opcode));
  if (payload_bytes <= kMaxShortBytes) {
    *out = static_cast<char>(payload_bytes);
  } else if (payload_bytes <= 0xffff) {
    *out++ = 126;
    PutBigEndian(payload_bytes, 2, out);
  } else {
    *out++ = 127;
    PutBigEndian(payload_bytes, 8, out);
  }
}

std::string WebSocketFrame(WebSocketOpcode opcode, std::string_view payload) {
  std::string frame;
  frame.reserve(WebSocketHeaderBytes(payload.size()) + payload.size());
  frame.resize(WebSocketHeaderBytes(payload.size()));
  WriteWebSocketHeader(opcode, payload.size(), frame.data());
  return frame.append(payload);
}

std::string WebSocketCloseFrame(std::uint16_t code, std::string_view reason) {
  if (reason.size() > kMaxCloseReasonBytes) {
    std::size_t end = kMaxCloseReasonBytes;
    // Not inside a character: its later bytes are 10xxxxxx.
    while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80) --end;
    reason = reason.substr(0, end);
  }
  std::array<char, 2> code_bytes{};
  PutBigEndian(code, 2, code_bytes.data());
  return WebSocketFrame(WebSocketOpcode::kClose, std::string(code_bytes.data(), 2).append(reason));
}

bool AsksForWebSocket(const Request& request) {
  return request.method() == Method::kGet && request.HasToken("Upgrade", "websocket") &&
         request.HasToken("Connection", "upgrade");
}

std::string WebSocketAccept(std::string_view key) {
  const std::string text = std::string(key).append(kAcceptSuffix);
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<char, SHA_DIGEST_LENGTH> bytes{};
  std::memcpy(bytes.data(), digest.data(), digest.size());
  std::string accept;
  AppendBase64(&accept, {bytes.data(), bytes.size()});
  return accept;
}

}  // namespace rivulet
