// The expected values follow from the original readers' rules, as queuereader/reader.h and the man
// page state them.
#include "queuereader/reader.h"

#include <doctest/doctest.h>

#include "tests/unit/queuereader/scripted_task.h"

using namespace std::chrono_literals;
using rivulet::Context;
using rivulet::FakeClock;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::Reader;
using rivulet::ReaderTasks;
using rivulet::Task;
using rivulet::Verdict;
using scripted::Fixture;
using Next = rivulet::Verdict::Next;

TEST_CASE("reader: a message whose tasks are all done is finished, and nothing is written") {
  Fixture f({"a", "b"});
  Verdict verdict = f.Handle(R"({"x":1})");
  CHECK(verdict.next == Next::kFinished);
  CHECK(verdict.body.empty());
  CHECK(verdict.why.empty());
  CHECK(verdict.pause == 0s);
  CHECK(f.scripts["a"].seen == std::vector<std::string>{R"({"x":1})"});
  CHECK(f.scripts["b"].tries == std::vector<int>{1});
  CHECK(f.reader->counts().finished == 1);
}

TEST_CASE("reader: a failed task alone is left, with its tries and its due time") {
  Fixture f({"good", "bad"});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  Verdict verdict = f.Handle(R"({"x":1})");
  CHECK(verdict.next == Next::kRequeue);
  CHECK(verdict.body == R"({"data":{"x":1},"tries":1,"retry_on":1331923337,)"
                        R"("started":1331923247,"tasks_left":["bad"]})");
  CHECK(verdict.due == f.clock.WallNow() + 90s);
  CHECK(verdict.why == "task bad: no");
}

TEST_CASE("reader: a retry runs the tasks that are left alone, when it is due") {
  Fixture f({"good", "bad"});
  f.scripts["bad"].answers = {Outcome::Failed("no"), Outcome::Done()};
  std::string requeued = f.Handle("1").body;

  Verdict early = f.Handle(requeued);
  CHECK(early.next == Next::kHold);
  CHECK(early.due == f.clock.WallNow() + 90s);
  CHECK(early.body.empty());
  CHECK(f.reader->counts().messages == 1);

  f.clock.Advance(90s);
  CHECK(f.Handle(requeued).next == Next::kFinished);
  CHECK(f.scripts["good"].seen.size() == 1);
  CHECK(f.scripts["bad"].tries == std::vector<int>{1, 2});
  CHECK(f.Stats("bad").counts.retried == 1);
  CHECK(f.Stats("good").counts.retried == 0);
}

TEST_CASE("reader: the delay grows with the tries, and started stays") {
  Fixture f({"bad"}, {.max_tries = 10, .requeue_delay = 90s, .backoff = {}});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  std::string message = "1";
  // 90 s after the first try, 180 s after the second, 270 s after the third.
  for (const char* retry_on : {"1331923337", "1331923517", "1331923787"}) {
    Verdict verdict = f.Handle(message);
    REQUIRE(verdict.next == Next::kRequeue);
    CHECK(verdict.body.find("\"retry_on\":" + std::string(retry_on) + ",\"started\":1331923247") !=
          std::string::npos);
    message = verdict.body;
    f.clock.Advance(90s * static_cast<int>(f.scripts["bad"].seen.size()));
  }
}

TEST_CASE("reader: a message is due when its retry_on says, to the millisecond") {
  Fixture f({"bad"}, {.max_tries = 10, .requeue_delay = 1'500'001us, .backoff = {}});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.body.find("\"retry_on\":1331923248.501,") != std::string::npos);
  CHECK(verdict.due == f.clock.WallNow() + 1501ms);
  f.clock.Advance(verdict.due - f.clock.WallNow());
  CHECK(f.Handle(verdict.body).next == Next::kRequeue);  // not held
}

TEST_CASE("reader: a delay beyond all clocks is cut, and reads back") {
  Fixture f({"bad"}, {.max_tries = 10, .requeue_delay = 24h * 365 * 200, .backoff = {}});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.next == Next::kRequeue);
  CHECK(f.Handle(verdict.body).next == Next::kHold);
}

TEST_CASE("reader: a message is tried max_tries times and then given up whole") {
  Fixture f({"good", "bad"}, {.max_tries = 3, .requeue_delay = 0s, .backoff = {}});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  std::string message = R"({"keep":[1,2]})";
  for (int i = 0; i < 2; ++i) {
    Verdict verdict = f.Handle(message);
    REQUIRE(verdict.next == Next::kRequeue);
    message = verdict.body;
  }
  Verdict verdict = f.Handle(message);
  CHECK(verdict.next == Next::kGiveUp);
  CHECK(verdict.body == R"({"data":{"keep":[1,2]},"tries":3,"retry_on":null,)"
                        R"("started":1331923247,"tasks_left":["bad"]})");
  CHECK(f.scripts["bad"].seen.size() == 3);
  CHECK(f.reader->counts().given_up == 1);
  CHECK(f.Stats("bad").counts.given_up == 1);
  CHECK(f.Stats("bad").counts.retried == 2);
  CHECK(f.Stats("good").counts.given_up == 0);
}

TEST_CASE("reader: the give-up task sees the data of a message that is given up, and may throw") {
  Fixture f({"bad", "giveup"}, {.max_tries = 1, .requeue_delay = 0s, .backoff = {}});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  f.scripts["giveup"].throws = true;
  Verdict verdict = f.Handle(R"({"x":1})");
  CHECK(verdict.next == Next::kGiveUp);
  CHECK(f.scripts["giveup"].seen == std::vector<std::string>{R"({"x":1})"});
  CHECK(verdict.why == "task bad: no; --requeue-giveup giveup: threw: no database");
  CHECK(f.Stats("giveup").counts.failed == 1);
}

TEST_CASE("reader: a task that throws is a failed task, and the others still run") {
  for (bool throws_int : {false, true}) {
    Fixture f({"bad", "good"});
    f.scripts["bad"].throws = !throws_int;
    f.scripts["bad"].throws_int = throws_int;
    Verdict verdict = f.Handle("1");
    CHECK(verdict.next == Next::kRequeue);
    CHECK(verdict.why.find("threw") != std::string::npos);
    CHECK(verdict.pause > 0s);
    CHECK(f.scripts["good"].seen.size() == 1);
  }
}

TEST_CASE("reader: only a failure pauses, and success shortens the next pause") {
  Fixture f({"bad"});
  f.scripts["bad"].answers = {Outcome::Failed(""), Outcome::Failed(""), Outcome::Done(),
                              Outcome::Failed("")};
  // 3.36 s a failure, by the definition in backoff.h.
  CHECK(f.Handle("1").pause == 3360ms);
  CHECK(f.Handle("2").pause == 6720ms);
  CHECK(f.Handle("3").pause == 0s);
  CHECK(f.Stats("bad").backoff == 3360ms);
  CHECK(f.Handle("4").pause == 6720ms);
}

TEST_CASE("reader: a task that fails for a minute pauses ever longer, and is soon fast again") {
  Fixture f({"bad"}, {.max_tries = 5,
                      .requeue_delay = 90s,
                      .backoff = {.min = 100ms, .max = 120s, .long_length = 1000}});
  f.scripts["bad"].answers = {Outcome::Failed("away")};
  const auto until = f.clock.Now() + 60s;
  int failures = 0;
  // The sum of .1 + n * 3.087425 s passes a minute at n = 6 (65.4 s; at 5 it is 46.8 s).
  while (f.clock.Now() < until) {
    Verdict verdict = f.Handle("1");
    ++failures;
    CHECK(verdict.pause == 100ms + failures * 3087425us);
    f.clock.Advance(verdict.pause);
  }
  CHECK(failures == 6);
  f.scripts["bad"].answers = {Outcome::Done()};
  for (int i = 0; i < 6; ++i) CHECK(f.Handle("1").pause == 0s);
  CHECK(f.Stats("bad").backoff == 0s);
  f.scripts["bad"].answers = {Outcome::Failed("again")};
  CHECK(f.Handle("1").pause == 3187425us);  // as the first time
}

TEST_CASE("reader: failed without backoff is retried without a pause") {
  Fixture f({"bad"});
  f.scripts["bad"].answers = {Outcome::FailedWithoutBackoff("later"), Outcome::Failed("no")};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.next == Next::kRequeue);
  CHECK(verdict.pause == 0s);
  CHECK(f.Handle("2").pause == 3360ms);  // the first that fed the timer
}

TEST_CASE("reader: the longest pause of several failed tasks counts") {
  Fixture f({"a", "b"});
  f.scripts["a"].answers = {Outcome::Failed(""), Outcome::Failed("")};
  f.scripts["b"].answers = {Outcome::Done(), Outcome::Failed("")};
  f.Handle("1");
  CHECK(f.Handle("2").pause == 6720ms);  // a's second; b's first is 3.36 s
}

TEST_CASE("reader: drop ends a message for every task, also for one that failed before") {
  Fixture f({"bad", "drops", "after"});
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  f.scripts["drops"].answers = {Outcome::Drop()};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.next == Next::kDropped);
  CHECK(verdict.body.empty());
  CHECK(f.scripts["after"].seen.empty());
  CHECK(f.reader->counts().dropped == 1);
}

TEST_CASE("reader: a message that is no JSON, or whose envelope is wrong, is malformed") {
  Fixture f({"a", "giveup"});
  for (const char* text : {"", "{", "{\"a\":1} x", "\xff", R"({"data":1,"tries":"x"})"}) {
    CAPTURE(text);
    Verdict verdict = f.Handle(text);
    CHECK(verdict.next == Next::kMalformed);
    CHECK_FALSE(verdict.why.empty());
    CHECK(verdict.pause == 0s);
  }
  CHECK(f.scripts["a"].seen.empty());
  CHECK(f.scripts["giveup"].seen.empty());
  CHECK(f.reader->counts().malformed == 5);
}

TEST_CASE("reader: an envelope made by hand runs every task on its data") {
  Fixture f({"a", "b"});
  CHECK(f.Handle(R"({"data":{"x":[1]}})").next == Next::kFinished);
  CHECK(f.scripts["a"].seen == std::vector<std::string>{R"({"x":[1]})"});
  CHECK(f.scripts["b"].seen.size() == 1);
}

TEST_CASE("reader: an envelope with no tasks left is finished, and nothing runs") {
  Fixture f({"a", "preprocess", "validate"});
  CHECK(f.Handle(R"({"data":1,"tasks_left":[]})").next == Next::kFinished);
  for (const char* name : {"a", "preprocess", "validate"}) CHECK(f.scripts[name].seen.empty());
}

TEST_CASE("reader: a task that this reader does not have is kept, and given up in the end") {
  Fixture f({"a"}, {.max_tries = 2, .requeue_delay = 0s, .backoff = {}});
  Verdict first = f.Handle(R"({"data":1,"tasks_left":["gone","a"]})");
  CHECK(first.next == Next::kRequeue);
  CHECK(first.body.find("\"tasks_left\":[\"gone\"]") != std::string::npos);
  CHECK(first.pause == 0s);
  Verdict second = f.Handle(first.body);
  CHECK(second.next == Next::kGiveUp);
  CHECK(second.why.find("task gone: this reader has no such task") != std::string::npos);
  CHECK(f.scripts["a"].seen.size() == 1);
}

TEST_CASE("reader: tasks read numbers, strings and presence by dotted path") {
  struct Probe final : Task {
    Outcome Run(const Message& m, Context&) override {
      CHECK(m.Number("geo.lat") == 42.5);
      CHECK(m.Text("c") == std::optional<std::string_view>("US"));
      CHECK_FALSE(m.Number("c"));
      CHECK_FALSE(m.Text("geo.lat"));
      CHECK_FALSE(m.Number("geo.lon"));
      CHECK(m.Has("geo"));
      CHECK(m.Has("none"));
      CHECK_FALSE(m.Has("nowhere"));
      CHECK(m.id() == "clicks-7");
      started = m.started();
      return Outcome::Done();
    }
    rivulet::WallTime started{};
  };
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"probe", std::make_unique<Probe>()});
  const auto& probe = static_cast<const Probe&>(*tasks.all_tasks[0].task);
  Reader reader({}, std::move(tasks), {});
  FakeClock clock;
  std::vector<Verdict> verdicts;
  auto handle = [&](std::string_view text) {
    std::vector<rivulet::Incoming> incoming = {{text, "clicks-7", {}}};
    reader.Handle(incoming, clock.WallNow(), &verdicts);
    CHECK(verdicts.at(0).next == Next::kFinished);
  };
  handle(R"({"geo":{"lat":42.5},"c":"US","none":null})");
  CHECK(probe.started == clock.WallNow());
  handle(R"({"data":{"geo":{"lat":42.5},"c":"US","none":null},"tries":1,"started":1331920000})");
  CHECK(probe.started == rivulet::WallTime(1331920000s));
}

TEST_CASE("reader: data that Python takes for false, and an envelope in data, are data") {
  for (const char* data : {"0", "\"\"", "false", "null", "{}", "[]", R"({"data":1,"tries":9})"}) {
    CAPTURE(data);
    Fixture f({"bad"}, {.max_tries = 3, .requeue_delay = 0s, .backoff = {}});
    f.scripts["bad"].answers = {Outcome::Failed("no")};
    std::string message = "{\"data\":" + std::string(data) + "}";
    for (int tries = 1; tries <= 3; ++tries) {
      Verdict verdict = f.Handle(message);
      CHECK(verdict.next == (tries < 3 ? Next::kRequeue : Next::kGiveUp));
      const std::string begins =
          "{\"data\":" + std::string(data) + ",\"tries\":" + std::to_string(tries) + ",";
      CHECK(verdict.body.substr(0, begins.size()) == begins);
      message = verdict.body;
    }
    CHECK(f.scripts["bad"].seen == std::vector<std::string>(3, data));
  }
}
