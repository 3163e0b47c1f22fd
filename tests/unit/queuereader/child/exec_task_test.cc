#include "queuereader/child/exec_task.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "queuereader/child/shell_command.h"
#include "queuereader/task_unusable.h"
#include "tests/unit/queuereader/child/child_support.h"

using namespace rivulet;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

namespace {

/// Sums what it gets; "die" ends it with its state, "bad" is failed and counts too.
constexpr char kSum[] = R"(total=0; while read -r m; do case $m in
    '"die"') exit 9;;
    '"bad"') total=$((total + 1000)); echo '{"ok":false,"error":"bad"}';;
    '{"_save_":true}') echo "{\"state\":$total}";;
    '{"_load_":'*) total=${m#*:}; total=${total%\}}; echo '{"ok":true}';;
    *) total=$((total + m)); echo "{\"ok\":true,\"emit\":{\"sums\":[$total]}}";;
  esac; done)";

struct Counts final : Summary {
  void Count(std::string_view name, std::uint64_t value) override {
    all.push_back(std::string(name) + " " + std::to_string(value));
  }
  void Number(std::string_view, double) override {}
  void Text(std::string_view, std::string_view) override {}
  void Table(std::string_view, std::vector<std::string>) override {}
  void Row(std::vector<Cell>) override {}
  Strings all;
};

struct Fixture {
  Fixture() {
    environment.clock = &clock;
    environment.outputs = {"sums"};
    environment.task_timeout = 20s;
  }
  void Make(const std::string& command) {
    auto made = MakeExecTask(command, environment);
    REQUIRE_MESSAGE(made.ok(), made.status().message());
    name = made->name;
    task = std::move(made->task);
  }
  std::string Refused(const std::string& command) {
    const auto made = MakeExecTask(command, environment);
    return made.ok() ? "" : made.status().message();
  }
  Strings Run(const Strings& texts) {
    std::vector<TextMessage> messages(texts.begin(), texts.end());
    std::vector<const Message*> pointers;
    for (const TextMessage& message : messages) pointers.push_back(&message);
    std::vector<Outcome> outcomes(texts.size(), Outcome::Done());
    task->RunBatch(pointers, outcomes, context);
    Strings told;
    for (const Outcome& outcome : outcomes) told.push_back(Told(outcome));
    return told;
  }
  Strings Summarized() const {
    Counts counts;
    task->Summarize(counts);
    return counts.all;
  }

  SystemClock clock;
  TaskEnvironment environment;
  NotingContext context;
  std::string name;
  std::unique_ptr<Task> task;
};

}  // namespace

TEST_CASE("exec task: a command of the shell, known by all that was given") {
  Fixture f;
  f.Make(R"(while read -r m; do echo "{\"ok\":true,\"emit\":{\"sums\":[$m]}}"; done)");
  CHECK(f.name.starts_with("exec:while read"));
  CHECK(f.Run({"1", "[2,\n3]"}) == Strings{"done", "done"});
  CHECK(f.context.emitted == Strings{"sums 1", "sums [2, 3]"});
  CHECK(f.Summarized().empty());
  CHECK(Told(f.task->Run(TextMessage("4"), f.context)) == "done");
  CHECK(f.task->Save().empty());
  CHECK(!f.task->Load("something").ok());
}

TEST_CASE("exec task: what stands before the command") {
  Fixture f;
  f.Make("name=sums,workers=2,timeout=5s,memory=64MiB,FOO=a,b sh -c 'exit 127'");
  CHECK(f.name == "sums");
  CHECK(f.task->batch_size() == 2);
  // The command is all from FOO on.
  CHECK_THROWS_WITH_AS(f.Run({"1"}),
                       "the command 'FOO=a,b sh -c 'exit 127'' exited with 127 before it answered",
                       TaskUnusable);
  f.Make("name=x,exit 126; true,name=y");
  CHECK_THROWS_AS(f.Run({"1"}), TaskUnusable);
  f.Make(
      "memory=64MiB,while read -r m; do echo {\\\"ok\\\":false,\\\"error\\\":\\\"$(ulimit "
      "-d)\\\"}; done");
  CHECK(f.Run({"1"}) == Strings{"failed: 65536"});
}

TEST_CASE("exec task: an option that is wrong is named") {
  Fixture f;
  CHECK(f.Refused("") == "needs a command, as in exec:python3 my_task.py");
  CHECK(f.Refused("workers=2, ") == "needs a command, as in exec:python3 my_task.py");
  CHECK(f.Refused("workers=0,x") == "workers=0 must be a whole number from 1 to 64");
  CHECK(f.Refused("workers=65,x") == "workers=65 must be a whole number from 1 to 64");
  CHECK(
      f.Refused("worker=2,x") ==
      "unknown option 'worker' before the command; it takes name, workers, timeout, memory, state");
  CHECK(f.Refused("timeout=soon,x").starts_with("timeout=soon: "));
  CHECK(f.Refused("memory=much,x").starts_with("memory=much: "));
  CHECK(f.Refused("state=1,x") == "state=1 must be yes or no");
  CHECK(f.Refused("name=,x") == "name= must not be empty");
  CHECK(f.Refused("name=a,name=b,x") == "the option 'name' is given twice");
  CHECK(f.Refused("state=yes,workers=2,x") ==
        "state=yes is for one worker: workers= must not be given, or 1");
}

TEST_CASE("exec task: its batches grow while they are quick, and begin anew when it ends") {
  Fixture f;
  f.Make(R"(while read -r m; do [ $m = 0 ] && exit 3; echo {\"ok\":true}; done)");
  CHECK(f.task->batch_size() == 1);
  f.Run({"1"});
  // A machine that is busy may give less, never more.
  CHECK(f.task->batch_size() <= 2);
  for (int i = 0; i < 8; ++i) f.Run(Strings(512, "1"));
  CHECK(f.task->batch_size() > 1);
  CHECK(f.task->batch_size() <= 512);
  CHECK(f.Run({"1", "0", "1"})[1] == "failed: exited with 3 before it answered");
  CHECK(f.task->batch_size() == 1);
}

TEST_CASE("exec task: its timeout is the task's own, or what is given to all") {
  Fixture f;
  f.Make("timeout=20ms,exec sleep 1000");
  CHECK(f.Run({"1"}) == Strings{"failed: did not answer within 20ms (an answer must be flushed)"});
  f.environment.task_timeout = 10ms;
  f.Make("exec sleep 1000");
  CHECK(f.Run({"1"}) == Strings{"failed: did not answer within 10ms (an answer must be flushed)"});
  CHECK(f.Summarized() == Strings{"timeouts 1"});
}

TEST_CASE("exec task: its state survives its end, and each message is in it once") {
  Fixture f;
  f.Make(std::string("state=yes,") + kSum);
  CHECK(f.task->Save().empty());
  CHECK(f.Run({"1", "2"}) == Strings{"done", "done"});
  CHECK(f.Run({"4", "\"die\"", "8"})[1] == "failed: exited with 9 before it answered");
  CHECK(f.Run({"\"bad\"", "16"}) == Strings{"failed: bad", "done"});
  const std::string saved = f.task->Save();
  CHECK(f.Run({"32", "\"die\"", "64"})[2] == "done");
  // What was run again emits nothing once more.
  CHECK(f.context.emitted ==
        Strings{"sums 1", "sums 3", "sums 7", "sums 15", "sums 1031", "sums 1063", "sums 1127"});
  CHECK(f.Summarized() == Strings{"starts 5", "crashes 4"});

  Fixture next;
  next.Make(std::string("state=yes,") + kSum);
  REQUIRE(next.task->Load(saved).ok());
  CHECK(next.task->Save() == saved);
  CHECK(next.Run({"100"}) == Strings{"done"});
  CHECK(next.context.emitted == Strings{"sums 1131"});
}

TEST_CASE("exec task: a checkpoint without an answer is the state before and the messages since") {
  Fixture f;
  f.Make(R"(state=yes,read -r m; echo {\"ok\":true}; read -r m; exit 1)");
  CHECK(f.Run({"5"}) == Strings{"done"});
  const std::string saved = f.task->Save();  // it ends instead of an answer
  Fixture next;
  next.Make(std::string("state=yes,") + kSum);
  REQUIRE(next.task->Load(saved).ok());
  CHECK(next.Run({"6"}) == Strings{"done"});
  CHECK(next.context.emitted == Strings{"sums 11"});
}

TEST_CASE("exec task: a program with state that crashes now and then costs nobody else a try") {
  // It ends with every 8th line that it reads, whatever that is: 40 messages at a stretch never go.
  Fixture f;
  f.environment.task_timeout = 20s;
  f.Make(
      R"(state=yes,n=0; total=0; while read -r m; do n=$((n + 1)); [ $n = 8 ] && exit 9; case $m in
      '{"_save_":true}') echo "{\"state\":$total}";;
      '{"_load_":'*) total=${m#*:}; total=${total%\}}; echo '{"ok":true}';;
      *) total=$((total + m)); echo '{"ok":true}';;
    esac; done)");
  const std::string saved = "exec state 1, none yet\n" + [] {
    std::string lines;
    for (int i = 0; i < 40; ++i) lines += "1\n";
    return lines;
  }();
  REQUIRE(f.task->Load(saved).ok());
  CHECK(f.Run({"100"}) == Strings{"done"});
  CHECK(f.task->Save() == "exec state 1\n140\n");
}

TEST_CASE("exec task: an answer may be as long as a message") {
  Fixture f;
  f.Make(R"(/usr/bin/python3 -ISc 'import sys
for line in sys.stdin: print("{\"ok\":true,\"data\":\"" + "x" * 3000000 + "\"}", flush=True)')");
  CHECK(f.Run({"1"})[0].size() == std::string("data ").size() + 2 + 3'000'000);
}

TEST_CASE("exec task: one program with its arguments takes the place of the shell") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"python3 task.py", "exec python3 task.py"},
      {" A=1 B=/x python3 -B 'my task.py'", " A=1 B=/x exec python3 -B 'my task.py'"},
      {"exec cat", "exec cat"},
      {"cat | cat", "cat | cat"},
      {"cat; true", "cat; true"},
      {"cd /tmp", "cd /tmp"},
      {"A='b c' cat", "A='b c' cat"},
      {"echo $HOME", "echo $HOME"},
      {"! cat", "! cat"},
      {"A=1", "A=1"},
      {"", ""}};
  for (const auto& [command, given] : rows) CHECK(ExecInPlaceOfShell(command) == given);
}

TEST_CASE("exec task: a program that does not take its state is refused at the start") {
  Fixture f;
  f.Make(std::string("state=yes,") + kSum);
  f.Run({"1"});
  const std::string saved = f.task->Save();
  Fixture next;
  next.Make(R"(state=yes,while read -r m; do echo {\"ok\":false,\"error\":\"too old\"}; done)");
  const Status refused = next.task->Load(saved);
  REQUIRE(!refused.ok());
  CHECK(refused.message().find("too old") != std::string::npos);
  CHECK(!next.task->Load("of another task").ok());
}

TEST_CASE(
    "exec task: state that is not to be had stops the task before its log grows without end") {
  Fixture f;
  f.Make(R"(state=yes,while read -r m; do echo {\"ok\":true}; done)");  // knows no _save_
  f.Run(Strings(1000, "1"));
  CHECK_THROWS(f.Run({"2"}));
}
