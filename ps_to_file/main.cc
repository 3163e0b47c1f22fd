// ps_to_file: keeps what a pubsub streams in files. See ps_to_file(1).
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "ps_to_file/archiver.h"
#include "ps_to_file/config.h"

namespace {

constexpr char kName[] = "ps_to_file";

int StartFailed(const rivulet::Status& status) {
  rivulet::Print(stderr, "{}: {}\n", kName, status.message());
  return 1;
}

void RollAndReopen(rivulet::Archiver* archiver) {
  archiver->Roll();
  if (auto status = rivulet::ReopenLog(); !status.ok()) rivulet::LogError("{}", status.message());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;

  ArchiverOptions values;
  Options options(kName, "keeps what a pubsub streams in files");
  AddArchiverOptions(&options, &values);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (const auto code = CheckArchiverOptions(options, values)) return *code;
  if (Status status = InitLog(kName, values.log); !status.ok()) return StartFailed(status);
  auto config = MakeArchiverConfig(values, std::random_device()());
  if (!config.ok()) return StartFailed(config.status());

  const SystemClock clock;
  EventLoop loop;
  auto opened = Archiver::Open(loop, clock, std::move(config).value());
  if (!opened.ok()) return StartFailed(opened.status());
  Archiver& archiver = **opened;

  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write
  const SignalWatcher on_term(loop, SIGTERM, [&] { archiver.Drain(); });
  const SignalWatcher on_int(loop, SIGINT, [&] { archiver.Drain(); });
  const SignalWatcher on_hangup(loop, SIGHUP, [&] { RollAndReopen(&archiver); });
  const auto status = StatusServer::Open(loop, clock, kName, values.status, archiver.StatusHooks());
  if (!status.ok()) return StartFailed(status.status());

  archiver.Start();
  loop.Run();

  rivulet::Print(stderr, "{}: {}\n", kName, archiver.Summary());
  return archiver.exit_status();
}
