// Batches, what tasks emit and count, and what they reach.
#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>

#include "tests/unit/queuereader/scripted_task.h"

using namespace std::chrono_literals;
using rivulet::Context;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::Reader;
using rivulet::ReaderTasks;
using rivulet::Verdict;
using scripted::Fixture;
using Next = rivulet::Verdict::Next;
using Seen = std::vector<std::string>;

namespace {

Seen Messages(const Verdict& verdict) {
  Seen messages;
  for (const auto& emission : verdict.emissions) messages.push_back(emission.message);
  return messages;
}

/// A reader of one function.
struct OfFunction {
  explicit OfFunction(rivulet::TaskFunction run) {
    ReaderTasks tasks;
    tasks.all_tasks.push_back({"f", std::make_unique<rivulet::FunctionTask>(std::move(run))});
    reader = std::make_unique<Reader>(
        rivulet::ReaderConfig{}, std::move(tasks),
        rivulet::ReaderSurroundings{&clock, &store, {"alerts", "out"}, {}, {}});
  }
  Verdict Handle(std::string_view message) {
    std::vector<rivulet::Incoming> incoming = {{message, {}, {}}};
    std::vector<Verdict> verdicts;
    reader->Handle(incoming, clock.WallNow(), &verdicts);
    return verdicts.at(0);
  }

  rivulet::FakeClock clock;
  rivulet::MemoryStore store;
  std::unique_ptr<Reader> reader;
};

}  // namespace

TEST_CASE("reader: messages come one by one, unless a task takes batches") {
  Fixture one({"a", "b"});
  CHECK(one.reader->chunk() == 1);
  Fixture many({"a", "b"});
  many.scripts["b"].batch_size = 20;
  CHECK(many.reader->chunk() == 20);
  many.scripts["a"].batch_size = 1'000'000;
  CHECK(many.reader->chunk() == 512);
  many.scripts["a"].batch_size = 0;
  many.scripts["b"].batch_size = 0;
  CHECK(many.reader->chunk() == 1);
}

TEST_CASE(
    "reader: a chunk goes through the first task, and what it did not drop through the next") {
  Fixture f({"drops", "batches", "after"});
  f.scripts["drops"].answers = {Outcome::Done(), Outcome::Drop(), Outcome::Done()};
  f.scripts["batches"].batch_size = 2;
  const auto& verdicts = f.HandleAll({"1", "2", "3", "{", "5"});
  CHECK(verdicts[0].next == Next::kFinished);
  CHECK(verdicts[1].next == Next::kDropped);
  CHECK(verdicts[3].next == Next::kMalformed);
  CHECK(f.scripts["drops"].batches.empty());  // its batch_size() is 1: Run()
  CHECK(f.scripts["batches"].seen == Seen{"1", "3", "5"});
  CHECK(f.scripts["batches"].batches == std::vector<std::size_t>{2});  // the last one by Run()
  CHECK(f.scripts["after"].seen == Seen{"1", "3", "5"});
}

TEST_CASE("reader: a batch answers for each of its messages") {
  Fixture f({"a", "b"});
  f.scripts["a"].batch_size = 4;
  f.scripts["a"].answers = {Outcome::Done(), Outcome::Failed("second"), Outcome::Drop(),
                            Outcome::FailedWithoutBackoff("fourth")};
  const auto& verdicts = f.HandleAll({"1", "2", "3", "4"});
  CHECK(verdicts[0].next == Next::kFinished);
  CHECK(verdicts[1].next == Next::kRequeue);
  CHECK(verdicts[1].why == "task a: second");
  CHECK(verdicts[1].body.find("\"data\":2,\"tries\":1,") != std::string::npos);
  CHECK(verdicts[1].pause == 3360ms);
  CHECK(verdicts[2].next == Next::kDropped);
  CHECK(verdicts[3].next == Next::kRequeue);
  CHECK(verdicts[3].pause == 0s);
  CHECK(f.scripts["b"].seen == Seen{"1", "2", "4"});
}

TEST_CASE("reader: a batch that throws has failed for all its messages, and once for the timer") {
  Fixture f({"a"});
  f.scripts["a"].batch_size = 3;
  f.scripts["a"].throws = true;
  for (const Verdict& verdict : f.HandleAll({"1", "2", "3"})) {
    CHECK(verdict.next == Next::kRequeue);
    CHECK(verdict.why == "task a: threw: no database");
    CHECK(verdict.pause == 3360ms);
  }
  CHECK(f.Stats("a").counts.failed == 3);
}

namespace {

/// Takes ten at once, all or none: it throws before it has done anything.
struct AllOrNone final : rivulet::Task {
  explicit AllOrNone(std::vector<std::size_t>* its_batches) : batches(its_batches) {}
  std::size_t batch_size() const override { return 10; }
  Outcome Run(const Message& message, Context& context) override {
    const Message* one = &message;
    Outcome outcome = Outcome::Done();
    RunBatch({&one, 1}, {&outcome, 1}, context);
    return outcome;
  }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome>,
                Context& context) override {
    batches->push_back(messages.size());
    context.Emit("out", "one");
    for (const Message* message : messages) {
      if (message->Has("poison")) throw std::runtime_error("poisoned");
    }
  }
  std::vector<std::size_t>* batches;
};

struct NoBatchSize final : rivulet::Task {
  std::size_t batch_size() const override { throw std::runtime_error("no size"); }
  Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
};

}  // namespace

TEST_CASE("reader: of 300 messages in batches of ten one poison is charged, and it alone") {
  std::vector<std::size_t> batches;
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"t", std::make_unique<AllOrNone>(&batches)});
  Reader reader({.max_tries = 2, .requeue_delay = 0s, .backoff = {}}, std::move(tasks),
                {nullptr, nullptr, {"out"}, {}, {}});
  std::vector<std::string> bodies(300, "1");
  bodies[150] = R"({"poison":1})";
  std::size_t emitted = 0;
  std::size_t given_up = 0;
  for (std::size_t at = 0; at < bodies.size();) {
    const std::size_t count = std::min(reader.chunk(), bodies.size() - at);
    const std::vector<rivulet::Incoming> incoming = [&] {
      std::vector<rivulet::Incoming> all;
      for (std::size_t i = at; i < at + count; ++i) all.push_back({bodies[i], {}, {}});
      return all;
    }();
    at += count;
    std::vector<Verdict> verdicts;
    reader.Handle(incoming, rivulet::WallTime{}, &verdicts);
    for (const Verdict& verdict : verdicts) {
      emitted += verdict.emissions.size();
      if (verdict.next == Next::kFinished) continue;
      // It comes again behind the others.
      CHECK(verdict.body.find("poison") != std::string::npos);
      if (verdict.next == Next::kRequeue) bodies.push_back(verdict.body);
      given_up += verdict.next == Next::kGiveUp ? 1 : 0;
    }
  }
  CHECK(given_up == 1);
  CHECK(reader.task_counts(0).done == 299);
  CHECK(reader.task_counts(0).failed == 2);
  // 29 batches, and the nine neighbours one by one.
  CHECK(emitted == 29 + 9);
}

TEST_CASE("reader: a message that was tried before is in no batch, where one is not to blame") {
  Fixture f({"a"});
  f.scripts["a"].batch_size = 4;
  f.HandleAll({"1", "2", R"({"data":3,"tries":1,"started":1})", "4", "5"});
  CHECK(f.scripts["a"].seen == Seen{"1", "2", "3", "4", "5"});
  CHECK(f.scripts["a"].batches == std::vector<std::size_t>{2, 2});
}

TEST_CASE("reader: a batch size that throws is one") {
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"t", std::make_unique<NoBatchSize>()});
  Reader reader({}, std::move(tasks), {});
  CHECK(reader.chunk() == 1);
  std::vector<Verdict> verdicts;
  const std::vector<rivulet::Incoming> incoming = {{"1", {}, {}}};
  reader.Handle(incoming, rivulet::WallTime{}, &verdicts);
  CHECK(verdicts[0].next == Next::kFinished);
}

TEST_CASE("reader: while a task fails, messages come one by one") {
  Fixture f({"a", "fails"});
  f.scripts["a"].batch_size = 50;
  f.scripts["fails"].answers = {Outcome::Failed(""), Outcome::Done()};
  f.Handle("1");
  CHECK(f.reader->chunk() == 1);
  f.Handle("2");
  CHECK(f.reader->chunk() == 50);
  Fixture gate({"validate", "a"});
  gate.scripts["a"].batch_size = 50;
  gate.scripts["validate"].throws = true;
  gate.Handle("1");
  CHECK(gate.reader->chunk() == 1);
}

TEST_CASE("reader: what is emitted comes with the verdict, in order, by the output's place") {
  Fixture f({"a", "b"});
  f.scripts["a"].emits = "a";
  f.scripts["b"].emits = "b";
  Verdict verdict = f.Handle("1");
  CHECK(Messages(verdict) == Seen{"a1", "b1"});
  CHECK(verdict.emissions[0].output == 1);  // "out" is the second
  CHECK(f.Handle("2").emissions.size() == 2);
}

TEST_CASE("reader: what a failed task has emitted is not sent, that of the others is") {
  Fixture f({"a", "bad", "drops"});
  for (auto& [name, script] : f.scripts) script.emits = name;
  f.scripts["bad"].throws = true;
  f.scripts["drops"].answers = {Outcome::Drop()};
  CHECK(Messages(f.Handle("1")) == Seen{"a1", "drops1"});
}

TEST_CASE("reader: a batch that is Run() on each emits for each that does not fail") {
  Fixture f({"a"});
  f.scripts["a"].emits = "a";
  f.scripts["a"].batch_size = 2;
  f.scripts["a"].answers = {Outcome::Done(), Outcome::Done(), Outcome::Done(), Outcome::Failed("")};
  const auto& verdicts = f.HandleAll({"1", "2", "3", "4"});
  CHECK(Messages(verdicts[0]) == Seen{"a1"});
  CHECK(Messages(verdicts[1]) == Seen{"a2"});
  CHECK(Messages(verdicts[2]) == Seen{"a3"});
  CHECK(verdicts[3].emissions.empty());
}

TEST_CASE("reader: what a batch emits for one of its messages goes when that one did not fail") {
  struct Batches final : rivulet::Task {
    std::size_t batch_size() const override { return 3; }
    Outcome Run(const Message&, Context& context) override {
      context.EmitFor(0, "out", "alone");
      return Outcome::Done();
    }
    void RunBatch(std::span<const Message* const>, std::span<Outcome> outcomes,
                  Context& context) override {
      for (std::size_t place : {0, 1, 2, 2}) {
        context.EmitFor(place, "out", "of " + std::to_string(place));
      }
      outcomes[1] = Outcome::Failed("");
    }
  };
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"batches", std::make_unique<Batches>()});
  Reader reader({}, std::move(tasks), {nullptr, nullptr, {"out"}, {}, {}});
  std::vector<Verdict> verdicts;
  std::vector<rivulet::Incoming> incoming(3, {"1", {}, {}});
  reader.Handle(incoming, rivulet::WallTime{}, &verdicts);
  CHECK(Messages(verdicts[0]) == Seen{"of 0"});
  CHECK(verdicts[1].emissions.empty());
  CHECK(Messages(verdicts[2]) == Seen{"of 2", "of 2"});
  incoming.resize(1);
  reader.Handle(incoming, rivulet::WallTime{}, &verdicts);
  CHECK(Messages(verdicts[0]) == Seen{"alone"});
}

TEST_CASE("reader: what the give-up task emits is sent, unless it fails") {
  for (bool throws : {false, true}) {
    Fixture f({"bad", "giveup"}, {.max_tries = 1, .requeue_delay = 0s, .backoff = {}});
    f.scripts["bad"].throws = true;
    f.scripts["giveup"].emits = "lost ";
    f.scripts["giveup"].throws = throws;
    CHECK(Messages(f.Handle("1")) == (throws ? Seen{} : Seen{"lost 1"}));
  }
}

TEST_CASE("reader: an output that is not there fails the task, which is told the others") {
  OfFunction f([](const Message&, Context& context) {
    context.Emit("alarms", "x");
    return Outcome::Done();
  });
  CHECK(f.Handle("1").why ==
        "task f: threw: no output 'alarms': it must be one of alerts, out, or --output=alarms=URL "
        "given");
}

TEST_CASE("reader: a task counts what it likes, whatever becomes of the message") {
  OfFunction f([](const Message& message, Context& context) {
    context.Count("all");
    if (message.text() == "2") {
      context.Count("bytes", 10);
      return Outcome::Failed("");
    }
    return Outcome::Done();
  });
  for (const char* text : {"1", "2", "3"}) f.Handle(text);
  const auto counters = f.reader->Stats().tasks.at(0).counters;
  REQUIRE(counters.size() == 2);
  CHECK(counters[0] == std::pair<std::string, std::uint64_t>("all", 3));
  CHECK(counters[1] == std::pair<std::string, std::uint64_t>("bytes", 10));
}

TEST_CASE("reader: a counter has a plain name, and a task a hundred of them") {
  OfFunction f([](const Message& message, Context& context) {
    context.Count(*message.Text("name"));
    return Outcome::Done();
  });
  for (const char* name : {"", "a b", "a-b", "é", "a\\u0000"}) {
    CAPTURE(name);
    CHECK(f.Handle("{\"name\":\"" + std::string(name) + "\"}").why.find("must be a name of 1 to") !=
          std::string::npos);
  }
  for (int i = 0; i < 100; ++i) {
    CHECK(f.Handle("{\"name\":\"c" + std::to_string(i) + "\"}").next == Next::kFinished);
  }
  CHECK(f.Handle("{\"name\":\"c_7\"}").why.find("one more than the 100") != std::string::npos);
  CHECK(f.Handle("{\"name\":\"c99\"}").next == Next::kFinished);
}

TEST_CASE("reader: a task reaches the store, and knows when its run began") {
  OfFunction* self = nullptr;
  rivulet::WallTime began{};
  OfFunction f([&](const Message&, Context& context) {
    self->clock.Advance(5s);
    began = context.now();
    return context.store().Increment("n", 2).ok() ? Outcome::Done() : Outcome::Failed("");
  });
  self = &f;
  const auto start = f.clock.WallNow();
  CHECK(f.Handle("1").next == Next::kFinished);
  CHECK(began == start);
  CHECK(*f.store.Get("n") == std::optional<std::string>("2"));
}

TEST_CASE("reader: without a store, asking for it fails the task") {
  Fixture f({"a"}, {}, [](auto* surroundings) { surroundings->store = nullptr; });
  CHECK(f.Handle("1").next == Next::kFinished);
  ReaderTasks tasks;
  tasks.all_tasks.push_back(
      {"f", std::make_unique<rivulet::FunctionTask>([](const Message&, Context& context) {
         return context.store().Set("a", "b").ok() ? Outcome::Done() : Outcome::Failed("");
       })});
  Reader reader({}, std::move(tasks), {});
  std::vector<rivulet::Incoming> incoming = {{"1", {}, {}}};
  std::vector<Verdict> verdicts;
  reader.Handle(incoming, f.clock.WallNow(), &verdicts);
  CHECK(verdicts.at(0).why == "task f: threw: this reader has no store");
}

TEST_CASE("reader: how long a run took is a message's, and of a batch its share") {
  Fixture f({"quick", "slow"});
  for (auto& [name, script] : f.scripts) script.clock = &f.clock;
  f.scripts["quick"].takes = 3us;
  f.scripts["slow"].takes = 3ms;
  f.Handle("1");
  CHECK(f.Stats("quick").run_time.sum() == 3us);
  CHECK(f.Stats("slow").run_time.sum() == 3ms);
  f.scripts["slow"].batch_size = 2;
  f.HandleAll({"2", "3"});
  const auto slow = f.Stats("slow").run_time;
  CHECK(slow.count() == 3);
  CHECK(slow.sum() == 9ms);
  // All in the bucket up to 4.096 ms, none in a batch's sum.
  CHECK(slow.Quantile(1) == 4096us);
}

TEST_CASE("reader: whoever watches is told of each run, before and after") {
  Seen told;
  auto watch = [&told](rivulet::ReaderSurroundings* surroundings) {
    surroundings->entering = [&told](const std::string& task, std::size_t message,
                                     rivulet::MonoTime) {
      told.push_back(task + " " + std::to_string(message));
    };
    surroundings->left = [&told] { told.push_back("left"); };
  };
  Fixture f({"validate", "a", "giveup"}, {.max_tries = 1, .requeue_delay = 0s, .backoff = {}},
            watch);
  f.scripts["validate"].answers = {Outcome::Drop(), Outcome::Done()};
  f.scripts["a"].throws = true;
  f.HandleAll({"1", "2"});
  CHECK(told ==
        Seen{"validate 0", "left", "validate 1", "left", "a 1", "left", "giveup 1", "left"});
}
