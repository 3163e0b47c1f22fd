#include "queuereader/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "base/token_file.h"
#include "queuereader/file_source.h"
#include "queuereader/introspection.h"
#include "queuereader/queue_source.h"
#include "queuereader/reader_progress.h"
#include "queuereader/reports.h"
#include "queuereader/standard_files.h"
#include "queuereader/stop_signals.h"
#include "queuereader/summary.h"
#include "queuereader/task_host.h"
#include "store/memory_store.h"
#include "store/open_store.h"

namespace rivulet {
namespace {

ReaderConfig MakeReaderConfig(const ReaderOptions& options) {
  ReaderConfig config;
  config.max_tries = static_cast<int>(options.max_tries);
  config.requeue_delay = options.requeue_delay;
  config.backoff.max = options.max_backoff;
  return config;
}

RunnerConfig MakeRunnerConfig(const std::string& program, const Options& declared,
                              const ReaderOptions& options) {
  RunnerConfig config;
  config.program = program;
  config.reader = MakeReaderConfig(options);
  config.sleeptime_queue_empty = options.sleeptime_queue_empty;
  config.sleeptime_failed_queue = options.sleeptime_failed_queue;
  config.sleeptime_requeue = options.sleeptime_requeue;
  config.drain_timeout = options.drain_timeout;
  if (declared.given("exit-when-empty")) config.exit_when_empty = options.exit_when_empty;
  config.checkpoint_every = options.checkpoint_time;
  config.checkpoint_messages = options.checkpoint_messages;
  config.forget_sources = options.forget_sources;
  config.task_timeout = options.task_timeout;
  config.stop_requested = &StopSignals::requested;
  return config;
}

TaskEnvironment MakeTaskEnvironment(EventLoop& loop, const Clock& clock,
                                    const ReaderOptions& options, const Outputs& outputs,
                                    Store& store) {
  TaskEnvironment environment;
  environment.loop = &loop;
  environment.clock = &clock;
  environment.outputs = outputs.names();
  environment.task_timeout = options.task_timeout;
  environment.task_memory_bytes = options.task_memory_bytes;
  environment.store = &store;
  if (options.isolate) environment.host_program = "/proc/self/exe";
  environment.stop_requested = &StopSignals::requested;
  return environment;
}

/// Errors name the option. `child_tasks` gets the names of those that run in a process of their
/// own.
Result<ReaderTasks> MakeTasks(const TaskRegistry& registry, const ReaderOptions& options,
                              const TaskEnvironment& environment,
                              std::vector<std::string>* child_tasks) {
  ReaderTasks tasks;
  auto all = registry.MakeAll(options.tasks, environment);
  if (!all.ok()) return Status(all.status().code(), "--task: " + all.status().message());
  tasks.all_tasks = std::move(*all);
  for (std::size_t i = 0; i < options.tasks.size(); ++i) {
    if (RunsInChild(options.tasks[i], environment)) {
      child_tasks->push_back(tasks.all_tasks[i].name);
    }
  }
  const auto add = [&](const char* option, const std::string& spec, NamedTask* task) -> Status {
    if (spec.empty()) return {};
    auto made = registry.Make(spec, environment);
    if (!made.ok()) {
      return {made.status().code(), fmt::format("--{}: {}", option, made.status().message())};
    }
    *task = std::move(*made);
    if (RunsInChild(spec, environment)) child_tasks->push_back(task->name);
    return {};
  };
  for (const Status& status :
       {add("preprocess", options.preprocess, &tasks.preprocess),
        add("validate", options.validate, &tasks.validate),
        add("requeue-giveup", options.requeue_giveup, &tasks.requeue_giveup)}) {
    if (!status.ok()) return status;
  }
  return tasks;
}

/// A crash while a task is made is told with its name; no message is in hand then.
Result<ReaderTasks> MakeMarkedTasks(const std::string& program, const TaskRegistry& registry,
                                    const ReaderOptions& options, TaskEnvironment environment,
                                    std::vector<std::string>* child_tasks) {
  auto mark = CrashMark::Open(*environment.clock, "");
  if (!mark.ok()) return mark.status();
  (*mark)->WatchCalls(program);
  environment.crash_mark = mark->get();
  return MakeTasks(registry, options, environment, child_tasks);
}

/// Who closed a file that it should not have.
std::string Culprit(const ReaderTasks& tasks, const std::vector<std::string>& child_tasks) {
  std::vector<std::string> here;
  for (const NamedTask& task : tasks.all_tasks) here.push_back(task.name);
  for (const NamedTask* task : {&tasks.preprocess, &tasks.validate, &tasks.requeue_giveup}) {
    if (task->task) here.push_back(task->name);
  }
  std::erase_if(here, [&](const std::string& name) {
    return std::find(child_tasks.begin(), child_tasks.end(), name) != child_tasks.end();
  });
  return here.size() == 1 ? "task " + here.front() : "a task";
}

Result<std::unique_ptr<Source>> OpenSource(EventLoop& loop, const Clock& clock,
                                           const Options& declared, const ReaderOptions& options) {
  if (options.reads_files) {
    return OpenFileSource(
        loop, clock, options.sources,
        options.checkpoint_dir.empty() ? UnfinishedLine::kRun : UnfinishedLine::kLeave);
  }
  QueueSourceConfig config;
  config.urls = options.sources;
  config.queuename = options.queuename;
  config.mget_items = options.mget_items;
  config.lease = options.lease;
  config.failed_pause = options.sleeptime_failed_queue;
  // A queue that is asked whether it is empty shall not hold the answer back.
  if (declared.given("exit-when-empty")) {
    config.long_poll = std::min(config.long_poll, options.exit_when_empty);
  }
  if (!options.auth_token_file.empty()) {
    auto token = ReadTokenFile("auth-token-file", options.auth_token_file);
    if (!token.ok()) return token.status();
    config.auth_token = std::move(*token);
  }
  return OpenQueueSource(loop, clock, std::move(config));
}

/// What is on disk for a reader: its checkpoint, and the mark of the message in hand beside it.
struct StateFiles {
  std::unique_ptr<CheckpointFile> checkpoint;  // nullptr without --checkpoint-dir
  std::unique_ptr<CrashMark> crash_mark;
};

Result<StateFiles> OpenStateFiles(EventLoop& loop, const Clock& clock,
                                  const ReaderOptions& options) {
  StateFiles files;
  std::string mark_path;
  if (!options.checkpoint_dir.empty()) {
    auto checkpoint =
        CheckpointFile::Open(loop, clock, options.checkpoint_dir, options.checkpoint_name);
    if (!checkpoint.ok()) {
      return Status(checkpoint.status().code(),
                    "--checkpoint-dir: " + checkpoint.status().message());
    }
    files.checkpoint = std::move(*checkpoint);
    mark_path = fmt::format("{}/{}.running", options.checkpoint_dir, options.checkpoint_name);
  }
  auto mark = CrashMark::Open(clock, mark_path);
  if (!mark.ok()) return mark.status();
  files.crash_mark = std::move(*mark);
  return files;
}

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
  FailedMessages failed_messages(options_.failed_message_dir, options_.queuename,
                                 options_.failed_count);
  if (Status status = failed_messages.Check(); !status.ok()) {
    return refuse({StatusCode::kIoError, "--failed-message-dir: " + status.message()});
  }
  Runner* running = nullptr;  // of what the outputs tell
  auto outputs = Outputs::Open(loop, clock, options_.outputs,
                               failed_messages.directory() + "/refused.jsonl", [&running] {
                                 if (running != nullptr) running->OnOutputs();
                               });
  if (!outputs.ok()) return refuse(outputs.status());
  const auto store =
      OpenStore(options_.store, {.clock = &clock, .password_file = options_.store_password_file});
  if (!store.ok()) {
    return refuse({store.status().code(), "--store: " + store.status().message()});
  }
  RunnerConfig config = MakeRunnerConfig(name_, declared, options_);
  auto tasks = MakeMarkedTasks(name_, registry_, options_,
                               MakeTaskEnvironment(loop, clock, options_, **outputs, **store),
                               &config.child_tasks);
  if (!tasks.ok()) return refuse(tasks.status());
  config.after_slice = [&standard_files, culprit = Culprit(*tasks, config.child_tasks)] {
    standard_files.PutBack(culprit);
  };
  auto source = OpenSource(loop, clock, declared, options_);
  if (!source.ok()) return refuse(source.status());
  auto files = OpenStateFiles(loop, clock, options_);
  if (!files.ok()) return refuse(files.status());

  ReaderSurroundings surroundings;
  surroundings.clock = &clock;
  surroundings.store = store->get();
  surroundings.outputs = (*outputs)->names();
  surroundings.entering = [&running](const std::string& task, std::size_t message, MonoTime since) {
    running->Entering(task, message, since);
  };
  surroundings.left = [&running] { running->Left(); };
  surroundings.calling = [&running](const std::string& task, std::string_view what) {
    running->Calling(task, what);
  };
  Reader reader(MakeReaderConfig(options_), std::move(*tasks), std::move(surroundings));
  TaskThread task_thread(loop, clock);
  Runner runner(std::move(config), {.loop = &loop,
                                    .clock = &clock,
                                    .source = source->get(),
                                    .reader = &reader,
                                    .executor = &task_thread,
                                    .failed_messages = &failed_messages,
                                    .crash_mark = files->crash_mark.get(),
                                    .outputs = outputs->get(),
                                    .checkpoint = files->checkpoint.get(),
                                    .memory_store = dynamic_cast<MemoryStore*>(store->get()),
                                    .store = store->get()});
  running = &runner;
  if (Status status = runner.Restore(); !status.ok())
    return refuse({StatusCode::kIoError, status.message()});
  const std::uint64_t restored = reader.counts().messages;

  const StopSignals stop_signals(loop, [&runner, &store] {
    runner.Stop();
    (*store)->Interrupt();
  });
  const SignalWatcher hangup(loop, SIGHUP, Reopen);
  const auto introspection =
      Introspection::Open(loop, clock, name_, options_.status, runner, **source, outputs->get());
  if (!introspection.ok()) return refuse({StatusCode::kIoError, introspection.status().message()});
  Reports reports(loop, clock, options_, runner, **source);

  LogInfo("reading from {}", (*source)->name());
  const MonoTime begin = clock.Now();
  runner.Start();
  loop.Run();

  reports.End();
  SummaryHead head{(*source)->name(), runner.left(), clock.Now() - begin, restored};
  LogInfo("{} messages read, {} finished, {} given up, {} malformed, {} left",
          reader.counts().messages, reader.counts().finished, reader.counts().given_up,
          reader.counts().malformed, head.left);
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
