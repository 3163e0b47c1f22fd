#include "queuereader/program.h"

#include <signal.h>

#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "queuereader/child/task_host.h"
#include "queuereader/reader_host.h"
#include "queuereader/report/introspection.h"
#include "queuereader/report/reports.h"
#include "queuereader/report/summary.h"
#include "queuereader/standard_files.h"
#include "queuereader/stop_signals.h"

namespace rivulet {
namespace {

void Reopen() {
  if (Status status = ReopenLog(); !status.ok()) LogError("{}", status.message());
}

}  // namespace

ReaderProgram::ReaderProgram(std::string name, std::string summary)
    : name_(std::move(name)), summary_(std::move(summary)) {}

void ReaderProgram::preprocess_method(
    std::function<std::optional<std::string>(const Message&)> method) {
  registry_.AddFunction("preprocess_method",
                        [method = std::move(method)](const Message& message, Context&) {
                          auto data = method(message);
                          return data ? Outcome::Replace(std::move(*data)) : Outcome::Drop();
                        });
  options_.preprocess = "preprocess_method";
}

void ReaderProgram::validate_method(std::function<bool(const Message&)> method) {
  registry_.AddFunction("validate_method",
                        [method = std::move(method)](const Message& message, Context&) {
                          return method(message) ? Outcome::Done() : Outcome::Drop();
                        });
  options_.validate = "validate_method";
}

void ReaderProgram::requeue_giveup(std::function<void(const Message&)> method) {
  registry_.AddFunction("requeue_giveup",
                        [method = std::move(method)](const Message& message, Context&) {
                          method(message);
                          return Outcome::Done();
                        });
  options_.requeue_giveup = "requeue_giveup";
}

int ReaderProgram::Run(int argc, const char* const* argv) {
  if (argc == 2 && std::strcmp(argv[1], kTaskHostArgument) == 0) return RunTaskHost(registry_);
  Options declared(name_, summary_);
  if (auto code = ParseReaderOptions(&declared, argc, argv, registry_.names(), &options_)) {
    return *code;
  }
  // A wrong option ends with 2, what it could not be started with today with 1.
  const auto refuse = [&](const Status& why) {
    if (why.code() == StatusCode::kInvalidArgument) return declared.Fail(why.message());
    Print(stderr, "{}: {}\n", name_, why.message());
    return 1;
  };
  MakePathsAbsolute(&options_);
  if (Status status = InitLog(name_, options_.log); !status.ok()) return refuse(status);

  const StandardFiles standard_files;
  const SystemClock clock;
  EventLoop loop;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write
  auto opened = ReaderHost::Open(loop, clock,
                                 {.program = name_,
                                  .registry = &registry_,
                                  .options = options_,
                                  .exits_when_empty = declared.given("exit-when-empty"),
                                  .stop_requested = &StopSignals::requested,
                                  .standard_files = &standard_files});
  if (!opened.ok()) return refuse(opened.status());
  ReaderHost& host = **opened;
  Runner& runner = host.runner();
  const Source& source = host.source();

  const StopSignals stop_signals(loop, [&host] { host.Stop(); });
  const SignalWatcher hangup(loop, SIGHUP, Reopen);
  const auto introspection =
      Introspection::Open(loop, clock, name_, options_.status, runner, source, &host.outputs());
  if (!introspection.ok()) return refuse({StatusCode::kIoError, introspection.status().message()});
  Reports reports(loop, clock, options_, runner, source);

  LogInfo("reading from {}", source.name());
  const MonoTime begin = clock.Now();
  host.Start();
  loop.Run();

  reports.End();
  SummaryHead head{source.name(), runner.left(), clock.Now() - begin, host.restored()};
  const ReaderCounts& counts = host.counts();
  LogInfo("{} messages read, {} finished, {} given up, {} malformed, {} left", counts.messages,
          counts.finished, counts.given_up, counts.malformed, head.left);
  // Where tasks run, and with their time limit: the thread ends when they have all come back.
  std::string text;
  runner.Inspect(
      [&text, &head, wanted = options_.summary,
       json = options_.summary_format == "json"](const Reader& of) {
        if (!wanted) return;
        text = json ? SummaryJson(head, of) : SummaryText(head, of);
      },
      [&loop] { loop.Stop(); });
  loop.Run();
  return PrintSummary(text) ? runner.exit_status() : 1;
}

}  // namespace rivulet
