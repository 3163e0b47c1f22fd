// What the load generators share: a clock, a latency histogram, sockets on loopback, a process's
// CPU time. Single-threaded; for measuring on one machine, not for production.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/status.h"

namespace rivulet::bench {

/// Monotonic nanoseconds.
inline std::int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Counts of durations in steps of 1/64 of a power of two: a quantile is at most 1.6 % too high.
class FineHistogram {
 public:
  void Add(std::int64_t ns) {
    const auto v = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    ++counts_[Slot(v)];
    ++total_;
    max_ = std::max(max_, v);
  }
  std::uint64_t total() const { return total_; }
  std::uint64_t max_ns() const { return max_; }

  /// The smallest step's upper end with at least `q` of the durations at or below it; 0 when empty.
  std::uint64_t QuantileNs(double q) const {
    const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
      seen += counts_[slot];
      if (seen > 0 && seen >= wanted) return std::min(UpperEnd(slot), max_);
    }
    return 0;
  }

 private:
  static constexpr unsigned kStepBits = 6;
  static constexpr std::uint64_t kSteps = 1U << kStepBits;

  static std::size_t Slot(std::uint64_t v) {
    if (v < kSteps) return v;
    const auto shift = static_cast<unsigned>(std::bit_width(v)) - kStepBits - 1;
    return (shift + 1) * kSteps + ((v >> shift) - kSteps);
  }
  static std::uint64_t UpperEnd(std::size_t slot) {
    if (slot < kSteps) return slot;
    const std::size_t shift = slot / kSteps - 1;
    return ((kSteps + slot % kSteps + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kSteps*(64 - kStepBits + 1)> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

/// A connected, non-blocking TCP socket to 127.0.0.1:port, without Nagle's delay. The caller owns
/// it.
inline Result<int> ConnectLoopback(std::uint64_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return IoError("socket", errno);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const Status status = IoError(fmt::format("connect 127.0.0.1:{}", port), errno);
    ::close(fd);
    return status;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

/// User and system time of all threads of a process, from /proc/PID/task/*/schedstat; 0 when there
/// is no such process.
inline std::int64_t ProcessCpuNs(std::uint64_t pid) {
  std::int64_t total = 0;
  std::error_code error;
  const std::filesystem::directory_iterator tasks(fmt::format("/proc/{}/task", pid), error);
  if (error) return 0;
  for (const auto& task : tasks) {
    std::int64_t ns = 0;
    std::ifstream(task.path() / "schedstat") >> ns;
    total += ns;
  }
  return total;
}

}  // namespace rivulet::bench
