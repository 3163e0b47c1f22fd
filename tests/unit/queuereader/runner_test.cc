#include "queuereader/runner.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"

using namespace std::chrono_literals;
using rivulet::Batch;
using rivulet::Delivery;
using rivulet::Duration;
using rivulet::EventLoop;
using rivulet::FailedMessages;
using rivulet::FakeClock;
using rivulet::Message;
using rivulet::NamedTask;
using rivulet::Outcome;
using rivulet::Reader;
using rivulet::ReaderConfig;
using rivulet::Runner;
using rivulet::RunnerConfig;
using rivulet::Source;
using rivulet::Status;
using rivulet::Task;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

/// A queue in memory whose answers the test gives by hand.
class FakeSource final : public Source {
 public:
  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override {
    REQUIRE_FALSE(fetching);
    fetching = true;
    ++fetches;
  }
  void Requeue(std::uint32_t, std::string body) override {
    (takes ? taken : pending).push_back(std::move(body));
  }
  void Finish(const Delivery&) override { ++finished; }
  bool keeps_requeued() const override { return keeps; }
  std::size_t requeues_pending() const override { return pending.size(); }
  Strings TakePending() override { return std::exchange(pending, {}); }
  std::string name() const override { return "a fake"; }

  void Answer(const Strings& bodies, Batch::State empty = Batch::State::kEmpty,
              bool requeued = false) {
    REQUIRE(fetching);
    fetching = false;
    Batch batch;
    batch.state = bodies.empty() ? empty : Batch::State::kMessages;
    batch.status = Status(rivulet::StatusCode::kUnavailable, "refused");
    for (const std::string& body : bodies) {
      batch.messages.push_back({batch.bytes.size(), body.size(), 0, requeued});
      batch.bytes += body;
    }
    events_.fetched(std::move(batch));
  }
  void TakeAll() {
    for (std::string& body : pending) taken.push_back(std::move(body));
    pending.clear();
    events_.requeued();
  }
  void Refuse() {
    std::string body = pending.front();
    pending.erase(pending.begin());
    events_.refused(body, Status(rivulet::StatusCode::kInvalidArgument, "answered 413"));
  }

  bool fetching = false;
  int fetches = 0;
  int finished = 0;
  bool takes = true;
  bool keeps = true;
  Strings pending;
  Strings taken;

 private:
  Events events_;
};

class FunctionTask final : public Task {
 public:
  explicit FunctionTask(std::function<Outcome(const Message&)> run) : run_(std::move(run)) {}
  Outcome Run(const Message& message) override { return run_(message); }

 private:
  std::function<Outcome(const Message&)> run_;
};

struct Fixture {
  explicit Fixture(RunnerConfig config = {}, ReaderConfig reader_config = {}) {
    std::string pattern = (fs::temp_directory_path() / "rivulet_runner_XXXXXX").string();
    folder = mkdtemp(pattern.data());
    rivulet::InitLog({.program = "test", .file = (folder / "log").string()}).message();
    std::vector<NamedTask> tasks;
    tasks.push_back({"t", std::make_unique<FunctionTask>([this](const Message& message) {
                       ran.emplace_back(message.text());
                       return task(message);
                     })});
    failed = std::make_unique<FailedMessages>((folder / "failed").string(), "q");
    reader = std::make_unique<Reader>(reader_config, std::move(tasks));
    config.stop_requested = [this] { return stop_requested; };
    runner = std::make_unique<Runner>(loop, clock, config, source, *reader, *failed);
    runner->Start();
  }
  ~Fixture() {
    rivulet::InitLog({.program = "test", .file = ""}).message();
    fs::remove_all(folder);
  }
  void Turn(int times = 3) {
    for (int i = 0; i < times; ++i) loop.RunOnce(0ms);
  }
  /// How many messages were set aside.
  std::ptrdiff_t SetAside() const {
    if (!fs::exists(folder / "failed/q")) return 0;
    return std::distance(fs::directory_iterator(folder / "failed/q"), fs::directory_iterator());
  }

  EventLoop loop;
  FakeClock clock;
  fs::path folder;
  FakeSource source;
  Strings ran;
  bool stop_requested = false;
  std::function<Outcome(const Message&)> task = [](const Message&) { return Outcome::Done(); };
  std::unique_ptr<FailedMessages> failed;
  std::unique_ptr<Reader> reader;
  std::unique_ptr<Runner> runner;
};

}  // namespace

TEST_CASE("runner: the next batch is asked for before the present one has run") {
  Fixture f;
  CHECK(f.source.fetches == 1);
  f.task = [&f](const Message&) {
    CHECK(f.source.fetches == 2);
    return Outcome::Done();
  };
  f.source.Answer({"1", "2"});
  f.Turn();
  CHECK(f.ran == Strings{"1", "2"});
  CHECK(f.source.finished == 2);
}

TEST_CASE("runner: an empty queue is not asked again before its time") {
  Fixture f;
  f.source.Answer({});
  f.Turn(10);
  CHECK(f.source.fetches == 1);
}

TEST_CASE("runner: a stop between two messages puts the rest back, byte for byte and in order") {
  Fixture f;
  f.task = [&f](const Message&) {
    f.stop_requested = f.ran.size() == 2;
    return Outcome::Done();
  };
  f.source.Answer({"1", "2", " {\"a\": 3} ", "4"});
  f.runner->Stop();
  f.Turn();
  CHECK(f.ran == Strings{"1", "2"});
  CHECK(f.source.taken.empty());  // a fetch is on its way, and may bring more
  f.source.Answer({"5", "6"});
  f.Turn();
  CHECK(f.source.taken == Strings{" {\"a\": 3} ", "4", "5", "6"});
  CHECK(f.ran.size() == 2);
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: a failed message goes back at once, and is held when it comes too early") {
  Fixture f({}, {.max_tries = 5, .requeue_delay = 90s, .max_backoff = 0s});
  f.task = [](const Message&) { return Outcome::Failed("no"); };
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.taken.size() == 1);
  f.source.Answer(f.source.taken);
  f.Turn();
  CHECK(f.ran.size() == 1);
  CHECK(f.runner->held() == 1);
  CHECK(f.source.taken.size() == 1);  // not put back again and again

  f.clock.Advance(90s);
  f.source.Answer({});
  f.Turn();
  CHECK(f.ran.size() == 2);
  CHECK(f.runner->held() == 0);
}

TEST_CASE("runner: what is held goes back at a stop") {
  Fixture f;
  std::string message = R"({"data":1,"tries":1,"retry_on":1931923247,"tasks_left":["t"]})";
  f.source.Answer({message});
  f.Turn();
  REQUIRE(f.runner->held() == 1);
  f.runner->Stop();
  f.source.Answer({});
  f.Turn();
  CHECK(f.source.taken == Strings{message});
  CHECK(f.ran.empty());
}

TEST_CASE("runner: a failure pauses the messages after it until the backoff is over") {
  Fixture f;
  f.task = [&f](const Message&) {
    return f.ran.size() == 1 ? Outcome::Failed("no") : Outcome::Done();
  };
  f.source.Answer({"1", "2"});
  f.Turn(10);
  CHECK(f.ran.size() == 1);
  f.clock.Advance(3359ms);  // the first failure pauses for 3.36 s
  f.source.Answer({});
  f.Turn();
  CHECK(f.ran.size() == 1);
  f.clock.Advance(1ms);
  f.loop.RunOnce(5s);
  CHECK(f.ran.size() == 2);
}

TEST_CASE("runner: malformed and given-up messages are set aside, and only then finished") {
  Fixture f({}, {.max_tries = 1, .requeue_delay = 0s, .max_backoff = 0s});
  f.task = [](const Message&) { return Outcome::Failed("no"); };
  f.source.Answer({"{", "1"});
  f.Turn();
  CHECK(f.SetAside() == 2);
  CHECK(f.source.finished == 2);
  CHECK(f.source.taken.empty());
}

TEST_CASE("runner: a message that cannot be set aside stops the reader, and goes back") {
  Fixture f;
  std::ofstream(f.folder / "failed") << "in the way";
  f.source.Answer({"{", "2"});
  f.Turn();
  f.source.Answer({});
  f.Turn();
  CHECK(f.source.taken == Strings{"{", "2"});
  CHECK(f.ran.empty());
  CHECK(f.runner->exit_status() == 1);
}

TEST_CASE("runner: a requeue that is refused for good is set aside") {
  Fixture f({}, {.max_tries = 5, .requeue_delay = 90s, .max_backoff = 0s});
  f.source.takes = false;
  f.task = [](const Message&) { return Outcome::Failed("no"); };
  f.source.Answer({"1"});
  f.Turn();
  REQUIRE(f.source.pending.size() == 1);
  f.source.Refuse();
  CHECK(f.SetAside() == 1);
}

TEST_CASE("runner: with --exit-when-empty it ends once the queue was empty for so long") {
  Fixture f({.exit_when_empty = 2s});
  f.source.Answer({});
  f.Turn();
  f.clock.Advance(1999ms);
  f.loop.RunOnce(5s);
  REQUIRE(f.source.fetches == 2);
  f.source.Answer({});
  f.Turn();
  f.clock.Advance(1ms);
  f.loop.RunOnce(5s);
  REQUIRE(f.source.fetches == 3);
  f.source.Answer({});
  f.loop.Run();  // returns, because the runner stopped it
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: --exit-when-empty waits for what is held") {
  Fixture f({.sleeptime_queue_empty = 1ms, .exit_when_empty = 0s});
  f.source.Answer({R"({"data":1,"tries":1,"retry_on":1331923337})"});
  f.Turn();
  f.source.Answer({});
  f.clock.Advance(10s);
  f.loop.RunOnce(5s);
  REQUIRE(f.source.fetching);
  f.clock.Advance(80s);
  f.source.Answer({});
  f.Turn();
  CHECK(f.ran.size() == 1);
  f.clock.Advance(1s);
  f.loop.RunOnce(5s);
  f.source.Answer({});
  f.loop.Run();
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: the end of the input ends it, after the retries") {
  Fixture f({}, {.max_tries = 2, .requeue_delay = 0s, .max_backoff = 0s});
  f.source.keeps = false;
  f.task = [&f](const Message&) {
    return f.ran.size() == 1 ? Outcome::Failed("no") : Outcome::Done();
  };
  f.source.Answer({"1", "2"});
  f.Turn();
  f.source.Answer({}, Batch::State::kEnded);
  f.Turn();
  REQUIRE(f.source.fetching);  // something was requeued after all
  f.source.Answer(f.source.taken, Batch::State::kEnded, true);
  f.Turn();
  f.source.Answer({}, Batch::State::kEnded);
  f.loop.Run();
  CHECK(f.ran == Strings{"1", "2", "1"});
  CHECK(f.reader->counts().finished == 2);
}

TEST_CASE("runner: stopped within a file, retries are set aside and unread lines counted") {
  Fixture f;
  f.source.keeps = false;
  f.task = [&f](const Message&) {
    f.stop_requested = true;
    return Outcome::Done();
  };
  f.source.Answer({"1", "2", "3"});
  f.source.pending = {R"({"data":9,"tries":1})"};
  f.runner->Stop();
  f.loop.Run();
  CHECK(f.runner->left() == 2);
  CHECK(f.SetAside() == 1);
  CHECK(f.runner->exit_status() == 0);
}

TEST_CASE("runner: what a queue does not take back in time is set aside, and the status is 1") {
  Fixture f({.drain_timeout = 1ms});
  f.source.takes = false;
  f.task = [&f](const Message&) {
    f.stop_requested = true;
    return Outcome::Done();
  };
  f.source.Answer({"1", "2", "3"});
  f.runner->Stop();
  f.source.Answer({});
  f.loop.Run();
  CHECK(f.SetAside() == 2);
  CHECK(f.runner->exit_status() == 1);
}

TEST_CASE("runner: a file that cannot be read ends it with status 1") {
  Fixture f;
  f.source.keeps = false;
  f.source.Answer({}, Batch::State::kFailed);
  f.loop.Run();
  CHECK(f.runner->exit_status() == 1);
}
