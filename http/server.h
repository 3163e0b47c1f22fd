// The HTTP/1.1 server: non-blocking sockets on one event loop, one write a wake-up for all answers
// that are ready, and back pressure everywhere: while a client does not read its answers, its next
// requests are not read.
//
// Memory: an idle connection holds no buffer. A busy one holds at most one request (head 16 KiB,
// body max_body_bytes), 64 KiB of requests read ahead, and the answers of at most 64 of them. Time:
// each of the limits below is absolute, however the bytes trickle (promise P8). Thread: the loop's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/status.h"
#include "http/address.h"
#include "http/router.h"

namespace rivulet {

class Connection;
class Request;
class StreamSource;

struct ServerConfig {
  std::size_t max_body_bytes = 64ULL << 20;
  std::size_t max_connections = 0;                     // 0: what the descriptor limit leaves
  Duration header_timeout = std::chrono::seconds(10);  // from the head's first byte to its last
  Duration idle_timeout = std::chrono::seconds(75);    // between requests, and for an unread answer
  std::uint64_t min_body_bytes_per_second = 1024;      // after header_timeout of grace
  std::string token;                                   // empty: no token is asked for
  std::vector<std::string> allow_origins;              // besides the same origin; "*" is any
  bool access_log = false;
};

/// Counts since the start.
struct ServerStats {
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;  // over max_connections, answered 503
  std::uint64_t accept_failures = 0;      // no descriptor left
  std::uint64_t requests = 0;
  std::array<std::uint64_t, 6> answers{};  // by hundreds of the status: answers[2] is 2xx
};

class Server {
 public:
  /// All references must outlive the server.
  Server(EventLoop& loop, const Clock& clock, ServerConfig config, Router& router,
         MetricRegistry& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds and listens. With port 0 the system chooses.
  Status Listen(const ListenAddress& address);
  /// Where it listens: "127.0.0.1:4711", "unix:/run/q.sock".
  const std::string& bound() const { return bound_; }

  /// Stops accepting, finishes what is running, ends streams, then calls `done` once. Idempotent.
  void Drain(std::function<void()> done);
  bool draining() const { return draining_; }

  /// Lets go the answers that are held for marks up to this one (Reply::HoldUntil). Marks only
  /// grow. O(connections that hold an answer). Not from inside a handler.
  void Release(std::uint64_t mark);
  /// What held answers promised did not come to be: each connection's first held answer becomes
  /// this error (503 or 507, `message` without newline), those behind it are dropped, and the
  /// connection closes after it. O(connections that hold one). Not from inside a handler.
  void FailHeld(int status, std::string_view message);

  /// Whether a page of the request's Origin may read what is streamed: there is none (no browser),
  /// it is the Host that was asked, or --allow-origin names it. WebSocket handshakes are checked by
  /// Reply::WebSocket.
  bool OriginAllowed(const Request& request) const;

  const ServerStats& stats() const { return stats_; }
  std::size_t connections() const { return connections_.size(); }

 private:
  friend class Connection;
  friend class PendingReply;
  friend class Reply;

  void Accept();
  void Adopt(int fd, std::string peer);
  void Sweep();
  void Bury(Connection* connection);
  void FreeBuried();
  void CheckDrained();
  void RenewDate();
  bool OriginListed(std::string_view origin) const;
  void AddHolding(Connection* connection);
  void DropHolding(Connection* connection);

  EventLoop& loop_;
  const Clock& clock_;
  ServerConfig config_;
  bool any_origin_;
  Router& router_;
  ListenSocket listener_;
  std::string bound_;
  std::unique_ptr<IoWatcher> accept_watcher_;
  Timer accept_retry_;
  Timer sweep_;
  Deferred free_buried_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> buried_;
  std::vector<Connection*> holding_;     // connections with held answers
  std::vector<Connection*> letting_go_;  // those that Release looks at
  std::uint64_t released_ = 0;
  ServerStats stats_;
  bool draining_ = false;
  std::function<void()> drained_;

  // One buffer each for all connections: only one is served at a time.
  std::unique_ptr<char[]> read_buffer_;
  std::string out_;
  std::string extra_headers_;
  std::string decoded_path_;
  std::string decoded_body_;  // a piece of an upload
  std::string date_line_;     // "Date: …\r\n", renewed each second
  std::string ok_prefix_;     // "HTTP/1.1 200 OK\r\n" and the date line
  MonoTime date_until_{};
  MonoTime now_{};  // when the present batch of requests was read
  std::vector<Route*> served_routes_;
  std::vector<std::unique_ptr<StreamSource>> ended_sources_;
};

}  // namespace rivulet
