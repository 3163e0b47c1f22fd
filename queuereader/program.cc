#include "queuereader/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "queuereader/config.h"
#include "queuereader/file_source.h"
#include "queuereader/queue_source.h"
#include "queuereader/stop_signals.h"
#include "queuereader/summary.h"

namespace rivulet {
namespace {

constexpr Duration kHeartbeatPeriod = std::chrono::seconds(10);

Result<std::unique_ptr<Source>> OpenSource(EventLoop& loop, const Clock& clock,
                                           const ReaderOptions& options) {
  if (options.reads_files) {
    auto files = FileSource::Open(loop, options.sources);
    if (!files.ok()) return files.status();
    return std::unique_ptr<Source>(std::move(*files));
  }
  auto queue = QueueSource::Open(
      loop, clock,
      {options.sources, options.queuename, options.mget_items, options.sleeptime_failed_queue});
  if (!queue.ok()) return queue.status();
  return std::unique_ptr<Source>(std::move(*queue));
}

RunnerConfig MakeRunnerConfig(const Options& declared, const ReaderOptions& options) {
  RunnerConfig config;
  config.sleeptime_queue_empty = options.sleeptime_queue_empty;
  config.sleeptime_failed_queue = options.sleeptime_failed_queue;
  config.drain_timeout = options.drain_timeout;
  if (declared.given("exit-when-empty")) config.exit_when_empty = options.exit_when_empty;
  config.stop_requested = &StopSignals::requested;
  return config;
}

void TouchHeartbeat(const std::string& path) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  bool touched = fd >= 0 && futimens(fd, nullptr) == 0;
  if (!touched) LogWarning("{}", IoError("cannot touch --heartbeat-file " + path, errno).message());
  if (fd >= 0) close(fd);
}

/// Logs progress and touches the heartbeat file, by timers.
class Reports {
 public:
  Reports(EventLoop& loop, const Clock& clock, const ReaderOptions& options, const Reader& reader)
      : clock_(clock),
        reader_(reader),
        stats_(loop, [this] { LogProgress(); }),
        heartbeat_(loop, [path = options.heartbeat_file] { TouchHeartbeat(path); }),
        last_(clock.Now()) {
    if (options.stats_interval > Duration::zero()) stats_.StartEvery(options.stats_interval);
    if (options.heartbeat_file.empty()) return;
    TouchHeartbeat(options.heartbeat_file);
    heartbeat_.StartEvery(kHeartbeatPeriod);
  }

 private:
  void LogProgress() {
    MonoTime now = clock_.Now();
    std::uint64_t messages = reader_.counts().messages;
    double seconds = std::chrono::duration<double>(now - last_).count();
    double rate = seconds > 0 ? static_cast<double>(messages - last_messages_) / seconds : 0;
    LogInfo("{}", ProgressLine(reader_, rate));
    last_ = now;
    last_messages_ = messages;
  }

  const Clock& clock_;
  const Reader& reader_;
  Timer stats_;
  Timer heartbeat_;
  MonoTime last_;
  std::uint64_t last_messages_ = 0;
};

/// False when standard output did not take it all.
bool Print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

}  // namespace

ReaderProgram::ReaderProgram(std::string name, std::string summary)
    : name_(std::move(name)), summary_(std::move(summary)) {}

void ReaderProgram::Add(std::string name, std::function<Outcome(const Message&)> run) {
  registry_.AddFunction(name, std::move(run));
  default_tasks_.push_back(std::move(name));
}

int ReaderProgram::Run(int argc, const char* const* argv) {
  Options declared(name_, summary_);
  ReaderOptions options;
  if (auto code =
          ParseReaderOptions(&declared, argc, argv, registry_.names(), default_tasks_, &options)) {
    return *code;
  }
  auto tasks = registry_.MakeAll(options.tasks);
  if (!tasks.ok()) return declared.Fail("--task: " + tasks.status().message());
  NamedTask giveup;
  if (!options.requeue_giveup.empty()) {
    auto made = registry_.Make(options.requeue_giveup);
    if (!made.ok()) return declared.Fail("--requeue-giveup: " + made.status().message());
    giveup = std::move(*made);
  }
  auto refuse_start = [this](const Status& why) {
    std::fprintf(stderr, "%s: %s\n", name_.c_str(), why.message().c_str());
    return 1;
  };
  if (Status status = InitLog(name_, options.log); !status.ok()) return refuse_start(status);

  SystemClock clock;
  EventLoop loop;
  signal(SIGPIPE, SIG_IGN);
  FailedMessages failed_messages(options.failed_message_dir, options.queuename);
  if (Status status = failed_messages.Check(); !status.ok()) {
    return refuse_start({status.code(), "--failed-message-dir: " + status.message()});
  }
  auto source = OpenSource(loop, clock, options);
  if (!source.ok()) return refuse_start(source.status());

  Reader reader({static_cast<int>(options.max_tries), options.requeue_delay, options.max_backoff},
                std::move(*tasks), std::move(giveup.task));
  Runner runner(loop, clock, MakeRunnerConfig(declared, options), **source, reader,
                failed_messages);
  Reports reports(loop, clock, options, reader);
  StopSignals stop_signals(loop, [&runner] { runner.Stop(); });
  SignalWatcher hangup(loop, SIGHUP, [] {
    if (Status status = ReopenLog(); !status.ok()) LogError("{}", status.message());
  });

  LogInfo("reading from {}", (*source)->name());
  MonoTime begin = clock.Now();
  runner.Start();
  loop.Run();

  SummaryHead head{(*source)->name(), runner.left(), clock.Now() - begin};
  LogInfo("{} messages read, {} finished, {} given up, {} malformed, {} left",
          reader.counts().messages, reader.counts().finished, reader.counts().given_up,
          reader.counts().malformed, head.left);
  bool json = options.summary_format == "json";
  bool printed =
      !options.summary || Print(json ? SummaryJson(head, reader) : SummaryText(head, reader));
  return printed ? runner.exit_status() : 1;
}

}  // namespace rivulet
