// What tests of the client share: a scripted server, a thread a connection that sends exactly the
// bytes a test gives it.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "http/client.h"

namespace rivulet::client_test {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Peer {
 public:
  Peer(int fd, int number) : number_(fd < 0 ? -1 : number), fd_(fd) {}

  int number() const { return number_; }  // of the connection, from 0
  void Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Sends in pieces that arrive apart: each in a segment of its own.
  void SendSlowly(std::string_view bytes) const {
    for (const char c : bytes) Send({&c, 1});
  }
  /// The head and body of the next request; empty when the client closed.
  std::string Receive() {
    for (;;) {
      const auto head = buffer_.find("\r\n\r\n");
      if (head != std::string::npos) {
        std::size_t size = head + 4;
        const auto length = buffer_.find("Content-Length: ");
        if (length < head) size += std::stoul(buffer_.substr(length + 16));
        if (buffer_.size() >= size) {
          std::string request = buffer_.substr(0, size);
          buffer_.erase(0, size);
          return request;
        }
      }
      std::array<char, 65536> bytes{};
      const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
      if (got <= 0) return {};
      buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    }
  }
  void AwaitClose() {
    std::array<char, 4096> bytes{};
    while (recv(fd_, bytes.data(), bytes.size(), 0) > 0) {
    }
  }

 private:
  int number_;
  int fd_;
  std::string buffer_;
};

class ScriptedServer {
 public:
  using Script = std::function<void(Peer& peer)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 64) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { Accept(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
    for (auto& thread : threads_) thread.join();
    for (const int fd : fds_) close(fd);
    close(listener_);
  }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int connections() const { return connections_; }

 private:
  void Accept() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int number = connections_++;
      fds_.push_back(fd);
      threads_.emplace_back([this, fd, number] {
        Peer peer(fd, number);
        script_(peer);
        shutdown(fd, SHUT_RDWR);
      });
    }
  }

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::list<int> fds_;  // of the accepting thread until it has ended
  std::list<std::thread> threads_;
  std::thread accepting_;
};

inline ScriptedServer::Script AnswerAll(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    while (!peer.Receive().empty()) peer.Send(answer);
  };
}

inline ClientRequest Request(std::string url, std::string method = "GET") {
  ClientRequest request;
  request.url = std::move(url);
  request.method = std::move(method);
  request.timeout = seconds(20);  // a test that hangs ends
  return request;
}

inline ClientResponse Fetch(ClientRequest request) {
  EventLoop loop;
  Client client(loop);
  return client.Fetch(std::move(request));
}

template <typename Condition>
void RunUntil(EventLoop& loop, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    loop.RunOnce(milliseconds(20));
  }
}

}  // namespace rivulet::client_test
