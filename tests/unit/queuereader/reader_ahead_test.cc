#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/queuereader/scripted_task.h"

using namespace rivulet;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

namespace {

/// What is told ahead must be what the next run begins with.
class Listener final : public Task {
 public:
  explicit Listener(std::size_t batch) : batch_(batch) {}
  Outcome Run(const Message& message, Context&) override {
    ran.emplace_back(message.text());
    return message.text() == "false" ? Outcome::Failed("") : Outcome::Done();
  }
  std::size_t batch_size() const override { return batch_; }
  void Ahead(std::span<const Message* const> messages) override {
    heard += messages.size();
    waiting.insert(waiting.end(), messages.begin(), messages.end());
    for (const Message* message : messages) texts.emplace_back(message->text());
    if (throws) throw std::runtime_error("no hints");
  }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override {
    REQUIRE(waiting.size() <= messages.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      CHECK(waiting[i] == messages[i]);
      CHECK(texts[i] == messages[i]->text());
    }
    waiting.clear();
    texts.clear();
    Task::RunBatch(messages, outcomes, context);
  }

  std::vector<const Message*> waiting;
  Strings texts;
  Strings ran;
  std::size_t heard = 0;
  bool throws = false;

 private:
  std::size_t batch_;
};

struct Fixture {
  explicit Fixture(std::size_t batch, const std::string& gate = "") {
    auto task = std::make_unique<Listener>(batch);
    listener = task.get();
    ReaderTasks tasks;
    tasks.all_tasks.push_back({"first", std::move(task)});
    script.batch_size = 500;
    tasks.all_tasks.push_back({"second", std::make_unique<scripted::ScriptedTask>(&script)});
    if (gate == "preprocess") tasks.preprocess = Gate(gate);
    if (gate == "validate") tasks.validate = Gate(gate);
    reader = std::make_unique<Reader>(ReaderConfig{}, std::move(tasks),
                                      ReaderSurroundings{&clock, nullptr, {}, {}, {}});
  }
  NamedTask Gate(const std::string& name) {
    return {name, std::make_unique<scripted::ScriptedTask>(&gate_script)};
  }
  void Handle(const Strings& texts) {
    std::vector<Incoming> incoming;
    for (const std::string& text : texts) incoming.push_back({text, "", ""});
    reader->Handle(incoming, clock.WallNow(), &verdicts);
    CHECK(listener->waiting.empty());
  }

  FakeClock clock;
  scripted::Script script;
  scripted::Script gate_script;
  Listener* listener = nullptr;
  std::unique_ptr<Reader> reader;
  std::vector<Verdict> verdicts;
};

Strings Numbers(std::size_t count) {
  Strings all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

}  // namespace

TEST_CASE("reader: the first task hears of a chunk's messages while others are parsed") {
  Fixture f(500);
  f.Handle(Numbers(200));
  CHECK(f.listener->heard > 100);
  CHECK(f.listener->ran == Numbers(200));
  f.Handle(Numbers(2));
  CHECK(f.listener->ran.size() == 202);
}

TEST_CASE("reader: what will not be run is not told ahead") {
  Fixture f(500);
  Strings texts = Numbers(100);
  Strings expected;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i % 5 == 0) texts[i] = "no JSON";
    if (i % 5 == 1) {
      texts[i] = R"({"data":1,"tries":1,"started":1,"retry_on":null,"tasks_left":["second"]})";
    }
    if (i % 5 > 1) expected.push_back(texts[i]);
  }
  f.Handle(texts);
  CHECK(f.listener->heard > 0);
  CHECK(f.listener->ran == expected);
}

TEST_CASE("reader: no more is told ahead than one run takes") {
  Fixture f(40);
  f.Handle(Numbers(100));
  CHECK(f.listener->heard == 40);
  CHECK(f.listener->ran == Numbers(100));
}

TEST_CASE("reader: nothing is told ahead where a gate may drop it, or to a task that fails") {
  for (const char* gate : {"preprocess", "validate"}) {
    Fixture f(500, gate);
    f.Handle(Numbers(100));
    CHECK(f.listener->heard == 0);
    CHECK(f.listener->ran.size() == 100);
  }
  Fixture f(500);
  f.Handle({"1", "false"});
  CHECK(f.reader->chunk() == 1);
}

TEST_CASE("reader: a hint that throws is no failure") {
  Fixture f(500);
  f.listener->throws = true;
  f.Handle(Numbers(200));
  CHECK(f.listener->ran == Numbers(200));
  CHECK(f.reader->counts().finished == 200);
}

TEST_CASE("reader: a run that takes long shows though not every beginning is measured") {
  Fixture f(1);
  f.script.batch_size = 1;
  f.script.clock = &f.clock;
  MonoTime now = f.clock.Now();
  for (int i = 0; i < 1000; ++i) {
    f.script.takes = i == 500 ? Duration(3s) : Duration(2us);
    const Incoming message[] = {{"1", "", ""}};
    now = f.reader->Handle(message, f.clock.WallNow(), now, &f.verdicts);
    CHECK(now == f.clock.Now());
  }
  const LatencyHistogram time = f.reader->Stats().tasks[1].run_time;
  CHECK(time.count() == 1000);
  CHECK(time.sum() == 3s + 999 * 2us);
  CHECK(time.Quantile(0.99) == Duration(2us));
  CHECK(time.Quantile(1) >= Duration(3s));
}

TEST_CASE("reader: time that parsing takes is not the task's") {
  // A clock that goes on by itself: 5 us a look.
  struct Ticking final : Clock {
    MonoTime Now() const override { return MonoTime(at += 5us); }
    WallTime WallNow() const override { return {}; }
    mutable Duration at{};
  } clock;
  ReaderTasks tasks;
  scripted::Script script;
  tasks.all_tasks.push_back({"task", std::make_unique<scripted::ScriptedTask>(&script)});
  Reader reader(ReaderConfig{}, std::move(tasks), ReaderSurroundings{&clock, nullptr, {}, {}, {}});
  std::vector<Verdict> verdicts;
  const Incoming message[] = {{"1", "", ""}};
  for (int i = 0; i < 160; ++i) {
    // Parsed in 20 us, of which the reader sees nothing but what the clock says before and after.
    const MonoTime begin = clock.Now();
    clock.at += 20us;
    reader.Handle(message, {}, begin, &verdicts);
  }
  const LatencyHistogram time = reader.Stats().tasks[0].run_time;
  CHECK(time.count() == 160);
  CHECK(time.Quantile(1) <= Duration(16us));
}
