// What outlives a process: saved state and counts, and messages whose try ended it.
#include <doctest/doctest.h>

#include "base/json.h"
#include "tests/unit/queuereader/scripted_task.h"

using namespace std::chrono_literals;
using rivulet::ChargeTry;
using rivulet::Outcome;
using rivulet::ReaderConfig;
using rivulet::Status;
using rivulet::Verdict;
using scripted::Fixture;
using Next = rivulet::Verdict::Next;
using Saved = std::map<std::string, std::string>;

namespace {

const ReaderConfig kTwoTries = {.max_tries = 2, .requeue_delay = 90s, .backoff = {}};

}  // namespace

TEST_CASE("reader: the state of every task that has some is saved by its name, with the counts") {
  Fixture f({"sum", "none", "preprocess"});
  f.scripts["sum"].state = std::string("\0\xff", 2);
  f.scripts["preprocess"].state = "seen";
  auto saved = f.reader->Save();
  REQUIRE(saved.ok());
  CHECK(saved->size() == 3);
  CHECK((*saved)["task:sum"] == std::string("\0\xff", 2));
  CHECK((*saved)["task:--preprocess=preprocess"] == "seen");
  rivulet::JsonDocument counts;
  CHECK(counts.Parse((*saved)["counts"]).ok());
}

TEST_CASE("reader: a reader goes on from what another one saved") {
  Fixture first({"sum", "validate"}, kTwoTries);
  first.scripts["sum"].answers = {Outcome::Done(), Outcome::Failed("")};
  first.Handle("1");
  first.Handle("2");
  first.Handle("{");
  first.scripts["sum"].state = "41";
  first.scripts["validate"].state = "v";

  Fixture second({"sum", "validate"}, kTwoTries);
  auto saved = first.reader->Save();
  REQUIRE(saved.ok());
  REQUIRE(second.reader->Load(*saved).ok());
  CHECK(second.scripts["sum"].state == "41");
  CHECK(second.scripts["validate"].state == "v");
  CHECK(second.reader->counts().messages == 3);
  CHECK(second.reader->counts().finished == 1);
  CHECK(second.reader->counts().requeued == 1);
  CHECK(second.reader->counts().malformed == 1);
  CHECK(second.Stats("sum").counts.done == 1);
  CHECK(second.Stats("sum").counts.failed == 1);
  CHECK(second.Stats("validate").counts.done == 2);
  second.Handle("3");
  CHECK(second.reader->counts().finished == 2);
}

TEST_CASE("reader: what is there of tasks that this reader does not have is kept") {
  Fixture f({"sum"});
  Saved saved = {
      {"task:gone", "old"},
      {"task:--preprocess=gone", "too"},
      {"ledger", "not the reader's"},
      {"counts",
       R"({"reader":{"messages":5,"finished":5,"dropped":0,"requeued":0,"given_up":0,)"
       R"("malformed":0},"tasks":{"task:gone":{"done":4,"failed":3,"retried":2,"given_up":1,)"
       R"("counters":{"bytes":7}}}})"}};
  REQUIRE(f.reader->Load(saved).ok());
  auto again = f.reader->Save();
  REQUIRE(again.ok());
  CHECK((*again)["task:gone"] == "old");
  CHECK((*again)["task:--preprocess=gone"] == "too");
  CHECK(again->count("ledger") == 0);
  CHECK(
      (*again)["counts"].find(
          R"("task:gone":{"done":4,"failed":3,"retried":2,"given_up":1,"counters":{"bytes":7}})") !=
      std::string::npos);
}

TEST_CASE("reader: saved state that a task refuses refuses the start, by the task's name") {
  Fixture f({"a", "sum"});
  Status status = f.reader->Load({{"task:sum", "of the future"}});
  REQUIRE_FALSE(status.ok());
  CHECK(status.message() == "task sum: its saved state is refused: format 2 is not known");
}

TEST_CASE("reader: state for a task that never had any is refused") {
  rivulet::ReaderTasks tasks;
  tasks.all_tasks.push_back({"f", std::make_unique<rivulet::FunctionTask>(rivulet::MakeTaskFunction(
                                      [](const rivulet::Message&) { return Outcome::Done(); }))});
  rivulet::Reader reader({}, std::move(tasks), {});
  CHECK(reader.Load({{"task:f", "x"}}).message().find("the task has no Load()") !=
        std::string::npos);
}

TEST_CASE("reader: when a task cannot save there is nothing to write") {
  Fixture f({"sum", "away"});
  f.scripts["sum"].state = "41";
  f.scripts["away"].cannot_save = true;
  auto saved = f.reader->Save();
  REQUIRE_FALSE(saved.ok());
  CHECK(saved.status().message() == "task away: its state cannot be saved: threw: no answer");
}

TEST_CASE("reader: damaged counts are refused, whatever is wrong with them") {
  const std::string zeros =
      R"("messages":0,"finished":0,"dropped":0,"requeued":0,"given_up":0,"malformed":0)";
  for (const std::string& counts : std::vector<std::string>{
           "", "{", "7", "{}", R"({"reader":{},"tasks":{}})", R"({"reader":{)" + zeros + "}}",
           R"({"reader":{)" + zeros + R"(},"tasks":[]})",
           R"({"reader":{)" + zeros + R"(},"tasks":{"task:a":{"done":-1}}})",
           R"({"reader":{)" + zeros +
               R"(},"tasks":{"task:a":{"done":1,"failed":0,"retried":0,"given_up":0,)" +
               R"("counters":{"a b":1}}}})"}) {
    CAPTURE(counts);
    Fixture f({"a"});
    Status status = f.reader->Load({{"counts", counts}});
    CHECK(status.code() == rivulet::StatusCode::kCorrupt);
    CHECK(f.reader->counts().messages == 0);
  }
}

TEST_CASE("reader: a message whose last try ended the process is charged a try, and not run") {
  Fixture f({"a", "b", "giveup"}, kTwoTries);
  Verdict first = f.Handle("{\"x\":1}", "SIGSEGV in task a");
  CHECK(first.next == Next::kRequeue);
  CHECK(first.body == R"({"data":{"x":1},"tries":1,"retry_on":1331923337,"started":1331923247,)"
                      R"("tasks_left":["a","b"]})");
  CHECK(first.due == f.clock.WallNow() + 90s);
  CHECK(first.why == "its last try ended the process: SIGSEGV in task a");
  CHECK(first.pause == 0s);
  Verdict second = f.Handle(first.body, "SIGSEGV in task a");  // though it is not due yet
  CHECK(second.next == Next::kGiveUp);
  CHECK(second.body.find("\"tries\":2,\"retry_on\":null") != std::string::npos);
  CHECK(f.scripts["a"].seen.empty());
  CHECK(f.scripts["giveup"].seen == std::vector<std::string>{"{\"x\":1}"});
  CHECK(f.Stats("a").counts.given_up == 1);
  CHECK(f.reader->counts().given_up == 1);
}

TEST_CASE("reader: in a chunk, a message that crashed is left out and the others run") {
  Fixture f({"a"});
  f.scripts["a"].batch_size = 3;
  std::vector<rivulet::Incoming> incoming = {{"1", {}, {}}, {"2", {}, "SIGABRT"}, {"3", {}, {}}};
  f.reader->Handle(incoming, f.clock.WallNow(), &f.verdicts);
  CHECK(f.verdicts[0].next == Next::kFinished);
  CHECK(f.verdicts[1].next == Next::kRequeue);
  CHECK(f.verdicts[2].next == Next::kFinished);
  CHECK(f.scripts["a"].seen == std::vector<std::string>{"1", "3"});
}

TEST_CASE("charge try: a try outside of the reader counts as one in it") {
  const rivulet::WallTime now(1331923247s);
  Verdict fresh = ChargeTry("[7]", kTwoTries, {"a", "b"}, now, "hung");
  CHECK(fresh.next == Next::kRequeue);
  CHECK(fresh.body == R"({"data":[7],"tries":1,"retry_on":1331923337,"started":1331923247,)"
                      R"("tasks_left":["a","b"]})");
  CHECK(fresh.due == now + 90s);
  CHECK(fresh.why == "hung");
  Verdict last = ChargeTry(R"({"data":[7],"tries":1,"tasks_left":["b"],"from":"x"})", kTwoTries,
                           {"a", "b"}, now, "hung");
  CHECK(last.next == Next::kGiveUp);
  CHECK(last.body == R"({"data":[7],"tries":2,"retry_on":null,"started":1331923247,)"
                     R"("tasks_left":["b"],"from":"x"})");
  CHECK(ChargeTry("{", kTwoTries, {}, now, "hung").next == Next::kMalformed);
}
