// What is kept of a visitor's address: --remote-address.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

enum class RemoteAddress : unsigned char {
  kNone,
  kTruncated,  // IPv4 to /24 ("203.0.113.0"), IPv6 to /48 ("2001:db8:7::")
  kFull,
};

/// "none", "truncated" or "full".
Result<RemoteAddress> ParseRemoteAddress(std::string_view text);

/// `peer` is "127.0.0.1:4711" or "[::1]:4711", with or without the port. Empty for what is no
/// address (a Unix socket's peer).
std::string KeptAddress(std::string_view peer, RemoteAddress kept);

/// Behind a proxy of ours (--trust-forwarded): the address that X-Forwarded-For names last, which
/// is the one that our proxy wrote itself; the ones before it are whatever the visitor said. `peer`
/// when the header is empty; nothing when its last entry is no address.
std::string_view ForwardedPeer(std::string_view peer, std::string_view forwarded_for);

}  // namespace rivulet
