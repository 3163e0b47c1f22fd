// Puts into peers that do not speak HTTP, one message under way a connection: the counterpart of
// `wrk -s bench/wrk/put.lua`. beanstalkd's `put`, and LPUSH of redis-server, which answer one line
// each. Prints one JSON object; exits 1 when an answer was not the one for success.
#include <fmt/core.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "bench/closed_loop.h"

namespace rivulet::bench {
namespace {

struct Settings {
  std::uint64_t port = 0;
  std::string peer = "beanstalkd";
  std::uint64_t connections = 64;
  std::uint64_t body_bytes = 100;
  double seconds = 2;
  std::uint64_t server_pid = 0;
};

struct Protocol {
  std::string request;
  std::string_view success;  // what the answer's line begins with
};

Protocol ProtocolOf(const Settings& settings) {
  const std::string body(settings.body_bytes, 'x');
  if (settings.peer == "redis") {
    return {fmt::format("*3\r\n$5\r\nLPUSH\r\n$5\r\nqueue\r\n${}\r\n{}\r\n", body.size(), body),
            ":"};
  }
  return {fmt::format("put 0 0 60 {}\r\n{}\r\n", body.size(), body), "INSERTED "};
}

class Producer {
 public:
  explicit Producer(const Protocol* protocol) : protocol_(protocol) {}

  std::string_view Request() const { return protocol_->request; }
  bool Answer(std::string_view bytes) {
    line_.append(bytes);
    if (!line_.ends_with("\r\n")) return false;
    if (!line_.starts_with(protocol_->success)) ++refused_;
    line_.clear();
    return true;
  }
  std::uint64_t refused() const { return refused_; }

 private:
  const Protocol* protocol_;
  std::string line_;
  std::uint64_t refused_ = 0;
};

int Run(const Settings& settings) {
  const Protocol protocol = ProtocolOf(settings);
  std::vector<Producer> producers(settings.connections, Producer(&protocol));
  const auto loop = std::make_unique<ClosedLoop<Producer>>(settings.port, settings.server_pid);
  const auto outcome = std::make_unique<ClosedLoopOutcome>();
  Status status = loop->Connect(&producers);
  if (status.ok()) status = loop->Run(settings.seconds, outcome.get());
  if (!status.ok()) {
    fmt::print(stderr, "peer_load: {}\n", status.message());
    return 1;
  }
  std::uint64_t refused = 0;
  for (const Producer& producer : producers) refused += producer.refused();
  const auto puts = static_cast<double>(std::max<std::uint64_t>(outcome->latency.total(), 1));
  fmt::print(
      "{{\"requests\":{},\"seconds\":{:.3f},\"requests_per_s\":{:.0f},\"refused\":{},"
      "\"p50_us\":{:.1f},\"p99_us\":{:.1f},\"cpu_us_per_request\":{:.3f}}}\n",
      outcome->latency.total(), outcome->seconds, puts / outcome->seconds, refused,
      static_cast<double>(outcome->latency.QuantileNs(0.5)) / 1e3,
      static_cast<double>(outcome->latency.QuantileNs(0.99)) / 1e3,
      static_cast<double>(outcome->server_cpu_ns) / 1e3 / puts);
  return refused == 0 ? 0 : 1;
}

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  rivulet::bench::Settings settings;
  rivulet::Options options("peer_load", "puts messages into beanstalkd or redis-server");
  options.Uint("port", &settings.port, "the server's port on 127.0.0.1").Range(1, 65535).Required();
  options.Text("peer", &settings.peer, "beanstalkd or redis");
  options.Uint("connections", &settings.connections, "connections").Range(1, 10000);
  options.Uint("body-bytes", &settings.body_bytes, "length of a message").Range(1, 65535);
  options.Real("seconds", &settings.seconds, "time to put for").Range(0.01, 3600);
  options.Uint("server-pid", &settings.server_pid, "process whose CPU time is counted");
  if (auto code = options.Parse(argc, argv)) return *code;
  if (settings.peer != "beanstalkd" && settings.peer != "redis") {
    fmt::print(stderr, "peer_load: --peer={}: must be beanstalkd or redis\n", settings.peer);
    return 2;
  }
  return rivulet::bench::Run(settings);
}
