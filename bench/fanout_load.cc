// Loads pubsub, nchan or NATS: one publisher, N subscribers, one loop; counts deliveries and their
// latency.
//
// Each message is a line of a fixed length that begins with its number and the time at which it
// was due: `0000000042 0001234567890123456 xxxx...`. Each subscriber must see the numbers 0, 1, 2,
// ...; a gap counts as lost, a number seen before as reordered. With --rate the time is the
// scheduled one, so a publisher that waits for a slow server does not hide it. Without it the
// publisher sends as fast as it is answered, --pipeline POSTs at a time, and stays --window
// messages ahead of the subscribers at most. Prints one JSON object; exits 1 when a message was
// lost or reordered.
#include <fmt/core.h>
#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "bench/http_counter.h"
#include "bench/load.h"
#include "bench/message_reader.h"

namespace rivulet::bench {
namespace {

struct Settings {
  std::uint64_t port = 0;
  std::uint64_t subscribers = 1;
  std::uint64_t stalled = 0;  // more subscribers, which never read
  double seconds = 2;
  std::uint64_t messages = UINT64_MAX;  // at most
  double rate = 0;                      // messages a second; 0: as fast as answered
  std::uint64_t batch = 1;
  std::uint64_t pipeline = 1;
  std::uint64_t window = 20000;
  std::uint64_t message_bytes = 100;
  std::uint64_t server_pid = 0;
  Protocol protocol = Protocol::kLines;
  std::string subscribe;  // the path or subject to listen to
  std::string publish;    // and to publish to
};

struct Tally {
  FineHistogram latency;
  std::uint64_t deliveries = 0;
  std::uint64_t lost = 0;
  std::uint64_t reordered = 0;
  std::uint64_t garbled = 0;
};

constexpr std::size_t kNumberDigits = 10;
constexpr std::size_t kTimeDigits = 19;
constexpr std::size_t kShortestMessage = kNumberDigits + 1 + kTimeDigits;

class Subscriber {
 public:
  Subscriber(int fd, const Settings& settings)
      : fd_(fd), reader_(settings.protocol, settings.message_bytes) {}

  void Receive(std::string_view bytes, std::int64_t now, Tally& tally) {
    reader_.Feed(bytes, [&](std::string_view message) { TakeMessage(message, now, tally); });
  }
  int fd() const { return fd_; }
  const MessageReader& reader() const { return reader_; }
  /// The number of the message expected next.
  std::uint64_t next() const { return next_; }

 private:
  void TakeMessage(std::string_view message, std::int64_t now, Tally& tally) {
    std::uint64_t number = 0;
    std::int64_t due = 0;
    const char* const time = message.data() + kNumberDigits + 1;
    if (std::from_chars(message.data(), time - 1, number).ptr != time - 1 ||
        std::from_chars(time, time + kTimeDigits, due).ptr != time + kTimeDigits) {
      ++tally.garbled;
      return;
    }
    ++tally.deliveries;
    tally.latency.Add(now - due);
    if (number < next_) {
      ++tally.reordered;
      return;
    }
    tally.lost += number - next_;
    next_ = number + 1;
  }

  int fd_;
  MessageReader reader_;
  std::uint64_t next_ = 0;
};

/// Makes the POSTs and keeps up to `pipeline` of them unanswered on one connection.
class Publisher {
 public:
  Publisher(int fd, const Settings& settings) : fd_(fd), settings_(settings) {}

  /// Sends what is due at `now` and what did not fit before. `delivered_to_all` bounds the window.
  void Pump(std::int64_t now, std::uint64_t delivered_to_all) {
    while (unanswered_ < settings_.pipeline && unsent_.size() - sent_ < 1024 * 1024) {
      std::int64_t due = now;
      if (settings_.rate > 0) {
        due = start_ +
              static_cast<std::int64_t>(static_cast<double>(published_) * 1e9 / settings_.rate);
        if (due > now || due >= end_) break;
      } else if (now >= end_ || published_ >= settings_.messages ||
                 published_ > delivered_to_all + settings_.window) {
        break;
      }
      AppendPost(due);
    }
    while (sent_ < unsent_.size()) {
      const ssize_t n = ::send(fd_, unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent_ += static_cast<std::size_t>(n);
    }
    if (sent_ == unsent_.size()) {
      unsent_.clear();
      sent_ = 0;
    }
  }

  void Receive(std::string_view bytes) {
    if (settings_.protocol == Protocol::kNats) {
      // Only PONGs come behind the greeting, one a batch; they may be cut anywhere.
      unanswered_ -= std::min<std::uint64_t>(
          unanswered_, static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), 'G')));
      return;
    }
    unanswered_ -=
        answers_.Feed(bytes, [&](std::string_view head) { refused_ += IsSuccess(head) ? 0U : 1U; });
  }

  void Start(std::int64_t now) {
    start_ = now;
    end_ = now + static_cast<std::int64_t>(settings_.seconds * 1e9);
  }
  int fd() const { return fd_; }
  std::int64_t end() const { return end_; }
  std::uint64_t published() const { return published_; }
  std::uint64_t unanswered() const { return unanswered_; }
  std::uint64_t refused() const { return refused_; }
  bool has_unsent() const { return sent_ < unsent_.size(); }

 private:
  void AppendPost(std::int64_t due) {
    const bool is_nats = settings_.protocol == Protocol::kNats;
    if (!is_nats) {
      unsent_ +=
          fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                      settings_.publish, settings_.batch * (settings_.message_bytes + 1) - 1);
    }
    for (std::uint64_t i = 0; i < settings_.batch; ++i) {
      if (is_nats) {
        unsent_ += fmt::format("PUB {} {}\r\n", settings_.publish, settings_.message_bytes);
      } else if (i > 0) {
        unsent_ += '\n';
      }
      const std::size_t begin = unsent_.size();
      unsent_ += fmt::format("{:010} {:019}", published_++, due);
      if (settings_.message_bytes > kShortestMessage) unsent_ += ' ';
      unsent_.resize(begin + settings_.message_bytes, 'x');
      if (is_nats) unsent_ += "\r\n";
    }
    if (is_nats) unsent_ += "PING\r\n";
    ++unanswered_;
  }

  int fd_;
  const Settings& settings_;
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::string unsent_;
  std::size_t sent_ = 0;  // bytes at the front of unsent_ that have left
  HttpCounter answers_;
  std::uint64_t published_ = 0;
  std::uint64_t unanswered_ = 0;
  std::uint64_t refused_ = 0;
};

class FanoutLoad {
 public:
  explicit FanoutLoad(const Settings& settings)
      : settings_(settings), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  /// Connects everybody and waits until each subscriber's stream has begun.
  Status Connect() {
    for (std::uint64_t i = 0; i < settings_.stalled; ++i) {
      const auto fd = ConnectLoopback(settings_.port);
      if (!fd.ok()) return fd.status();
      const std::string ask =
          MessageReader(settings_.protocol, settings_.message_bytes).Ask(settings_.subscribe);
      if (::send(*fd, ask.data(), ask.size(), MSG_NOSIGNAL) < 0) return IoError("send", errno);
    }
    for (std::uint64_t i = 0; i <= settings_.subscribers; ++i) {
      const auto fd = ConnectLoopback(settings_.port);
      if (!fd.ok()) return fd.status();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event);
      if (i == settings_.subscribers) {
        publisher_ = std::make_unique<Publisher>(*fd, settings_);
        if (settings_.protocol == Protocol::kNats) {
          static constexpr std::string_view kConnect = "CONNECT {\"verbose\":false}\r\n";
          if (::send(*fd, kConnect.data(), kConnect.size(), MSG_NOSIGNAL) < 0)
            return IoError("send", errno);
        }
        break;
      }
      subscribers_.emplace_back(*fd, settings_);
      const std::string ask = subscribers_.back().reader().Ask(settings_.subscribe);
      if (::send(*fd, ask.data(), ask.size(), MSG_NOSIGNAL) < 0) return IoError("send", errno);
    }
    const std::int64_t deadline = NowNs() + 10'000'000'000;
    for (const Subscriber& subscriber : subscribers_) {
      while (!subscriber.reader().is_streaming()) {
        if (NowNs() > deadline || ended_ > 0) {
          return {StatusCode::kUnavailable, "a subscriber got no stream within 10 seconds"};
        }
        Turn(100);
      }
    }
    return Status::Ok();
  }

  /// Publishes for the time set, waits for the last deliveries, prints the outcome.
  int Run() {
    const std::int64_t cpu_before = ProcessCpuNs(settings_.server_pid);
    const std::int64_t start = NowNs();
    publisher_->Start(start);
    std::int64_t now = start;
    std::int64_t progress = start;
    std::uint64_t deliveries = 0;
    for (;;) {
      publisher_->Pump(now, tally_.deliveries / settings_.subscribers);
      const bool is_over =
          now >= publisher_->end() || publisher_->published() >= settings_.messages;
      if (is_over && publisher_->unanswered() == 0 && AllDelivered()) break;
      if (tally_.deliveries != deliveries) progress = now;
      deliveries = tally_.deliveries;
      if (is_over && now - progress > 3'000'000'000) break;
      // Between scheduled messages it spins: a sleep would add its own wake-up to the latency.
      Turn(settings_.rate > 0 && !is_over ? 0 : 1);
      now = NowNs();
    }
    const std::int64_t cpu = ProcessCpuNs(settings_.server_pid) - cpu_before;
    for (const Subscriber& subscriber : subscribers_) {
      tally_.lost += publisher_->published() - subscriber.next();
    }
    Print(static_cast<double>(progress - start) / 1e9, cpu);
    return tally_.lost + tally_.reordered + tally_.garbled + publisher_->refused() == 0 ? 0 : 1;
  }

 private:
  bool AllDelivered() const {
    return tally_.deliveries >= publisher_->published() * settings_.subscribers;
  }

  void Turn(int timeout_ms) {
    const int ready = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()),
                                   publisher_ && publisher_->has_unsent() ? 0 : timeout_ms);
    for (int i = 0; i < ready; ++i) {
      const std::size_t index = events_[static_cast<std::size_t>(i)].data.u64;
      const bool is_publisher = index == settings_.subscribers;
      const int fd = is_publisher ? publisher_->fd() : subscribers_[index].fd();
      const ssize_t got = ::read(fd, buffer_.data(), buffer_.size());
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) {
        ++ended_;
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        continue;
      }
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      if (is_publisher) {
        publisher_->Receive(bytes);
      } else {
        subscribers_[index].Receive(bytes, NowNs(), tally_);
      }
    }
  }

  void Print(double seconds, std::int64_t cpu_ns) const {
    const double deliveries = static_cast<double>(std::max<std::uint64_t>(tally_.deliveries, 1));
    fmt::print(
        "{{\"subscribers\":{},\"published\":{},\"deliveries\":{},\"seconds\":{:.3f},"
        "\"deliveries_per_s\":{:.0f},\"p50_us\":{:.1f},\"p99_us\":{:.1f},\"max_us\":{:.1f},"
        "\"lost\":{},\"reordered\":{},\"garbled\":{},\"refused\":{},\"ended\":{},"
        "\"cpu_us_per_delivery\":{:.4f},\"server_cpu_share\":{:.3f}}}\n",
        settings_.subscribers, publisher_->published(), tally_.deliveries, seconds,
        deliveries / std::max(seconds, 1e-9),
        static_cast<double>(tally_.latency.QuantileNs(0.5)) / 1e3,
        static_cast<double>(tally_.latency.QuantileNs(0.99)) / 1e3,
        static_cast<double>(tally_.latency.max_ns()) / 1e3, tally_.lost, tally_.reordered,
        tally_.garbled, publisher_->refused(), ended_,
        static_cast<double>(cpu_ns) / 1e3 / deliveries,
        static_cast<double>(cpu_ns) / 1e9 / std::max(seconds, 1e-9));
  }

  const Settings& settings_;
  int epoll_;
  std::vector<Subscriber> subscribers_;
  std::unique_ptr<Publisher> publisher_;
  Tally tally_;
  std::uint64_t ended_ = 0;  // connections that the server closed
  std::array<epoll_event, 256> events_{};
  std::array<char, 256 * 1024> buffer_{};
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  rivulet::bench::Settings settings;
  rivulet::Options options("fanout_load", "measures pubsub's fan-out with one publisher");
  options.Uint("port", &settings.port, "pubsub's port on 127.0.0.1").Range(1, 65535).Required();
  options.Uint("subscribers", &settings.subscribers, "subscribers").Range(1, 15000);
  options.Uint("stalled", &settings.stalled, "more subscribers, which never read").Range(0, 15000);
  options.Real("seconds", &settings.seconds, "time to publish for").Range(0.01, 3600);
  options.Uint("messages", &settings.messages, "most messages to publish");
  options.Real("rate", &settings.rate, "messages a second; 0: as fast as answered").Range(0, 1e8);
  options.Uint("batch", &settings.batch, "messages a POST").Range(1, 10000);
  options.Uint("pipeline", &settings.pipeline, "POSTs without an answer").Range(1, 1000);
  options.Uint("window", &settings.window, "messages ahead of the subscribers").Range(1, 1e9);
  options.Uint("message-bytes", &settings.message_bytes, "length of a message")
      .Range(rivulet::bench::kShortestMessage, 1 << 20);
  options.Uint("server-pid", &settings.server_pid, "process whose CPU time is counted");
  std::string protocol = "lines";
  options.Text("protocol", &protocol, "lines, chunks, sse, websocket or nats");
  options.Text("subscribe", &settings.subscribe,
               "path, or NATS subject, to listen to (default: pubsub's for the protocol)");
  options.Text("publish", &settings.publish, "path, or NATS subject, to publish to");
  if (auto code = options.Parse(argc, argv)) return *code;
  const auto parsed = rivulet::bench::ParseProtocol(protocol);
  if (!parsed) {
    return options.Fail(
        fmt::format("--protocol={}: must be lines, chunks, sse, websocket or nats", protocol));
  }
  settings.protocol = *parsed;
  const bool is_nats = *parsed == rivulet::bench::Protocol::kNats;
  if (settings.subscribe.empty()) settings.subscribe = is_nats ? "t" : "/sub?multipart=0";
  if (settings.publish.empty()) settings.publish = is_nats ? "t" : "/pub";

  const auto load = std::make_unique<rivulet::bench::FanoutLoad>(settings);
  if (const rivulet::Status status = load->Connect(); !status.ok()) {
    fmt::print(stderr, "fanout_load: {}\n", status.message());
    return 1;
  }
  return load->Run();
}
