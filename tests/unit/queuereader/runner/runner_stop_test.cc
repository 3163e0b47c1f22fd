#include <doctest/doctest.h>

#include "tests/unit/queuereader/runner/runner_support.h"

using namespace std::chrono_literals;
using rivulet::Context;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::RunnerFixture;
using Strings = std::vector<std::string>;

namespace {

RunnerFixture::Setup Popped() {
  RunnerFixture::Setup setup;
  setup.leases = false;
  return setup;
}

RunnerFixture::Setup Files() {
  RunnerFixture::Setup setup = Popped();
  setup.keeps_requeued = false;
  return setup;
}

/// The signal comes while the n-th message runs.
void StopAt(RunnerFixture* f, std::size_t n) {
  f->task = [f, n](const Message&, Context&) {
    f->stop_requested = f->ran.size() == n;
    return Outcome::Done();
  };
}

}  // namespace

TEST_CASE("runner: a stop finishes what was run and returns what was not") {
  RunnerFixture f;
  StopAt(&f, 2);
  f.source.Answer({"1", "2", "3", "4"});
  f.Turn();
  f.runner->Stop();
  f.Turn();
  CHECK(f.ran == Strings{"1", "2"});
  CHECK_FALSE(f.source.fetching);
  Strings told = f.source.Told();
  std::sort(told.begin(), told.end());
  CHECK(told == Strings{"finish r1/0", "finish r2/0", "return r3/0", "return r4/0"});
  f.source.TakeAll();
  f.End();
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: a stop puts popped messages back, byte for byte and in order") {
  RunnerFixture f(Popped());
  f.source.cancels = false;
  StopAt(&f, 2);
  f.source.Answer({"0"});
  f.Turn();
  f.source.Answer({"2", " {\"a\": 3} ", "4"});
  f.Turn();
  REQUIRE(f.ran == Strings{"0", "2"});
  f.source.TakeAll();
  f.runner->Stop();
  f.Turn();
  if (f.source.fetching) {
    CHECK(f.source.pending.empty());  // a fetch is on its way, and may bring more
    f.source.Answer({"5"});
    f.Turn();
    CHECK(f.source.Told() == Strings{"requeue  {\"a\": 3} ", "requeue 4", "requeue 5"});
  } else {
    CHECK(f.source.Told() == Strings{"requeue  {\"a\": 3} ", "requeue 4"});
  }
  f.source.TakeAll();
  f.End();
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: a fetch of popped messages that is on its way is awaited") {
  RunnerFixture f(Popped());
  f.source.cancels = false;
  f.runner->Stop();
  f.Turn();
  REQUIRE(f.source.fetching);
  f.source.Answer({"1", "2"});
  f.Turn();
  CHECK(f.source.Told() == Strings{"requeue 1", "requeue 2"});
  f.source.TakeAll();
  f.End();
  CHECK(f.ran.empty());
}

TEST_CASE("runner: what is held goes back at a stop") {
  RunnerFixture f(Popped());
  const std::string message = R"({"data":1,"tries":1,"retry_on":1931923247,"tasks_left":["t"]})";
  f.source.Answer({message});
  f.Turn();
  REQUIRE(f.runner->Stats().held == 1);
  f.runner->Stop();
  f.Turn();
  CHECK(f.source.Told() == Strings{"requeue " + message});
  CHECK(f.ran.empty());
}

TEST_CASE("runner: a stop does not wait for a backoff") {
  RunnerFixture f;
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1", "2"});
  f.Turn();
  REQUIRE(f.runner->Stats().state == "backing off");
  f.runner->Stop();
  f.Turn();
  f.source.TakeAll();
  f.End();
  CHECK(f.ran.size() == 1);
}

TEST_CASE("runner: stopped within a file, retries are set aside and unread lines counted") {
  RunnerFixture::Setup setup = Files();
  setup.reader.backoff.max = 0s;
  RunnerFixture f(setup);
  f.task = [&f](const Message&, Context&) {
    f.stop_requested = true;
    return Outcome::Failed("no");
  };
  f.source.Answer({"1", "2", "3"});
  f.Turn();
  f.runner->Stop();
  f.loop.RunOnce(0ms);
  // The script keeps it, as a file's source keeps retries.
  f.Until([&f] { return f.source.pending.size() == 1; });
  f.source.TakeAll();
  f.End();
  CHECK(f.runner->left() == 2);
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: what a queue does not take back in time is set aside, and the status is 1") {
  RunnerFixture::Setup setup = Popped();
  setup.config.drain_timeout = 1ms;
  RunnerFixture f(setup);
  StopAt(&f, 1);
  f.source.Answer({"1", "2", "3"});
  f.Turn();
  f.source.TakeAll();
  f.runner->Stop();
  f.End();
  CHECK(f.SetAside().size() == 2);
  CHECK(f.runner->exit_status() == 1);
}

TEST_CASE("runner: a stop waits for what tasks emitted, as long as --drain-timeout") {
  RunnerFixture::Setup setup;
  setup.outputs = {"out=file:/dev/full"};  // takes nothing
  setup.config.drain_timeout = 1ms;
  RunnerFixture f(setup);
  f.task = [](const Message&, Context& context) {
    context.Emit("out", "x");
    return Outcome::Done();
  };
  f.source.Answer({"1"});
  f.Turn(10);
  CHECK(f.ran.size() == 1);
  CHECK(f.source.pending.empty());  // its finish waits, too
  f.runner->Stop();
  f.End();
  CHECK(f.source.pending.empty());
  CHECK(f.runner->exit_status() == 1);
}
