// Reads one answer to its end as fast as it comes, and says how fast that was: a replay, or what
// sendfile_loop sends. Reads the head and counts the rest; with --count-lines it counts newlines
// too. Prints one JSON object; exits 1 when the answer is not 200 or ends early.
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/options.h"
#include "bench/http_counter.h"
#include "bench/load.h"

namespace rivulet::bench {
namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

struct Drain {
  std::uint64_t bytes = 0;  // with the head
  std::uint64_t lines = 0;
  bool ok = false;
  bool ended = false;
};

Drain ReadAll(int fd, bool count_lines) {
  Drain drain;
  const auto buffer = std::make_unique<char[]>(kReadBytes);
  std::string tail;
  for (;;) {
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, 10'000) <= 0) return drain;
    const ssize_t got = ::recv(fd, buffer.get(), kReadBytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) {
      drain.ended = got == 0;
      return drain;
    }
    const std::string_view bytes(buffer.get(), static_cast<std::size_t>(got));
    if (drain.bytes == 0) drain.ok = IsOkResponse(bytes);
    drain.bytes += bytes.size();
    if (count_lines) {
      drain.lines += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    }
    tail.append(bytes.substr(bytes.size() - std::min(bytes.size(), kLastChunk.size())));
    tail.erase(0, tail.size() - std::min(tail.size(), kLastChunk.size()));
    if (tail == kLastChunk) {
      drain.ended = true;
      return drain;
    }
  }
}

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  using namespace rivulet::bench;
  std::uint64_t port = 0;
  std::uint64_t server_pid = 0;
  bool count_lines = false;
  std::string target = "/";
  rivulet::Options options("drain_load", "reads one answer to its end and times it");
  options.Uint("port", &port, "the server's port on 127.0.0.1").Range(1, 65535).Required();
  options.Text("target", &target, "path to ask for");
  options.Flag("count-lines", &count_lines, "count newlines");
  options.Uint("server-pid", &server_pid, "process whose CPU time is counted");
  if (auto code = options.Parse(argc, argv)) return *code;

  const auto fd = ConnectLoopback(port);
  if (!fd.ok()) {
    fmt::print(stderr, "drain_load: {}\n", fd.status().message());
    return 1;
  }
  const std::int64_t cpu_before = ProcessCpuNs(server_pid);
  const std::int64_t start = NowNs();
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  if (::send(*fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return 1;
  const Drain drain = ReadAll(*fd, count_lines);
  const double seconds = static_cast<double>(NowNs() - start) / 1e9;
  const std::int64_t cpu = ProcessCpuNs(server_pid) - cpu_before;
  fmt::print(
      "{{\"bytes\":{},\"lines\":{},\"seconds\":{:.4f},\"bytes_per_s\":{:.0f},"
      "\"server_cpu_share\":{:.3f},\"ok\":{},\"ended\":{}}}\n",
      drain.bytes, drain.lines, seconds, static_cast<double>(drain.bytes) / seconds,
      static_cast<double>(cpu) / 1e9 / seconds, drain.ok ? 1 : 0, drain.ended ? 1 : 0);
  return drain.ok && drain.ended ? 0 : 1;
}
