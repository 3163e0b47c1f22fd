// Workers at their fastest: each connection takes messages under a lease and finishes them, again
// and again. Beside it the same without leases, to compare with: puts and gets in turns.
//
//   --work=lease   GET /get?lease=60s, then GET /finish?receipt=…
//   --work=batch   GET /mget?items=N&lease=60s&format=framed, then POST /finish with its N receipts
//   --work=plain   POST /put of 100 bytes, then GET /get
//
// Fill the queue first; an answer without a message counts in "empty". Prints one JSON object;
// exits 1 when an answer was not 200.
#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "bench/closed_loop.h"
#include "bench/http_counter.h"

namespace rivulet::bench {
namespace {

struct Settings {
  std::uint64_t port = 0;
  std::uint64_t connections = 64;
  std::uint64_t items = 100;
  double seconds = 2;
  std::string work = "lease";
  std::uint64_t server_pid = 0;
};

constexpr std::string_view kHost = " HTTP/1.1\r\nHost: localhost\r\n";

// The value of a field in a response's head; empty without one. `name` as our servers write it.
std::string_view Field(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) return {};
  const std::size_t begin = at + name.size();
  return head.substr(begin, head.find('\r', begin) - begin);
}

std::size_t Number(std::string_view digits) {
  std::size_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

class Worker {
 public:
  explicit Worker(const Settings& settings) : batch_(settings.work == "batch") {
    if (settings.work == "plain") {
      first_ =
          fmt::format("POST /put{}Content-Length: 100\r\n\r\n{}", kHost, std::string(100, 'x'));
      second_ = fmt::format("GET /get{}\r\n", kHost);
      return;
    }
    leases_ = true;
    first_ = batch_ ? fmt::format("GET /mget?items={}&lease=60s&format=framed{}\r\n",
                                  settings.items, kHost)
                    : fmt::format("GET /get?lease=60s{}\r\n", kHost);
  }

  std::string_view Request() const { return finishing_ ? second_ : first_; }

  bool Answer(std::string_view bytes) {
    if (!partial_.empty()) {
      partial_.append(bytes);
      bytes = partial_;
    }
    const std::size_t head_bytes = bytes.find("\r\n\r\n") + 4;
    const bool has_head = head_bytes > 3;
    const std::string_view head = bytes.substr(0, has_head ? head_bytes : 0);
    const std::size_t body_bytes = Number(Field(head, "\r\nContent-Length: "));
    if (!has_head || bytes.size() < head_bytes + body_bytes) {
      if (partial_.empty()) partial_ = bytes;
      return false;
    }
    Take(head, bytes.substr(head_bytes));
    partial_.clear();
    return true;
  }

  std::uint64_t finished() const { return finished_; }
  std::uint64_t empty() const { return empty_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void Take(std::string_view head, std::string_view body) {
    if (finishing_) {
      finishing_ = false;
      if (leases_ && !body.starts_with(expected_)) ++refused_;
      if (!IsOkResponse(head)) ++refused_;
      finished_ += taken_;
      return;
    }
    if (!leases_) {
      finishing_ = true;
      taken_ = 1;
      if (!IsOkResponse(head)) ++refused_;
      return;
    }
    if (head.substr(8, 4) == " 204") {
      ++empty_;
    } else if (!IsOkResponse(head)) {
      ++refused_;
    } else {
      finishing_ = true;
      batch_ ? FinishBatch(body) : FinishOne(Field(head, "\r\nX-Receipt: "));
    }
  }

  void FinishOne(std::string_view receipt) {
    second_.assign("GET /finish?receipt=").append(receipt).append(kHost).append("\r\n");
    taken_ = 1;
    expected_ = "finished 1\n";
  }

  void FinishBatch(std::string_view framed) {
    receipts_.clear();
    taken_ = 0;
    while (!framed.empty()) {
      const std::string_view line = framed.substr(0, framed.find('\n'));
      receipts_.append(line.substr(0, line.find(' '))).push_back('\n');
      const std::size_t bytes = Number(line.substr(line.rfind(' ') + 1));
      framed.remove_prefix(std::min(framed.size(), line.size() + 1 + bytes + 1));
      ++taken_;
    }
    second_.clear();
    fmt::format_to(std::back_inserter(second_), "POST /finish{}Content-Length: {}\r\n\r\n", kHost,
                   receipts_.size());
    second_.append(receipts_);
    expected_.clear();
    fmt::format_to(std::back_inserter(expected_), "finished {}\n", taken_);
  }

  const bool batch_;
  bool leases_ = false;
  bool finishing_ = false;  // the second request of the pair is under way
  std::uint64_t taken_ = 0;
  std::uint64_t finished_ = 0;
  std::uint64_t empty_ = 0;
  std::uint64_t refused_ = 0;
  std::string first_;
  std::string second_;
  std::string expected_;
  std::string receipts_;
  std::string partial_;
};

int Run(const Settings& settings) {
  std::vector<Worker> workers;
  workers.reserve(settings.connections);
  for (std::uint64_t i = 0; i < settings.connections; ++i) workers.emplace_back(settings);
  const auto loop = std::make_unique<ClosedLoop<Worker>>(settings.port, settings.server_pid);
  const auto outcome = std::make_unique<ClosedLoopOutcome>();
  Status status = loop->Connect(&workers);
  if (status.ok()) status = loop->Run(settings.seconds, outcome.get());
  if (!status.ok()) {
    fmt::print(stderr, "lease_load: {}\n", status.message());
    return 1;
  }
  std::uint64_t finished = 0;
  std::uint64_t empty = 0;
  std::uint64_t refused = 0;
  for (const Worker& worker : workers) {
    finished += worker.finished();
    empty += worker.empty();
    refused += worker.refused();
  }
  const auto requests = static_cast<double>(std::max<std::uint64_t>(outcome->latency.total(), 1));
  fmt::print(
      "{{\"requests\":{},\"messages\":{},\"seconds\":{:.3f},\"requests_per_s\":{:.0f},"
      "\"messages_per_s\":{:.0f},\"empty\":{},\"refused\":{},\"p50_us\":{:.1f},\"p99_us\":{:.1f},"
      "\"cpu_us_per_request\":{:.3f}}}\n",
      outcome->latency.total(), finished, outcome->seconds, requests / outcome->seconds,
      static_cast<double>(finished) / outcome->seconds, empty, refused,
      static_cast<double>(outcome->latency.QuantileNs(0.5)) / 1e3,
      static_cast<double>(outcome->latency.QuantileNs(0.99)) / 1e3,
      static_cast<double>(outcome->server_cpu_ns) / 1e3 / requests);
  return refused == 0 ? 0 : 1;
}

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  rivulet::bench::Settings settings;
  rivulet::Options options("lease_load", "takes messages under a lease and finishes them");
  options.Uint("port", &settings.port, "the server's port on 127.0.0.1").Range(1, 65535).Required();
  options.Uint("connections", &settings.connections, "keep-alive connections").Range(1, 10000);
  options.Text("work", &settings.work, "lease, batch or plain");
  options.Uint("items", &settings.items, "messages a request of --work=batch").Range(1, 1000);
  options.Real("seconds", &settings.seconds, "time to work for").Range(0.01, 3600);
  options.Uint("server-pid", &settings.server_pid, "process whose CPU time is counted");
  if (auto code = options.Parse(argc, argv)) return *code;
  if (settings.work != "lease" && settings.work != "batch" && settings.work != "plain") {
    fmt::print(stderr, "lease_load: --work={}: must be lease, batch or plain\n", settings.work);
    return 2;
  }
  return rivulet::bench::Run(settings);
}
