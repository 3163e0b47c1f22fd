// A client for tests of the server: on a non-blocking loopback socket, driven by the same loop.
#pragma once

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "base/event_loop.h"

namespace rivulet {

class LoopClient {
 public:
  LoopClient(EventLoop& loop, const std::string& bound) : loop_(loop) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    // What is sent in two parts comes in two, and the second at once.
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1))));
    // NOLINTNEXTLINE(bugprone-unused-return-value): in progress
    connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~LoopClient() { Close(); }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  // Says that no more is sent; still reads.
  void EndSending() { shutdown(fd_, SHUT_WR); }
  int fd() const { return fd_; }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      loop_.RunOnce(std::chrono::milliseconds(1));
    }
  }

  // Runs the loop until `end` has come or the server closed; at most about five seconds.
  std::string ReadUntil(const std::string& end) {
    std::size_t from = 0;  // `end` begins nowhere before
    for (int i = 0; i < 5000 && seen_.find(end, from) == std::string::npos && !closed_; ++i) {
      from = seen_.size() - std::min(seen_.size(), end.size() - 1);
      loop_.RunOnce(std::chrono::milliseconds(1));
      Receive();
    }
    return std::exchange(seen_, {});
  }

  // What has come by now.
  std::string ReadNow() {
    for (int i = 0; i < 10; ++i) loop_.RunOnce(std::chrono::milliseconds(1));
    Receive();
    return std::exchange(seen_, {});
  }

  std::string ReadToClose() { return ReadUntil("a text that never comes \x01"); }
  bool closed() const { return closed_; }

 private:
  void Receive() {
    char buffer[65536];
    for (;;) {
      const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != ENOTCONN)) closed_ = true;
      if (got <= 0) return;
      seen_.append(buffer, static_cast<std::size_t>(got));
    }
  }

  EventLoop& loop_;
  int fd_ = -1;
  bool closed_ = false;
  std::string seen_;
};

inline std::string Get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

}  // namespace rivulet
