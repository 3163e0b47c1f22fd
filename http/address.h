// Where a server listens: a TCP address and port, or a Unix socket file.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace rivulet {

struct ListenAddress {
  std::string host = "127.0.0.1";  // a numeric IPv4 or IPv6 address; empty for a Unix socket
  std::uint16_t port = 8080;       // 0: the system chooses
  std::string unix_path;           // empty for TCP

  /// True when only this machine can reach it.
  bool local() const;
};

/// "127.0.0.1", "::1", "0.0.0.0", "localhost" or "unix:PATH", as --address takes it.
Result<ListenAddress> ParseListenAddress(const std::string& address, std::uint16_t port);

/// A bound, listening, non-blocking socket. A Unix socket's file is removed when this is destroyed.
class ListenSocket {
 public:
  ListenSocket() = default;
  ~ListenSocket();
  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&& other) noexcept;

  /// A stale socket file (nobody listens behind it) is replaced; a living one is an error.
  static Result<ListenSocket> Open(const ListenAddress& address);
  void Close();

  int fd() const { return fd_; }
  /// "127.0.0.1:4711", "[::1]:4711" or "unix:PATH", with the port that was chosen.
  const std::string& bound() const { return bound_; }

 private:
  int fd_ = -1;
  std::string bound_;
  std::string unix_path_;
};

/// "127.0.0.1:4711" of an accepted socket's peer address, as accept4 filled it in.
std::string PeerName(const void* sockaddr_storage, unsigned size);

}  // namespace rivulet
