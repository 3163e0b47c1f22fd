// A whole queue reader, for a program with tasks of its own:
//
//   rivulet::Outcome Greet(const rivulet::Message& message) { …; return rivulet::Outcome::Done(); }
//
//   int main(int argc, char** argv) {
//     rivulet::ReaderProgram program("my_reader", "reads my messages");
//     program.Add("greet", Greet);
//     return program.Run(argc, argv);
//   }
//
// It takes the options of queuereader(1). What is set here is the default of the option of the same
// name. Tasks added here run where --task is not given.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "queuereader/config.h"
#include "queuereader/task_registry.h"

namespace rivulet {

class ReaderProgram {
 public:
  ReaderProgram(std::string name, std::string summary);

  /// Tasks that --task may name and that do not run unless named.
  TaskRegistry& registry() { return registry_; }
  /// A task that runs by default: a function (Outcome(const Message&) or
  /// Outcome(const Message&, Context&)), or a class made by Type(TaskArgs&) or Type().
  template <typename Function>
  void Add(std::string name, Function run) {
    registry_.AddFunction(name, MakeTaskFunction(std::move(run)));
    options_.tasks.push_back(std::move(name));
  }
  template <typename Type>
  void Add(std::string name) {
    registry_.Add<Type>(name);
    options_.tasks.push_back(std::move(name));
  }

  /// Alters the data before tasks see it: nothing drops the message.
  void preprocess_method(std::function<std::optional<std::string>(const Message&)> method);
  /// Whether a message shall be processed.
  void validate_method(std::function<bool(const Message&)> method);
  /// Told of each message that is given up.
  void requeue_giveup(std::function<void(const Message&)> method);
  /// The options' defaults: queuename, max_tries, requeue_delay, mget_items and so on.
  ReaderOptions& options() { return options_; }

  /// Parses the options, reads until the end or a stop signal, and returns the exit status: 0, 1
  /// (could not start, or messages could not be put where they belong) or 2 (a wrong option).
  int Run(int argc, const char* const* argv);

 private:
  std::string name_;
  std::string summary_;
  TaskRegistry registry_;
  ReaderOptions options_;
};

}  // namespace rivulet
