#include "queuereader/child/child_pool.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "queuereader/task_unusable.h"
#include "tests/unit/queuereader/child/child_support.h"

using namespace rivulet;
using namespace std::chrono_literals;

namespace {

/// A line a message, a line an answer: "ok…" is done and emits what follows, "no…" has failed, "+N"
/// adds to a counter before the answer, "?" asks for a line.
class LineDialect final : public ChildDialect {
 public:
  void AppendMessage(std::string* out, const Message& message) override {
    out->append(message.text()).append("\n");
  }
  Took Take(std::string_view* bytes, Context&, ChildAnswer* answer, std::string* reply,
            std::string* why) override {
    const std::size_t end = bytes->find('\n');
    if (end == std::string_view::npos) return Took::kNothing;
    const std::string line(bytes->substr(0, end));
    bytes->remove_prefix(end + 1);
    if (line.starts_with("+")) {
      answer->counters.emplace_back("n", std::stoul(line));
      return Took::kOther;
    }
    if (line == "?") {
      *reply = "reply\n";
      return Took::kOther;
    }
    *why = "answered '" + line + "'";
    if (!line.starts_with("ok") && !line.starts_with("no")) return Took::kBroken;
    if (line.size() > 2) answer->emissions.emplace_back("out", line.substr(2));
    answer->outcome = line.starts_with("ok") ? Outcome::Done() : Outcome::Failed(line);
    return Took::kAnswer;
  }
};

/// Stands still, but goes a step at each look while the process whose id is in the file at `path`
/// is there: that a machine is slow is no hang.
class ClockOfHangs final : public Clock {
 public:
  ClockOfHangs(std::string path, Duration step) : path_(std::move(path)), step_(step) {}
  ~ClockOfHangs() override { std::filesystem::remove(path_); }
  MonoTime Now() const override {
    pid_t hangs = 0;
    if (std::ifstream(path_) >> hangs && kill(hangs, 0) == 0) clock_.Advance(step_);
    return clock_.Now();
  }
  WallTime WallNow() const override { return clock_.WallNow(); }

 private:
  std::string path_;
  Duration step_;
  mutable FakeClock clock_;
};

struct Fixture {
  explicit Fixture(const std::string& script) {
    config.child.argv = {"/bin/sh", "-c", script};
    config.child.name = "child";
    config.timeout = 20s;
    config.restart = {1ms, 2ms};
  }
  std::vector<std::string> Run(const std::vector<std::string>& texts, bool one_at_a_time = false) {
    if (!pool) pool = std::make_unique<ChildPool>(*clock, config, dialect);
    std::vector<TextMessage> messages(texts.begin(), texts.end());
    std::vector<const Message*> pointers;
    for (const TextMessage& message : messages) pointers.push_back(&message);
    std::vector<Outcome> outcomes(texts.size(), Outcome::Failed("not touched"));
    pool->Run(pointers, outcomes, context, one_at_a_time);
    std::vector<std::string> told;
    for (const Outcome& outcome : outcomes) told.push_back(Told(outcome));
    return told;
  }

  SystemClock system_clock;
  const Clock* clock = &system_clock;
  ChildPoolConfig config;
  LineDialect dialect;
  NotingContext context;
  std::unique_ptr<ChildPool> pool;
};

using Strings = std::vector<std::string>;

/// Echoes; ends by itself on "die", hangs on "hang", when it says who it is in the file $HANGS.
constexpr char kMortal[] =
    R"(while read -r m; do
         case $m in die) exit 3;; hang) echo $$ >"$HANGS"; exec sleep 1000;; esac
         echo "ok$m"
       done)";

}  // namespace

TEST_CASE("child pool: an outcome each, and what was emitted in the order of the messages") {
  Fixture f(kMortal);
  CHECK(f.Run({"a", "b", "c"}) == Strings{"done", "done", "done"});
  CHECK(f.context.emitted == Strings{"out a", "out b", "out c"});
  CHECK(f.Run({"d"}) == Strings{"done"});
  CHECK(f.Run({"e", "f"}, true) == Strings{"done", "done"});
  CHECK(f.pool->stats().starts == 1);
  CHECK(f.pool->stats().crashes == 0);
}

TEST_CASE("child pool: what failed emits nothing, and counts") {
  Fixture f("while read -r m; do echo +2; echo +3; echo \"$m\"; done");
  CHECK(f.Run({"okA", "noB", "okC"}) == Strings{"done", "failed: noB", "done"});
  CHECK(f.context.emitted == Strings{"out A", "out C"});
  CHECK(f.context.emitted_for == std::vector<std::size_t>{0, 2});
  CHECK(f.context.counted["n"] == 15);
}

TEST_CASE("child pool: a child may ask before it answers") {
  Fixture f("while read -r m; do echo '?'; read -r reply; echo ok$m$reply; done");
  CHECK(f.Run({"a", "b"}, true) == Strings{"done", "done"});
  CHECK(f.context.emitted == Strings{"out areply", "out breply"});
}

TEST_CASE("child pool: an end costs the message in hand a try, and no other") {
  Fixture f(kMortal);
  CHECK(f.Run({"a", "die", "b", "die", "c"}) ==
        Strings{"done", "failed: exited with 3 before it answered", "done",
                "failed: exited with 3 before it answered", "done"});
  CHECK(f.context.emitted == Strings{"out a", "out b", "out c"});
  CHECK(f.pool->stats().starts == 3);
  CHECK(f.pool->stats().crashes == 2);
}

TEST_CASE("child pool: of answers that were held back, the one to blame is found one by one") {
  // Answers all that it has read, at once.
  Fixture f(R"(exec /usr/bin/python3 -ISc 'import os
while messages := os.read(0, 65536).split():
    if b"die" in messages: os._exit(3)
    os.write(1, b"".join(b"ok%s\n" % m for m in messages))')");
  f.config.answers_each = false;
  CHECK(f.Run({"a", "b", "die", "c", "d"}) ==
        Strings{"done", "done", "failed: exited with 3 before it answered", "done", "done"});
  CHECK(f.context.emitted == Strings{"out a", "out b", "out c", "out d"});
}

TEST_CASE("child pool: no answer in time is an end") {
  const std::string hangs = "/tmp/rivulet_hangs_" + std::to_string(getpid());
  const ClockOfHangs clock(hangs, 10ms);
  Fixture f("HANGS=" + hangs + "\n" + kMortal);
  f.clock = &clock;
  f.config.restart = {0ms, 0ms};
  f.config.timeout = 30ms;
  f.config.timeout_hint = " (hint)";
  CHECK(f.Run({"hang", "a", "hang"}) == Strings{"failed: did not answer within 30ms (hint)", "done",
                                                "failed: did not answer within 30ms"});
  CHECK(f.pool->stats().timeouts == 2);
  CHECK(f.pool->stats().crashes == 0);
}

TEST_CASE("child pool: what is no answer costs the message that it answers") {
  Fixture f(R"(while read -r m; do case $m in bad) echo gibberish;; *) echo ok;; esac; done)");
  CHECK(f.Run({"a", "bad", "b"}) == Strings{"done", "failed: answered 'gibberish'", "done"});
  CHECK(f.pool->stats().crashes == 1);
}

TEST_CASE("child pool: an answer that is too long is no answer") {
  Fixture f(R"(while read -r m; do
      case $m in
        line) printf 'ok%0100d\n' 1;;
        endless) while :; do echo -n 0123456789; done;;
        *) printf 'ok%098d\n' 1;;
      esac
    done)");
  f.config.max_answer_bytes = 100;
  CHECK(f.Run({"a", "line", "b", "endless", "c"}) ==
        Strings{"done", "failed: answered more than 100", "done", "failed: answered more than 100",
                "done"});
}

TEST_CASE("child pool: more answers than were asked for fail the last that was") {
  Fixture f("while read -r m; do printf 'ok\\nok\\n'; done");
  CHECK(f.Run({"a"}) == Strings{"failed: answered more often than it was asked"});
  // Whether it comes too late for that or not, it is not taken for the next message's answer.
  Fixture late("while read -r m; do echo ok$m; sleep .01; echo ok$m; done");
  for (const std::string text : {"a", "b", "c"}) {
    late.Run({text});
    late.pool->Ask(0, {}, [](std::string_view*) -> Result<bool> { return true; }).ok();
  }
  for (const std::string& emitted : late.context.emitted) CHECK(emitted.size() == 5);
}

TEST_CASE("child pool: an answer before the message was there is none") {
  // Larger than the pipe, and read by nobody.
  Fixture f("echo ok; exec sleep 1000");
  const Strings told = f.Run({std::string(1 << 20, 'a')});
  CHECK(told == Strings{"failed: answered a message before it had it whole"});
}

TEST_CASE("child pool: an end between two runs costs nothing") {
  Fixture f("read -r m; echo ok$m");
  for (const std::string text : {"a", "b", "c"}) CHECK(f.Run({text}) == Strings{"done"});
  CHECK(f.context.emitted == Strings{"out a", "out b", "out c"});
  CHECK(f.pool->stats().crashes == 0);
}

TEST_CASE("child pool: a program that cannot live makes the task unusable, and charges nobody") {
  Fixture f("exit 1");
  CHECK_THROWS_WITH_AS(
      f.Run({"a", "b"}),
      "exited with 1 before it answered, as 10 times in a row: it has never answered",
      TaskUnusable);
  CHECK(f.pool->stats().starts == kMaxDeadStarts);
  f.config.child.argv = {"/no/such/program"};
  f.pool.reset();
  CHECK_THROWS_AS(f.Run({"a"}), TaskUnusable);
  for (const char* none : {"exec no-such-program 2>/dev/null", "exec /tmp 2>/dev/null"}) {
    Fixture at_once(none);
    CHECK_THROWS_AS(at_once.Run({"a"}), TaskUnusable);
    CHECK(at_once.pool->stats().starts == 1);
  }
}

TEST_CASE("child pool: a message that its child has read costs a try, also the first one") {
  Fixture f(kMortal);
  CHECK(f.Run({"die"}) == Strings{"failed: exited with 3 before it answered"});
  CHECK(f.Run({"a"}) == Strings{"done"});
  Fixture all_die("while read -r m; do exit 3; done");
  CHECK(all_die.Run(Strings(9, "a")) == Strings(9, "failed: exited with 3 before it answered"));
  CHECK_THROWS_AS(all_die.Run({"a", "b"}), TaskUnusable);
}

TEST_CASE("child pool: starts that fail charge nobody until there were too many in a row") {
  char folder[] = "/tmp/rivulet_pool_XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  // Answers once; then three times not at all.
  Fixture f("cd " + std::string(folder) + R"( 2>&- || exit 5; n=$(ls | wc -l); touch $n
      [ $n -ge 1 ] && [ $n -le 3 ] && exit 1
      read -r m; echo ok; read -r m; [ $m = die ] && exit 3; echo ok)");
  CHECK(f.Run({"a", "die", "b", "c"}) ==
        Strings{"done", "failed: exited with 3 before it answered", "done", "done"});
  CHECK(f.pool->stats().starts == 5);
  std::filesystem::remove_all(folder);
  // It has answered once, so that this is no wrong command.
  f.pool->End(0s);
  CHECK(f.Run({"a", "b"})[1].starts_with("failed: exited with 5"));
}

TEST_CASE("child pool: a stop does not wait for the next start") {
  Fixture f("exit 1");
  f.config.restart = {1h, 1h};
  f.config.seed = 1;
  f.config.stop_requested = [] { return true; };
  CHECK_THROWS_AS(f.Run({"a", "b"}), TaskUnusable);  // it would not return
}

TEST_CASE("child pool: more than both pipes hold goes through") {
  // It does not read on while its output is full.
  Fixture f(R"(exec /usr/bin/python3 -ISc 'import sys
for line in sys.stdin.buffer: sys.stdout.buffer.write(b"ok" + line); sys.stdout.buffer.flush()')");
  f.config.ahead_bytes = 16 << 20;
  f.config.max_answer_bytes = 1 << 20;
  const Strings texts(12, std::string(300'000, 'x'));
  CHECK(f.Run(texts) == Strings(12, "done"));
  REQUIRE(f.context.emitted.size() == 12);
  CHECK(f.context.emitted[11] == "out " + texts[11]);
}

TEST_CASE("child pool: several workers share a run, and its emissions keep their order") {
  Fixture f("while read -r m; do echo ok$m.$$; done");
  f.config.workers = 3;
  Strings texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::to_string(i));
  CHECK(f.Run(texts) == Strings(100, "done"));
  CHECK(f.pool->stats().starts == 3);
  REQUIRE(f.context.emitted.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(f.context.emitted[i].starts_with("out " + texts[i] + "."));
  }
}

TEST_CASE("child pool: several workers work at the same time") {
  // Each answers when the other has its message too.
  char folder[] = "/tmp/rivulet_pool_XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  Fixture f("cd " + std::string(folder) +
            "; while read -r m; do touch $m; until [ -e a ] && [ -e b ]; do sleep .002; done; "
            "echo ok; done");
  f.config.workers = 2;
  CHECK(f.Run({"a", "b"}) == Strings{"done", "done"});
  for (const char* name : {"/a", "/b", ""}) std::remove((folder + std::string(name)).c_str());
}

TEST_CASE("child pool: a child is asked between two runs, and when it was started") {
  Fixture f("read -r hello; echo hi; " + std::string(kMortal));
  f.pool = std::make_unique<ChildPool>(*f.clock, f.config, f.dialect);
  const auto line = [](std::string expected) {
    return [expected](std::string_view* bytes) -> Result<bool> {
      const std::size_t end = bytes->find('\n');
      if (end == std::string_view::npos) return false;
      if (bytes->substr(0, end) != expected) return InvalidArgument("said another thing");
      bytes->remove_prefix(end + 1);
      return true;
    };
  };
  f.pool->OnStart([&](std::size_t worker) { return f.pool->Ask(worker, "hello\n", line("hi")); });
  CHECK(f.Run({"a", "die", "b"})[2] == "done");
  CHECK(f.pool->Ask(0, "x\n", line("okx")).ok());
  const Status ended = f.pool->Ask(0, "die\n", line("ok"));
  CHECK(ended.code() == StatusCode::kUnavailable);
  CHECK(ended.message() == "child: exited with 3 before it answered");
  CHECK(f.pool->Ask(0, "x\n", line("oky")).message() == "child: said another thing");
  CHECK(f.Run({"c"}) == Strings{"done"});
  f.pool->OnStart([](std::size_t) { return InvalidArgument("not this one"); });
  CHECK(f.Run({"die", "d"})[1] == "failed: not this one");
}
