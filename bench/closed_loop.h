// Closed-loop load: every connection has one request under way, and sends the next one once the
// answer is whole. What is asked and how answers are cut is the conversation's.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/load.h"

namespace rivulet::bench {

struct ClosedLoopOutcome {
  FineHistogram latency;  // from a request's send to the last byte of its answer
  double seconds = 0;
  std::int64_t server_cpu_ns = 0;
};

/// Talks with the server at that port until `seconds` have gone by and what was under way then is
/// answered. A Conversation, one a connection, has
///   std::string_view Request();            the next request; valid until the answer is whole
///   bool Answer(std::string_view bytes);   takes the next bytes; true once the answer is whole
/// An error when the server cannot be reached, closes a connection, or does not answer for 30 s.
/// O(requests); nothing is allocated while it runs.
template <typename Conversation>
class ClosedLoop {
 public:
  ClosedLoop(std::uint64_t port, std::uint64_t server_pid)
      : port_(port), server_pid_(server_pid), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  ~ClosedLoop() {
    for (const Line& line : lines_) ::close(line.fd);
    ::close(epoll_);
  }
  ClosedLoop(const ClosedLoop&) = delete;
  ClosedLoop& operator=(const ClosedLoop&) = delete;

  Status Connect(std::vector<Conversation>* conversations) {
    lines_.reserve(conversations->size());
    for (Conversation& conversation : *conversations) {
      const auto fd = ConnectLoopback(port_);
      if (!fd.ok()) return fd.status();
      lines_.push_back({*fd, 0, &conversation});
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &lines_.back();
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event);
    }
    return Status::Ok();
  }

  Status Run(double seconds, ClosedLoopOutcome* outcome) {
    const std::int64_t cpu_before = ProcessCpuNs(server_pid_);
    const std::int64_t start = NowNs();
    end_ = start + static_cast<std::int64_t>(seconds * 1e9);
    for (Line& line : lines_) {
      if (Status status = Ask(line); !status.ok()) return status;
    }
    std::array<epoll_event, 256> events;
    while (under_way_ > 0) {
      const int ready =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 30'000);
      if (ready == 0) return Status(StatusCode::kUnavailable, "the server did not answer for 30 s");
      for (int i = 0; i < ready; ++i) {
        Line& line = *static_cast<Line*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (Status status = Receive(line, outcome); !status.ok()) return status;
      }
    }
    outcome->seconds = static_cast<double>(NowNs() - start) / 1e9;
    outcome->server_cpu_ns = ProcessCpuNs(server_pid_) - cpu_before;
    return Status::Ok();
  }

 private:
  struct Line {
    int fd;
    std::int64_t sent;  // when, the request under way
    Conversation* conversation;
  };

  Status Ask(Line& line) {
    const std::string_view request = line.conversation->Request();
    line.sent = NowNs();
    ++under_way_;
    if (::send(line.fd, request.data(), request.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(request.size())) {
      return Status::Ok();
    }
    return Status(StatusCode::kUnavailable, "a request did not fit into a socket");
  }

  Status Receive(Line& line, ClosedLoopOutcome* outcome) {
    const ssize_t got = ::read(line.fd, buffer_.data(), buffer_.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Status::Ok();
    if (got <= 0) return Status(StatusCode::kUnavailable, "the server closed a connection");
    if (!line.conversation->Answer({buffer_.data(), static_cast<std::size_t>(got)})) {
      return Status::Ok();
    }
    --under_way_;
    const std::int64_t now = NowNs();
    outcome->latency.Add(now - line.sent);
    return now < end_ ? Ask(line) : Status::Ok();
  }

  std::uint64_t port_;
  std::uint64_t server_pid_;
  int epoll_;
  std::int64_t end_ = 0;
  std::size_t under_way_ = 0;
  std::vector<Line> lines_;  // never resized once connected: epoll points into it
  std::array<char, 64 * 1024> buffer_{};
};

}  // namespace rivulet::bench
