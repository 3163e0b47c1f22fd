#include <doctest/doctest.h>

#include "tests/unit/queuereader/runner/slow_runner.h"

using namespace std::chrono_literals;
using rivulet::Context;
using rivulet::Duration;
using rivulet::Fate;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::RunnerFixture;
using rivulet::Settled;
using rivulet::SlowFixture;
using Strings = std::vector<std::string>;

namespace {

RunnerFixture::Setup WithoutBackoff() {
  RunnerFixture::Setup setup;
  setup.reader.backoff.max = 0s;
  return setup;
}

}  // namespace

TEST_CASE("runner: what was run is finished with its receipt, in order") {
  RunnerFixture f;
  f.source.Answer({"1", "2"});
  f.Turn();
  CHECK(f.source.Told() == Strings{"finish r1/0", "finish r2/0"});
  f.source.TakeAll();
  CHECK(f.runner->Stats().ledger.settling == 0);
}

TEST_CASE("runner: a failed message is requeued with what it carries, and the server's delay") {
  RunnerFixture f(WithoutBackoff());
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.pending.size() == 1);
  CHECK(f.source.pending[0].fate == Fate::kRequeue);
  CHECK(f.source.pending[0].delay == 90s);
  CHECK(f.source.pending[0].body.find("\"tries\":1") != std::string::npos);
}

TEST_CASE("runner: a message that is not due goes back as it is, until it is") {
  RunnerFixture f;
  f.source.Answer({R"({"data":1,"tries":1,"retry_on":1331923337})"});  // in 90 s
  f.Turn();
  REQUIRE(f.source.pending.size() == 1);
  CHECK(f.source.Told() == Strings{"requeue r1/0"});
  CHECK(f.source.pending[0].delay == 90s);
  CHECK(f.runner->Stats().held == 0);
  CHECK(f.ran.empty());
}

TEST_CASE("runner: a message whose lease has ended is given back and not run") {
  SlowFixture f;
  f.source.Answer({"1"});
  f.slow.RunOne();
  f.source.TakeAll();
  f.task = [&f](const Message& message, Context&) {
    // The loop hears of nothing meanwhile, and cannot touch.
    if (message.text() == "2") f.clock.Advance(31s);
    return Outcome::Done();
  };
  f.source.Answer({"2", "3"});
  f.slow.RunOne();
  CHECK(f.ran == Strings{"1", "2"});
  f.Turn();
  CHECK(f.source.Told() == Strings{"return r3/0", "finish r2/0"});
}

TEST_CASE("runner: a message whose lease was lost is not run") {
  SlowFixture f;
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.fetches == 2);  // of the first runner and the second
  f.slow.RunOne();
  f.source.Answer({"2"});  // goes to the next slice
  f.Turn();
  REQUIRE(f.slow.todo.size() == 1);
  REQUIRE(f.source.fetching);
  f.source.Answer({"3", "4"});
  f.source.Lose({"r3/0"});
  f.slow.RunOne();
  f.Turn();
  // What was lost may be all of them: the others are asked about before they are run.
  CHECK(f.source.touched == Strings{"r4/0"});
  CHECK(f.slow.todo.empty());
  f.source.AnswerTouches();
  f.Turn();
  while (!f.slow.todo.empty()) f.slow.RunOne();
  CHECK(f.ran == Strings{"1", "2", "4"});
  f.Turn();
  CHECK(f.source.Told() == Strings{"finish r1/0", "finish r2/0", "finish r4/0"});
}

TEST_CASE("runner: a message that comes again before its finish was taken is not run again") {
  RunnerFixture f;
  f.source.Answer({"1"});
  f.Turn();
  f.source.next_id = 1;
  f.source.round = 1;
  f.source.Answer({"1"});
  f.Turn();
  CHECK(f.ran == Strings{"1"});
  f.source.TakeAll(Settled::kStale);
  f.Turn();
  CHECK(f.source.Told() == Strings{"finish r1/1"});
  CHECK(f.runner->Stats().ledger.known == 1);
}

TEST_CASE("runner: with --exit-when-empty it ends once all is empty for so long, here and there") {
  RunnerFixture::Setup setup;
  setup.config.exit_when_empty = 2s;
  setup.config.sleeptime_queue_empty = 1ms;
  RunnerFixture f(setup);
  f.source.Answer({"1"});
  f.Turn();
  f.source.Answer({});
  f.Turn();
  const auto empty_again = [&f](Duration after) {
    f.clock.Advance(after);
    f.Until([&f] { return f.source.fetching; });
    f.source.Answer({});
    f.Turn();
  };
  empty_again(1999ms);
  CHECK_FALSE(f.source.asked_drained);
  empty_again(1ms);
  CHECK_FALSE(f.source.asked_drained);  // a finish is on its way
  CHECK(f.source.TakeAll().size() == 1);
  empty_again(1ms);
  REQUIRE(f.source.asked_drained);
  std::exchange(f.source.asked_drained, nullptr)(false);  // something is deferred there
  f.Turn();
  empty_again(1ms);
  REQUIRE(f.source.asked_drained);
  f.source.asked_drained(true);
  f.End();
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: with --exit-when-empty a long poll is not waited for") {
  RunnerFixture::Setup setup;
  setup.config.exit_when_empty = 5ms;
  RunnerFixture f(setup);
  f.Turn();
  CHECK_FALSE(f.source.asked_drained);
  f.clock.Advance(5ms);
  f.Until([&f] { return f.source.asked_drained != nullptr; });
  f.source.asked_drained(true);
  f.End();
  CHECK_FALSE(f.source.fetching);
}

TEST_CASE("runner: what could not be told by the end of the drain comes again by its lease") {
  RunnerFixture::Setup setup;
  setup.config.drain_timeout = 1ms;
  RunnerFixture f(setup);
  f.source.Answer({"1"});
  f.Turn();
  f.runner->Stop();
  f.End();
  CHECK(f.runner->exit_status() == 1);
  CHECK(f.SetAside().empty());
}

TEST_CASE("runner: a task that hangs costs its message a try, and everything else goes back") {
  RunnerFixture::Setup setup;
  setup.config.task_timeout = 8ms;
  setup.reader.requeue_delay = 7s;
  SlowFixture f(setup);
  f.source.Answer({"1", "2", "3"});
  // What the task thread does up to where it hangs.
  f.task = [&f](const Message& message, Context&) {
    if (message.text() == "2") {
      f.clock.Advance(9ms);
      f.Until([&f] { return f.source.pending.size() == 3; });
    }
    return Outcome::Done();
  };
  f.slow.RunOne();
  CHECK(f.source.Told().size() == 3);
  Strings told = f.source.Told();
  std::sort(told.begin(), told.end());
  CHECK(told[0] == "finish r1/0");
  CHECK(told[1].starts_with(R"(requeue r2/0 {"data":2,"tries":1,)"));
  CHECK(told[2] == "return r3/0");
  for (const auto& settlement : f.source.pending) {
    if (settlement.fate == Fate::kRequeue) CHECK(settlement.delay == 7s);
  }
  CHECK(f.exited == -1);
  f.source.TakeAll();
  f.Until([&f] { return f.exited == 1; });
  CHECK(f.runner->exit_status() == 1);
}

TEST_CASE("runner: while the whole process stands still no task is late") {
  RunnerFixture::Setup setup;
  setup.config.task_timeout = 8ms;
  SlowFixture f(setup);
  f.task = [&f](const Message&, Context&) {
    f.clock.Advance(1h);
    // At most a check each: of those a task's time has four.
    for (int i = 0; i < 3; ++i) f.loop.RunOnce(4ms);
    return Outcome::Done();
  };
  f.source.Answer({"1"});
  f.slow.RunOne();
  CHECK(f.exited == -1);
  f.Until([&f] { return f.source.Told() == Strings{"finish r1/0"}; });
}

TEST_CASE("runner: a hang is told though every check of it is late") {
  RunnerFixture::Setup setup;
  setup.config.task_timeout = 8ms;
  SlowFixture f(setup);
  bool told_at_once = false;
  f.task = [&f, &told_at_once](const Message&, Context&) {
    const auto check = [&f] {
      f.clock.Advance(1h);
      f.loop.RunOnce(4ms);
    };
    for (int i = 0; i < 3; ++i) check();
    told_at_once = !f.source.pending.empty();
    f.Until([&] {
      check();
      return !f.source.pending.empty();
    });
    return Outcome::Done();
  };
  f.source.Answer({"1"});
  f.slow.RunOne();
  CHECK_FALSE(told_at_once);
  REQUIRE(f.source.Told().size() == 1);
  CHECK(f.source.Told()[0].starts_with(R"(requeue r1/0 {"data":1,"tries":1,)"));
}

TEST_CASE("runner: a program that runs as a task has a time limit of its own") {
  RunnerFixture::Setup setup;
  setup.config.task_timeout = 1ms;
  setup.config.child_tasks = {"t"};
  SlowFixture f(setup);
  f.task = [&f](const Message&, Context&) {
    f.clock.Advance(1h);
    for (int i = 0; i < 5; ++i) f.loop.RunOnce(1ms);
    return Outcome::Done();
  };
  f.source.Answer({"1"});
  f.slow.RunOne();
  CHECK(f.exited == -1);
  CHECK(f.runner->Stats().state != "draining");
}

TEST_CASE("runner: of a file a line that hangs is charged by the next start, before others run") {
  RunnerFixture::Setup setup;
  setup.checkpoint = true;
  setup.leases = false;
  setup.keeps_requeued = false;
  setup.config.task_timeout = 8ms;
  setup.reader.backoff.max = 0s;
  SlowFixture f(setup);
  f.source.again = true;
  f.task = [&f](const Message& message, Context&) {
    if (message.text() == "2") {
      // The loop goes on while the task does not come back.
      f.clock.Advance(9ms);
      f.Until([&f] { return f.exited == 1; });
    }
    return Outcome::Done();
  };
  f.source.Answer({"1", "2", "3"});
  f.slow.RunOne();
  CHECK(f.exited == 1);
  // Nothing was told, because all of it will be read again.
  CHECK(f.source.pending.empty());
  CHECK(f.SetAside().empty());
  CHECK(f.runner->Stats().checkpoints == 0);
  f.Close();
  f.source.Forget();
  f.source.next_id = 1;
  f.ran.clear();
  f.exited = -1;
  f.slow.todo.clear();
  f.executor = nullptr;
  f.Open();
  REQUIRE(f.runner->Restore().ok());
  f.runner->Start();
  f.source.Answer({"1", "2", "3"});
  f.Until([&f] { return f.runner->Stats().checkpoints == 1; });
  CHECK(f.ran.front() == "1");
  CHECK(f.source.Told()[1].starts_with(R"(requeue {"data":2,"tries":1,)"));
  f.Until([&f] { return f.ran.size() == 2; });
  CHECK(f.ran == Strings{"1", "3"});
  CHECK(f.exited == -1);
}
