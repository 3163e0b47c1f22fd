// --preprocess and --validate. The rules are those of the original readers: see
// queuereader/reader.h.
#include <doctest/doctest.h>

#include "tests/unit/queuereader/scripted_task.h"

using namespace std::chrono_literals;
using rivulet::Outcome;
using rivulet::ReaderConfig;
using rivulet::Verdict;
using scripted::Fixture;
using Next = rivulet::Verdict::Next;
using Seen = std::vector<std::string>;

namespace {

const ReaderConfig kAtOnce = {.max_tries = 3, .requeue_delay = 0s, .backoff = {}};

}  // namespace

TEST_CASE("reader: what preprocess makes of the data is what validate and the tasks see") {
  Fixture f({"preprocess", "validate", "a", "b"});
  f.scripts["preprocess"].replaces = true;
  CHECK(f.Handle(" 7 ").next == Next::kFinished);
  CHECK(f.scripts["preprocess"].seen == Seen{"7"});
  for (const char* name : {"validate", "a", "b"}) {
    CHECK(f.scripts[name].seen == Seen{"{\"was\":7}"});
  }
}

TEST_CASE("reader: what is requeued carries the original data, and is preprocessed at every try") {
  Fixture f({"preprocess", "bad", "giveup"}, kAtOnce);
  f.scripts["preprocess"].replaces = true;
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  std::string message = "[1, 2]";
  for (int tries = 1; tries <= 3; ++tries) {
    Verdict verdict = f.Handle(message);
    CHECK(verdict.body.find("{\"data\":[1, 2],\"tries\":" + std::to_string(tries)) == 0);
    message = verdict.body;
  }
  CHECK(f.scripts["preprocess"].seen == Seen(3, "[1, 2]"));
  CHECK(f.scripts["bad"].seen == Seen(3, "{\"was\":[1, 2]}"));
  CHECK(f.scripts["giveup"].seen == Seen{"[1, 2]"});
}

TEST_CASE("reader: what either drops is seen by nobody after it") {
  for (const char* gate : {"preprocess", "validate"}) {
    Fixture f({"preprocess", "validate", "a"});
    f.scripts[gate].answers = {Outcome::Drop(), Outcome::Done()};
    CHECK(f.Handle("1").next == Next::kDropped);
    CHECK(f.Handle("2").next == Next::kFinished);
    CHECK(f.scripts["a"].seen == Seen{"2"});
    CHECK(f.reader->counts().dropped == 1);
    CHECK(f.Stats(gate).counts.done == 2);
  }
}

TEST_CASE("reader: when either fails, the whole message does, and every task is left") {
  for (const char* gate : {"preprocess", "validate"}) {
    Fixture f({"preprocess", "validate", "a", "b"});
    f.scripts[gate].throws = true;
    Verdict verdict = f.Handle("1");
    CHECK(verdict.next == Next::kRequeue);
    CHECK(verdict.body == R"({"data":1,"tries":1,"retry_on":1331923337,"started":1331923247,)"
                          R"("tasks_left":["a","b"]})");
    CHECK(verdict.why == "--" + std::string(gate) + " " + gate + ": threw: no database");
    CHECK(verdict.pause == 3360ms);
    CHECK(f.scripts["a"].seen.empty());
    CHECK(f.Stats(gate).counts.failed == 1);
    CHECK(f.Stats("a").counts.failed == 0);
  }
}

TEST_CASE("reader: a failed preprocess leaves the tasks of a retry as they were") {
  Fixture f({"preprocess", "a", "b"}, kAtOnce);
  f.scripts["preprocess"].throws = true;
  Verdict verdict = f.Handle(R"({"data":1,"tries":2,"tasks_left":["gone","b"]})");
  CHECK(verdict.next == Next::kGiveUp);
  CHECK(verdict.body.find("\"tasks_left\":[\"gone\",\"b\"]") != std::string::npos);
  CHECK(f.Stats("b").counts.given_up == 1);
  CHECK(f.Stats("a").counts.given_up == 0);
}

TEST_CASE("reader: what preprocess makes must be JSON, or the message has failed") {
  Fixture f({"preprocess", "a"});
  f.scripts["preprocess"].answers = {Outcome::Replace("{x"), Outcome::Replace("\"fine\"")};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.next == Next::kRequeue);
  CHECK(verdict.why.find("--preprocess preprocess: what it made of the data is invalid JSON") == 0);
  CHECK(verdict.pause > 0s);
  CHECK(f.Stats("preprocess").counts.failed == 1);
  CHECK(f.Handle("2").next == Next::kFinished);
  CHECK(f.scripts["a"].seen == Seen{"\"fine\""});
}

TEST_CASE("reader: data that another task gives counts as done, and changes nothing") {
  Fixture f({"validate", "a", "b"});
  f.scripts["validate"].replaces = true;
  f.scripts["a"].replaces = true;
  CHECK(f.Handle("1").next == Next::kFinished);
  CHECK(f.scripts["b"].seen == Seen{"1"});
}

TEST_CASE("reader: preprocess and validate share a timer, of their own") {
  Fixture f({"preprocess", "validate", "bad"});
  f.scripts["validate"].answers = {Outcome::Failed(""), Outcome::Failed(""), Outcome::Done()};
  f.scripts["bad"].answers = {Outcome::Failed("")};
  // That preprocess succeeds in between is no success of the two: the pause grows.
  CHECK(f.Handle("1").pause == 3360ms);
  CHECK(f.Handle("2").pause == 6720ms);
  CHECK(f.Handle("3").pause == 3360ms);  // the task's own first
  CHECK(f.Stats("preprocess").backoff == 3360ms);
  CHECK(f.Stats("validate").backoff == 3360ms);
  CHECK(f.Stats("bad").backoff == 3360ms);
}

TEST_CASE("reader: a validate that fails without backoff does not pause") {
  Fixture f({"validate", "a"});
  f.scripts["validate"].answers = {Outcome::FailedWithoutBackoff("not yet")};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.next == Next::kRequeue);
  CHECK(verdict.pause == 0s);
}
