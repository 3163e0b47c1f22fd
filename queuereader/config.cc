#include "queuereader/config.h"

#include <fmt/format.h>

#include <algorithm>

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

void DeclareReading(Options* declared, ReaderOptions* o) {
  declared->Section("Messages");
  declared
      ->Texts("source", &o->sources,
              "read messages from http://HOST:PORT (a simplequeue; several: as fail-over), "
              "file:PATH (one a line) or - (standard input)")
      .Metavar("SOURCE");
  declared
      ->Text("queuename", &o->queuename, "the queue to read, and the folder of its failed messages")
      .Metavar("NAME")
      .Check(CheckQueuename);
  declared->Uint("mget-items", &o->mget_items, "messages to ask a queue for at once")
      .Metavar("N")
      .Range(1, 100'000);
  declared
      ->Time("sleeptime-queue-empty", &o->sleeptime_queue_empty,
             "how long to wait before an empty queue is asked again")
      .Metavar("TIME");
  declared
      ->Time("sleeptime-failed-queue", &o->sleeptime_failed_queue,
             "how long to wait before a queue that failed is asked again")
      .Metavar("TIME");
  declared
      ->Time("exit-when-empty", &o->exit_when_empty,
             "end, with a summary, when the queue has been empty and nothing waited for its "
             "retry for so long")
      .Metavar("TIME")
      .DefaultText("never");
}

void DeclareTasks(Options* declared, const std::string& known, ReaderOptions* o) {
  declared->Section("Tasks");
  declared
      ->Texts("task", &o->tasks,
              fmt::format("run a task on every message: NAME or NAME:KEY=VALUE,KEY=VALUE with "
                          "NAME one of {}, or the path of a shared object",
                          known))
      .Metavar("TASK");
  declared->Uint("max-tries", &o->max_tries, "how often a message is tried before it is given up")
      .Metavar("N")
      .Range(1, 1'000'000);
  declared
      ->Time("requeue-delay", &o->requeue_delay,
             "how long a failed message waits for its next try, times the tries so far; files "
             "and standard input: 0s")
      .Metavar("TIME");
  declared
      ->Time("max-backoff", &o->max_backoff, "the longest pause after failures; 0s never pauses")
      .Metavar("TIME");
  declared
      ->Text("requeue-giveup", &o->requeue_giveup, "run this task on a message that is given up")
      .Metavar("TASK");
  declared
      ->Text("failed-message-dir", &o->failed_message_dir,
             "set messages that are given up or malformed aside in DIR/QUEUENAME")
      .Metavar("DIR");
}

void DeclareReports(Options* declared, ReaderOptions* o) {
  declared->Section("Reports and process");
  declared->Flag("summary", &o->summary,
                 "print a summary at the end (always for files and --exit-when-empty)");
  declared->Text("summary-format", &o->summary_format, "print the summary as text or json")
      .Metavar("FORMAT")
      .OneOf({"text", "json"});
  declared->Time("stats-interval", &o->stats_interval, "log a line of progress so often; 0s: never")
      .Metavar("TIME");
  declared
      ->Text("heartbeat-file", &o->heartbeat_file,
             "touch this file every ten seconds while the reader lives")
      .Metavar("FILE");
  declared
      ->Time("drain-timeout", &o->drain_timeout, "how long a stop may take to put messages back")
      .Metavar("TIME");
  AddLogOptions(declared, &o->log);
}

constexpr char kExamples[] =
    "examples:\n"
    "  queuereader --source=http://127.0.0.1:8081 --task=count --stats-interval=10s\n"
    "  queuereader --source=file:clicks.jsonl --task=moments:field=t,minus=hc --task=top:field=c\n";

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
  return 0;
}

}  // namespace

std::optional<int> ParseReaderOptions(Options* declared, int argc, const char* const* argv,
                                      const std::string& known_tasks,
                                      const std::vector<std::string>& default_tasks,
                                      ReaderOptions* options) {
  DeclareReading(declared, options);
  DeclareTasks(declared, known_tasks, options);
  DeclareReports(declared, options);
  declared->Epilog(kExamples);
  if (auto code = declared->Parse(argc, argv)) return code;
  if (int code = CheckSources(*declared, options); code != 0) return code;
  if (options->tasks.empty()) options->tasks = default_tasks;
  if (options->tasks.empty()) {
    return declared->Fail(fmt::format(
        "--task is missing: it must be one of {}, or the path of a shared object", known_tasks));
  }
  // Nothing else waits in a file's line: a failed message is tried again at once.
  if (options->reads_files && !declared->given("requeue-delay")) options->requeue_delay = {};
  bool exits = options->reads_files || declared->given("exit-when-empty");
  if (exits || declared->given("summary-format")) options->summary = true;
  return std::nullopt;
}

}  // namespace rivulet
