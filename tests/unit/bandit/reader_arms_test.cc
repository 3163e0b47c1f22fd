#include "bandit/reader_arms.h"

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "queuereader/reader_host.h"
#include "tests/unit/queuereader/runner/runner_support.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

/// A reader with a task that counts a click of item a, and waits while it is told to.
struct Learning {
  Learning() {
    registry.AddFunction("learn", [this](const Message&, Context& context) {
      while (busy) std::this_thread::sleep_for(milliseconds(1));
      return context.store().HashIncrement("items", "c|a", 1).ok() ? Outcome::Done()
                                                                   : Outcome::Failed("store");
    });
    const std::string path = (folder.path / "input.jsonl").string();
    std::ofstream(path) << "{}\n{}\n{}\n";
    ReaderHostConfig config;
    config.registry = &registry;
    config.options.tasks = {"learn"};
    config.options.sources = {path};
    config.options.reads_files = true;
    config.options.failed_message_dir = (folder.path / "failed").string();
    config.on_end = [] {};
    auto opened = ReaderHost::Open(loop, clock, config);
    REQUIRE(opened.ok());
    host = std::move(*opened);
    arms = std::make_unique<ReaderArms>(
        loop, clock, host->runner(), host->store(),
        ArmsReaderConfig{
            .keys = {}, .features = 0, .refresh = milliseconds(1), .timeout = milliseconds(20)});
  }
  ~Learning() { busy = false; }
  template <typename Condition>
  void Until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      loop.RunOnce(milliseconds(5));
    }
  }
  const KnownArms& known() const { return arms->known(); }

  RunnerFolder folder;
  EventLoop loop;
  SystemClock clock;
  TaskRegistry registry;
  std::atomic<bool> busy = false;
  std::unique_ptr<ReaderHost> host;
  std::unique_ptr<ReaderArms> arms;
};

}  // namespace

TEST_CASE("reader arms: follow the store of this process, and stay while a task takes its time") {
  Learning learning;
  learning.arms->Start();
  learning.Until([&] { return learning.known().arms != nullptr; });
  const auto none = learning.known().arms;
  CHECK(none->arms.empty());
  const auto failures = learning.known().failures;  // a slow machine may have been late
  learning.busy = true;
  learning.host->Start();
  learning.Until([&] { return !learning.known().status.ok(); });
  CHECK(learning.known().arms == none);
  CHECK(learning.known().failures == failures + 1);
  CHECK(learning.known().status.message() == "the tasks are busy: not read within 20ms");
  int told = 0;
  learning.arms->ReadNow([&] { ++told; });
  learning.Until([&] { return told == 1; });  // after the timeout, with nothing new
  CHECK(learning.known().arms == none);
  learning.busy = false;
  learning.Until([&] {
    return !learning.known().arms->arms.empty() && learning.known().arms->arms[0].clicks == 3;
  });
  learning.Until([&] { return learning.known().status.ok(); });
  CHECK(learning.known().arms->arms[0].id == "a");
}

TEST_CASE("reader arms: may go while a reading is under way") {
  Learning learning;
  learning.arms->Start();
  learning.loop.RunOnce(milliseconds(0));
  learning.arms.reset();
  for (int i = 0; i < 10; ++i) learning.loop.RunOnce(milliseconds(1));
}

TEST_CASE("reader arms: a store that has done nothing since is not asked again") {
  Learning learning;
  learning.arms->Start();
  learning.Until([&] { return learning.known().arms != nullptr; });
  const auto asked = learning.host->store().Report().commands;
  const auto readings = learning.known().readings;
  learning.Until([&] { return learning.known().readings >= readings + 3; });
  CHECK(learning.host->store().Report().commands == asked);
  learning.host->Start();
  learning.Until([&] { return !learning.known().arms->arms.empty(); });
}
