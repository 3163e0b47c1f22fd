// A pubsub that answers exactly what a test says, on the thread of the loop that follows it.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/event_loop.h"

namespace rivulet::test {

/// Serves the loop until `done`, or fails the test after 20 s.
inline void RunUntil(EventLoop& loop, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    loop.RunOnce(std::chrono::milliseconds(2));
  }
}

/// One request of a follower, and the answer to it.
class SourceConnection {
 public:
  SourceConnection(EventLoop& loop, int fd) : loop_(&loop), fd_(fd) {
    RunUntil(loop, [this] {
      Receive();
      return closed_ || whole();
    });
  }
  SourceConnection(SourceConnection&& other) noexcept
      : loop_(other.loop_),
        fd_(std::exchange(other.fd_, -1)),
        request_(std::move(other.request_)),
        closed_(other.closed_) {}
  SourceConnection& operator=(SourceConnection&&) = delete;
  ~SourceConnection() { Cut(); }

  const std::string& request() const { return request_; }
  /// False: the follower closed before it had asked.
  bool whole() const { return request_.find("\r\n\r\n") != std::string::npos; }
  /// What is asked for: "/sub?multipart=0".
  std::string target() const {
    const auto begin = request_.find(' ') + 1;
    return request_.substr(begin, request_.find(' ', begin) - begin);
  }
  void Head(std::string_view fields, std::string_view status = "200 OK") {
    Raw("HTTP/1.1 " + std::string(status) + "\r\nTransfer-Encoding: chunked\r\n" +
        std::string(fields) + "\r\n");
  }
  /// One chunk.
  void Send(std::string_view data) {
    std::array<char, 20> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", data.size());
    Raw(std::string(size.data()) + std::string(data) + "\r\n");
  }
  void End() {
    Raw("0\r\n\r\n");
    Cut();
  }
  void Cut() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  /// The follower has closed its side.
  bool closed_by_peer() {
    Receive();
    return closed_;
  }

 private:
  void Receive() {
    std::array<char, 4096> bytes{};
    for (;;) {
      const ssize_t got = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) closed_ = true;
      if (got <= 0) return;
      request_.append(bytes.data(), static_cast<std::size_t>(got));
    }
  }
  void Raw(const std::string& bytes) {
    std::size_t sent = 0;
    RunUntil(*loop_, [&] {
      const ssize_t took =
          send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (took > 0) sent += static_cast<std::size_t>(took);
      return sent == bytes.size() || (took < 0 && errno != EAGAIN);
    });
  }

  EventLoop* loop_;
  int fd_;
  std::string request_;
  bool closed_ = false;
};

class ScriptedSource {
 public:
  explicit ScriptedSource(EventLoop& loop) : loop_(loop) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 64) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~ScriptedSource() { close(listener_); }
  ScriptedSource(const ScriptedSource&) = delete;
  ScriptedSource& operator=(const ScriptedSource&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// The next connection that asks, once its request is there.
  SourceConnection Accept() {
    for (;;) {
      int fd = -1;
      RunUntil(loop_, [&] {
        fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
        return fd >= 0;
      });
      SourceConnection connection(loop_, fd);
      if (connection.whole()) return connection;
    }
  }

 private:
  EventLoop& loop_;
  int listener_ = -1;
  int port_ = 0;
};

inline constexpr char kFramedHead[] = "Content-Type: application/vnd.rivulet.framed; offsets=1\r\n";

}  // namespace rivulet::test
