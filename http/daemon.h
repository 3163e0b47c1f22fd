// What all our HTTP daemons share: their options, the endpoints /ping /metrics and /, signals, the
// announcement, and the drain. A main() reads:
//
//   Options options("simplequeue", "…");
//   DaemonOptions common;                        AddDaemonOptions(&options, &common);
//   if (auto code = options.Parse(argc, argv))   return *code;
//   if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
//   if (Status s = PrepareProcess("simplequeue", common); !s.ok()) return FailStart("simplequeue",
//   s); Daemon daemon("simplequeue", common); …objects and routes on daemon.router()… return
//   daemon.Run();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log_options.h"
#include "base/metrics.h"
#include "base/options.h"
#include "base/process.h"
#include "base/status.h"
#include "http/router.h"
#include "http/server.h"

namespace rivulet {

struct DaemonOptions {
  std::string address = "127.0.0.1";
  std::uint64_t port = 8080;
  bool insecure = false;  // lets a wider address be served without a token
  std::string auth_token_file;
  std::vector<std::string> allow_origins;
  std::uint64_t max_body_bytes = 64ULL << 20;
  std::uint64_t max_connections = 0;
  Duration idle_timeout = std::chrono::seconds(75);
  Duration header_timeout = std::chrono::seconds(10);
  Duration drain_timeout = std::chrono::seconds(10);
  bool access_log = false;
  ProcessConfig process;
  LogOptions log;
};

void AddDaemonOptions(Options* options, DaemonOptions* daemon);
/// Checks over several options: a wider address needs a token or --insecure.
Status CheckDaemonOptions(const DaemonOptions& daemon);
/// Working directory, background, log. Before any thread, descriptor or Daemon exists.
Status PrepareProcess(const std::string& name, const DaemonOptions& daemon);
/// Prints "NAME: MESSAGE" on standard error and returns 1.
int FailStart(const std::string& name, const Status& status);

class Daemon {
 public:
  Daemon(std::string name, DaemonOptions options);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  EventLoop& loop() { return loop_; }
  const Clock& clock() const { return clock_; }
  MetricRegistry& metrics() { return metrics_; }
  Router& router() { return router_; }
  /// Exists from Run() on.
  Server& server() { return *server_; }

  /// Asked whenever somebody asks for the health. Not OK: /ping answers 503 with the message.
  void CheckHealthBy(std::function<Status()> check) { check_health_ = std::move(check); }
  Status health() const { return check_health_ ? check_health_() : Status::Ok(); }
  WallTime start_time() const { return start_time_; }
  /// Names besides numeric addresses and localhost by which browsers may have pages (http/page.h).
  std::vector<std::string> hosts() const;

  /// Bound, and running as the user it was told to, but nothing is served yet: open and recover
  /// what belongs to that user. A failure ends Run() with 1.
  void OnBound(std::function<Status()> callback) { on_bound_ = std::move(callback); }
  /// On SIGHUP, after the log was reopened.
  void OnHangup(std::function<void()> callback) { on_hangup_ = std::move(callback); }
  /// When the drain begins: answer what would wait for longer (long polls).
  void OnDraining(std::function<void()> callback) { on_draining_ = std::move(callback); }
  /// When the last connection has gone, before Run() returns: sync, flush, run the loop for what is
  /// still to be sent. There is no server() any more. A failure is logged and makes the exit status
  /// 1.
  void OnDrained(std::function<Status()> callback) { on_drained_ = std::move(callback); }

  /// Installs signals, listens, announces, serves, drains. Returns the exit status.
  int Run();
  /// Begins the drain, as SIGTERM does.
  void Stop();

 private:
  Status Listen();
  void OnStopSignal();

  std::string name_;
  DaemonOptions options_;
  SystemClock clock_;
  EventLoop loop_;
  MetricRegistry metrics_;
  Router router_;
  std::unique_ptr<Server> server_;
  Timer drain_deadline_;
  std::function<Status()> check_health_;
  WallTime start_time_;
  bool stopping_ = false;
  std::function<Status()> on_bound_;
  std::function<void()> on_hangup_;
  std::function<void()> on_draining_;
  std::function<Status()> on_drained_;
};

}  // namespace rivulet
