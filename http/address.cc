#include "http/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace rivulet {

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<SocketAddress> ToSocketAddress(const ListenAddress& address) {
  SocketAddress out;
  if (!address.unix_path.empty()) {
    auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
    if (address.unix_path.size() >= sizeof un->sun_path) {
      return InvalidArgument(
          fmt::format("--address=unix:{}: the path must be shorter than {} bytes",
                      address.unix_path, sizeof un->sun_path));
    }
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, address.unix_path.c_str(), address.unix_path.size() + 1);
    out.size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.unix_path.size() + 1);
    return out;
  }
  auto* in4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, address.host.c_str(), &in4->sin_addr) == 1) {
    in4->sin_family = AF_INET;
    in4->sin_port = htons(address.port);
    out.size = sizeof *in4;
  } else if (inet_pton(AF_INET6, address.host.c_str(), &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address.port);
    out.size = sizeof *in6;
  } else {
    return InvalidArgument(
        fmt::format("--address={}: must be a numeric IPv4 or IPv6 address, localhost or unix:PATH",
                    address.host));
  }
  return out;
}

// True when a process accepts connections behind the socket file.
bool SomebodyListens(SocketAddress address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool connected = connect(fd, address.get(), address.size) == 0;
  close(fd);
  return connected;
}

Status RemoveStaleSocket(const std::string& path, const SocketAddress& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return Status::Ok();
  if (!S_ISSOCK(info.st_mode)) {
    return InvalidArgument(fmt::format("unix:{}: exists and is not a socket", path));
  }
  if (SomebodyListens(address)) {
    return {StatusCode::kUnavailable, fmt::format("unix:{}: another process listens there", path)};
  }
  if (unlink(path.c_str()) != 0) return IoError("unix:" + path, errno);
  return Status::Ok();
}

}  // namespace

bool ListenAddress::local() const {
  return !unix_path.empty() || host == "::1" || host.starts_with("127.");
}

Result<ListenAddress> ParseListenAddress(const std::string& address, std::uint16_t port) {
  ListenAddress out;
  out.port = port;
  if (address.starts_with("unix:")) {
    out.unix_path = address.substr(5);
    out.host.clear();
    if (out.unix_path.empty()) return InvalidArgument("--address=unix:: must name a path");
  } else {
    out.host = address == "localhost" ? "127.0.0.1" : address;
  }
  auto checked = ToSocketAddress(out);
  if (!checked.ok()) return checked.status();
  return out;
}

ListenSocket::~ListenSocket() { Close(); }

ListenSocket::ListenSocket(ListenSocket&& other) noexcept { *this = std::move(other); }

ListenSocket& ListenSocket::operator=(ListenSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bound_, other.bound_);
  std::swap(unix_path_, other.unix_path_);
  return *this;
}

void ListenSocket::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
  unix_path_.clear();
}

Result<ListenSocket> ListenSocket::Open(const ListenAddress& address) {
  auto target = ToSocketAddress(address);
  if (!target.ok()) return target.status();
  const bool is_unix = !address.unix_path.empty();
  if (is_unix) {
    if (Status s = RemoveStaleSocket(address.unix_path, *target); !s.ok()) return s;
  }
  ListenSocket out;
  out.fd_ = socket(target->get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (out.fd_ < 0) return IoError("socket", errno);
  const int one = 1;
  if (!is_unix) setsockopt(out.fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const std::string where =
      is_unix ? "unix:" + address.unix_path : fmt::format("{}:{}", address.host, address.port);
  if (bind(out.fd_, target->get(), target->size) != 0) {
    return IoError("cannot listen on " + where, errno);
  }
  if (is_unix) out.unix_path_ = address.unix_path;
  if (listen(out.fd_, SOMAXCONN) != 0) return IoError("cannot listen on " + where, errno);
  if (is_unix) {
    out.bound_ = where;
  } else {
    SocketAddress name;
    name.size = sizeof name.storage;
    getsockname(out.fd_, name.get(), &name.size);
    out.bound_ = PeerName(&name.storage, name.size);
  }
  return out;
}

std::string PeerName(const void* storage, unsigned size) {
  char text[INET6_ADDRSTRLEN] = "";
  const auto* any = static_cast<const sockaddr*>(storage);
  if (size >= sizeof(sockaddr_in) && any->sa_family == AF_INET) {
    const auto* in4 = static_cast<const sockaddr_in*>(storage);
    inet_ntop(AF_INET, &in4->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(in4->sin_port));
  }
  if (size >= sizeof(sockaddr_in6) && any->sa_family == AF_INET6) {
    const auto* in6 = static_cast<const sockaddr_in6*>(storage);
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(in6->sin6_port));
  }
  return "unix:";
}

}  // namespace rivulet
