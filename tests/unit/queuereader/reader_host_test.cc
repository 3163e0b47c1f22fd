#include "queuereader/reader_host.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/queuereader/runner/runner_support.h"
#include "tests/unit/queuereader/source/scripted_queue.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

struct HostTest {
  HostTest() {
    registry.AddFunction("learn", [](const Message& message, Context& context) {
      const auto counted = context.store().Increment(std::string(message.Text("key").value()), 1);
      return counted.ok() ? Outcome::Done() : Outcome::Failed(counted.status().message());
    });
    config.registry = &registry;
    config.options.tasks = {"learn"};
    config.options.failed_message_dir = (folder.path / "failed").string();
    config.options.progress = false;
    config.on_end = [this] { ++ends; };
  }
  void ReadFile(const std::string& lines) {
    const std::string path = (folder.path / "input.jsonl").string();
    std::ofstream(path) << lines;
    config.options.sources = {path};
    config.options.reads_files = true;
  }
  void Open() {
    auto opened = ReaderHost::Open(loop, clock, config);
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    host = std::move(*opened);
  }
  template <typename Condition>
  void Until(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) loop.RunOnce(milliseconds(5));
    REQUIRE(condition());
  }
  /// As somebody else on the loop asks for it.
  std::string InStore(const std::string& key) {
    std::string found;
    bool done = false;
    host->runner().Inspect([&](const Reader&) { found = host->store().Get(key)->value_or("-"); },
                           [&] { done = true; });
    Until([&] { return done; });
    return found;
  }

  RunnerFolder folder;
  EventLoop loop;
  SystemClock clock;
  TaskRegistry registry;
  ReaderHostConfig config;
  int ends = 0;
  std::unique_ptr<ReaderHost> host;
};

}  // namespace

TEST_CASE("reader host: reads to the end beside what else the loop serves, and is asked after it") {
  HostTest test;
  test.ReadFile("{\"key\":\"a\"}\n{\"key\":\"b\"}\n{\"key\":\"a\"}\n");
  test.Open();
  CHECK_FALSE(test.host->ended());
  test.host->Start();
  test.Until([&] { return test.ends == 1; });
  CHECK(test.host->ended());
  CHECK(test.host->counts().finished == 3);
  CHECK(test.host->runner().exit_status() == 0);
  // The loop was not stopped, and the store may still be looked at.
  CHECK(test.InStore("a") == "2");
  CHECK(test.InStore("b") == "1");
  CHECK(test.host->source().name().find("input.jsonl") != std::string::npos);
}

TEST_CASE(
    "reader host: a stop ends it once, and what it had counted comes back at the next start") {
  HostTest test;
  test::ScriptedQueue queue(test.loop);
  int given = 0;
  queue.answer = [&](const test::ScriptedQueue::Asked&) {
    return ++given == 1 ? test::ScriptedQueue::Answer{200, "{\"key\":\"a\"}\n"}
                        : test::ScriptedQueue::Answer{200, ""};
  };
  test.config.options.sources = {queue.url()};
  test.config.options.lease = {};
  test.config.options.sleeptime_queue_empty = milliseconds(1);
  test.config.options.checkpoint_dir = (test.folder.path / "state").string();
  test.config.options.checkpoint_name = "q";
  test.Open();
  test.host->Start();
  test.Until([&] { return test.host->runner().Stats().reader.counts.finished == 1; });
  test.host->Stop();
  test.host->Stop();
  test.Until([&] { return test.ends == 1; });
  CHECK(test.host->runner().exit_status() == 0);
  test.host.reset();
  test.Open();
  CHECK(test.host->restored() == 1);
  CHECK(test.InStore("a") == "1");
  // Though it was neither started nor stopped.
  test.host.reset();
  CHECK(test.ends == 1);
}

TEST_CASE("reader host: what cannot be opened names its option") {
  HostTest test;
  test.ReadFile("");
  const auto refused = [&] {
    const Status status = ReaderHost::Open(test.loop, test.clock, test.config).status();
    CHECK_FALSE(status.ok());
    return status;
  };
  test.config.options.tasks = {"nothing"};
  CHECK(refused().code() == StatusCode::kInvalidArgument);
  CHECK(refused().message().find("--task: ") == 0);
  test.config.options.tasks = {"learn"};
  test.config.options.store = "nowhere:";
  CHECK(refused().message().find("--store: ") == 0);
  test.config.options.store = "memory:";
  test.config.options.sources = {"http://127.0.0.1:1"};
  test.config.options.reads_files = false;
  test.config.options.auth_token_file = (test.folder.path / "none").string();
  test.config.token_option = "source-auth-token-file";
  CHECK(refused().message().find("--source-auth-token-file=") == 0);
}
