#include "bandit/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/units.h"
#include "store/open_store.h"
#include "store/store_url.h"

namespace rivulet {
namespace {

constexpr std::string_view kTask = "bandit";

constexpr char kExamples[] = R"(Examples:
  bandit --store=redis://127.0.0.1 --fallback=apple --port=8081   # a queuereader learns
  bandit --source=http://127.0.0.1:8080 --task=bandit:catalogue=items.txt,arms=10 \
    --checkpoint-dir=state --port=8081                            # learns by itself
  curl http://127.0.0.1:8081/item                                 # an id
  curl 'http://127.0.0.1:8081/item?n=3&format=json'
  curl http://127.0.0.1:8081/arms                                 # a page, for a browser
)";

void DeclareStore(Options* declared, BanditConfig* config) {
  declared->Section("Arms");
  declared
      ->Text("store", &config->store,
             "where the arms are: redis://[USER@]HOST[:PORT][/DB], redis+unix:///SOCKET, file:DIR "
             "(of a queuereader, or of this process with source), memory: (with source)")
      .Metavar("URL");
  declared
      ->Text("store-password-file", &config->store_password_file,
             "a file whose first line is the password for --store=redis://…")
      .Metavar("FILE");
  declared->Text("key", &config->keys.items, "the hash of clicks and impressions in the store")
      .Metavar("KEY");
  declared
      ->Text("experiments", &config->keys.experiments,
             "the counter of impressions since the last refresh of the set")
      .Metavar("KEY");
  declared
      ->Time("refresh", &config->refresh,
             "how often the arms are read; 0: for each request, of redis alone")
      .Metavar("TIME");
}

bool IsBanditTask(std::string_view spec) {
  return spec == kTask || (spec.starts_with(kTask) && spec[kTask.size()] == ':');
}

/// The value of KEY=VALUE in a task's spec; empty: there is none.
std::string TaskArgument(std::string_view spec, std::string_view key) {
  std::string_view rest = spec.substr(std::min(spec.find(':'), spec.size() - 1) + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.size() > key.size() && pair.starts_with(key) && pair[key.size()] == '=') {
      return std::string(pair.substr(key.size() + 1));
    }
  }
  return {};
}

int CheckStore(const Options& declared, const BanditConfig& config) {
  const std::string shown = ShownStoreUrl(config.store);
  if (config.store_is_redis()) {
    if (auto address = ParseRedisUrl(config.store); !address.ok()) {
      return declared.Fail("--store: " + address.status().message());
    }
  } else if (config.store != "memory:" && !config.store.starts_with("file:")) {
    return declared.Fail(
        fmt::format("--store={} must be redis://HOST, file:DIR or memory:", shown));
  }
  if (config.store == "memory:" && !config.learns()) {
    return declared.Fail(
        "--store=memory: must come with --source, which fills it; else it must be redis://HOST or "
        "file:DIR, which a queuereader with the task bandit fills");
  }
  if (!config.store_is_redis() && declared.given("store-password-file")) {
    return declared.Fail(
        fmt::format("--store-password-file={} goes with --store=redis://HOST: {} needs no password",
                    config.store_password_file, shown));
  }
  if (config.keys.items.empty()) return declared.Fail("--key= must be the name of a hash");
  if (config.keys.experiments.empty()) {
    return declared.Fail("--experiments= must be the name of a counter");
  }
  if (config.refresh == Duration::zero() && !config.store_is_redis()) {
    return declared.Fail(
        fmt::format("--refresh=0 is for --store=redis://…: of {} it must be at least 1ms", shown));
  }
  if (config.refresh != Duration::zero() && config.refresh < std::chrono::milliseconds(1)) {
    return declared.Fail(
        fmt::format("--refresh={} must be at least 1ms, or 0", FormatDuration(config.refresh)));
  }
  return 0;
}

/// Of a policy with a context: the API must weigh the numbers that the task learns, in its order.
int CheckFeatures(const Options& declared, std::string_view of_task, BanditConfig* config) {
  std::string& features = config->api.features;
  if (!declared.given("features")) {
    features = of_task;
  } else if (features != of_task) {
    return declared.Fail(
        of_task.empty()
            ? fmt::format("--features={0}: --task=bandit learns no context: it must have "
                          "features={0}, too",
                          features)
            : fmt::format("--features={0} must be features={1} of --task, in that order, or left "
                          "out",
                          features, of_task));
  }
  return 0;
}

/// Takes over what the task bandit was told and the API was not.
int CheckTasks(const Options& declared, BanditConfig* config) {
  ReaderOptions& reader = config->reader;
  if (!config->learns()) {
    for (const char* name :
         {"task", "task-timeout", "queuename", "lease", "mget-items", "source-auth-token-file",
          "sleeptime-queue-empty", "sleeptime-failed-queue", "max-tries", "requeue-delay",
          "failed-message-dir", "checkpoint-dir", "checkpoint-name", "checkpoint-every",
          "forget-sources"}) {
      if (declared.given(name)) return declared.Fail(fmt::format("--{} goes with --source", name));
    }
    return 0;
  }
  const auto task = std::find_if(reader.tasks.begin(), reader.tasks.end(), IsBanditTask);
  if (task == reader.tasks.end()) {
    const std::string given = reader.tasks.empty() ? " is missing" : "=" + reader.tasks.front();
    return declared.Fail(
        fmt::format("--task{}: with --source one must be bandit, as "
                    "bandit:catalogue=FILE,arms=10",
                    given));
  }
  const auto take = [&](const char* option, const char* key, std::string* value) {
    const std::string told = TaskArgument(*task, key);
    if (!declared.given(option) && !told.empty()) *value = told;
  };
  take("key", "key", &config->keys.items);
  take("experiments", "experiments", &config->keys.experiments);
  const bool has_context =
      config->api.policy == "lin-ucb" || config->api.policy == "linear-thompson";
  if (has_context) {
    const int code = CheckFeatures(declared, TaskArgument(*task, "features"), config);
    if (code != 0) return code;
  }
  reader.store = config->store;
  reader.store_password_file = config->store_password_file;
  reader.drain_timeout = config->daemon.drain_timeout;
  return CheckHostedReaderOptions(declared, &reader);
}

}  // namespace

std::optional<int> ParseBanditConfig(Options* declared, int argc, const char* const* argv,
                                     const std::string& known_tasks, BanditConfig* config) {
  DeclareStore(declared, config);
  AddBanditApiOptions(declared, &config->api);
  declared->Section("Learning in this process");
  AddHostedReaderOptions(declared, known_tasks, &config->reader);
  AddDaemonOptions(declared, &config->daemon);
  declared->Epilog(kExamples);
  if (auto code = declared->Parse(argc, argv)) return code;
  if (int code = CheckStore(*declared, *config); code != 0) return code;
  if (int code = CheckTasks(*declared, config); code != 0) return code;
  config->api.reads_each_request = config->refresh == Duration::zero();
  for (const Status& status :
       {CheckBanditApiOptions(*declared, &config->api), CheckDaemonOptions(config->daemon)}) {
    if (!status.ok()) return declared->Fail(status.message());
  }
  return std::nullopt;
}

}  // namespace rivulet
