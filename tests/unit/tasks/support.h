// A message, a context and a summary for the tests of tasks.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "queuereader/task.h"
#include "queuereader/task_registry.h"
#include "tasks/tasks.h"

namespace rivulet::test {

/// A message given field by field.
class FakeMessage final : public Message {
 public:
  explicit FakeMessage(std::string text = "{}", int tries = 1)
      : text_(std::move(text)), tries_(tries) {}
  FakeMessage& WithId(std::string id) {
    id_ = std::move(id);
    return *this;
  }
  FakeMessage& With(std::string path, double number) {
    numbers[std::move(path)] = number;
    return *this;
  }
  FakeMessage& With(std::string path, std::string text) {
    texts[std::move(path)] = std::move(text);
    return *this;
  }

  std::string_view text() const override { return text_; }
  std::optional<double> Number(std::string_view path) const override {
    auto found = numbers.find(path);
    return found == numbers.end() ? std::nullopt : std::optional<double>(found->second);
  }
  std::optional<std::string_view> Text(std::string_view path) const override {
    auto found = texts.find(path);
    return found == texts.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }
  bool Has(std::string_view path) const override {
    return numbers.count(path) + texts.count(path) > 0;
  }
  int tries() const override { return tries_; }
  WallTime started() const override { return {}; }
  std::string_view id() const override { return id_; }

  std::map<std::string, double, std::less<>> numbers;
  std::map<std::string, std::string, std::less<>> texts;

 private:
  std::string text_;
  int tries_;
  std::string id_;
};

/// Keeps what is emitted, as "OUTPUT MESSAGE". There is nothing else to reach.
class FakeContext final : public Context {
 public:
  void Emit(std::string_view output, std::string_view message) override {
    emitted.push_back(std::string(output) + " " + std::string(message));
  }
  void Count(std::string_view, std::uint64_t) override { throw std::invalid_argument("counter"); }
  Store& store() override { throw std::invalid_argument("store"); }
  WallTime now() const override { return at; }
  void Log(std::string_view) override {}

  WallTime at{std::chrono::seconds(1'600'000'000)};
  std::vector<std::string> emitted;
};

/// What a task said.
class FakeSummary final : public Summary {
 public:
  explicit FakeSummary(const Task& task) { task.Summarize(*this); }
  void Count(std::string_view name, std::uint64_t value) override {
    counts[std::string(name)] = value;
  }
  void Number(std::string_view name, double value) override { numbers[std::string(name)] = value; }
  void Text(std::string_view name, std::string_view value) override {
    texts[std::string(name)] = value;
  }
  void Table(std::string_view, std::vector<std::string> names) override {
    columns = std::move(names);
  }
  void Row(std::vector<Cell> cells) override {
    CHECK(cells.size() == columns.size());
    rows.push_back(std::move(cells));
  }
  /// Of the row that begins with that text; a count as a number, too.
  double At(std::string_view first, std::string_view column) const {
    for (const auto& row : rows) {
      for (std::size_t i = 0; i < row.size() && row[0].text == first; ++i) {
        if (columns[i] != column) continue;
        return row[i].kind == Cell::Kind::kCount ? static_cast<double>(row[i].count)
                                                 : row[i].number;
      }
    }
    FAIL("no such row or column");
    return 0;
  }

  std::map<std::string, std::uint64_t> counts;
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> texts;
  std::vector<std::string> columns;  // of the last table
  std::vector<std::vector<Cell>> rows;
};

/// The output "out" is there.
inline Result<NamedTask> TryMakeTask(const std::string& spec, Store* store = nullptr) {
  TaskRegistry registry;
  RegisterTasks(&registry);
  TaskEnvironment environment;
  environment.outputs = {"out"};
  environment.store = store;
  return registry.Make(spec, environment);
}

inline std::unique_ptr<Task> MakeTaskOf(const std::string& spec, Store* store = nullptr) {
  auto task = TryMakeTask(spec, store);
  REQUIRE_MESSAGE(task.ok(), task.status().message());
  return std::move(task->task);
}

/// Why a task is refused; empty when it is not.
inline std::string Refusal(const std::string& spec) { return TryMakeTask(spec).status().message(); }

inline Outcome::Kind RunTask(Task& task, const FakeMessage& message) {
  FakeContext context;
  return task.Run(message, context).kind();
}

/// Runs a task that shall be done with the message.
inline void RunDone(Task& task, const FakeMessage& message) {
  CHECK(RunTask(task, message) == Outcome::Kind::kDone);
}

}  // namespace rivulet::test
