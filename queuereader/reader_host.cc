#include "queuereader/reader_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/token_file.h"
#include "queuereader/source/file_source.h"
#include "queuereader/source/queue_source.h"
#include "queuereader/standard_files.h"
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

/// Without what the host itself is asked.
RunnerConfig MakeRunnerConfig(const ReaderHostConfig& host) {
  const ReaderOptions& options = host.options;
  RunnerConfig config;
  config.program = host.program;
  config.reader = MakeReaderConfig(options);
  config.sleeptime_queue_empty = options.sleeptime_queue_empty;
  config.sleeptime_failed_queue = options.sleeptime_failed_queue;
  config.sleeptime_requeue = options.sleeptime_requeue;
  config.drain_timeout = options.drain_timeout;
  if (host.exits_when_empty) config.exit_when_empty = options.exit_when_empty;
  config.checkpoint_every = options.checkpoint_time;
  config.checkpoint_messages = options.checkpoint_messages;
  config.forget_sources = options.forget_sources;
  config.task_timeout = options.task_timeout;
  if (host.exit_process) config.exit_process = host.exit_process;
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
  if (!program.empty()) (*mark)->WatchCalls(program);
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
                                           const ReaderHostConfig& host) {
  const ReaderOptions& options = host.options;
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
  if (host.exits_when_empty) {
    config.long_poll = std::min(config.long_poll, options.exit_when_empty);
  }
  if (!options.auth_token_file.empty()) {
    auto token = ReadTokenFile(host.token_option, options.auth_token_file);
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

}  // namespace

struct ReaderHost::Impl {
  Impl(EventLoop& its_loop, const Clock& its_clock, ReaderHostConfig its_config)
      : loop(its_loop), clock(its_clock), config(std::move(its_config)) {}
  // The thread of tasks ends before what they use.
  ~Impl() {
    stopping = true;
    if (store != nullptr) store->Interrupt();
    task_thread.reset();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status Open();
  Status OpenParts();
  void MakeReader(ReaderTasks tasks);
  void MakeRunner(RunnerConfig runner_config);
  bool stop_requested() const {
    return stopping || (config.stop_requested && config.stop_requested());
  }

  EventLoop& loop;
  const Clock& clock;
  ReaderHostConfig config;
  std::atomic<bool> stopping = false;
  bool ended = false;
  std::uint64_t restored = 0;
  std::unique_ptr<StandardFiles> own_standard_files;
  std::unique_ptr<FailedMessages> failed_messages;
  std::unique_ptr<Outputs> outputs;
  std::unique_ptr<HostedStore> store;
  std::unique_ptr<Source> source;
  StateFiles files;
  std::unique_ptr<Reader> reader;
  std::unique_ptr<TaskThread> task_thread;
  std::unique_ptr<Runner> runner;
};

Status ReaderHost::Impl::OpenParts() {
  const ReaderOptions& options = config.options;
  failed_messages = std::make_unique<FailedMessages>(options.failed_message_dir, options.queuename,
                                                     options.failed_count);
  if (Status status = failed_messages->Check(); !status.ok()) {
    return {StatusCode::kIoError, "--failed-message-dir: " + status.message()};
  }
  auto opened = Outputs::Open(loop, clock, options.outputs,
                              failed_messages->directory() + "/refused.jsonl", [this] {
                                if (runner != nullptr) runner->OnOutputs();
                              });
  if (!opened.ok()) return opened.status();
  outputs = std::move(*opened);
  auto opened_store =
      OpenStore(options.store, {.clock = &clock, .password_file = options.store_password_file});
  if (!opened_store.ok()) {
    return {opened_store.status().code(), "--store: " + opened_store.status().message()};
  }
  store = std::move(*opened_store);
  return {};
}

void ReaderHost::Impl::MakeReader(ReaderTasks tasks) {
  ReaderSurroundings surroundings;
  surroundings.clock = &clock;
  surroundings.store = store.get();
  surroundings.outputs = outputs->names();
  surroundings.entering = [this](const std::string& task, std::size_t message, MonoTime since) {
    runner->Entering(task, message, since);
  };
  surroundings.left = [this] { runner->Left(); };
  surroundings.calling = [this](const std::string& task, std::string_view what) {
    runner->Calling(task, what);
  };
  reader = std::make_unique<Reader>(MakeReaderConfig(config.options), std::move(tasks),
                                    std::move(surroundings));
}

void ReaderHost::Impl::MakeRunner(RunnerConfig runner_config) {
  task_thread = std::make_unique<TaskThread>(loop, clock);
  runner = std::make_unique<Runner>(
      std::move(runner_config), RunnerParts{.loop = &loop,
                                            .clock = &clock,
                                            .source = source.get(),
                                            .reader = reader.get(),
                                            .executor = task_thread.get(),
                                            .failed_messages = failed_messages.get(),
                                            .crash_mark = files.crash_mark.get(),
                                            .outputs = outputs.get(),
                                            .checkpoint = files.checkpoint.get(),
                                            .memory_store = dynamic_cast<MemoryStore*>(store.get()),
                                            .store = store.get()});
}

Status ReaderHost::Impl::Open() {
  if (Status status = OpenParts(); !status.ok()) return status;
  RunnerConfig runner_config = MakeRunnerConfig(config);
  runner_config.stop_requested = [this] { return stop_requested(); };
  runner_config.on_end = [this] {
    ended = true;
    config.on_end ? config.on_end() : loop.Stop();
  };
  TaskEnvironment environment = MakeTaskEnvironment(loop, clock, config.options, *outputs, *store);
  environment.stop_requested = runner_config.stop_requested;
  auto tasks = MakeMarkedTasks(config.program, *config.registry, config.options,
                               std::move(environment), &runner_config.child_tasks);
  if (!tasks.ok()) return tasks.status();
  runner_config.after_slice = [this, culprit = Culprit(*tasks, runner_config.child_tasks)] {
    config.standard_files->PutBack(culprit);
  };
  auto opened_source = OpenSource(loop, clock, config);
  if (!opened_source.ok()) return opened_source.status();
  source = std::move(*opened_source);
  auto opened_files = OpenStateFiles(loop, clock, config.options);
  if (!opened_files.ok()) return opened_files.status();
  files = std::move(*opened_files);
  MakeReader(std::move(*tasks));
  MakeRunner(std::move(runner_config));
  if (Status status = runner->Restore(); !status.ok()) {
    return {StatusCode::kIoError, status.message()};
  }
  restored = reader->counts().messages;
  return {};
}

ReaderHost::ReaderHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReaderHost::~ReaderHost() = default;

Result<std::unique_ptr<ReaderHost>> ReaderHost::Open(EventLoop& loop, const Clock& clock,
                                                     ReaderHostConfig config) {
  auto impl = std::make_unique<Impl>(loop, clock, std::move(config));
  if (Status status = impl->Open(); !status.ok()) return status;
  return std::unique_ptr<ReaderHost>(new ReaderHost(std::move(impl)));
}

void ReaderHost::Start() {
  Impl& host = *impl_;
  if (host.config.standard_files == nullptr) {
    host.own_standard_files = std::make_unique<StandardFiles>();
    host.config.standard_files = host.own_standard_files.get();
  }
  host.runner->Start();
}

void ReaderHost::Stop() {
  impl_->stopping = true;
  impl_->runner->Stop();
  impl_->store->Interrupt();
}

bool ReaderHost::ended() const { return impl_->ended; }
Runner& ReaderHost::runner() { return *impl_->runner; }
HostedStore& ReaderHost::store() { return *impl_->store; }
const Source& ReaderHost::source() const { return *impl_->source; }
const Outputs& ReaderHost::outputs() const { return *impl_->outputs; }
std::uint64_t ReaderHost::restored() const { return impl_->restored; }
const ReaderCounts& ReaderHost::counts() const { return impl_->reader->counts(); }

}  // namespace rivulet
