#include "queuereader/task_registry.h"

#include <doctest/doctest.h>

#include <stdexcept>

using rivulet::Message;
using rivulet::Outcome;
using rivulet::Task;
using rivulet::TaskArgs;
using rivulet::TaskRegistry;

namespace {

class Plain final : public Task {
 public:
  Outcome Run(const Message&) override { return Outcome::Done(); }
};

class WithArgs final : public Task {
 public:
  explicit WithArgs(TaskArgs& args)
      : field(args.RequiredText("field")), k(args.Uint("k", 10, 1, 100)) {}
  Outcome Run(const Message&) override { return Outcome::Done(); }
  std::string field;
  std::uint64_t k;
};

class Throws final : public Task {
 public:
  Throws() { throw std::runtime_error("no such port"); }
  Outcome Run(const Message&) override { return Outcome::Done(); }
};

TaskRegistry Registry() {
  TaskRegistry registry;
  registry.Add<Plain>("plain");
  registry.Add<WithArgs>("args");
  registry.Add<Throws>("throws");
  return registry;
}

}  // namespace

TEST_CASE("task registry: a spec makes a task with its arguments") {
  auto task = Registry().Make("args:field=geo.lat,k=5");
  REQUIRE(task.ok());
  CHECK(task->name == "args:field=geo.lat,k=5");
  const auto& made = dynamic_cast<const WithArgs&>(*task->task);
  CHECK(made.field == "geo.lat");
  CHECK(made.k == 5);
}

TEST_CASE("task registry: every task takes a name") {
  auto task = Registry().Make("plain:name=mine");
  REQUIRE(task.ok());
  CHECK(task->name == "mine");
}

TEST_CASE("task registry: a value may hold an equals sign") {
  auto task = Registry().Make("args:field=a=b");
  REQUIRE(task.ok());
  CHECK(dynamic_cast<const WithArgs&>(*task->task).field == "a=b");
}

TEST_CASE("task registry: wrong specs are refused, with what would be right") {
  struct Case {
    const char* spec;
    const char* says;
  };
  for (const Case& c : {
           Case{"", "name of a task"},
           Case{"momnets", "args, plain, throws"},
           Case{"plain:x=1", "unknown key 'x'; it takes name"},
           Case{"args:field=a,fild=b", "unknown key 'fild'; it takes field, k, name"},
           Case{"args", "needs field=VALUE"},
           Case{"args:field=", "needs field=VALUE"},
           Case{"args:field=a,k=0", "k=0 must be a whole number from 1 to 100"},
           Case{"args:field=a,k=ten", "k=ten must be a whole number"},
           Case{"args:field=a,k=5x", "k=5x must be a whole number"},
           Case{"args:field", "'field' must be KEY=VALUE"},
           Case{"args:=x", "'=x' must be KEY=VALUE"},
           Case{"args:field=a,field=b", "given twice"},
           Case{"plain:name=", "name= must not be empty"},
           Case{"throws", "no such port"},
           Case{"./nowhere.so", "nowhere.so"},
       }) {
    CAPTURE(c.spec);
    auto task = Registry().Make(c.spec);
    REQUIRE_FALSE(task.ok());
    CHECK(task.status().message().find(c.says) != std::string::npos);
    CHECK(task.status().message().find(c.spec) != std::string::npos);
  }
}

TEST_CASE("task registry: two tasks of the same name are refused") {
  auto tasks = Registry().MakeAll({"plain", "plain"});
  REQUIRE_FALSE(tasks.ok());
  CHECK(tasks.status().message().find("name=OTHER") != std::string::npos);
  CHECK(Registry().MakeAll({"plain", "plain:name=second"}).ok());
}

TEST_CASE("task registry: a function is a task") {
  TaskRegistry registry;
  int runs = 0;
  registry.AddFunction("count", [&runs](const Message&) {
    ++runs;
    return Outcome::Done();
  });
  auto task = registry.Make("count");
  REQUIRE(task.ok());
  CHECK(task->name == "count");
}
