// A task that answers as told and records what it saw, and a reader of such tasks at a fixed time.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "queuereader/reader.h"
#include "store/memory_store.h"

namespace scripted {

struct Script {
  std::vector<rivulet::Outcome> answers;  // the last is repeated; empty: done
  bool throws = false;
  bool throws_int = false;
  bool replaces = false;      // answers {"was":DATA}
  std::string emits;          // to the output "out", with the message behind it
  rivulet::Duration takes{};  // on `clock`
  rivulet::FakeClock* clock = nullptr;
  std::size_t batch_size = 1;
  std::string state;  // Save() and Load()
  bool cannot_save = false;

  std::vector<std::string> seen;
  std::vector<int> tries;
  std::vector<std::size_t> batches;  // how many messages each RunBatch() had
};

class ScriptedTask final : public rivulet::Task {
 public:
  explicit ScriptedTask(Script* script) : script_(script) {}

  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context& context) override {
    script_->seen.emplace_back(message.text());
    script_->tries.push_back(message.tries());
    if (script_->clock) script_->clock->Advance(script_->takes);
    if (!script_->emits.empty()) {
      context.Emit("out", script_->emits + std::string(message.text()));
    }
    if (script_->throws) throw std::runtime_error("no database");
    if (script_->throws_int) throw 7;
    if (script_->replaces) {
      return rivulet::Outcome::Replace("{\"was\":" + std::string(message.text()) + "}");
    }
    if (script_->answers.empty()) return rivulet::Outcome::Done();
    std::size_t i = std::min(script_->seen.size(), script_->answers.size()) - 1;
    return script_->answers[i];
  }
  std::size_t batch_size() const override { return script_->batch_size; }
  void RunBatch(std::span<const rivulet::Message* const> messages,
                std::span<rivulet::Outcome> outcomes, rivulet::Context& context) override {
    CHECK(messages.size() == outcomes.size());
    for (const rivulet::Outcome& outcome : outcomes) {
      CHECK(outcome.kind() == rivulet::Outcome::Kind::kDone);
    }
    script_->batches.push_back(messages.size());
    Task::RunBatch(messages, outcomes, context);
  }
  std::string Save() const override {
    if (script_->cannot_save) throw std::runtime_error("no answer");
    return script_->state;
  }
  rivulet::Status Load(std::string_view saved) override {
    if (saved == "of the future") return rivulet::InvalidArgument("format 2 is not known");
    script_->state = saved;
    return {};
  }
  void Summarize(rivulet::Summary& summary) const override {
    summary.Count("seen", script_->seen.size());
  }

 private:
  Script* script_;
};

/// What of the scripts' names stands in another place than all_tasks: "preprocess", "validate",
/// "giveup".
struct Fixture {
  explicit Fixture(const std::vector<std::string>& names, rivulet::ReaderConfig config = {},
                   std::function<void(rivulet::ReaderSurroundings*)> change = {}) {
    rivulet::ReaderTasks tasks;
    for (const std::string& name : names) {
      rivulet::NamedTask task{name, std::make_unique<ScriptedTask>(&scripts[name])};
      if (name == "preprocess") {
        tasks.preprocess = std::move(task);
      } else if (name == "validate") {
        tasks.validate = std::move(task);
      } else if (name == "giveup") {
        tasks.requeue_giveup = std::move(task);
      } else {
        tasks.all_tasks.push_back(std::move(task));
      }
    }
    rivulet::ReaderSurroundings surroundings{&clock, &store, {"other", "out"}, {}, {}};
    if (change) change(&surroundings);
    reader = std::make_unique<rivulet::Reader>(config, std::move(tasks), std::move(surroundings));
  }

  rivulet::Verdict Handle(std::string_view message, std::string_view crash = {}) {
    return HandleAll({message}, crash).front();
  }
  const std::vector<rivulet::Verdict>& HandleAll(const std::vector<std::string_view>& messages,
                                                 std::string_view crash = {}) {
    std::vector<rivulet::Incoming> incoming;
    for (std::string_view message : messages) incoming.push_back({message, "id-1", crash});
    reader->Handle(incoming, clock.WallNow(), &verdicts);
    REQUIRE(verdicts.size() == messages.size());
    const rivulet::ReaderCounts& n = reader->counts();
    CHECK(n.messages == n.finished + n.dropped + n.requeued + n.given_up + n.malformed);
    return verdicts;
  }
  /// Of the task, preprocess and so on too.
  rivulet::ReaderStats::OfTask Stats(std::string_view name) const {
    for (const auto& task : reader->Stats().tasks) {
      if (task.name == name) return task;
    }
    FAIL("no such task");
    return {};
  }

  rivulet::FakeClock clock;
  rivulet::MemoryStore store;
  std::map<std::string, Script> scripts;
  std::unique_ptr<rivulet::Reader> reader;
  std::vector<rivulet::Verdict> verdicts;
};

}  // namespace scripted
