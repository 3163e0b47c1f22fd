#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/queuereader/runner/slow_runner.h"

using namespace std::chrono_literals;
using rivulet::Context;
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

TEST_CASE("runner: leases are kept alive while messages wait for a pause to end") {
  RunnerFixture f;
  f.Close();
  f.source.Forget();
  f.source.lease_time = 30ms;
  f.Open();
  f.runner->Start();
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1", "2", "3"});
  f.Turn();
  f.source.TakeAll();
  f.clock.Advance(11ms);  // less than two thirds of the lease are left
  f.Until([&f] { return f.source.touched.size() >= 2; });
  CHECK(f.source.touched == Strings{"r2/1", "r3/1"});
}

TEST_CASE("runner: of a source that may have forgotten its leases nothing is run unconfirmed") {
  RunnerFixture f;
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.fetching);
  f.source.Doubt();  // while the fetch is on its way
  f.source.Answer({"2", "3"});
  f.Turn();
  CHECK(f.ran == Strings{"1"});
  CHECK(f.source.touched == Strings{"r2/0", "r3/0"});
  f.source.Lose({"r2/0"});
  f.source.AnswerTouches();
  f.Turn();
  CHECK(f.ran == Strings{"1", "3"});
  CHECK(f.source.Told() == Strings{"finish r1/0", "finish r3/0"});
}

TEST_CASE("runner: a finish that is stale makes the rest of what is in hand asked about") {
  SlowFixture f;
  f.source.Answer({"1"});
  f.slow.RunOne();
  f.Turn();
  f.source.Answer({"2"});
  f.Turn();
  f.source.TakeAll(Settled::kStale);
  f.Turn();
  CHECK(f.source.touched.back() == "r2/0");
}

TEST_CASE("runner: a touch that failed is tried again soon, until the lease has ended") {
  RunnerFixture f;
  f.Close();
  f.source.Forget();
  f.source.lease_time = 200ms;
  f.Open();
  f.runner->Start();
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1", "2"});  // the second waits for a pause to end
  f.Turn();
  f.source.TakeAll();
  const rivulet::Status away(rivulet::StatusCode::kUnavailable, "answered 503");
  f.clock.Advance(40ms);
  f.Until([&f] { return !f.source.touches.empty(); });
  for (std::size_t tries = 2; tries < 6; ++tries) {
    f.source.AnswerTouches(away);
    f.Until([&f] { return !f.source.touches.empty(); });
    CHECK(f.source.touched.size() == tries);
  }
  CHECK(f.source.touched.back() == "r2/1");
}

TEST_CASE("runner: a lease that was not prolonged in time has its message not run") {
  SlowFixture f;
  f.source.Answer({"1"});
  f.slow.RunOne();
  f.source.TakeAll();
  f.Turn();
  f.source.Answer({"2", "3"});
  f.task = [&f](const Message&, Context&) {
    f.source.Doubt();
    f.Turn();  // touches what is not run yet
    f.clock.Advance(31s);
    return Outcome::Done();
  };
  f.slow.RunOne();
  REQUIRE(f.source.touches.size() == 1);
  f.source.AnswerTouches({rivulet::StatusCode::kUnavailable, "refused"});
  f.Turn();
  CHECK(f.ran == Strings{"1", "2"});
  CHECK(f.source.Told() == Strings{"return r3/0", "finish r2/0"});
}

TEST_CASE("runner: a requeue that is refused is buried once its body is set aside") {
  RunnerFixture f(WithoutBackoff());
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1"});
  f.Turn();
  f.source.TakeAll(Settled::kRefused);
  f.Turn();
  CHECK(f.SetAside().size() == 1);
  CHECK(f.source.Told() == Strings{"bury r1/0"});
}

TEST_CASE("runner: a refused requeue that cannot be set aside is still known, and not lost") {
  RunnerFixture::Setup setup = WithoutBackoff();
  setup.checkpoint = true;
  RunnerFixture f(setup);
  std::ofstream(f.folder.path / "failed") << "no folder";
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1"});
  f.clock.Advance(1s);
  f.Until([&f] { return !f.source.pending.empty(); });
  f.source.TakeAll(Settled::kRefused);
  f.End();
  CHECK(f.runner->exit_status() == 1);
  CHECK(f.runner->Stats().ledger.awaited == 1);
  std::ifstream log(f.folder.path / "log");
  const std::string said{std::istreambuf_iterator<char>(log), {}};
  CHECK(said.find("cannot set a message aside") != std::string::npos);
  CHECK(said.find("lost") == std::string::npos);
}

TEST_CASE("runner: a message that was put back as it was is run with what it should carry") {
  RunnerFixture f(WithoutBackoff());
  f.task = [](const Message&, Context&) { return Outcome::Failed("no"); };
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.pending.size() == 1);
  f.source.TakeAll(Settled::kAsItWas);
  f.Turn();
  f.source.next_id = 1;
  f.source.round = 1;
  f.clock.Advance(90s);
  f.Until([&f] { return f.source.fetching; });
  f.source.Answer({"1"});
  f.Until([&f] { return !f.source.pending.empty(); });
  // Its second try.
  CHECK(f.source.pending[0].receipt == "r1/1");
  CHECK(f.source.pending[0].body.find("\"tries\":2") != std::string::npos);
}
