// What is sent ahead of the run after the next one.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "queuereader/child/child_pool.h"
#include "queuereader/child/exec_protocol.h"
#include "queuereader/task_unusable.h"
#include "tests/unit/queuereader/child/child_support.h"

using namespace rivulet;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

namespace {

struct Fixture {
  explicit Fixture(const std::string& command, const Strings& texts, std::size_t workers = 1)
      : messages(texts.begin(), texts.end()) {
    config.child.argv = {"/bin/sh", "-c", command};
    config.child.name = "child";
    config.timeout = 20s;
    config.workers = workers;
    config.restart = {1ms, 2ms};
    config.answers_each = false;
    for (const TextMessage& message : messages) pointers.push_back(&message);
    pool = std::make_unique<ChildPool>(clock, config, dialect);
  }
  std::span<const Message* const> Some(std::size_t from, std::size_t count) const {
    return std::span(pointers).subspan(from, count);
  }
  void Ahead(std::size_t from, std::size_t count) { pool->Ahead(Some(from, count)); }
  Strings Run(std::size_t from, std::size_t count) {
    std::vector<Outcome> outcomes(count, Outcome::Done());
    pool->Run(Some(from, count), outcomes, context, false);
    Strings told;
    for (const Outcome& outcome : outcomes) told.push_back(Told(outcome));
    return told;
  }

  SystemClock clock;
  ChildPoolConfig config;
  ExecDialect dialect{{"o"}, nullptr};
  NotingContext context;
  std::vector<TextMessage> messages;
  std::vector<const Message*> pointers;
  std::unique_ptr<ChildPool> pool;
};

// Emits what it gets, with how many it has had before it; 9 ends it, 8 fails.
constexpr char kCount[] = R"(n=0; while read -r m; do
    [ $m = 9 ] && exit 3
    if [ $m = 8 ]; then echo '{"ok":false,"error":"8"}'; n=$((n + 1)); continue; fi
    echo "{\"ok\":true,\"emit\":{\"o\":[$m$n]}}"; n=$((n + 1))
  done)";
// Answers three together, when it has read them.
constexpr char kThree[] = R"(while read -r a; do
    read -r b; read -r c
    for m in $a $b $c; do echo "{\"ok\":true,\"emit\":{\"o\":[$m]}}"; done
  done)";
const std::string kEnded = "failed: exited with 3 before it answered";

}  // namespace

TEST_CASE("child pool: a run takes the first of what was sent ahead, and the next one the others") {
  Fixture f(kCount, {"1", "2", "3", "4", "5", "6", "7"});
  CHECK(f.Run(0, 1) == Strings{"done"});
  f.Ahead(1, 2);
  f.Ahead(3, 2);
  CHECK(f.Run(1, 2) == Strings(2, "done"));
  f.Ahead(5, 2);
  CHECK(f.Run(3, 1) == Strings{"done"});
  CHECK(f.Run(4, 3) == Strings(3, "done"));
  CHECK(f.context.emitted == Strings{"o 10", "o 21", "o 32", "o 43", "o 54", "o 65", "o 76"});
  CHECK(f.context.emitted_for == std::vector<std::size_t>{0, 0, 1, 0, 0, 1, 2});
  CHECK(f.pool->stats().starts == 1);
}

TEST_CASE("child pool: an answer that comes before its run is told by its run") {
  Fixture f(kThree, {"0", "1", "2", "3", "4", "5"});
  CHECK(f.Run(0, 3) == Strings(3, "done"));
  f.context.emitted.clear();
  f.Ahead(3, 3);
  CHECK(f.Run(3, 1) == Strings{"done"});
  CHECK(f.context.emitted == Strings{"o 3"});
  CHECK(f.Run(4, 2) == Strings(2, "done"));
  CHECK(f.context.emitted == Strings{"o 3", "o 4", "o 5"});
  CHECK(f.pool->stats().starts == 1);
}

TEST_CASE("child pool: of a child that ends one message has failed, in whichever run it is") {
  Fixture f(kCount, {"1", "2", "3", "9", "4", "8", "9", "5"});
  CHECK(f.Run(0, 1) == Strings{"done"});
  f.Ahead(1, 6);
  CHECK(f.Run(1, 1) == Strings{"done"});
  CHECK(f.Run(2, 3) == Strings{"done", kEnded, "done"});
  CHECK(f.Run(5, 1) == Strings{"failed: 8"});
  CHECK(f.Run(6, 2) == Strings{kEnded, "done"});
}

TEST_CASE("child pool: who answered before a run of others is started again") {
  Fixture f(kThree, {"0", "1", "2", "3", "4", "5"});
  CHECK(f.Run(0, 3) == Strings(3, "done"));
  f.Ahead(0, 3);
  CHECK(f.Run(0, 1) == Strings{"done"});
  CHECK(f.pool->stats().starts == 1);
  CHECK(f.Run(3, 3) == Strings(3, "done"));
  CHECK(f.pool->stats().starts == 2);
  CHECK(f.pool->stats().crashes == 0);
}

TEST_CASE(
    "child pool: a command that ends after each message is started again for what was ahead") {
  Fixture f(R"(read -r m && echo '{"ok":true}')", {"0", "1", "2", "3"});
  CHECK(f.Run(0, 1) == Strings{"done"});
  f.Ahead(1, 3);
  CHECK(f.Run(1, 1) == Strings{"done"});
  CHECK(f.Run(2, 2) == Strings(2, "done"));
  CHECK(f.pool->stats().crashes == 0);
}

TEST_CASE("child pool: a command that cannot run any more fails the messages of the run in hand") {
  char folder[] = "/tmp/rivulet_pool_XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  Fixture f("cd " + std::string(folder) + R"(; [ -e once ] && exit 1; touch once; read -r m
      echo '{"ok":true}'; read -r m; read -r m; exit 2)",
            {"0", "1", "2", "3"});
  CHECK(f.Run(0, 1) == Strings{"done"});
  f.Ahead(1, 3);
  const std::string why = "failed: exited with 1 before it answered";
  CHECK(f.Run(1, 1) == Strings{why});
  const std::uint64_t starts = f.pool->stats().starts;
  CHECK(starts > 10);
  CHECK(f.Run(2, 2) == Strings(2, why));
  CHECK(f.pool->stats().starts > starts);
  std::filesystem::remove_all(folder);

  Fixture never("exit 1", {"0", "1"});
  never.Ahead(0, 2);
  CHECK_THROWS_AS(never.Run(0, 1), TaskUnusable);
}

TEST_CASE("child pool: whatever is sent ahead, every message is answered for once, in order") {
  std::mt19937 random(7);
  const auto draw = [&](std::size_t most) { return random() % (most + 1); };
  for (std::size_t round = 0; round < 12; ++round) {
    Strings texts;
    Strings expected;
    for (int i = 0; i < 60; ++i) {
      const std::size_t kind = draw(19);
      texts.push_back(kind == 0 ? "9" : kind == 1 ? "8" : std::to_string(1 + draw(6)));
      expected.push_back(kind == 0 ? kEnded : kind == 1 ? "failed: 8" : "done");
    }
    Fixture f(kCount, texts, 1 + round % 3);
    Strings told;
    std::size_t ahead = 0;
    while (told.size() < texts.size()) {
      const std::size_t at = told.size();
      ahead = std::max(ahead, at);
      const std::size_t more = draw(std::min<std::size_t>(texts.size() - ahead, 20));
      if (more > 0) f.Ahead(ahead, more);
      ahead += more;
      const std::size_t count = 1 + draw(std::min<std::size_t>(texts.size() - at, 12) - 1);
      const Strings some = f.Run(at, count);
      told.insert(told.end(), some.begin(), some.end());
    }
    CHECK(told == expected);
    Strings numbers;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (expected[i] == "done") numbers.push_back("o " + texts[i]);
    }
    REQUIRE(f.context.emitted.size() == numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      CHECK(f.context.emitted[i].starts_with(numbers[i]));
    }
  }
}
