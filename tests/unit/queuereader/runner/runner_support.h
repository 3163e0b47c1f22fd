// A runner with a source whose answers the test gives by hand, a clock that the test moves, and
// tasks that run on the loop, one slice a turn.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "queuereader/runner/runner.h"
#include "tests/unit/queuereader/runner/scripted_source.h"

namespace rivulet {

class FunctionOfTest final : public Task {
 public:
  explicit FunctionOfTest(std::function<Outcome(const Message&, Context&)> run)
      : run_(std::move(run)) {}
  Outcome Run(const Message& message, Context& context) override {
    ++runs_;
    return run_(message, context);
  }
  std::string Save() const override { return std::to_string(runs_); }
  void Tick() override {
    if (tick) tick();
  }
  Status Load(std::string_view saved) override {
    runs_ = std::atoi(std::string(saved).c_str());
    return {};
  }

  std::function<void()> tick;

 private:
  std::function<Outcome(const Message&, Context&)> run_;
  int runs_ = 0;
};

/// A folder that goes when it does, with the log in it.
struct RunnerFolder {
  RunnerFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "rivulet_runner_XXXXXX").string();
    path = mkdtemp(pattern.data());
    InitLog({.program = "test", .file = (path / "log").string()}).message();
  }
  ~RunnerFolder() {
    InitLog({.program = "test", .file = ""}).message();
    std::filesystem::remove_all(path);
  }
  std::filesystem::path path;
};

struct RunnerFixture {
  struct Setup {
    RunnerConfig config{};
    ReaderConfig reader{.max_tries = 5, .requeue_delay = std::chrono::seconds(90), .backoff = {}};
    bool leases = true;
    bool keeps_requeued = true;
    bool checkpoint = false;
    std::vector<std::string> outputs{};
    Duration tick_every = std::chrono::hours(1);  // but for the first one
  };

  RunnerFixture() : RunnerFixture(Setup()) {}
  explicit RunnerFixture(Setup setup) : setup_(std::move(setup)) {
    source.leases_messages = setup_.leases;
    source.keeps = setup_.keeps_requeued;
    Open();
    runner->Start();
  }
  /// As after a kill: what was in memory is gone.
  void Restart() {
    Close();
    source.Forget();
    Open();
  }
  void Open() {
    if (setup_.checkpoint) {
      auto opened = CheckpointFile::Open(loop, clock, (folder.path / "state").string(), "q");
      REQUIRE(opened.ok());
      checkpoint = std::move(*opened);
    }
    auto opened_mark = CrashMark::Open(clock, setup_.checkpoint ? mark_path() : "");
    REQUIRE(opened_mark.ok());
    mark = std::move(*opened_mark);
    OutputOptions values;
    values.outputs = setup_.outputs;
    auto opened_outputs = Outputs::Open(loop, clock, values, (folder.path / "dead").string(),
                                        [this] { runner->OnOutputs(); });
    REQUIRE(opened_outputs.ok());
    outputs = std::move(*opened_outputs);
    failed = std::make_unique<FailedMessages>((folder.path / "failed").string(), "q");
    ReaderTasks tasks;
    auto made = std::make_unique<FunctionOfTest>([this](const Message& message, Context& context) {
      ran.emplace_back(message.text());
      return task(message, context);
    });
    made->tick = [this] { tick(); };
    tasks.all_tasks.push_back({"t", std::move(made)});
    ReaderSurroundings surroundings;
    surroundings.clock = &clock;
    surroundings.store = &store;
    surroundings.outputs = outputs->names();
    surroundings.entering = [this](const std::string& name, std::size_t message, MonoTime since) {
      runner->Entering(name, message, since);
    };
    surroundings.left = [this] { runner->Left(); };
    surroundings.calling = [this](const std::string& name, std::string_view what) {
      runner->Calling(name, what);
    };
    reader = std::make_unique<Reader>(setup_.reader, std::move(tasks), std::move(surroundings));
    RunnerConfig config = setup_.config;
    config.reader = setup_.reader;
    config.program = "";
    config.tick_every = setup_.tick_every;
    config.stop_requested = [this] { return stop_requested; };
    config.exit_process = [this](int status) { exited = status; };
    runner = std::make_unique<Runner>(
        std::move(config),
        RunnerParts{&loop, &clock, &source, reader.get(),
                    executor != nullptr ? executor : &loop_executor, failed.get(), mark.get(),
                    outputs.get(), checkpoint.get(), &store, &store});
  }
  void Close() {
    runner.reset();
    reader.reset();
    outputs.reset();
    mark.reset();
    checkpoint.reset();
  }

  std::string mark_path() const { return (folder.path / "state/q.running").string(); }
  void Turn(int times = 4) {
    for (int i = 0; i < times; ++i) loop.RunOnce(std::chrono::milliseconds(0));
  }
  /// Serves the loop until `what` holds; fails the test when it never does.
  void Until(const std::function<bool()>& what) {
    for (int i = 0; i < 2000 && !what(); ++i) loop.RunOnce(std::chrono::milliseconds(5));
    REQUIRE(what());
  }
  /// Lets the reader end.
  void End() {
    loop.Run();
    CHECK(runner->Stats().state == "draining");
  }
  std::vector<std::filesystem::path> SetAside() const {
    std::vector<std::filesystem::path> found;
    if (!std::filesystem::exists(folder.path / "failed/q")) return found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path / "failed/q")) {
      found.push_back(entry.path());
    }
    return found;
  }

  RunnerFolder folder;
  EventLoop loop;
  FakeClock clock;
  ScriptedSource source{clock};
  LoopExecutor loop_executor{loop};
  Executor* executor = nullptr;  // in place of it
  MemoryStore store;
  std::vector<std::string> ran;
  bool stop_requested = false;
  int exited = -1;
  std::function<Outcome(const Message&, Context&)> task = [](const Message&, Context&) {
    return Outcome::Done();
  };
  std::function<void()> tick = [] {};
  std::unique_ptr<CheckpointFile> checkpoint;
  std::unique_ptr<CrashMark> mark;
  std::unique_ptr<Outputs> outputs;
  std::unique_ptr<FailedMessages> failed;
  std::unique_ptr<Reader> reader;
  std::unique_ptr<Runner> runner;

 private:
  Setup setup_;
};

}  // namespace rivulet
