#include "collector/remote_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>

#include "collector/json_measure.h"

namespace rivulet {

namespace {

struct IpAddress {
  int family = AF_INET;
  std::array<unsigned char, 16> bytes{};
};

/// Blanks, and the quotes of a proxy that quotes.
std::string_view Trim(std::string_view text) {
  constexpr std::string_view kAround = " \t\"";
  const std::size_t begin = text.find_first_not_of(kAround);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kAround) - begin + 1);
}

/// "[::1]:4711", "[::1]" and "127.0.0.1:4711" without brackets and port, "fe80::1%eth0" without
/// zone.
std::string_view HostOf(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    return close == std::string_view::npos ? std::string_view() : text.substr(1, close - 1);
  }
  const std::size_t colon = text.find(':');
  const bool one =
      colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
  return one ? text.substr(0, colon) : text;
}

std::optional<IpAddress> ReadAddress(std::string_view text) {
  std::string_view host = HostOf(Trim(text));
  host = host.substr(0, host.find('%'));
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (host.empty() || host.size() >= terminated.size()) return std::nullopt;
  std::memcpy(terminated.data(), host.data(), host.size());
  IpAddress address;
  if (inet_pton(AF_INET, terminated.data(), address.bytes.data()) == 1) return address;
  address.family = AF_INET6;
  if (inet_pton(AF_INET6, terminated.data(), address.bytes.data()) != 1) return std::nullopt;
  // IPv4 as a socket of both shows it: RFC 4291, 2.5.5.2.
  constexpr std::array<unsigned char, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(address.bytes.data(), kMapped.data(), kMapped.size()) == 0) {
    address.family = AF_INET;
    std::memmove(address.bytes.data(), address.bytes.data() + kMapped.size(), 4);
  }
  return address;
}

}  // namespace

Result<RemoteAddress> ParseRemoteAddress(std::string_view text) {
  if (text == "none") return RemoteAddress::kNone;
  if (text == "truncated") return RemoteAddress::kTruncated;
  if (text == "full") return RemoteAddress::kFull;
  return InvalidArgument(fmt::format("{} must be none, truncated or full", ShownText(text)));
}

std::string KeptAddress(std::string_view peer, RemoteAddress kept) {
  if (kept == RemoteAddress::kNone) return {};
  auto address = ReadAddress(peer);
  if (!address) return {};
  if (kept == RemoteAddress::kTruncated) {
    const std::size_t kept_bytes = address->family == AF_INET ? 3 : 6;
    std::memset(address->bytes.data() + kept_bytes, 0, address->bytes.size() - kept_bytes);
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address->family, address->bytes.data(), text.data(), text.size());
  return text.data();
}

std::string_view ForwardedPeer(std::string_view peer, std::string_view forwarded_for) {
  if (Trim(forwarded_for).empty()) return peer;
  const std::size_t comma = forwarded_for.rfind(',');
  const std::string_view last =
      Trim(comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
  return ReadAddress(last) ? last : std::string_view();
}

}  // namespace rivulet
