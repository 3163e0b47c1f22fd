#include "queuereader/task_registry.h"

#include <doctest/doctest.h>

#include <dlfcn.h>
#include <gnu/libc-version.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

using rivulet::Context;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::Task;
using rivulet::TaskArgs;
using rivulet::TaskEnvironment;
using rivulet::TaskRegistry;

namespace {

class Plain final : public Task {
 public:
  Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
};

class WithArgs final : public Task {
 public:
  explicit WithArgs(TaskArgs& args)
      : field(args.RequiredText("field")),
        k(args.Uint("k", 10, 1, 100)),
        rate(args.Number("rate", 0.5, 0, 1.5)),
        out(args.Output("out")) {}
  Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
  std::string field;
  std::uint64_t k;
  double rate;
  std::string out;
};

class Throws final : public Task {
 public:
  Throws() { throw std::runtime_error("no such port"); }
  Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
};

/// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() { REQUIRE(mkdtemp(path_) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name) const { return std::string(path_) + "/" + name; }

 private:
  char path_[32] = "/tmp/task_registry_test_XXXXXX";
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
  auto task = Registry().Make("args:field=geo.lat,k=5", {});
  REQUIRE(task.ok());
  CHECK(task->name == "args:field=geo.lat,k=5");
  const auto& made = dynamic_cast<const WithArgs&>(*task->task);
  CHECK(made.field == "geo.lat");
  CHECK(made.k == 5);
}

TEST_CASE("task registry: every task takes a name") {
  auto task = Registry().Make("plain:name=mine", {});
  REQUIRE(task.ok());
  CHECK(task->name == "mine");
}

TEST_CASE("task registry: a value may hold an equals sign") {
  auto task = Registry().Make("args:field=a=b", {});
  REQUIRE(task.ok());
  CHECK(dynamic_cast<const WithArgs&>(*task->task).field == "a=b");
}

TEST_CASE("task registry: a key alone is 1, as a flag is given") {
  auto task = Registry().Make("args:k,field=a", {});
  REQUIRE(task.ok());
  CHECK(dynamic_cast<const WithArgs&>(*task->task).k == 1);
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
           Case{"args:field=a,fild=b", "unknown key 'fild'; it takes field, k, name, out, rate"},
           Case{"args", "needs field=VALUE"},
           Case{"args:field=", "needs field=VALUE"},
           Case{"args:field=a,k=0", "k=0 must be a whole number from 1 to 100"},
           Case{"args:field=a,k=ten", "k=ten must be a whole number"},
           Case{"args:field=a,k=5x", "k=5x must be a whole number"},
           Case{"args:field=a,flag", "unknown key 'flag'; it takes field"},
           Case{"args:field=a,,k=1", "'' must be KEY=VALUE"},
           Case{"args:=x", "'=x' must be KEY=VALUE"},
           Case{"args:field=a,field=b", "given twice"},
           Case{"plain:name=", "name= must not be empty"},
           Case{"throws", "no such port"},
           Case{"./nowhere.so", "cannot be loaded as a shared object: ./nowhere.so"},
           Case{"args:field=a,rate=x", "rate=x must be a number from 0 to 1.5"},
           Case{"args:field=a,rate=1.6", "rate=1.6 must be a number from 0 to 1.5"},
           Case{"args:field=a,out=alarms", "needs --output=alarms=URL"},
       }) {
    CAPTURE(c.spec);
    auto task = Registry().Make(c.spec, {});
    REQUIRE_FALSE(task.ok());
    CHECK(task.status().message().find(c.says) != std::string::npos);
    CHECK(task.status().message().find(c.spec) != std::string::npos);
  }
}

TEST_CASE("task registry: what is refused shows no password of a URL") {
  const auto shown = [](const char* spec) { return Registry().Make(spec, {}).status().message(); };
  CHECK(shown("plain:a=http://me:s@ecret@h/x,b=https://h2/a@b,c=redis://:pw@h:1/0,d=m@n")
            .starts_with("task plain:a=http://h/x,b=https://h2/a@b,c=redis://h:1/0,d=m@n: "));
  CHECK(shown("plain:a=http://me:secret@h").starts_with("task plain:a=http://h: "));
  CHECK(shown("plain:a=http://me:it's@h").starts_with("task plain:a=http://h: "));
}

TEST_CASE("task registry: two tasks of the same name are refused") {
  auto tasks = Registry().MakeAll({"plain", "plain"}, {});
  REQUIRE_FALSE(tasks.ok());
  CHECK(tasks.status().message().find("name=OTHER") != std::string::npos);
  CHECK(Registry().MakeAll({"plain", "plain:name=second"}, {}).ok());
}

TEST_CASE("task registry: an output that the reader has can be asked for") {
  TaskEnvironment environment;
  environment.outputs = {"alarms", "records"};
  auto task = Registry().Make("args:field=a,rate=0.25,out=records", environment);
  REQUIRE(task.ok());
  CHECK(dynamic_cast<const WithArgs&>(*task->task).out == "records");
  CHECK(dynamic_cast<const WithArgs&>(*task->task).rate == 0.25);
}

TEST_CASE("task registry: a function is a task, with or without a context") {
  TaskRegistry registry;
  int runs = 0;
  registry.AddFunction("count", rivulet::MakeTaskFunction([&runs](const Message&) {
                         ++runs;
                         return Outcome::Done();
                       }));
  registry.AddFunction("fails", [](const Message&, Context&) { return Outcome::Failed("no"); });
  rivulet::ReaderTasks tasks;
  for (const char* name : {"count", "fails"}) {
    auto task = registry.Make(name, {});
    REQUIRE(task.ok());
    CHECK(task->name == name);
    tasks.all_tasks.push_back(std::move(*task));
  }
  rivulet::Reader reader({}, std::move(tasks), {});
  std::vector<rivulet::Incoming> incoming = {{"1", {}, {}}};
  std::vector<rivulet::Verdict> verdicts;
  reader.Handle(incoming, rivulet::WallTime{}, &verdicts);
  CHECK(runs == 1);
  CHECK(verdicts.at(0).why == "task fails: no");
}

TEST_CASE("task registry: a file that is no shared object is refused by name") {
  Folder folder;
  const std::string path = folder.path("text.so");
  std::ofstream(path) << "This is a text.\n";
  auto task = Registry().Make(path, {});
  REQUIRE_FALSE(task.ok());
  CHECK(task.status().message().find("task " + path + ": cannot be loaded as a shared object") ==
        0);
}

TEST_CASE("task registry: a shared object without a task is refused, with what would be right") {
  Dl_info libc{};
  REQUIRE(dladdr(reinterpret_cast<void*>(&gnu_get_libc_version), &libc) != 0);
  auto task = Registry().Make(libc.dli_fname, {});
  REQUIRE_FALSE(task.ok());
  CHECK(task.status().message().find("exports no symbol rivulet_task: a task ends with "
                                     "RIVULET_TASK(Type)") != std::string::npos);
}

TEST_CASE("task registry: a task of another version is refused by both numbers, and not called") {
  Folder folder;
  std::ofstream(folder.path("old.c")) << "void abort(void);\n"
                                         "static void make(void) { abort(); }\n"
                                         "const struct { unsigned version; void (*make)(void); }\n"
                                         "    rivulet_task = {77, make};\n";
  const std::string path = folder.path("old.so");
  const std::string command = "cc -shared -fPIC -o " + path + " " + folder.path("old.c");
  if (std::system(command.c_str()) != 0) {
    MESSAGE("skipped: there is no C compiler");
    return;
  }
  auto task = Registry().Make(path, {});
  REQUIRE_FALSE(task.ok());
  CHECK(task.status().message().find("compiled for ABI version 77") != std::string::npos);
  CHECK(task.status().message().find(
            "this program has " + std::to_string(rivulet::kTaskAbiVersion)) != std::string::npos);
}
