#include "http/daemon.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "base/print.h"
#include "base/token_file.h"
#include "base/units.h"
#include "http/common_routes.h"

namespace rivulet {

namespace {

std::vector<std::string> HostsOfOrigins(const std::vector<std::string>& origins) {
  std::vector<std::string> hosts;
  for (const std::string& origin : origins) {
    const std::size_t start = origin.find("://");
    if (start == std::string::npos) continue;
    const std::size_t end = origin.find(':', start + 3);
    hosts.push_back(origin.substr(start + 3, end == std::string::npos ? end : end - start - 3));
  }
  return hosts;
}

}  // namespace

void AddDaemonOptions(Options* options, DaemonOptions* daemon) {
  options->Section("HTTP");
  options->Text("address", &daemon->address, "address to listen on, or unix:PATH")
      .Metavar("ADDRESS");
  options->Uint("port", &daemon->port, "port to listen on; 0 picks a free one")
      .Metavar("PORT")
      .Range(0, 65535);
  options->Flag("insecure", &daemon->insecure,
                "serve an address that other machines reach without a token");
  options
      ->Text("auth-token-file", &daemon->auth_token_file,
             "file whose first line is the token every request but /ping must bring")
      .Metavar("FILE");
  options
      ->Texts("allow-origin", &daemon->allow_origins,
              "web origin whose pages may read answers (https://host, or *)")
      .Metavar("ORIGIN");
  options->Bytes("max-body-size", &daemon->max_body_bytes, "largest request body").Metavar("SIZE");
  const bool has_limit = daemon->max_connections > 0;  // of its own
  options->Uint("max-connections", &daemon->max_connections, "most connections at a time")
      .Metavar("N")
      .DefaultText(has_limit ? std::to_string(daemon->max_connections)
                             : "what the descriptor limit leaves");
  options->Time("idle-timeout", &daemon->idle_timeout, "time an idle connection is kept")
      .Metavar("TIME");
  options->Time("header-timeout", &daemon->header_timeout, "time a request head may take")
      .Metavar("TIME");
  options->Time("drain-timeout", &daemon->drain_timeout, "time to finish after SIGTERM")
      .Metavar("TIME");
  options->Flag("enable-logging", &daemon->access_log, "log a line a request");
  AddProcessOptions(options, &daemon->process);
  AddLogOptions(options, &daemon->log);
}

Status CheckDaemonOptions(const DaemonOptions& daemon) {
  const auto address = ParseListenAddress(daemon.address, static_cast<std::uint16_t>(daemon.port));
  if (!address.ok()) return address.status();
  if (!address->local() && daemon.auth_token_file.empty() && !daemon.insecure) {
    return InvalidArgument(
        fmt::format("--address={}: other machines reach it: must come with --auth-token-file=FILE "
                    "or --insecure",
                    daemon.address));
  }
  return Status::Ok();
}

Status PrepareProcess(const std::string& name, const DaemonOptions& daemon) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write
  if (Status s = EnterRoot(daemon.process); !s.ok()) return s;
  if (Status s = Daemonize(daemon.process); !s.ok()) return s;
  return InitLog(name, daemon.log);
}

int FailStart(const std::string& name, const Status& status) {
  Print(stderr, "{}: {}\n", name, EscapeControl(status.message()));
  return 1;
}

Daemon::Daemon(std::string name, DaemonOptions options)
    : name_(std::move(name)),
      options_(std::move(options)),
      router_(&metrics_),
      drain_deadline_(loop_,
                      [this] {
                        LogWarning("drain: {} connections did not end within {}",
                                   server_->connections(), FormatDuration(options_.drain_timeout));
                        loop_.Stop();
                      }),
      start_time_(clock_.WallNow()) {
  AddCommonRoutes(&router_, &metrics_,
                  {.name = name_,
                   .start_time = start_time_,
                   .health = [this] { return health(); },
                   .hosts = hosts()});
}

Daemon::~Daemon() = default;

std::vector<std::string> Daemon::hosts() const { return HostsOfOrigins(options_.allow_origins); }

Status Daemon::Listen() {
  ServerConfig config;
  config.max_body_bytes = options_.max_body_bytes;
  config.max_connections = options_.max_connections;
  config.header_timeout = options_.header_timeout;
  config.idle_timeout = options_.idle_timeout;
  config.allow_origins = options_.allow_origins;
  config.access_log = options_.access_log;
  if (!options_.auth_token_file.empty()) {
    auto token = ReadTokenFile("auth-token-file", options_.auth_token_file);
    if (!token.ok()) return token.status();
    config.token = std::move(token).value();
  }
  auto address = ParseListenAddress(options_.address, static_cast<std::uint16_t>(options_.port));
  if (!address.ok()) return address.status();
  server_ = std::make_unique<Server>(loop_, clock_, std::move(config), router_, metrics_);
  if (Status s = server_->Listen(*address); !s.ok()) return s;
  if (Status s = WritePidFile(options_.process); !s.ok()) return s;
  return DropPrivileges(options_.process);
}

void Daemon::OnStopSignal() {
  // The second one: no more patience.
  if (stopping_) _exit(1);
  Stop();
}

void Daemon::Stop() {
  if (stopping_) return;
  stopping_ = true;
  LogInfo("draining {} connections", server_->connections());
  drain_deadline_.Start(options_.drain_timeout);
  if (on_draining_) on_draining_();
  server_->Drain([this] { loop_.Stop(); });
}

int Daemon::Run() {
  const SignalWatcher terminate(loop_, SIGTERM, [this] { OnStopSignal(); });
  const SignalWatcher interrupt(loop_, SIGINT, [this] { OnStopSignal(); });
  const SignalWatcher hangup(loop_, SIGHUP, [this] {
    if (Status s = ReopenLog(); !s.ok()) LogError("{}", s.message());
    if (on_hangup_) on_hangup_();
  });
  if (Status s = Listen(); !s.ok()) return FailStart(name_, s);
  if (Status s = on_bound_ ? on_bound_() : Status::Ok(); !s.ok()) {
    RemovePidFile(options_.process);
    return FailStart(name_, s);
  }
  AnnounceListening(options_.process, server_->bound());
  loop_.Run();
  drain_deadline_.Cancel();  // on_drained_ may run the loop again
  // Streams refer to objects that main() made after this one, and will destroy before it.
  server_.reset();
  const Status drained = on_drained_ ? on_drained_() : Status::Ok();
  if (!drained.ok()) LogError("{}", drained.message());
  RemovePidFile(options_.process);
  // The watchers go now, and with them our handlers: one more SIGTERM must not kill a process that
  // has done its work.
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  return drained.ok() ? 0 : 1;
}

}  // namespace rivulet
