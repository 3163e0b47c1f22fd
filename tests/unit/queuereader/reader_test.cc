#include "queuereader/reader.h"

#include <doctest/doctest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rivulet::FakeClock;
using rivulet::Message;
using rivulet::NamedTask;
using rivulet::Outcome;
using rivulet::Reader;
using rivulet::ReaderConfig;
using rivulet::Task;
using rivulet::Verdict;
using Next = rivulet::Verdict::Next;

namespace {

/// Answers as told, and records what it saw.
struct Script {
  std::vector<Outcome> answers;  // the last is repeated; empty: done
  std::vector<std::string> seen;
  std::vector<int> tries;
  bool throws = false;
  bool throws_int = false;
};

class ScriptedTask final : public Task {
 public:
  explicit ScriptedTask(Script* script) : script_(script) {}
  Outcome Run(const Message& message) override {
    script_->seen.emplace_back(message.text());
    script_->tries.push_back(message.tries());
    if (script_->throws) throw std::runtime_error("no database");
    if (script_->throws_int) throw 7;
    if (script_->answers.empty()) return Outcome::Done();
    std::size_t i = std::min(script_->seen.size(), script_->answers.size()) - 1;
    return script_->answers[i];
  }

 private:
  Script* script_;
};

/// A reader of scripted tasks at a fixed time, 1331923247.
struct Fixture {
  explicit Fixture(const std::vector<std::string>& names, ReaderConfig config = {},
                   bool with_giveup = false) {
    std::vector<NamedTask> tasks;
    for (const std::string& name : names) {
      tasks.push_back({name, std::make_unique<ScriptedTask>(&scripts[name])});
    }
    std::unique_ptr<Task> on_giveup;
    if (with_giveup) on_giveup = std::make_unique<ScriptedTask>(&giveup);
    reader = std::make_unique<Reader>(config, std::move(tasks), std::move(on_giveup));
  }
  Verdict Handle(std::string_view message) { return reader->Handle(message, clock.WallNow()); }

  FakeClock clock;
  std::map<std::string, Script> scripts;
  Script giveup;
  std::unique_ptr<Reader> reader;
};

bool Adds(const rivulet::ReaderCounts& n) {
  return n.messages == n.finished + n.dropped + n.requeued + n.given_up + n.malformed;
}

}  // namespace

TEST_CASE("reader: a message whose tasks are all done is finished, and nothing is written") {
  Fixture f({"a", "b"});
  Verdict verdict = f.Handle(R"({"x":1})");
  CHECK(verdict.next == Next::kFinished);
  CHECK(verdict.body.empty());
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
  CHECK(verdict.why.find("task bad: no") != std::string::npos);
  CHECK(Adds(f.reader->counts()));
}

TEST_CASE("reader: a retry runs the tasks that are left alone, when it is due") {
  Fixture f({"good", "bad"});
  f.scripts["bad"].answers = {Outcome::Failed("no"), Outcome::Done()};
  std::string requeued = f.Handle("1").body;

  Verdict early = f.Handle(requeued);
  CHECK(early.next == Next::kHold);
  CHECK(early.due == f.clock.WallNow() + 90s);
  CHECK(f.reader->counts().messages == 1);

  f.clock.Advance(90s);
  CHECK(f.Handle(requeued).next == Next::kFinished);
  CHECK(f.scripts["good"].seen.size() == 1);
  CHECK(f.scripts["bad"].tries == std::vector<int>{1, 2});
  CHECK(Adds(f.reader->counts()));
}

TEST_CASE("reader: the delay grows with the tries, and started stays") {
  Fixture f({"bad"}, {.max_tries = 10, .requeue_delay = 90s});
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

TEST_CASE("reader: a message is tried max_tries times and then given up whole") {
  Fixture f({"bad"}, {.max_tries = 3, .requeue_delay = 0s});
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
  CHECK(Adds(f.reader->counts()));
}

TEST_CASE("reader: the give-up task sees the data of a message that is given up, and may throw") {
  Fixture f({"bad"}, {.max_tries = 1}, true);
  f.scripts["bad"].answers = {Outcome::Failed("no")};
  f.giveup.throws = true;
  Verdict verdict = f.Handle(R"({"x":1})");
  CHECK(verdict.next == Next::kGiveUp);
  CHECK(f.giveup.seen == std::vector<std::string>{R"({"x":1})"});
  CHECK(verdict.why.find("requeue-giveup: threw: no database") != std::string::npos);
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
  Fixture f({"bad"}, {.max_backoff = 120s});
  f.scripts["bad"].answers = {Outcome::Failed(""), Outcome::Failed(""), Outcome::Done(),
                              Outcome::Failed("")};
  // 3.36 s a failure, by the definition in backoff.h.
  CHECK(f.Handle("1").pause == 3360ms);
  CHECK(f.Handle("2").pause == 6720ms);
  CHECK(f.Handle("3").pause == 0s);
  CHECK(f.Handle("4").pause == 6720ms);
}

TEST_CASE("reader: failed without backoff is retried without a pause") {
  Fixture f({"bad"});
  f.scripts["bad"].answers = {Outcome::FailedWithoutBackoff("later")};
  Verdict verdict = f.Handle("1");
  CHECK(verdict.next == Next::kRequeue);
  CHECK(verdict.pause == 0s);
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
  CHECK(Adds(f.reader->counts()));
}

TEST_CASE("reader: a message that is no JSON, or whose envelope is wrong, is malformed") {
  Fixture f({"a"});
  for (const char* text : {"", "{", "{\"a\":1} x", "\xff", R"({"data":1,"tries":"x"})"}) {
    CAPTURE(text);
    Verdict verdict = f.Handle(text);
    CHECK(verdict.next == Next::kMalformed);
    CHECK_FALSE(verdict.why.empty());
    CHECK(verdict.pause == 0s);
  }
  CHECK(f.scripts["a"].seen.empty());
  CHECK(f.reader->counts().malformed == 5);
  CHECK(Adds(f.reader->counts()));
}

TEST_CASE("reader: an envelope made by hand runs every task on its data") {
  Fixture f({"a", "b"});
  CHECK(f.Handle(R"({"data":{"x":[1]}})").next == Next::kFinished);
  CHECK(f.scripts["a"].seen == std::vector<std::string>{R"({"x":[1]})"});
  CHECK(f.scripts["b"].seen.size() == 1);
}

TEST_CASE("reader: an envelope with no tasks left is finished") {
  Fixture f({"a"});
  CHECK(f.Handle(R"({"data":1,"tasks_left":[]})").next == Next::kFinished);
  CHECK(f.scripts["a"].seen.empty());
}

TEST_CASE("reader: a task that this reader does not have is kept, and given up in the end") {
  Fixture f({"a"}, {.max_tries = 2, .requeue_delay = 0s});
  Verdict first = f.Handle(R"({"data":1,"tasks_left":["gone","a"]})");
  CHECK(first.next == Next::kRequeue);
  CHECK(first.body.find("\"tasks_left\":[\"gone\"]") != std::string::npos);
  CHECK(first.pause == 0s);
  Verdict second = f.Handle(first.body);
  CHECK(second.next == Next::kGiveUp);
  CHECK(second.why.find("no such task") != std::string::npos);
  CHECK(f.scripts["a"].seen.size() == 1);
}

TEST_CASE("reader: tasks read numbers, strings and presence by dotted path") {
  struct Probe final : Task {
    Outcome Run(const Message& m) override {
      CHECK(m.Number("geo.lat") == 42.5);
      CHECK(m.Text("c") == std::optional<std::string_view>("US"));
      CHECK_FALSE(m.Number("c"));
      CHECK_FALSE(m.Text("geo.lat"));
      CHECK_FALSE(m.Number("geo.lon"));
      CHECK(m.Has("geo"));
      CHECK(m.Has("none"));
      CHECK_FALSE(m.Has("nowhere"));
      return Outcome::Done();
    }
  };
  std::vector<NamedTask> tasks;
  tasks.push_back({"probe", std::make_unique<Probe>()});
  Reader reader({}, std::move(tasks));
  FakeClock clock;
  for (const char* text : {R"({"geo":{"lat":42.5},"c":"US","none":null})",
                           R"({"data":{"geo":{"lat":42.5},"c":"US","none":null},"tries":1})"}) {
    CHECK(reader.Handle(text, clock.WallNow()).next == Next::kFinished);
  }
}
