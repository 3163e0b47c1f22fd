// The tasks a program knows by name, those that shared objects bring, and programs.
//
// A task is asked for by a spec: `NAME`, or `NAME:KEY=VALUE,KEY=VALUE`, where a KEY alone is KEY=1.
// A NAME with a slash or with the ending .so is the path of a shared object (RIVULET_TASK in
// queuereader/task.h); `exec:COMMAND` is a program (queuereader/child/exec_task.h). Every task
// takes the key `name`, by which summaries and tasks_left know it; without, that is the spec itself
// (a shared object's without its folder and ending).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "queuereader/reader.h"
#include "queuereader/task.h"
#include "queuereader/task_environment.h"

namespace rivulet {

class TaskRegistry {
 public:
  using Factory = std::function<Result<std::unique_ptr<Task>>(TaskArgs& args)>;

  /// A later Add() of the same name replaces the earlier.
  void Add(std::string name, Factory make) { factories_[std::move(name)] = std::move(make); }
  template <typename Type>
  void Add(std::string name) {
    Add(std::move(name), &MakeTask<Type>);
  }
  /// A task that is a function. Asking for it twice runs copies of it.
  void AddFunction(std::string name, TaskFunction run);

  /// Makes the task of a spec. Errors name the spec and what would be right.
  Result<NamedTask> Make(std::string_view text, const TaskEnvironment& environment) const;
  /// As Make() for each; refuses two of the same name.
  Result<std::vector<NamedTask>> MakeAll(const std::vector<std::string>& specs,
                                         const TaskEnvironment& environment) const;
  /// "count, moments, print".
  std::string names() const;

 private:
  std::map<std::string, Factory, std::less<>> factories_;
};

/// Whether the task of that spec runs in a process of its own: exec:COMMAND, and a shared object
/// that is isolated.
bool RunsInChild(std::string_view spec, const TaskEnvironment& environment);

/// Makes the task that the shared object at `path` exports. The object stays loaded for the life of
/// the process.
Result<std::unique_ptr<Task>> LoadTask(const std::string& path, TaskArgs& args);

}  // namespace rivulet
