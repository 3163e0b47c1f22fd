#include "pubsub/framing.h"

#include <fmt/format.h>

#include <cstring>

namespace rivulet {

namespace {

constexpr std::string_view kPartHead = "content-type: */*\r\ncontent-length: ";
constexpr std::string_view kPartHeadEnd = "\r\n\r\n";
constexpr std::string_view kPartEnd = "\r\n--xXPubSubXx\r\n";

char* Put(char* out, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

std::size_t DecimalDigits(std::size_t n) {
  std::size_t digits = 1;
  while (n >= 10) {
    n /= 10;
    ++digits;
  }
  return digits;
}

}  // namespace

std::string_view FramingContentType(Framing framing) {
  switch (framing) {
    case Framing::kMultipart:
      return "multipart/x-mixed-replace; boundary=xXPubSubXx";
    case Framing::kLines:
      return "application/json";
  }
  return {};
}

std::string_view FramingPreamble(Framing framing) {
  switch (framing) {
    case Framing::kMultipart:
      return "--xXPubSubXx\r\n";
    case Framing::kLines:
      return "\r\n";
  }
  return {};
}

std::size_t EncodedBytes(Framing framing, std::string_view message) {
  switch (framing) {
    case Framing::kMultipart:
      return kPartHead.size() + DecimalDigits(message.size()) + kPartHeadEnd.size() +
             message.size() + kPartEnd.size();
    case Framing::kLines:
      return message.size() + 1;
  }
  return 0;
}

void Encode(Framing framing, std::string_view message, char* out) {
  switch (framing) {
    case Framing::kMultipart: {
      out = Put(out, kPartHead);
      const fmt::format_int length(message.size());
      out = Put(out, {length.data(), length.size()});
      out = Put(out, kPartHeadEnd);
      out = Put(out, message);
      Put(out, kPartEnd);
      return;
    }
    case Framing::kLines:
      *Put(out, message) = '\n';
      return;
  }
}

std::string EncodedKickNotice(Framing framing, std::uint64_t pending_bytes) {
  const std::string notice =
      fmt::format("ERROR_TOO_SLOW. kicked for having {} pending bytes", pending_bytes);
  std::string encoded(EncodedBytes(framing, notice), '\0');
  Encode(framing, notice, encoded.data());
  return encoded;
}

}  // namespace rivulet
