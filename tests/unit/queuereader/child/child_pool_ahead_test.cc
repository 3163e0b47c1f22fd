#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "queuereader/child/child_pool.h"
#include "queuereader/child/exec_protocol.h"
#include "tests/unit/queuereader/child/child_support.h"

using namespace rivulet;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

namespace {

struct Fixture {
  explicit Fixture(const std::string& command, std::size_t workers = 1) {
    config.child.argv = {"/bin/sh", "-c", command};
    config.child.name = "child";
    config.timeout = 20s;
    config.workers = workers;
    config.restart = {1ms, 2ms};
    config.answers_each = false;
  }
  void Make() { pool = std::make_unique<ChildPool>(clock, config, dialect); }
  void Set(const Strings& texts) {
    messages = std::vector<TextMessage>(texts.begin(), texts.end());
    pointers.clear();
    for (const TextMessage& message : messages) pointers.push_back(&message);
  }
  void Ahead(std::size_t from, std::size_t count) {
    pool->Ahead(std::span(pointers).subspan(from, count));
  }
  Strings Run(std::size_t from = 0) {
    std::vector<Outcome> outcomes(pointers.size() - from, Outcome::Done());
    pool->Run(std::span(pointers).subspan(from), outcomes, context, false);
    Strings told;
    for (const Outcome& outcome : outcomes) told.push_back(Told(outcome));
    return told;
  }
  /// A run, so that there are children.
  void Warm() {
    Make();
    Set({"1", "1"});
    CHECK(Run() == Strings{"done", "done"});
    context.emitted.clear();
  }

  SystemClock clock;
  ChildPoolConfig config;
  ExecDialect dialect{{"o"}, nullptr};
  NotingContext context;
  std::vector<TextMessage> messages;
  std::vector<const Message*> pointers;
  std::unique_ptr<ChildPool> pool;
};

/// Emits what it gets, with how many it has had before it; 9 ends it, 8 is no answer.
constexpr char kCount[] = R"(n=0; while read -r m; do
    [ $m = 9 ] && exit 3
    [ $m = 8 ] && echo what
    echo "{\"ok\":true,\"emit\":{\"o\":[$m$n]}}"; n=$((n + 1))
  done)";

}  // namespace

TEST_CASE("child pool: what was sent ahead is answered for by the run, in order, and sent once") {
  Fixture f(kCount);
  f.Warm();
  f.Set({"1", "2", "3", "4"});
  f.Ahead(0, 1);
  f.Ahead(1, 2);
  CHECK(f.Run() == Strings(4, "done"));
  CHECK(f.context.emitted == Strings{"o 12", "o 23", "o 34", "o 45"});
  f.context.emitted.clear();
  f.Set({"5"});
  f.Ahead(0, 1);
  CHECK(f.Run() == Strings{"done"});
  CHECK(f.context.emitted == Strings{"o 56"});
  CHECK(f.pool->stats().starts == 1);
}

TEST_CASE("child pool: nothing goes ahead to children that do not run, or have enough to do") {
  Fixture f(kCount);
  f.config.ahead_messages = 2;
  f.Make();
  f.Set({"1", "2", "3", "4"});
  f.Ahead(0, 4);
  CHECK(f.pool->stats().starts == 0);
  CHECK(f.Run() == Strings(4, "done"));
  f.Ahead(0, 3);
  // The third was not sent: nor is the fourth, which would come before it.
  f.Ahead(3, 1);
  CHECK(f.Run() == Strings(4, "done"));
  CHECK(f.context.emitted ==
        Strings{"o 10", "o 21", "o 32", "o 43", "o 14", "o 25", "o 36", "o 47"});
}

TEST_CASE("child pool: several children share what goes ahead") {
  Fixture f("while read -r m; do echo '{\"ok\":true}'; done", 3);
  f.Warm();
  f.Set(Strings(100, "1"));
  f.Ahead(0, 50);
  f.Ahead(50, 20);
  CHECK(f.Run() == Strings(100, "done"));
  f.Set({"1"});
  CHECK(f.Run() == Strings{"done"});
  CHECK(f.pool->stats().crashes == 0);
}

TEST_CASE(
    "child pool: a child that ends, or breaks the language, ahead of the run costs one a try") {
  Fixture f(kCount);
  f.Warm();
  f.Set({"1", "9", "2", "9", "3"});
  f.Ahead(0, 4);
  const std::string ended = "failed: exited with 3 before it answered";
  CHECK(f.Run() == Strings{"done", ended, "done", ended, "done"});
  CHECK(f.context.emitted.size() == 3);
  f.Set({"8", "2"});
  f.Ahead(0, 2);
  const Strings broken = f.Run();
  CHECK(broken[0].starts_with("failed: answered 'what', which is no answer"));
  CHECK(broken[1] == "done");
}

TEST_CASE("child pool: answers to what was not run after all are nobody's") {
  Fixture f(kCount);
  f.Warm();
  f.Set({"1", "2", "3"});
  f.Ahead(0, 2);
  CHECK(f.Run(1) == Strings{"done", "done"});
  // By a child that had none before.
  CHECK(f.context.emitted == Strings{"o 20", "o 31"});
  CHECK(f.pool->stats().starts == 2);
  CHECK(f.pool->stats().crashes == 0);

  f.Ahead(0, 2);
  CHECK(f.pool
            ->Ask(0, "7\n",
                  [](std::string_view* bytes) -> Result<bool> {
                    const bool whole = bytes->ends_with("\n");
                    if (whole) CHECK(*bytes == "{\"ok\":true,\"emit\":{\"o\":[70]}}\n");
                    if (whole) bytes->remove_prefix(bytes->size());
                    return whole;
                  })
            .ok());
  CHECK(f.pool->stats().starts == 3);
}
