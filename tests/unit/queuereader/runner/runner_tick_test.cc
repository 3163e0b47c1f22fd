// Task::Tick(): when the runner calls it.
#include <doctest/doctest.h>

#include <stdexcept>

#include "tests/unit/queuereader/runner/slow_runner.h"

using rivulet::Batch;
using rivulet::Duration;
using rivulet::RunnerFixture;
using rivulet::SlowFixture;

namespace {

using std::chrono::milliseconds;

constexpr Duration kSoon = milliseconds(2);

}  // namespace

TEST_CASE("A task ticks before its first message, and on while none comes") {
  RunnerFixture::Setup setup;
  setup.tick_every = kSoon;
  RunnerFixture f(setup);
  std::vector<std::string> calls;
  f.tick = [&] { calls.emplace_back("tick"); };
  f.task = [&](const rivulet::Message&, rivulet::Context&) {
    calls.emplace_back("run");
    return rivulet::Outcome::Done();
  };
  f.source.Answer({"1"});
  f.Until([&] { return calls.size() >= 4; });
  CHECK(calls.front() == "tick");
  CHECK(std::count(calls.begin(), calls.end(), "run") == 1);
  const std::size_t before = calls.size();
  f.Until([&] { return calls.size() >= before + 2; });
  CHECK(calls.back() == "tick");
}

TEST_CASE("What a tick throws is ignored") {
  RunnerFixture::Setup setup;
  setup.tick_every = kSoon;
  RunnerFixture f(setup);
  int ticks = 0;
  f.tick = [&] {
    ++ticks;
    if (ticks == 1) throw std::runtime_error("no catalogue");
    throw 7;
  };
  f.Until([&] { return ticks >= 3; });
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("What a tick put into the reader's own store is in the next checkpoint") {
  RunnerFixture::Setup setup;
  setup.tick_every = kSoon;
  setup.checkpoint = true;
  RunnerFixture f(setup);
  int ticks = 0;
  f.tick = [&] {
    if (++ticks == 1) CHECK(f.store.Set("items", "three").ok());
  };
  f.Until([&] { return ticks > 0; });
  f.Until([&] {
    f.clock.Advance(milliseconds(100));
    return f.runner->Stats().checkpoints > 0;
  });
  f.Restart();
  REQUIRE(f.store.Set("items", "lost").ok());
  REQUIRE(f.runner->Restore().ok());
  CHECK(f.store.Get("items").value() == "three");
}

TEST_CASE("There is no second tick while one has not come back") {
  SlowFixture::Setup setup;
  setup.tick_every = kSoon;
  SlowFixture f(setup);
  f.Until([&] { return !f.slow.todo.empty(); });
  for (int i = 0; i < 5; ++i) f.loop.RunOnce(milliseconds(3));
  CHECK(f.slow.todo.size() == 1);
}

TEST_CASE("A stop waits for a tick that runs, and begins no other") {
  SlowFixture::Setup setup;
  setup.tick_every = kSoon;
  SlowFixture f(setup);
  int ticks = 0;
  f.tick = [&] { ++ticks; };
  f.Until([&] { return !f.slow.todo.empty(); });
  f.runner->Stop();
  f.Turn();
  CHECK(f.runner->Stats().state == "draining");
  REQUIRE(f.slow.todo.size() == 1);
  f.slow.RunOne();
  CHECK(ticks == 0);  // it had not begun at the stop
  f.End();
}

TEST_CASE("A tick that never comes back ends the reader, and says what hangs") {
  SlowFixture::Setup setup;
  setup.tick_every = kSoon;
  setup.config.task_timeout = milliseconds(20);
  SlowFixture f(setup);
  std::string place;
  f.tick = [&] {
    place = f.mark->current()->Place();
    f.clock.Advance(milliseconds(30));
    f.Until([&] { return f.exited == 1; });
  };
  f.Until([&] { return !f.slow.todo.empty(); });
  f.slow.RunOne();
  CHECK(place == "while its Tick() ran");
  CHECK(f.exited == 1);
}
