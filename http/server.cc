#include "http/server.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/log.h"
#include "http/connection.h"
#include "http/stream.h"

namespace rivulet {

namespace {

constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr Duration kSweepPeriod = std::chrono::milliseconds(250);
constexpr Duration kAcceptRetry = std::chrono::milliseconds(100);
constexpr int kAcceptsATurn = 64;
// Descriptors that are not connections: the journal, logs, the loop's own.
constexpr std::size_t kReservedDescriptors = 64;

std::size_t ConnectionsByDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t descriptors = limit.rlim_cur;
  return descriptors > 2 * kReservedDescriptors ? descriptors - kReservedDescriptors
                                                : descriptors / 2;
}

}  // namespace

Server::Server(EventLoop& loop, const Clock& clock, ServerConfig config, Router& router,
               MetricRegistry& metrics)
    : loop_(loop),
      clock_(clock),
      config_(std::move(config)),
      any_origin_(std::find(config_.allow_origins.begin(), config_.allow_origins.end(), "*") !=
                  config_.allow_origins.end()),
      router_(router),
      accept_retry_(loop, [this] { accept_watcher_->Watch(true, false); }),
      sweep_(loop, [this] { Sweep(); }),
      free_buried_(loop, [this] { FreeBuried(); }),
      read_buffer_(std::make_unique<char[]>(kReadBufferBytes)) {
  if (config_.max_connections == 0) config_.max_connections = ConnectionsByDescriptorLimit();
  metrics.AddGaugeFunction("rivulet_http_connections", "Open connections.",
                           [this] { return static_cast<double>(connections_.size()); });
  const auto count = [&metrics](const char* name, const char* help, const std::uint64_t* value,
                                MetricLabels labels = {}) {
    metrics.AddCounterFunction(
        name, help, [value] { return static_cast<double>(*value); }, std::move(labels));
  };
  count("rivulet_http_connections_total", "Connections accepted.", &stats_.connections_total);
  count("rivulet_http_connections_refused_total", "Connections over --max-connections.",
        &stats_.connections_refused);
  count("rivulet_http_accept_failures_total", "Times no descriptor was left to accept with.",
        &stats_.accept_failures);
  count("rivulet_http_requests_total", "Requests read.", &stats_.requests);
  for (std::size_t i = 2; i < stats_.answers.size(); ++i) {
    count("rivulet_http_answers_total", "Answers by class of status.", &stats_.answers[i],
          {{"code", fmt::format("{}xx", i)}});
  }
}

Server::~Server() {
  drained_ = nullptr;  // who destroys it waits for no drain any more
  connections_.clear();
  FreeBuried();
}

Status Server::Listen(const ListenAddress& address) {
  auto opened = ListenSocket::Open(address);
  if (!opened.ok()) return opened.status();
  listener_ = std::move(opened).value();
  bound_ = listener_.bound();
  accept_watcher_ =
      std::make_unique<IoWatcher>(loop_, listener_.fd(), [this](bool, bool) { Accept(); });
  accept_watcher_->Watch(true, false);
  return Status::Ok();
}

void Server::Accept() {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = accept4(listener_.fd(), reinterpret_cast<sockaddr*>(&peer), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Adopt(fd, PeerName(&peer, size));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The waiting connection keeps the listener readable: pause, or the loop would spin.
      if (stats_.accept_failures++ == 0)
        LogWarning("no descriptor left to accept connections with");
      accept_watcher_->Watch(false, false);
      accept_retry_.Start(kAcceptRetry);
    }
    return;
  }
}

void Server::Adopt(int fd, std::string peer) {
  ++stats_.connections_total;
  const int one = 1;
  if (peer != "unix:") setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connections_.empty()) sweep_.StartEvery(kSweepPeriod);
  const bool full = connections_.size() >= config_.max_connections;
  connections_.push_back(std::make_unique<Connection>(*this, fd, std::move(peer)));
  Connection* connection = connections_.back().get();
  connection->index_ = connections_.size() - 1;
  if (full) {
    ++stats_.connections_refused;
    connection->Refuse();
  }
}

void Server::Sweep() {
  now_ = clock_.Now();
  // Backwards, because closing one moves the last into its place.
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->CheckDeadline(now_);
}

void Server::Bury(Connection* connection) {
  const std::size_t index = connection->index_;
  if (index >= connections_.size() || connections_[index].get() != connection) return;
  buried_.push_back(std::move(connections_[index]));
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index_ = index;
  }
  connections_.pop_back();
  if (connections_.empty()) sweep_.Cancel();
  free_buried_.Schedule();
}

void Server::FreeBuried() {
  // Destroying a source may end others.
  while (!buried_.empty() || !ended_sources_.empty()) {
    std::vector<std::unique_ptr<Connection>> connections;
    connections.swap(buried_);
    std::vector<std::unique_ptr<StreamSource>> sources;
    sources.swap(ended_sources_);
  }
  CheckDrained();
}

void Server::Drain(std::function<void()> done) {
  if (draining_) return;
  draining_ = true;
  drained_ = std::move(done);
  accept_retry_.Cancel();
  accept_watcher_.reset();
  listener_.Close();
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->Drain();
  free_buried_.Schedule();
}

void Server::CheckDrained() {
  if (!draining_ || !connections_.empty() || !drained_) return;
  const auto done = std::exchange(drained_, nullptr);
  done();
}

void Server::AddHolding(Connection* connection) {
  connection->hold_index_ = holding_.size();
  holding_.push_back(connection);
}

void Server::DropHolding(Connection* connection) {
  const std::size_t index = connection->hold_index_;
  holding_[index] = holding_.back();
  holding_[index]->hold_index_ = index;
  holding_.pop_back();
}

void Server::Release(std::uint64_t mark) {
  released_ = std::max(released_, mark);
  letting_go_.swap(holding_);
  for (Connection* connection : letting_go_) connection->LetGo(mark);
  letting_go_.clear();
}

void Server::FailHeld(int status, std::string_view message) {
  letting_go_.swap(holding_);
  for (Connection* connection : letting_go_) connection->FailHeld(status, message);
  letting_go_.clear();
}

void Server::RenewDate() {
  if (now_ < date_until_) return;
  const auto wall = clock_.WallNow();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
  date_line_ =
      fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n",
                  fmt::gmtime(static_cast<std::time_t>(seconds.time_since_epoch().count())));
  ok_prefix_ = "HTTP/1.1 200 OK\r\n" + date_line_;
  date_until_ = clock_.Now() + (seconds + std::chrono::seconds(1) - wall);
}

}  // namespace rivulet
