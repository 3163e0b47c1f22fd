// file_to_http: delivers the lines of files to HTTP destinations.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "file_to_http/config.h"
#include "file_to_http/feeder.h"

namespace {

int StartFailed(const rivulet::Status& status) {
  rivulet::Print(stderr, "file_to_http: {}\n", status.message());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;

  FeederOptions values;
  Options options("file_to_http", "delivers the lines of files to HTTP destinations");
  DeclareOptions(&options, &values);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (const auto code = CheckOptions(options, values)) return *code;
  if (auto status = InitLog("file_to_http", values.log); !status.ok()) return StartFailed(status);
  auto config = MakeConfig(values, std::random_device()());
  if (!config.ok()) return StartFailed(config.status());

  const SystemClock clock;
  EventLoop loop;
  auto feeder = Feeder::Open(loop, clock, std::move(config).value());
  if (!feeder.ok()) return StartFailed(feeder.status());

  std::signal(SIGPIPE, SIG_IGN);
  const SignalWatcher on_term(loop, SIGTERM, [&] { (*feeder)->Drain(); });
  const SignalWatcher on_int(loop, SIGINT, [&] { (*feeder)->Drain(); });
  const SignalWatcher on_hangup(loop, SIGHUP, [&] {
    if (auto status = ReopenLog(); !status.ok()) LogError("{}", status.message());
    (*feeder)->ReopenDeadLetters();
  });

  (*feeder)->Start();
  loop.Run();

  (*feeder)->Finish();
  rivulet::Print(stderr, "file_to_http: {}\n", (*feeder)->Summary());
  return (*feeder)->exit_status();
}
