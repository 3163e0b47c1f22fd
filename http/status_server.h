// What a program that is no daemon serves where --http-address is given: /ping, /stats, /metrics
// and a page, on its own loop. (A daemon has more: http/daemon.h. Both have their common routes
// from http/common_routes.h.)
//
//   StatusServerOptions values;  AddStatusServerOptions(&options, &values);   // --http-address
//   auto server = StatusServer::Open(loop, clock, "ps_to_http", values, hooks);   // nullptr: not
//   asked for
//
// --http-address=ADDRESS:PORT (or unix:PATH, or PORT alone on 127.0.0.1; port 0 picks a free one),
// --http-auth-token-file. The rules of daemons hold: a wider address than loopback needs a token or
// --insecure. When it is served, `listening on ADDRESS:PORT` is printed on standard output.
//
// Thread: the loop's. Must be destroyed before its loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/options.h"
#include "base/status.h"
#include "http/router.h"
#include "http/server.h"

namespace rivulet {

struct StatusServerOptions {
  std::string http_address;  // empty: nothing is served
  std::string http_auth_token_file;
  bool insecure = false;
};
void AddStatusServerOptions(Options* options, StatusServerOptions* values);
/// As given: OK, or what is wrong with it.
Status CheckStatusServerOptions(const StatusServerOptions& values);

class StatusServer {
  struct Impl;

 public:
  struct Hooks {
    std::function<Status()> health;           // for /ping
    std::function<std::string()> stats_text;  // for /stats
    std::function<std::string()> stats_json;  // for /stats?format=json
    std::function<void(std::string*)> write_metrics;
  };

  /// nullptr when values.http_address is empty. Hooks are called from the loop, and may be empty:
  /// healthy, and nothing to tell.
  static Result<std::unique_ptr<StatusServer>> Open(EventLoop& loop, const Clock& clock,
                                                    const std::string& name,
                                                    const StatusServerOptions& values,
                                                    const Hooks& hooks);
  explicit StatusServer(std::unique_ptr<Impl> impl);  // for Open()
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  /// Routes may be added until the loop runs: GET /tasks and the like.
  Router& router();
  MetricRegistry& metrics();
  /// "127.0.0.1:8090".
  std::string bound() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
