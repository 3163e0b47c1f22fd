#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/queuereader/runner/runner_support.h"

using namespace std::chrono_literals;
using rivulet::Context;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::RunnerFixture;
using Strings = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

RunnerFixture::Setup Checkpointed() {
  RunnerFixture::Setup setup;
  setup.checkpoint = true;
  return setup;
}

/// Lets one be written.
void NextCheckpoint(RunnerFixture* f) {
  const std::uint64_t before = f->runner->Stats().checkpoints;
  f->clock.Advance(1s);
  f->runner->OnOutputs();
  f->Until([&] { return f->runner->Stats().checkpoints > before; });
}

}  // namespace

TEST_CASE("runner: nothing is finished before a checkpoint holds it, then all that it holds is") {
  RunnerFixture f(Checkpointed());
  f.source.Answer({"1", "2"});
  f.Turn();
  CHECK(f.ran.size() == 2);
  CHECK(f.source.pending.empty());
  CHECK(f.runner->Stats().ledger.decided == 2);
  NextCheckpoint(&f);
  CHECK(f.source.Told() == Strings{"finish r1/0", "finish r2/0"});
}

TEST_CASE("runner: what runs while a checkpoint is written waits for the next") {
  RunnerFixture f(Checkpointed());
  f.source.Answer({"1"});
  f.Turn();
  f.clock.Advance(1s);
  f.runner->OnOutputs();
  f.Until([&f] { return f.checkpoint->writing(); });
  // The loop has not heard of its end, which comes by the loop.
  f.source.Answer({"2"});
  f.Until([&f] { return f.runner->Stats().checkpoints == 1 && f.ran.size() == 2; });
  CHECK(f.source.Told() == Strings{"finish r1/0"});
  f.source.TakeAll();
  NextCheckpoint(&f);
  CHECK(f.source.Told() == Strings{"finish r2/0"});
}

TEST_CASE("runner: a checkpoint is due after so many messages, too") {
  RunnerFixture::Setup setup = Checkpointed();
  setup.config.checkpoint_every = 1h;
  setup.config.checkpoint_messages = 3;
  RunnerFixture f(setup);
  f.source.Answer({"1", "2"});
  f.Turn(10);
  CHECK(f.runner->Stats().checkpoints == 0);
  f.source.Answer({"3"});
  f.Until([&f] { return f.source.pending.size() == 3; });
}

TEST_CASE("runner: after a kill what the checkpoint holds is finished and not run again") {
  RunnerFixture f(Checkpointed());
  REQUIRE(f.store.Set("k", "v").ok());
  f.source.Answer({"1", "2"});
  f.Turn();
  NextCheckpoint(&f);  // and the queue never hears of it
  f.source.Answer({"3"});
  f.Turn();
  REQUIRE(f.ran.size() == 3);
  f.ran.clear();
  REQUIRE(f.store.Set("k", "lost").ok());
  f.Restart();
  REQUIRE(f.runner->Restore().ok());
  CHECK(f.reader->Save().value().at("task:t") == "2");
  CHECK(f.store.Get("k").value() == "v");
  f.runner->Start();
  f.source.next_id = 1;
  f.source.Answer({"1", "2", "3"});
  f.Turn();
  CHECK(f.ran == Strings{"3"});
  // With the receipts that it knows of: those told at the start, or the newer ones.
  CHECK(f.source.pending.size() == 2);
  for (const auto& settlement : f.source.pending) CHECK(settlement.fate == rivulet::Fate::kFinish);
}

TEST_CASE("runner: a checkpoint that fails holds everything back, until one succeeds") {
  RunnerFixture f(Checkpointed());
  fs::rename(f.folder.path / "state", f.folder.path / "away");
  f.source.Answer({"1"});
  f.Turn();
  f.clock.Advance(1s);
  f.runner->OnOutputs();
  f.Until([&f] { return !f.runner->Stats().checkpoint_status.ok(); });
  CHECK(f.source.pending.empty());
  CHECK(f.runner->Stats().ledger.decided == 1);
  f.Turn(10);
  CHECK(f.source.pending.empty());
  fs::rename(f.folder.path / "away", f.folder.path / "state");
  NextCheckpoint(&f);
  CHECK(f.source.Told() == Strings{"finish r1/0"});
  CHECK(f.runner->Stats().checkpoint_status.ok());
}

TEST_CASE("runner: a stop writes one last checkpoint, and only then finishes") {
  RunnerFixture f(Checkpointed());
  f.source.Answer({"1"});
  f.Turn();
  f.runner->Stop();
  f.Until([&f] { return f.source.pending.size() == 1; });
  CHECK(f.runner->Stats().checkpoints == 1);
  f.source.TakeAll();
  f.End();
  CHECK(f.runner->exit_status() == 0);
  // The next start has nothing to tell again.
  f.Restart();
  REQUIRE(f.runner->Restore().ok());
  CHECK(f.runner->Stats().ledger.covered == 0);
}

TEST_CASE("runner: a stop without a checkpoint that succeeds ends with status 1, nothing told") {
  RunnerFixture::Setup setup = Checkpointed();
  setup.config.drain_timeout = 20ms;
  RunnerFixture f(setup);
  fs::rename(f.folder.path / "state", f.folder.path / "away");
  f.source.Answer({"1"});
  f.Turn();
  f.runner->Stop();
  f.End();
  CHECK(f.source.pending.empty());
  CHECK(f.runner->exit_status() == 1);
}

TEST_CASE("runner: the place in a file is part of the checkpoint, retries are not set aside") {
  RunnerFixture::Setup setup = Checkpointed();
  setup.leases = false;
  setup.keeps_requeued = false;
  RunnerFixture f(setup);
  f.source.Answer({"1", "2"});
  f.Turn();
  CHECK(f.source.TakeAll().size() == 2);
  f.source.place = "behind 2";
  f.runner->Stop();
  f.End();
  CHECK(f.runner->Stats().checkpoints == 1);
  f.Restart();
  f.source.place.clear();
  REQUIRE(f.runner->Restore().ok());
  CHECK(f.source.place == "behind 2");
}

TEST_CASE("runner: what a checkpoint says and no one understands refuses the start") {
  RunnerFixture f(Checkpointed());
  f.Close();
  rivulet::CheckpointSections sections{{"ledger", "nonsense"}};
  std::ofstream(f.folder.path / "state/q.checkpoint") << rivulet::EncodeCheckpoint(sections);
  f.source.Forget();
  f.Open();
  const rivulet::Status status = f.runner->Restore();
  CHECK_FALSE(status.ok());
  CHECK(status.message().find("q.checkpoint") != std::string::npos);
}

TEST_CASE(
    "runner: decisions of a source that is no more refuse the start, unless told to drop them") {
  for (const bool forget : {false, true}) {
    RunnerFixture::Setup setup = Checkpointed();
    setup.config.forget_sources = forget;
    RunnerFixture f(setup);
    f.Close();
    rivulet::Ledger ledger(1);
    for (std::uint64_t id = 1; id <= 3; ++id) {
      ledger.Decide(ledger.Receive({0, 0, id, "r", "x", rivulet::MonoTime(1h)}).token, {});
    }
    rivulet::CheckpointSections sections{{"ledger", ledger.Save({"elsewhere"})}};
    std::ofstream(f.folder.path / "state/q.checkpoint") << rivulet::EncodeCheckpoint(sections);
    f.source.Forget();
    f.Open();
    const rivulet::Status status = f.runner->Restore();
    CHECK(status.ok() == forget);
    CHECK(forget == (status.message().find("3 decisions that elsewhere") == std::string::npos));
  }
}

TEST_CASE("runner: an empty queue is not waited for longer than checkpoints may fail") {
  RunnerFixture::Setup setup = Checkpointed();
  setup.config.exit_when_empty = 1s;
  setup.config.drain_timeout = 5s;
  RunnerFixture f(setup);
  fs::rename(f.folder.path / "state", f.folder.path / "away");
  f.source.Answer({"1"});
  f.Turn();
  const auto ask = [&f] {
    f.Until([&f] { return f.source.fetching; });
    f.clock.Advance(1s);
    f.source.Answer({});
    f.Turn(2);
    f.clock.Advance(1s);
    f.runner->OnOutputs();
  };
  ask();
  f.Until([&f] { return !f.runner->Stats().checkpoint_status.ok(); });
  ask();
  CHECK(f.runner->Stats().state != "draining");
  for (int i = 0; i < 3; ++i) {
    if (f.runner->Stats().state != "draining") ask();
  }
  CHECK(f.runner->Stats().state == "draining");
  f.End();
  CHECK(f.runner->exit_status() == 1);
  CHECK(f.source.pending.empty());
  std::ifstream log(f.folder.path / "log");
  const std::string text(std::istreambuf_iterator<char>(log), {});
  CHECK(text.find("no checkpoint could be written within --drain-timeout 5s: ") !=
        std::string::npos);
}

TEST_CASE("runner: a message that ended the process is charged a try when it comes again") {
  for (const char* message : {"here message 2", "here message 3"}) {
    CAPTURE(message);
    RunnerFixture f(Checkpointed());
    f.Close();
    // Another process leaves the mark. (Not through the test framework's handler of the signal.)
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      signal(SIGSEGV, SIG_DFL);
      close(STDERR_FILENO);
      auto mark = rivulet::CrashMark::Open(f.clock, f.mark_path());
      if (!mark.ok()) _exit(1);
      (*mark)->WatchThisThread("test");
      (*mark)->Enter("t", message);
      raise(SIGSEGV);
      _exit(1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    f.source.Forget();
    f.Open();
    REQUIRE(f.runner->Restore().ok());
    f.runner->Start();
    f.source.Answer({"1", "2"});
    const bool comes = std::string(message) == "here message 2";
    // The charge is made safe at once, what was decided otherwise when its time has come.
    f.Until([&f, comes] {
      return comes ? f.source.pending.size() == 2 : f.runner->Stats().ledger.decided == 2;
    });
    f.runner->Stop();
    f.Until([&f] { return f.source.pending.size() == 2; });
    CHECK(f.ran == (comes ? Strings{"1"} : Strings{"1", "2"}));
    CHECK(
        f.source.Told()[1].starts_with(comes ? R"(requeue r2/1 {"data":2,"tries":1,)" : "finish"));
  }
}
