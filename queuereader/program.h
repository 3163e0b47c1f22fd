// A whole queue reader, for a program with tasks of its own:
//
//   int main(int argc, char** argv) {
//     rivulet::ReaderProgram program("my_reader", "reads my messages");
//     program.Add("greet", [](const rivulet::Message& message) { …; return
//     rivulet::Outcome::Done(); }); return program.Run(argc, argv);
//   }
//
// It takes the options of queuereader(1). Tasks added here run where --task is not given.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "queuereader/task_registry.h"

namespace rivulet {

class ReaderProgram {
 public:
  ReaderProgram(std::string name, std::string summary);

  /// Tasks that --task may name and that do not run unless named.
  TaskRegistry& registry() { return registry_; }
  /// A task that runs by default: a function, or a class made by Type(TaskArgs&) or Type().
  void Add(std::string name, std::function<Outcome(const Message&)> run);
  template <typename Type>
  void Add(std::string name) {
    registry_.Add<Type>(name);
    default_tasks_.push_back(std::move(name));
  }

  /// Parses the options, reads until the end or a stop signal, and returns the exit status: 0, 1
  /// (could not start, or messages could not be put where they belong) or 2 (a wrong option).
  int Run(int argc, const char* const* argv);

 private:
  std::string name_;
  std::string summary_;
  TaskRegistry registry_;
  std::vector<std::string> default_tasks_;
};

}  // namespace rivulet
