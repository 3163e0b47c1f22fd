// ps_to_http: delivers what a pubsub streams to HTTP destinations. See ps_to_http(1).
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "ps_to_http/bridge.h"
#include "ps_to_http/config.h"
#include "ps_to_http/files.h"

namespace {

constexpr char kName[] = "ps_to_http";

int StartFailed(const rivulet::Status& status) {
  rivulet::Print(stderr, "{}: {}\n", kName, status.message());
  return 1;
}

void Reopen(rivulet::BridgeFiles* files) {
  for (const auto& status : {rivulet::ReopenLog(), files->Reopen()}) {
    if (!status.ok()) rivulet::LogError("{}", status.message());
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;

  BridgeOptions values;
  Options options(kName, "delivers what a pubsub streams to HTTP destinations");
  AddBridgeOptions(&options, &values);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (const auto code = CheckBridgeOptions(options, values)) return *code;
  if (Status status = InitLog(kName, values.log); !status.ok()) return StartFailed(status);
  auto config = MakeBridgeConfig(values, std::random_device()());
  if (!config.ok()) return StartFailed(config.status());

  const SystemClock clock;
  EventLoop loop;
  auto filter = MessageFilter::Make(config->filter);
  if (!filter.ok()) return StartFailed(filter.status());
  auto files = BridgeFiles::Open(&*config, loop, clock);
  if (!files.ok()) return StartFailed(files.status());
  Bridge bridge(loop, clock, *config, std::move(filter).value(), files->get());

  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write
  const SignalWatcher on_term(loop, SIGTERM, [&] { bridge.Stop(); });
  const SignalWatcher on_int(loop, SIGINT, [&] { bridge.Stop(); });
  const SignalWatcher on_hangup(loop, SIGHUP, [&] { Reopen(files->get()); });
  const auto status = StatusServer::Open(loop, clock, kName, values.status, bridge.StatusHooks());
  if (!status.ok()) return StartFailed(status.status());

  bridge.Start();
  loop.Run();
  return bridge.Finish();
}
