// Isolated tasks run in real children: this program again, as a task host (see HostIfAsked). What
// is counted is what the same task would count in this process.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "queuereader/child/task_host.h"
#include "queuereader/json_message.h"
#include "store/memory_store.h"

namespace rivulet {
namespace {

/// Adds up "n", and does what the message's "do" says.
class Sum : public Task {
 public:
  explicit Sum(TaskArgs& args) : stateless_(args.Text("state", "yes") == "no") {
    if (args.Text("color") == "wrong") args.Fail("color=wrong is no color");
  }
  Outcome Run(const Message& message, Context& context) override {
    const auto what = message.Text("do").value_or("");
    if (what == "throw") throw std::runtime_error("no luck");
    if (what == "fail") return Outcome::Failed("not now");
    if (what == "fail fast") return Outcome::FailedWithoutBackoff("not this");
    if (what == "drop") return Outcome::Drop();
    if (what == "replace") return Outcome::Replace("{\"other\":1}");
    if (what == "abort") std::abort();
    if (what == "exit") std::exit(0);
    if (what == "close") {
      for (int fd = 0; fd < 5; ++fd) close(fd);
    }
    if (what == "tell") context.Log(Told(message));
    if (what == "emit") context.Emit("alerts", message.text());
    if (what == "emit nowhere") context.Emit("nowhere", "x");
    if (what == "emit and fail") {
      context.Emit("alerts", "never");
      return Outcome::Failed("after all");
    }
    if (what == "store") Visit(context);
    if (what == "count wrongly") context.Count("no name");
    if (what == "emit beyond") context.EmitFor(1, "alerts", "x");
    sum_ += static_cast<std::uint64_t>(message.Number("n").value_or(0));
    context.Count("summed");
    return Outcome::Done();
  }
  std::string Save() const override {
    return stateless_ || sum_ == 0 ? std::string() : std::to_string(sum_);
  }
  Status Load(std::string_view saved) override {
    if (saved == "old") return InvalidArgument("that is of an older format");
    sum_ = std::stoull(std::string(saved));
    return {};
  }
  void Summarize(Summary& summary) const override { summary.Count("sum", sum_); }
  std::vector<std::string> views() const override { return {"html"}; }
  std::optional<View> Show(std::string_view view) const override {
    if (view == "die") std::abort();
    if (view != "html") return std::nullopt;
    return View{"text/html", "<b>" + std::to_string(sum_) + "</b>\n"};
  }

 private:
  static std::string Told(const Message& message) {
    return std::string(message.id()) + " try " + std::to_string(message.tries()) + " since " +
           std::to_string(message.started().time_since_epoch().count()) + " " +
           std::string(message.text());
  }
  void Visit(Context& context) {
    const auto visits = context.store().Increment("visits", 1);
    if (!visits.ok() || !context.store().Set("last", std::to_string(*visits)).ok()) {
      throw std::runtime_error("the store is away");
    }
    // What the store says goes into the state: run again it must say the same.
    sum_ += std::stoull(context.store().Get("last").value().value_or("0")) * 1000;
    if (context.store().Get("none").value()) throw std::runtime_error("what is that");
    if (!context.store().Delete("last").ok()) throw std::runtime_error("it stays");
    const Status wrong = context.store().Increment("text", 1).status();
    if (wrong.code() != StatusCode::kInvalidArgument) throw std::runtime_error("that is a text");
  }

  bool stateless_;
  std::uint64_t sum_ = 0;
};

class SumInBatches final : public Sum {
 public:
  using Sum::Sum;
  std::size_t batch_size() const override { return 10; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override {
    Task::RunBatch(messages, outcomes, context);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (messages[i]->Has("for")) context.EmitFor(i, "alerts", messages[i]->text());
    }
  }
};

/// This program as a task host, before any test: the C library hands its arguments to constructors.
__attribute__((constructor)) void HostIfAsked(int argc, char** argv, char**) {
  if (argc < 2 || std::strcmp(argv[1], kTaskHostArgument) != 0) return;
  TaskRegistry registry;
  registry.Add<Sum>("sum");
  registry.Add<SumInBatches>("batches");
  std::exit(RunTaskHost(registry));
}

class GatheringContext final : public Context {
 public:
  void Emit(std::string_view output, std::string_view message) override {
    emitted.push_back(std::string(output) + ":" + std::string(message));
  }
  void Count(std::string_view, std::uint64_t by) override { counted += by; }
  Store& store() override { return memory; }
  WallTime now() const override { return {}; }
  void Log(std::string_view line) override { logged.emplace_back(line); }

  std::vector<std::string> emitted;
  std::uint64_t counted = 0;
  std::vector<std::string> logged;
  MemoryStore memory;
};

class OneCount final : public Summary {
 public:
  void Count(std::string_view name, std::uint64_t value) override {
    text += std::string(name) + "=" + std::to_string(value);
  }
  void Number(std::string_view, double) override {}
  void Text(std::string_view name, std::string_view value) override {
    text += std::string(name) + ":" + std::string(value);
  }
  void Table(std::string_view, std::vector<std::string>) override {}
  void Row(std::vector<Cell>) override {}
  std::string text;
};

struct Fixture {
  Fixture() {
    environment.clock = &clock;
    environment.outputs = {"alerts"};
    environment.host_program = "/proc/self/exe";
  }
  void Make(const std::string& spec) {
    auto made = MakeIsolatedTask(spec, "name", environment);
    REQUIRE_MESSAGE(made.ok(), made.status().message());
    task = std::move(made->task);
  }
  /// Runs them as one batch.
  void Run(const std::vector<std::string>& texts) {
    std::deque<JsonDocument> documents;
    std::deque<JsonMessage> messages;
    std::vector<const Message*> pointers;
    for (const std::string& text : texts) {
      REQUIRE(documents.emplace_back().Parse(text).ok());
      messages.emplace_back().Bind(
          {text, &documents.back().root(), 3, WallTime(Duration(17)), "q/1#9"});
      pointers.push_back(&messages.back());
    }
    outcomes.assign(texts.size(), Outcome::Done());
    task->RunBatch(pointers, outcomes, context);
  }
  void Run(const std::string& text) { Run(std::vector<std::string>{text}); }
  std::set<std::size_t> Failed() const {
    std::set<std::size_t> failed;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].failed()) failed.insert(i);
    }
    return failed;
  }
  std::string Summary() const {
    OneCount summary;
    task->Summarize(summary);
    return summary.text;
  }

  SystemClock clock;
  TaskEnvironment environment;
  GatheringContext context;
  std::unique_ptr<Task> task;
  std::vector<Outcome> outcomes;
};

TEST_CASE_FIXTURE(Fixture, "isolated task: what the task answers comes back") {
  Make("sum");
  Run({R"({"n":1})", R"({"do":"throw"})", R"({"do":"fail"})", R"({"do":"fail fast"})",
       R"({"do":"drop"})", R"({"do":"replace"})", R"({"n":41})"});
  CHECK(outcomes[0].kind() == Outcome::Kind::kDone);
  CHECK(outcomes[1].kind() == Outcome::Kind::kFailed);
  CHECK(outcomes[1].why() == "threw: no luck");
  CHECK(outcomes[2].kind() == Outcome::Kind::kFailed);
  CHECK(outcomes[2].why() == "not now");
  CHECK(outcomes[3].kind() == Outcome::Kind::kFailedWithoutBackoff);
  CHECK(outcomes[3].why() == "not this");
  CHECK(outcomes[4].kind() == Outcome::Kind::kDrop);
  CHECK(outcomes[5].kind() == Outcome::Kind::kReplace);
  CHECK(outcomes[5].data() == "{\"other\":1}");
  CHECK(outcomes[6].kind() == Outcome::Kind::kDone);
  CHECK(task->Save() == "42");
  CHECK(Summary() == "sum=42");
  CHECK(context.counted == 2);
}

TEST_CASE_FIXTURE(Fixture, "isolated task: the task sees the whole message") {
  Make("sum");
  Run(R"({"do":"tell","n":1.0, "é":"\u0000"})");
  REQUIRE(context.logged.size() == 1);
  CHECK(context.logged[0] == R"(q/1#9 try 3 since 17 {"do":"tell","n":1.0, "é":"\u0000"})");
}

TEST_CASE_FIXTURE(Fixture,
                  "isolated task: what a done message emits is emitted, and nothing else") {
  Make("sum");
  Run({R"({"do":"emit"})", R"({"do":"emit and fail"})", R"({"do":"emit nowhere"})"});
  CHECK(context.emitted == std::vector<std::string>{R"(alerts:{"do":"emit"})"});
  CHECK(Failed() == std::set<std::size_t>{1, 2});
  CHECK(outcomes[2].why() == "threw: no output 'nowhere': the reader needs --output=nowhere=URL");
}

TEST_CASE_FIXTURE(Fixture, "isolated task: each end of the child costs one message, and no state") {
  Make("sum");
  Run({R"({"n":1})", R"({"do":"abort"})", R"({"n":2,"do":"emit"})", R"({"do":"exit"})",
       R"({"n":4,"do":"close"})", R"({"n":8})"});
  CHECK(Failed() == std::set<std::size_t>{1, 3});
  CHECK(outcomes[1].why().find("was killed by SIGABRT") != std::string::npos);
  CHECK(outcomes[3].why().find("exited with 0") != std::string::npos);
  CHECK(task->Save() == "15");
  // What the new children ran again was not emitted nor counted again.
  CHECK(context.emitted.size() == 1);
  CHECK(context.counted == 4);
}

TEST_CASE_FIXTURE(Fixture, "isolated task: what Count() and EmitFor() refuse fails in the run") {
  Make("sum");
  Run(R"({"n":1,"do":"count wrongly"})");
  CHECK(outcomes[0].why().find("counter 'no name' must be") != std::string::npos);
  Run(R"({"n":1,"do":"emit beyond"})");
  CHECK(outcomes[0].why().find("place 1 must be one of") != std::string::npos);
  CHECK(task->Save().empty());
}

TEST_CASE_FIXTURE(Fixture, "isolated task: a task without state begins anew after a crash") {
  Make("sum:state=no");
  Run({R"({"n":1})", R"({"do":"abort"})", R"({"n":2})"});
  CHECK(task->Save().empty());
  CHECK(Summary() == "sum=2");
}

TEST_CASE_FIXTURE(Fixture,
                  "isolated task: the poison alone of a batch fails, and the sum is exact") {
  Make("batches");
  std::vector<std::string> texts(40, R"({"n":1})");
  texts[3] = R"({"do":"abort"})";
  texts[4] = R"({"do":"fail"})";
  texts[25] = R"({"do":"abort"})";
  Run(texts);
  CHECK(Failed() == std::set<std::size_t>{3, 4, 25});
  CHECK(task->Save() == "37");
}

TEST_CASE_FIXTURE(Fixture,
                  "isolated task: what is emitted for a message goes if that did not fail") {
  Make("batches");
  std::vector<std::string> texts(6, R"({"n":1})");
  texts[1] = R"({"for":1})";
  texts[2] = R"({"do":"fail","for":2})";
  texts[4] = R"({"for":4})";
  Run(texts);
  CHECK(Failed() == std::set<std::size_t>{2});
  CHECK(context.emitted == std::vector<std::string>{R"(alerts:{"for":1})", R"(alerts:{"for":4})"});
}

TEST_CASE_FIXTURE(Fixture,
                  "isolated task: many messages between two crashes are not run again all") {
  Make("sum");
  REQUIRE(context.memory.Set("text", "no number").ok());
  // Some of them ask for the store: that takes time.
  std::vector<std::string> messages(100, R"({"n":1})");
  std::fill_n(messages.begin(), 5, R"({"n":1,"do":"store"})");
  for (int i = 0; i < 22; ++i) {
    Run(messages);
    CHECK(Failed().empty());
  }
  // 1000 * (1 + 2 + … + 110) by what the store said, and each message's one.
  const std::string sum = std::to_string(1000ULL * 110 * 111 / 2 + 2200);
  Run(R"({"do":"abort"})");
  CHECK(Failed().size() == 1);
  CHECK(task->Save() == sum);
  CHECK(context.memory.Get("visits").value() == "110");
}

TEST_CASE_FIXTURE(Fixture, "isolated task: it goes on from a saved state, also after a crash") {
  Make("sum");
  REQUIRE(task->Load("100").ok());
  Run({R"({"n":1})", R"({"do":"abort"})", R"({"n":2})"});
  CHECK(task->Save() == "103");
  const Status refused = task->Load("old");
  CHECK(refused.message() == "that is of an older format");
}

TEST_CASE_FIXTURE(Fixture,
                  "isolated task: a state that is loaded and not changed is saved as it was") {
  Make("sum");
  REQUIRE(task->Load("100").ok());
  CHECK(task->Save() == "100");
}

TEST_CASE_FIXTURE(Fixture,
                  "isolated task: its views are shown, and one that ends the child is none") {
  Make("sum");
  Run(R"({"n":7})");
  CHECK(task->views() == std::vector<std::string>{"html"});
  const auto view = task->Show("html");
  REQUIRE(view);
  CHECK(view->content_type == "text/html");
  CHECK(view->body == "<b>7</b>\n");
  CHECK_FALSE(task->Show("svg"));
  CHECK_FALSE(task->Show("die"));
  CHECK(Summary() == "sum=7");
}

TEST_CASE_FIXTURE(Fixture, "isolated task: what is wrong with a spec is told at the start") {
  const auto why = [&](const std::string& spec) {
    auto made = MakeIsolatedTask(spec, "name", environment);
    return made.ok() ? std::string("nothing") : made.status().message();
  };
  CHECK(why("sum:color=wrong") == "color=wrong is no color");
  CHECK(why("sum:size=1") == "unknown key 'size'; it takes color, name, state");
  CHECK(why("./none.so").find("none.so: cannot open shared object file") != std::string::npos);
  environment.host_program = "/nonexistent/host";
  CHECK(why("sum").find("No such file or directory") != std::string::npos);
}

}  // namespace
}  // namespace rivulet
