#include "queuereader/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/units.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxQueuenameBytes = 64;

Status CheckQueuename(const std::string& name) {
  bool right = !name.empty() && name.size() <= kMaxQueuenameBytes && name != "." && name != ".." &&
               std::all_of(name.begin(), name.end(), [](char c) {
                 return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
               });
  if (right) return {};
  return InvalidArgument("1 to 64 letters, digits, '.', '_' or '-'");
}

bool IsQueue(const std::string& source) {
  return source.starts_with("http://") || source.starts_with("https://");
}

bool IsFile(const std::string& source) {
  return source == "-" || (source.starts_with("file:") && source.size() > 5);
}

void DeclareQueuename(Options* declared, ReaderOptions* o) {
  declared
      ->Text("queuename", &o->queuename, "the queue to read, and the folder of its failed messages")
      .Metavar("NAME")
      .Check(CheckQueuename);
}

void DeclareLeases(Options* declared, ReaderOptions* o) {
  declared
      ->Uint("mget-items", &o->mget_items,
             "messages to ask a queue for at once; 0: one, by /get where lease is 0")
      .Metavar("N")
      .Range(0, 100'000);
  declared
      ->Time("lease", &o->lease,
             "take messages for so long, and prolong that while they are worked on; 0: take them "
             "for good, as of the original simplequeue")
      .Metavar("TIME");
}

void DeclareSleeptimes(Options* declared, ReaderOptions* o) {
  declared
      ->Time("sleeptime-queue-empty", &o->sleeptime_queue_empty,
             "how long to wait before an empty queue that holds no long polls is asked again")
      .Metavar("TIME");
  declared
      ->Time("sleeptime-failed-queue", &o->sleeptime_failed_queue,
             "how long to wait before a queue that failed is asked again")
      .Metavar("TIME");
}

void DeclareReading(Options* declared, ReaderOptions* o) {
  declared->Section("Messages");
  declared
      ->Texts("source", &o->sources,
              "read messages from http://HOST:PORT (a simplequeue; several: as fail-over), "
              "file:PATH (one a line; .gz and .zst too) or - (standard input)")
      .Metavar("SOURCE");
  DeclareQueuename(declared, o);
  DeclareLeases(declared, o);
  declared
      ->Text("auth-token-file", &o->auth_token_file,
             "file with the token of the queues: sent as Authorization: Bearer TOKEN")
      .Metavar("FILE");
  DeclareSleeptimes(declared, o);
  declared
      ->Time("exit-when-empty", &o->exit_when_empty,
             "end, with a summary, when the queue has been empty for so long, and nothing is "
             "deferred or in flight there")
      .Metavar("TIME")
      .DefaultText("never");
}

void DeclareTask(Options* declared, const std::string& known, ReaderOptions* o) {
  declared
      ->Texts("task", &o->tasks,
              fmt::format("run a task on every message: NAME or NAME:KEY=VALUE,KEY=VALUE with "
                          "NAME one of {}; the path of a shared object; or exec:COMMAND, a program",
                          known))
      .Metavar("TASK");
}

void DeclareTaskTimeout(Options* declared, ReaderOptions* o) {
  declared
      ->Time("task-timeout", &o->task_timeout,
             "how long a task may take for a message; 0: for ever")
      .Metavar("TIME");
}

void DeclareTasks(Options* declared, const std::string& known, ReaderOptions* o) {
  declared->Section("Tasks");
  DeclareTask(declared, known, o);
  declared
      ->Text("preprocess", &o->preprocess,
             "run this task first: it may alter the data that the others see, or drop the message")
      .Metavar("TASK");
  declared
      ->Text("validate", &o->validate,
             "run this task next: the messages that it drops are not processed")
      .Metavar("TASK");
  declared->Flag("isolate", &o->isolate,
                 "run shared objects in a child process each: a crash costs one message a try");
  DeclareTaskTimeout(declared, o);
  declared
      ->Bytes("task-memory", &o->task_memory_bytes,
              "memory that a program, or an isolated task, may take")
      .Metavar("SIZE")
      .DefaultText("no bound");
  declared
      ->Text("store", &o->store,
             "where tasks share state: memory: (this process, in its checkpoint), file:DIR, "
             "redis://[USER@]HOST[:PORT][/DB], redis+unix:///SOCKET")
      .Metavar("URL");
  declared
      ->Text("store-password-file", &o->store_password_file,
             "a file whose first line is the password for --store=redis://…")
      .Metavar("FILE");
  AddOutputOptions(declared, &o->outputs);
}

void DeclareTries(Options* declared, ReaderOptions* o) {
  declared->Uint("max-tries", &o->max_tries, "how often a message is tried before it is given up")
      .Metavar("N")
      .Range(1, 1'000'000);
  declared
      ->Time("requeue-delay", &o->requeue_delay,
             "how long a failed message waits for its next try, times the tries so far; files "
             "and standard input: 0s")
      .Metavar("TIME");
}

void DeclareFailedMessageDir(Options* declared, ReaderOptions* o) {
  declared
      ->Text("failed-message-dir", &o->failed_message_dir,
             "set messages that are given up or malformed aside in DIR/QUEUENAME")
      .Metavar("DIR");
}

void DeclareCheckpoint(Options* declared, ReaderOptions* o) {
  declared
      ->Text("checkpoint-dir", &o->checkpoint_dir,
             "keep the tasks' state in DIR, with what was done: after a crash or a restart no "
             "message counts twice, and none is missing")
      .Metavar("DIR");
  declared
      ->Text("checkpoint-name", &o->checkpoint_name,
             "the file's name, for several readers of one queue")
      .Metavar("NAME")
      .Check(CheckQueuename)
      .DefaultText("the queue's");
  declared
      ->Text("checkpoint-every", &o->checkpoint_every,
             "how often it is written: a time (500ms), or a number of messages, at least once a "
             "second")
      .Metavar("TIME|N")
      .DefaultText("1s");
}

void DeclareFailures(Options* declared, ReaderOptions* o) {
  declared->Section("Failures");
  DeclareTries(declared, o);
  declared
      ->Time("sleeptime-requeue", &o->sleeptime_requeue,
             "how long to pause after a message was requeued")
      .Metavar("TIME");
  declared
      ->Time("max-backoff", &o->max_backoff, "the longest pause after failures; 0s never pauses")
      .Metavar("TIME");
  declared
      ->Text("requeue-giveup", &o->requeue_giveup, "run this task on a message that is given up")
      .Metavar("TASK");
  DeclareFailedMessageDir(declared, o);
  declared
      ->Uint("failed-count", &o->failed_count, "number the files of messages set aside from here")
      .Metavar("N");
}

void DeclareForgetSources(Options* declared, ReaderOptions* o) {
  declared->Flag("forget-sources", &o->forget_sources,
                 "drop what the checkpoint holds of sources that are not given any more");
}

void DeclareState(Options* declared, ReaderOptions* o) {
  declared->Section("State");
  DeclareCheckpoint(declared, o);
  DeclareForgetSources(declared, o);
}

void DeclareReports(Options* declared, ReaderOptions* o) {
  declared->Section("Reports and process");
  AddStatusServerOptions(declared, &o->status);
  declared->Flag("summary", &o->summary,
                 "print a summary at the end (always for files and --exit-when-empty)");
  declared->Text("summary-format", &o->summary_format, "print the summary as text or json")
      .Metavar("FORMAT")
      .OneOf({"text", "json"});
  declared->Time("stats-interval", &o->stats_interval, "log a line of progress so often; 0s: never")
      .Metavar("TIME");
  declared->Flag("progress", &o->progress, "show a line of progress on a terminal");
  declared
      ->Text("heartbeat-file", &o->heartbeat_file,
             "touch this file every ten seconds while the reader works")
      .Metavar("FILE");
  declared
      ->Time("drain-timeout", &o->drain_timeout, "how long a stop may take to put messages back")
      .Metavar("TIME");
  AddLogOptions(declared, &o->log);
}

constexpr char kExamples[] =
    "examples:\n"
    "  queuereader --source=http://127.0.0.1:8081 --task=count --stats-interval=10s\n"
    "  queuereader --source=http://127.0.0.1:8081 --task='exec:python3 my_task.py' "
    "--checkpoint-dir=state\n"
    "  queuereader --source=file:clicks.jsonl --task=moments:field=t,minus=hc --task=top:field=c\n";

int CheckLease(const Options& declared, const ReaderOptions& o) {
  if (o.lease == Duration::zero() || o.lease >= std::chrono::milliseconds(100)) return 0;
  return declared.Fail(fmt::format("--lease={} must be at least 100ms, or 0 to take for good",
                                   FormatDuration(o.lease)));
}

int CheckSources(const Options& declared, ReaderOptions* o) {
  if (o->sources.empty()) {
    return declared.Fail(
        "--source is missing: it must be http://HOST:PORT, file:PATH or - (standard input)");
  }
  std::size_t files = 0;
  for (std::string& source : o->sources) {
    if (!IsQueue(source) && !IsFile(source)) {
      return declared.Fail(fmt::format(
          "--source={} must be http://HOST:PORT, file:PATH or - (standard input)", source));
    }
    files += IsFile(source) ? 1 : 0;
    if (source.starts_with("file:")) source.erase(0, 5);
  }
  if (files != 0 && files != o->sources.size()) {
    return declared.Fail("--source must be queues or files, not both in one reader");
  }
  o->reads_files = files != 0;
  if (o->reads_files && declared.given("exit-when-empty")) {
    return declared.Fail("--exit-when-empty is for queues; files and standard input have an end");
  }
  if (o->reads_files && !o->auth_token_file.empty()) {
    return declared.Fail(
        fmt::format("--auth-token-file={} is for queues: files need no token", o->auth_token_file));
  }
  return o->reads_files ? 0 : CheckLease(declared, *o);
}

int CheckState(const Options& declared, ReaderOptions* o) {
  const std::string& every = o->checkpoint_every;
  if (!every.empty()) {
    const auto messages = ParseUint(every);
    const auto time = ParseDuration(every);
    if (messages.ok() && *messages > 0) {
      o->checkpoint_messages = *messages;
    } else if (!messages.ok() && time.ok() && *time >= std::chrono::milliseconds(10)) {
      o->checkpoint_time = *time;
    } else {
      return declared.Fail(fmt::format(
          "--checkpoint-every={} must be a time of at least 10ms such as 500ms, or a number of "
          "messages",
          every));
    }
  }
  for (const char* name : {"checkpoint-every", "checkpoint-name", "forget-sources"}) {
    if (declared.given(name) && o->checkpoint_dir.empty()) {
      return declared.Fail(fmt::format("--{} goes with --checkpoint-dir", name));
    }
  }
  if (o->checkpoint_name.empty()) o->checkpoint_name = o->queuename;
  return 0;
}

}  // namespace

std::optional<int> ParseReaderOptions(Options* declared, int argc, const char* const* argv,
                                      const std::string& known_tasks, ReaderOptions* options) {
  const std::vector<std::string> default_tasks = std::move(options->tasks);
  options->tasks.clear();
  DeclareReading(declared, options);
  DeclareTasks(declared, known_tasks, options);
  DeclareFailures(declared, options);
  DeclareState(declared, options);
  DeclareReports(declared, options);
  declared->Epilog(kExamples);
  if (auto code = declared->Parse(argc, argv)) return code;
  if (int code = CheckSources(*declared, options); code != 0) return code;
  if (int code = CheckState(*declared, options); code != 0) return code;
  if (Status status = CheckStatusServerOptions(options->status); !status.ok()) {
    return declared->Fail(status.message());
  }
  if (options->tasks.empty()) options->tasks = default_tasks;
  if (options->tasks.empty()) {
    return declared->Fail(
        fmt::format("--task is missing: it must be one of {}, the path of a "
                    "shared object, or exec:COMMAND",
                    known_tasks));
  }
  // Nothing else waits in a file's line: a failed message is tried again at once.
  if (options->reads_files && !declared->given("requeue-delay")) options->requeue_delay = {};
  bool exits = options->reads_files || declared->given("exit-when-empty");
  if (!declared->given("summary") && (exits || declared->given("summary-format"))) {
    options->summary = true;
  }
  return std::nullopt;
}

void AddHostedReaderOptions(Options* declared, const std::string& known_tasks,
                            ReaderOptions* options) {
  declared
      ->Texts(
          "source", &options->sources,
          "learn here: read messages from http://HOST:PORT, a simplequeue; several: as fail-over")
      .Metavar("URL");
  DeclareQueuename(declared, options);
  DeclareTask(declared, known_tasks, options);
  DeclareTaskTimeout(declared, options);
  DeclareLeases(declared, options);
  declared
      ->Text("source-auth-token-file", &options->auth_token_file,
             "file with the token of the queues: sent as Authorization: Bearer TOKEN")
      .Metavar("FILE");
  DeclareSleeptimes(declared, options);
  DeclareTries(declared, options);
  DeclareFailedMessageDir(declared, options);
  DeclareCheckpoint(declared, options);
  DeclareForgetSources(declared, options);
}

int CheckHostedReaderOptions(const Options& declared, ReaderOptions* options) {
  for (const std::string& source : options->sources) {
    if (!IsQueue(source)) {
      return declared.Fail(fmt::format("--source={} must be http://HOST:PORT", source));
    }
  }
  if (int code = CheckLease(declared, *options); code != 0) return code;
  return CheckState(declared, options);
}

void MakePathsAbsolute(ReaderOptions* options) {
  const auto make = [](std::string_view path) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    return error ? std::string(path) : absolute.string();
  };
  for (std::string* path : {&options->checkpoint_dir, &options->failed_message_dir,
                            &options->heartbeat_file, &options->log.file}) {
    if (!path->empty()) *path = make(*path);
  }
  for (std::string& output : options->outputs.outputs) {
    constexpr std::string_view kFile = "=file:";
    const std::size_t at = output.find('=');
    if (at == std::string::npos || output.compare(at, kFile.size(), kFile) != 0) continue;
    const std::string_view path = std::string_view(output).substr(at + kFile.size());
    if (path.empty() || path == "-") continue;
    output = output.substr(0, at + kFile.size()) + make(path);
  }
}

}  // namespace rivulet
