// A task that cannot go on, and the messages in hand then.
#include <doctest/doctest.h>

#include "queuereader/task_unusable.h"
#include "tests/unit/queuereader/scripted_task.h"

using namespace rivulet;

namespace {

struct Broken final : Task {
  Outcome Run(const Message& message, Context&) override {
    if (message.text() == "2") throw TaskUnusable("no such program");
    return Outcome::Done();
  }
};

std::vector<Verdict> Handled(Reader* reader, const std::vector<std::string>& messages) {
  std::vector<Verdict> verdicts;
  std::vector<Incoming> incoming;
  for (const std::string& message : messages) incoming.push_back({message, {}, {}});
  reader->Handle(incoming, WallTime(), &verdicts);
  return verdicts;
}

}  // namespace

TEST_CASE("reader: a message that only a task that cannot go on has seen is as before") {
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"broken", std::make_unique<Broken>()});
  Reader reader({}, std::move(tasks), {});
  CHECK(Handled(&reader, {"1"}).size() == 1);
  CHECK(reader.fatal().empty());
  CHECK(Handled(&reader, {"2"}).empty());
  CHECK(reader.fatal() == "task broken cannot go on: no such program");
  CHECK(reader.counts().messages == 1);
}

TEST_CASE("reader: what a task before had done is not done again, and no try is charged") {
  scripted::Script script;
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"first", std::make_unique<scripted::ScriptedTask>(&script)});
  tasks.all_tasks.push_back({"broken", std::make_unique<Broken>()});
  tasks.all_tasks.push_back({"last", std::make_unique<scripted::ScriptedTask>(&script)});
  Reader reader({}, std::move(tasks), {});
  const auto verdicts = Handled(&reader, {"2"});
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].next == Verdict::Next::kRequeue);
  CHECK(verdicts[0].due == WallTime());
  CHECK(script.seen.size() == 1);
  JsonDocument document;
  REQUIRE(document.Parse(verdicts[0].body).ok());
  Envelope envelope;
  REQUIRE(ReadEnvelope(document.root(), &envelope).ok());
  CHECK(envelope.tries == 0);
  REQUIRE(envelope.tasks_left.size() == 2);
  CHECK(envelope.tasks_left[0] == "broken");
  CHECK(envelope.tasks_left[1] == "last");
}
