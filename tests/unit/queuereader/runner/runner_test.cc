#include "queuereader/runner/runner.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/queuereader/runner/runner_support.h"

using namespace std::chrono_literals;
using rivulet::Batch;
using rivulet::Context;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::RunnerFixture;
using rivulet::Settled;
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

Outcome Fails(const Message&, Context&) { return Outcome::Failed("no"); }

std::string Content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("runner: messages run in the order they came, over several batches") {
  RunnerFixture f;
  Strings expected;
  for (int batch = 0; batch < 3; ++batch) {
    Strings bodies;
    for (int i = 0; i < 100; ++i) bodies.push_back(std::to_string(batch * 100 + i));
    expected.insert(expected.end(), bodies.begin(), bodies.end());
    f.source.Answer(bodies);
    f.Turn(batch == 1 ? 0 : 6);
    if (batch < 2) f.Until([&f] { return f.source.fetching; });
  }
  f.Turn();
  CHECK(f.ran == expected);
  CHECK(f.source.pending.size() == 300);
}

TEST_CASE("runner: the next batch is asked for while quick messages run") {
  RunnerFixture f;
  f.source.Answer({"1", "2"});
  f.Turn();
  CHECK(f.source.fetches == 2);
  f.task = [&f](const Message&, Context&) {
    CHECK(f.source.fetches == 3);
    return Outcome::Done();
  };
  f.source.Answer({"3", "4"});
  f.Turn();
  CHECK(f.ran.size() == 4);
}

TEST_CASE("runner: no batch is asked for ahead while the tasks take long") {
  RunnerFixture f;
  f.task = [&f](const Message&, Context&) {
    f.clock.Advance(2s);
    return Outcome::Done();
  };
  f.source.Answer({"1", "2", "3"});
  f.Until([&f] { return f.ran.size() == 2; });
  CHECK(f.source.fetches == 1);
  f.Until([&f] { return f.source.fetches == 2; });
  CHECK(f.ran.size() == 3);
}

TEST_CASE("runner: an empty queue is not asked again before its time") {
  RunnerFixture f;
  f.source.Answer({});
  f.Turn(10);
  CHECK(f.source.fetches == 1);
}

TEST_CASE("runner: an empty answer that took long is followed by the next question at once") {
  RunnerFixture f;
  f.clock.Advance(20s);
  f.source.Answer({});
  f.Turn();
  CHECK(f.source.fetches == 2);
}

TEST_CASE("runner: a failure pauses the messages after it until the backoff is over") {
  RunnerFixture f;
  f.task = [&f](const Message&, Context&) {
    return f.ran.size() == 1 ? Outcome::Failed("no") : Outcome::Done();
  };
  f.source.Answer({"1", "2"});
  f.Turn(10);
  CHECK(f.ran.size() == 1);
  CHECK(f.runner->Stats().state == "backing off");
  f.clock.Advance(3359ms);  // the first failure pauses for 3.36 s
  f.runner->OnOutputs();
  f.Turn();
  CHECK(f.ran.size() == 1);
  f.clock.Advance(1ms);
  f.Until([&f] { return f.ran.size() == 2; });
}

TEST_CASE("runner: after a requeue it pauses for --sleeptime-requeue") {
  RunnerFixture::Setup setup;
  setup.config.sleeptime_requeue = 4ms;
  setup.reader.backoff.max = 0s;
  RunnerFixture f(setup);
  f.task = Fails;
  f.source.Answer({"1", "2"});
  f.Turn(10);
  CHECK(f.ran.size() == 1);
  f.clock.Advance(4ms);
  f.Until([&f] { return f.ran.size() == 2; });
}

TEST_CASE("runner: a popped message that failed goes back with its delay") {
  RunnerFixture::Setup setup = Popped();
  setup.reader.backoff.max = 0s;
  RunnerFixture f(setup);
  f.task = Fails;
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.pending.size() == 1);
  CHECK(f.source.pending[0].fate == rivulet::Fate::kRequeue);
  CHECK(f.source.pending[0].delay == 90s);
}

TEST_CASE("runner: a popped message that comes too early is held until it is due") {
  RunnerFixture f(Popped());
  f.source.Answer({R"({"data":1,"tries":1,"retry_on":1331923337})"});  // in 90 s
  f.Turn();
  CHECK(f.runner->Stats().held == 1);
  CHECK(f.ran.empty());
  f.clock.Advance(90s);
  f.Until([&f] { return f.ran.size() == 1; });
  CHECK(f.runner->Stats().held == 0);
  f.Turn();
  CHECK(f.source.Told() == Strings{"finish"});
}

TEST_CASE("runner: a requeue that is refused for good is set aside") {
  RunnerFixture::Setup setup;
  setup.reader.backoff.max = 0s;
  for (bool leases : {false, true}) {
    CAPTURE(leases);
    setup.leases = leases;
    RunnerFixture f(setup);
    f.task = Fails;
    f.source.Answer({"1"});
    f.Turn();
    REQUIRE(f.source.pending.size() == 1);
    std::string body = f.source.pending[0].body;
    f.source.TakeAll(Settled::kRefused);
    REQUIRE(f.SetAside().size() == 1);
    CHECK(Content(f.SetAside()[0]) == body);
    f.Turn();
    // Under a lease the queue still has the message as it was.
    CHECK(f.source.Told() == (leases ? Strings{"bury r1/0"} : Strings{}));
  }
}

TEST_CASE("runner: malformed and given-up messages are on disk before they are dead letters") {
  RunnerFixture::Setup setup;
  setup.reader = {.max_tries = 1, .requeue_delay = 0s, .backoff = {}};
  setup.reader.backoff.max = 0s;
  RunnerFixture f(setup);
  f.task = Fails;
  f.source.Answer({"{", "1"});
  for (int i = 0; i < 10 && f.source.pending.empty(); ++i) f.Turn(1);
  CHECK(f.SetAside().size() == 2);
  CHECK(f.source.Told() == Strings{"bury r1/0", "bury r2/0"});
  CHECK(f.runner->Stats().failed_messages == 2);
}

TEST_CASE("runner: a message that cannot be set aside stays at the queue, and the reader stops") {
  for (bool leases : {true, false}) {
    CAPTURE(leases);
    RunnerFixture::Setup setup;
    setup.leases = leases;
    RunnerFixture f(setup);
    std::ofstream(f.folder.path / "failed") << "in the way";
    f.source.Answer({"{", "2"});
    f.Until([&f] { return f.source.pending.size() == 2; });
    CHECK(f.source.Told() ==
          (leases ? Strings{"return r1/0", "return r2/0"} : Strings{"requeue {", "requeue 2"}));
    f.source.TakeAll();
    f.End();
    CHECK(f.ran.empty());
    CHECK(f.runner->exit_status() == 1);
  }
}

TEST_CASE("runner: a source that fails is asked again after --sleeptime-failed-queue") {
  RunnerFixture f;
  f.source.Answer({}, Batch::State::kFailed);
  f.Turn();
  CHECK(f.runner->Stats().state == "source away");
  CHECK(f.source.fetches == 1);
  f.clock.Advance(5s);
  f.runner->OnOutputs();
  f.Turn();
  CHECK(f.source.fetches == 2);
  f.source.Answer({});
  CHECK(f.runner->Stats().source_status.ok());
}

TEST_CASE("runner: a file that cannot be read ends it with status 1") {
  RunnerFixture f(Files());
  f.source.Answer({}, Batch::State::kFailed);
  f.End();
  CHECK(f.runner->exit_status() == 1);
}

TEST_CASE("runner: the end of the input ends it, after the retries") {
  RunnerFixture::Setup setup = Files();
  setup.reader = {.max_tries = 2, .requeue_delay = 0s, .backoff = {}};
  setup.reader.backoff.max = 0s;
  RunnerFixture f(setup);
  f.task = [&f](const Message&, Context&) {
    return f.ran.size() == 2 ? Outcome::Failed("no") : Outcome::Done();
  };
  f.source.Answer({"0"});
  f.Turn();
  f.source.TakeAll();
  f.source.Answer({"1", "2"});
  f.source.Answer({}, Batch::State::kEnded);
  f.Turn();
  REQUIRE(f.source.fetching);  // something was requeued after all
  const auto settled = f.source.TakeAll();
  REQUIRE(settled.size() == 2);
  f.source.Answer({settled[0].body}, Batch::State::kEnded, true);
  f.Turn();
  f.source.TakeAll();
  f.source.Answer({}, Batch::State::kEnded);
  f.End();
  CHECK(f.ran == Strings{"0", "1", "2", "1"});
  CHECK(f.reader->counts().finished == 3);
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: what a task emits is sent in order, and looks between two slices see it") {
  RunnerFixture::Setup setup;
  setup.outputs = {"out=file:/dev/null"};
  RunnerFixture f(setup);
  f.task = [](const Message& message, Context& context) {
    context.Emit("out", message.text());
    return Outcome::Done();
  };
  f.source.Answer({"1", "2"});
  f.Until([&f] { return f.source.pending.size() == 2; });
  CHECK(f.outputs->emitted() == 2);
  std::uint64_t messages = 0;
  bool done = false;
  f.runner->Inspect([&](const rivulet::Reader& reader) { messages = reader.counts().messages; },
                    [&] { done = true; });
  f.Turn();
  CHECK(done);
  CHECK(messages == 2);
}

TEST_CASE("runner: with a thread of their own tasks take their time while the loop goes on") {
  RunnerFixture f;
  rivulet::TaskThread thread(f.loop, f.clock);
  f.Close();
  f.executor = &thread;
  f.source.Forget();
  f.Open();
  std::atomic<bool> go{false};
  f.task = [&go](const Message&, Context&) {
    while (!go) std::this_thread::yield();
    return Outcome::Done();
  };
  f.runner->Start();
  f.source.Answer({"1", "2", "3"});
  f.Until([&f] { return f.runner->Stats().current.has_value(); });
  CHECK(f.runner->Stats().current->task == "t");
  CHECK(f.runner->Stats().current->message == "here message 1");
  go = true;
  f.Until([&f] { return f.source.pending.size() == 3; });
  f.source.TakeAll();
  f.runner->Stop();
  f.End();
  CHECK(f.ran == Strings{"1", "2", "3"});
  f.Close();
}
