// A fixed-answer epoll loop: the floor that the daemons are measured against.
//
// It reads, counts complete requests (head end and Content-Length, nothing else looked at), drops
// them and answers each with the same 200. What a daemon costs above it is parsing, routing and
// its own work. Pipelined requests that came in one read leave in one write.
#include <fmt/core.h>
#include <signal.h>
#include <sys/epoll.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "bench/http_counter.h"
#include "bench/load.h"

namespace rivulet::bench {
namespace {

struct Connection {
  int fd = -1;
  HttpCounter requests;
  std::size_t unsent_bytes = 0;  // of answers; all answers are alike, so a count is enough
};

class FixedAnswerLoop {
 public:
  explicit FixedAnswerLoop(std::size_t body_bytes)
      : answer_(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body_bytes) +
                std::string(body_bytes, 'x')) {
    while (answers_.size() < kWriteBytes) answers_ += answer_;
    answers_ += answer_;  // so that a write may begin in the middle of an answer
  }

  /// Listens on a free port and returns it.
  Result<int> Listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 4096) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      return IoError("listen on 127.0.0.1:0", errno);
    }
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    Watch(EPOLL_CTL_ADD, listener_, EPOLLIN, nullptr);
    return ntohs(address.sin_port);
  }

  /// Serves until the process is ended by a signal.
  [[noreturn]] void Run() {
    std::array<epoll_event, 512> events{};
    for (;;) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          Accept();
        } else {
          Serve(static_cast<Connection*>(event.data.ptr), event.events);
        }
      }
    }
  }

 private:
  static constexpr std::size_t kWriteBytes = 256 * 1024;

  void Watch(int operation, int fd, std::uint32_t events, Connection* connection) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = connection;
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  void Accept() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (connections_.size() <= static_cast<std::size_t>(fd)) {
        connections_.resize(static_cast<std::size_t>(fd) + 1);
      }
      auto& slot = connections_[static_cast<std::size_t>(fd)];
      slot = std::make_unique<Connection>();
      slot->fd = fd;
      Watch(EPOLL_CTL_ADD, fd, EPOLLIN, slot.get());
    }
  }

  void Serve(Connection* connection, std::uint32_t events) {
    const bool was_blocked = connection->unsent_bytes > 0;
    if (!was_blocked && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      const ssize_t got = ::read(connection->fd, buffer_.data(), buffer_.size());
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return Close(connection);
      if (got < 0) return;
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      connection->unsent_bytes +=
          connection->requests.Feed(bytes, [](std::string_view) {}) * answer_.size();
    }
    if (!Answer(connection)) return Close(connection);
    const bool is_blocked = connection->unsent_bytes > 0;
    if (is_blocked != was_blocked) {
      Watch(EPOLL_CTL_MOD, connection->fd, is_blocked ? EPOLLOUT : EPOLLIN, connection);
    }
  }

  /// False when the peer is gone.
  bool Answer(Connection* connection) const {
    while (connection->unsent_bytes > 0) {
      const std::size_t in_first = connection->unsent_bytes % answer_.size();
      const std::size_t begin = in_first == 0 ? 0 : answer_.size() - in_first;
      const std::size_t length = std::min(connection->unsent_bytes, answers_.size() - begin);
      const ssize_t sent = ::send(connection->fd, answers_.data() + begin, length, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      connection->unsent_bytes -= static_cast<std::size_t>(sent);
      if (static_cast<std::size_t>(sent) < length) return true;
    }
    return true;
  }

  void Close(Connection* connection) {
    const int fd = connection->fd;
    ::close(fd);
    connections_[static_cast<std::size_t>(fd)].reset();
  }

  std::string answer_;
  std::string answers_;  // whole answers, one after the other
  int listener_ = -1;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
  std::array<char, 64 * 1024> buffer_{};
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  std::uint64_t body_bytes = 0;
  rivulet::Options options("epoll_loop", "answers every HTTP request with the same 200");
  options.Bytes("answer-bytes", &body_bytes, "bytes of body in each answer").Metavar("BYTES");
  if (auto code = options.Parse(argc, argv)) return *code;

  ::signal(SIGPIPE, SIG_IGN);
  rivulet::bench::FixedAnswerLoop loop(body_bytes);
  const auto port = loop.Listen();
  if (!port.ok()) {
    fmt::print(stderr, "epoll_loop: {}\n", port.status().message());
    return 1;
  }
  fmt::print("listening on 127.0.0.1:{}\n", *port);
  std::fflush(stdout);
  loop.Run();
}
