// How a message looks on a subscriber's wire. A topic encodes a message once for each framing in
// use; what is stored is ready to send.
//
// kLines      message, newline. The stream begins with an empty line, "\r\n".
// kMultipart  a part of multipart/x-mixed-replace: its fields, an empty line, the message, and the
//             boundary that ends it. The stream begins with the first boundary.
//
// To add a framing: an enumerator, kFramingCount, and a case in each function of framing.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet {

enum class Framing : std::uint8_t { kMultipart, kLines };
inline constexpr std::size_t kFramingCount = 2;

/// The stream's Content-Type.
std::string_view FramingContentType(Framing framing);
/// What a subscriber is sent before the first message.
std::string_view FramingPreamble(Framing framing);

/// Bytes that Encode() writes for this message. O(1).
std::size_t EncodedBytes(Framing framing, std::string_view message);
/// Writes exactly EncodedBytes() bytes at `out`. O(message).
void Encode(Framing framing, std::string_view message, char* out);

/// What a kicked slow consumer is told last, in its own framing:
/// `ERROR_TOO_SLOW. kicked for having N pending bytes`.
std::string EncodedKickNotice(Framing framing, std::uint64_t pending_bytes);

}  // namespace rivulet
