// What our HTTP client costs: requests to a server on loopback, so many under way at a time, the
// next one started from the answer of the last. Prints one JSON object, whose
// cpu_us_per_request is this process's; exits 1 when an answer was not 2xx. With --stream it
// reads one answer without end instead and prints bytes a second.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "bench/load.h"
#include "http/client.h"

namespace rivulet::bench {
namespace {

struct Settings {
  std::uint64_t port = 0;
  std::uint64_t window = 16;
  std::uint64_t body_bytes = 100;
  double seconds = 2;
  std::string path = "/put";
  bool stream = false;
};

class ClientLoad {
 public:
  explicit ClientLoad(const Settings& settings)
      : settings_(settings),
        client_(loop_, {.max_idle_connections = settings.window}),
        url_(fmt::format("http://127.0.0.1:{}{}", settings.port, settings.path)),
        body_(std::string(settings.body_bytes, 'x')),
        calls_(settings.window) {}

  int Run() {
    const std::int64_t cpu_before = OwnCpuNs();
    const std::int64_t start = NowNs();
    end_ = start + static_cast<std::int64_t>(settings_.seconds * 1e9);
    for (std::size_t slot = 0; slot < calls_.size(); ++slot) Ask(slot);
    while (client_.active_calls() > 0) {
      loop_.RunOnce(std::chrono::milliseconds(100));
      if (settings_.stream && NowNs() >= end_) break;  // it may have nothing more to say
    }
    const double seconds = static_cast<double>(NowNs() - start) / 1e9;
    const double cpu_us = static_cast<double>(OwnCpuNs() - cpu_before) / 1e3;
    const auto done = static_cast<double>(std::max<std::uint64_t>(latency_.total(), 1));
    const auto us = [&](double q) { return static_cast<double>(latency_.QuantileNs(q)) / 1e3; };
    fmt::print(
        "{{\"requests\":{},\"seconds\":{:.3f},\"requests_per_s\":{:.0f},\"refused\":{},"
        "\"bytes_per_s\":{:.0f},\"p50_us\":{:.1f},\"p99_us\":{:.1f},"
        "\"cpu_us_per_request\":{:.3f}}}\n",
        latency_.total(), seconds, done / seconds, refused_,
        static_cast<double>(received_bytes_) / seconds, us(0.5), us(0.99), cpu_us / done);
    if (!trouble_.empty()) fmt::print(stderr, "client_load: {}\n", trouble_);
    return refused_ == 0 ? 0 : 1;
  }

 private:
  static std::int64_t OwnCpuNs() { return ProcessCpuNs(static_cast<std::uint64_t>(::getpid())); }

  void Ask(std::size_t slot) {
    const std::int64_t now = NowNs();
    if (now >= end_) return;
    ClientRequest request;
    request.url = url_;
    request.timeout = std::chrono::seconds(30);
    if (settings_.stream) {
      request.timeout = {};
      request.max_body_bytes = 0;
      request.on_data = [this](std::string_view data) {
        received_bytes_ += data.size();
        return NowNs() < end_ ? ClientFlow::kContinue : ClientFlow::kAbort;
      };
    } else if (settings_.body_bytes > 0) {
      request.method = "POST";
      request.body = body_;
    }
    calls_[slot] = client_.Start(
        std::move(request),
        [this, slot, now](const ClientResponse& response) { Answered(slot, now, response); });
  }

  void Answered(std::size_t slot, std::int64_t sent, const ClientResponse& response) {
    latency_.Add(NowNs() - sent);
    received_bytes_ += response.body.size();
    const bool stopped = settings_.stream && NowNs() >= end_;
    if (!response.ok() && !stopped) {
      ++refused_;
      trouble_ = response.Describe();
    }
    Ask(slot);
  }

  const Settings& settings_;
  EventLoop loop_;
  Client client_;
  std::string url_;
  ClientBody body_;
  std::vector<ClientCall> calls_;
  std::int64_t end_ = 0;
  FineHistogram latency_;
  std::uint64_t refused_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::string trouble_;
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  rivulet::bench::Settings settings;
  rivulet::Options options("client_load", "asks an HTTP server by our client");
  options.Uint("port", &settings.port, "the server's port on 127.0.0.1").Range(1, 65535).Required();
  options.Uint("window", &settings.window, "requests under way").Range(1, 10000);
  options.Uint("body-bytes", &settings.body_bytes, "length of the POST body; 0: GET")
      .Range(0, 1 << 30);
  options.Real("seconds", &settings.seconds, "time to ask for").Range(0.01, 3600);
  options.Text("path", &settings.path, "target of the requests");
  options.Flag("stream", &settings.stream, "GET the answer piece by piece until the time is over");
  if (auto code = options.Parse(argc, argv)) return *code;
  return std::make_unique<rivulet::bench::ClientLoad>(settings)->Run();
}
