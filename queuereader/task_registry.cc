#include "queuereader/task_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "queuereader/child/exec_task.h"
#include "queuereader/child/task_host.h"
#include "queuereader/runner/crash_mark.h"

namespace rivulet {
namespace {

constexpr std::string_view kExec = "exec:";

struct Spec {
  std::string_view name;  // or path
  bool is_path = false;
  TaskArgs::Values args;
};

/// The length of the name: up to the first colon, or up to the one after ".so".
std::size_t NameLength(std::string_view spec) {
  std::size_t object = spec.find(".so:");
  if (object != std::string_view::npos) return object + 3;
  if (spec.ends_with(".so")) return spec.size();
  return std::min(spec.find(':'), spec.size());
}

Result<Spec> ParseSpec(std::string_view text) {
  Spec spec;
  spec.name = text.substr(0, NameLength(text));
  spec.is_path = spec.name.ends_with(".so") || spec.name.find('/') != std::string_view::npos;
  if (spec.name.empty()) return InvalidArgument("must begin with the name of a task");
  std::string_view rest = text.substr(spec.name.size());
  if (!rest.empty()) rest.remove_prefix(1);
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    std::size_t equals = pair.find('=');
    if (pair.empty() || equals == 0) {
      return InvalidArgument(fmt::format("'{}' must be KEY=VALUE", pair));
    }
    // A key alone is a flag.
    std::string_view value = equals == std::string_view::npos ? "1" : pair.substr(equals + 1);
    auto [at, added] = spec.args.emplace(pair.substr(0, equals), value);
    if (!added) return InvalidArgument(fmt::format("the key '{}' is given twice", at->first));
  }
  return spec;
}

std::string DefaultName(const Spec& spec, std::string_view text) {
  if (!spec.is_path) return std::string(text);
  std::string_view name = spec.name;
  std::size_t slash = name.rfind('/');
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  if (name.ends_with(".so")) name.remove_suffix(3);
  return fmt::format("{}{}", name, text.substr(spec.name.size()));
}

/// Without what stands between "://" and the '@' of a host: users and passwords of URLs. These may
/// hold commas and quotes, so that rather too much is hidden.
std::string WithoutUserInfo(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t scheme = text.find("://");
    const std::size_t host = scheme == std::string_view::npos ? text.size() : scheme + 3;
    shown.append(text.substr(0, host));
    text.remove_prefix(host);
    const std::size_t end = std::min(text.find_first_of("/?# "), text.size());
    const std::size_t at = text.substr(0, end).rfind('@');
    if (at != std::string_view::npos) text.remove_prefix(at + 1);
  }
  return shown;
}

class MarkedMaking {
 public:
  MarkedMaking(CrashMark* mark, std::string_view name) : mark_(mark) {
    if (mark_ != nullptr) mark_->EnterCall(name, "it was made");
  }
  ~MarkedMaking() {
    if (mark_ != nullptr) mark_->Leave();
  }
  MarkedMaking(const MarkedMaking&) = delete;
  MarkedMaking& operator=(const MarkedMaking&) = delete;

 private:
  CrashMark* mark_;
};

}  // namespace

void TaskRegistry::AddFunction(std::string name, TaskFunction run) {
  Add(std::move(name), [run = std::move(run)](TaskArgs&) -> Result<std::unique_ptr<Task>> {
    return std::unique_ptr<Task>(std::make_unique<FunctionTask>(run));
  });
}

Result<NamedTask> TaskRegistry::Make(std::string_view text,
                                     const TaskEnvironment& environment) const {
  auto refuse = [text](const Status& why) {
    return Status(why.code(), fmt::format("task {}: {}", WithoutUserInfo(text), why.message()));
  };
  if (text.starts_with(kExec)) {
    auto made = MakeExecTask(text.substr(kExec.size()), environment);
    return made.ok() ? std::move(made) : refuse(made.status());
  }
  auto spec = ParseSpec(text);
  if (!spec.ok()) return refuse(spec.status());
  TaskArgs args(spec->args, environment.outputs, environment.store);
  std::string name = args.Text("name", DefaultName(*spec, text));
  if (name.empty()) args.Fail("name= must not be empty");

  Result<std::unique_ptr<Task>> task = InvalidArgument("no such task");
  if (spec->is_path && !environment.host_program.empty()) {
    if (name.empty()) return refuse(args.Check());
    auto made = MakeIsolatedTask(text, name, environment);
    return made.ok() ? std::move(made) : refuse(made.status());
  }
  // Up to the end of this call, or a crash would not be told.
  const MarkedMaking mark(environment.crash_mark, name);
  if (spec->is_path) {
    task = LoadTask(std::string(spec->name), args);
  } else if (auto found = factories_.find(spec->name); found != factories_.end()) {
    task = found->second(args);
  } else {
    return refuse(InvalidArgument(fmt::format(
        "no such task; it must be one of {}, the path of a shared object, or exec:COMMAND",
        names())));
  }
  if (!task.ok()) return refuse(task.status());
  if (Status status = args.Check(); !status.ok()) return refuse(status);
  if (!*task) return refuse(InvalidArgument("it made no task"));
  return NamedTask{std::move(name), std::move(*task)};
}

Result<std::vector<NamedTask>> TaskRegistry::MakeAll(const std::vector<std::string>& specs,
                                                     const TaskEnvironment& environment) const {
  std::vector<NamedTask> tasks;
  for (const std::string& spec : specs) {
    auto task = Make(spec, environment);
    if (!task.ok()) return task.status();
    for (const NamedTask& other : tasks) {
      if (other.name == task->name) {
        return InvalidArgument(
            fmt::format("task {}: another task is named {} too; name=OTHER tells them apart",
                        WithoutUserInfo(spec), WithoutUserInfo(other.name)));
      }
    }
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

std::string TaskRegistry::names() const {
  std::string all;
  for (const auto& [name, unused] : factories_) all += (all.empty() ? "" : ", ") + name;
  return all;
}

bool RunsInChild(std::string_view spec, const TaskEnvironment& environment) {
  if (spec.starts_with(kExec)) return true;
  const auto parsed = ParseSpec(spec);
  return parsed.ok() && parsed->is_path && !environment.host_program.empty();
}

}  // namespace rivulet
