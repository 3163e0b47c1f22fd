// Open-loop HTTP load: requests leave on a fixed schedule, whatever the server does.
//
// The i-th request is due at start + i / rate and goes out on a connection that is free; when none
// is, it waits, and its latency still counts from the time it was due. So a stall of the server
// shows in the quantiles instead of slowing the load (no coordinated omission). It spins instead of
// sleeping and wants a core of its own. Prints one JSON object; exits 1 when an answer was not 200.
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

struct Settings {
  std::uint64_t port = 0;
  std::uint64_t connections = 64;
  double rate = 1000;
  double seconds = 2;
  std::string path = "/put";
  std::uint64_t body_bytes = 100;
  std::uint64_t server_pid = 0;
};

struct Connection {
  int fd = -1;
  std::int64_t due = 0;  // of the request under way
  HttpCounter answers;
};

class RateLoad {
 public:
  explicit RateLoad(const Settings& settings)
      : settings_(settings),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        connections_(settings.connections) {
    request_ =
        settings.body_bytes == 0
            ? fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", settings.path)
            : fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                          settings.path, settings.body_bytes) +
                  std::string(settings.body_bytes, 'x');
  }

  Status Connect() {
    for (Connection& connection : connections_) {
      const auto fd = ConnectLoopback(settings_.port);
      if (!fd.ok()) return fd.status();
      connection.fd = *fd;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &connection;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event);
      free_.push_back(&connection);
    }
    return Status::Ok();
  }

  int Run() {
    const std::int64_t cpu_before = ProcessCpuNs(settings_.server_pid);
    const std::int64_t start = NowNs();
    const auto wanted = static_cast<std::uint64_t>(settings_.rate * settings_.seconds);
    const std::int64_t give_up =
        start + static_cast<std::int64_t>((settings_.seconds * 2 + 5) * 1e9);
    std::uint64_t sent = 0;
    std::int64_t now = start;
    while (latency_.total() < sent || sent < wanted) {
      while (sent < wanted && !free_.empty()) {
        const std::int64_t due =
            start + static_cast<std::int64_t>(static_cast<double>(sent) * 1e9 / settings_.rate);
        if (due > now) break;
        if (!Send(*free_.back(), due)) return Fail("a request did not fit into a socket");
        free_.pop_back();
        ++sent;
      }
      Receive();
      if (is_cut_) return Fail("the server closed a connection");
      now = NowNs();
      if (now > give_up) return Fail("the server does not keep up with the rate");
    }
    Print(static_cast<double>(now - start) / 1e9, ProcessCpuNs(settings_.server_pid) - cpu_before);
    return refused_ == 0 ? 0 : 1;
  }

 private:
  bool Send(Connection& connection, std::int64_t due) const {
    connection.due = due;
    return ::send(connection.fd, request_.data(), request_.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(request_.size());
  }

  void Receive() {
    const int ready = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events_[static_cast<std::size_t>(i)].data.ptr);
      const ssize_t got = ::read(connection.fd, buffer_.data(), buffer_.size());
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) {
        is_cut_ = true;
        return;
      }
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      const std::size_t ended = connection.answers.Feed(
          bytes, [&](std::string_view head) { refused_ += IsOkResponse(head) ? 0U : 1U; });
      if (ended == 0) continue;
      latency_.Add(NowNs() - connection.due);
      free_.push_back(&connection);
    }
  }

  static int Fail(std::string_view message) {
    fmt::print(stderr, "rate_load: {}\n", message);
    return 1;
  }

  void Print(double seconds, std::int64_t cpu_ns) const {
    const auto done = static_cast<double>(std::max<std::uint64_t>(latency_.total(), 1));
    const auto us = [&](double q) { return static_cast<double>(latency_.QuantileNs(q)) / 1e3; };
    fmt::print(
        "{{\"requests\":{},\"seconds\":{:.3f},\"requests_per_s\":{:.0f},\"refused\":{},"
        "\"p50_us\":{:.1f},\"p99_us\":{:.1f},\"p999_us\":{:.1f},\"max_us\":{:.1f},"
        "\"cpu_us_per_request\":{:.3f}}}\n",
        latency_.total(), seconds, done / seconds, refused_, us(0.5), us(0.99), us(0.999),
        static_cast<double>(latency_.max_ns()) / 1e3, static_cast<double>(cpu_ns) / 1e3 / done);
  }

  const Settings& settings_;
  int epoll_;
  std::string request_;
  std::vector<Connection> connections_;  // never resized: epoll and free_ point into it
  std::vector<Connection*> free_;
  FineHistogram latency_;
  std::uint64_t refused_ = 0;
  bool is_cut_ = false;
  std::array<epoll_event, 256> events_{};
  std::array<char, 64 * 1024> buffer_{};
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  rivulet::bench::Settings settings;
  rivulet::Options options("rate_load", "asks an HTTP server at a constant rate");
  options.Uint("port", &settings.port, "the server's port on 127.0.0.1").Range(1, 65535).Required();
  options.Uint("connections", &settings.connections, "keep-alive connections").Range(1, 10000);
  options.Real("rate", &settings.rate, "requests a second").Range(1, 1e7);
  options.Real("seconds", &settings.seconds, "time to ask for").Range(0.01, 3600);
  options.Text("path", &settings.path, "target of the requests");
  options.Uint("body-bytes", &settings.body_bytes, "length of the POST body; 0: GET")
      .Range(0, 1 << 16);
  options.Uint("server-pid", &settings.server_pid, "process whose CPU time is counted");
  if (auto code = options.Parse(argc, argv)) return *code;

  const auto load = std::make_unique<rivulet::bench::RateLoad>(settings);
  if (const rivulet::Status status = load->Connect(); !status.ok()) {
    fmt::print(stderr, "rate_load: {}\n", status.message());
    return 1;
  }
  return load->Run();
}
