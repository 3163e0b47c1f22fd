// ps_to_http: delivers what a pubsub streams to HTTP destinations.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <random>

#include "base/log.h"
#include "ps_to_http/bridge.h"
#include "ps_to_http/config.h"

namespace {

int StartFailed(const rivulet::Status& status) {
  fmt::print(stderr, "ps_to_http: {}\n", status.message());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;

  BridgeOptions values;
  Options options("ps_to_http", "delivers what a pubsub streams to HTTP destinations");
  DeclareOptions(&options, &values);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (const auto code = CheckOptions(options, values)) return *code;
  if (auto status = InitLog("ps_to_http", values.log); !status.ok()) return StartFailed(status);
  const auto config = MakeConfig(values, std::random_device()());
  if (!config.ok()) return StartFailed(config.status());

  const SystemClock clock;
  EventLoop loop;
  Bridge bridge(loop, clock, *config);

  std::signal(SIGPIPE, SIG_IGN);
  const SignalWatcher on_term(loop, SIGTERM, [&] { bridge.Drain(); });
  const SignalWatcher on_int(loop, SIGINT, [&] { bridge.Drain(); });
  const SignalWatcher on_hangup(loop, SIGHUP, [] {
    if (auto status = ReopenLog(); !status.ok()) LogError("{}", status.message());
  });

  bridge.Start();
  loop.Run();

  fmt::print(stderr, "ps_to_http: {}\n", bridge.Summary());
  return bridge.exit_status();
}
