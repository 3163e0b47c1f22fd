#include "tasks/tasks.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>

#include "queuereader/task_registry.h"
#include "tasks/print.h"
#include "tests/unit/tasks/support.h"

using rivulet::Outcome;
using rivulet::Task;
using rivulet::TaskRegistry;
using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;

namespace {

std::unique_ptr<Task> Make(const std::string& spec) {
  TaskRegistry registry;
  rivulet::RegisterTasks(&registry);
  auto task = registry.Make(spec);
  REQUIRE_MESSAGE(task.ok(), spec);
  return std::move(task->task);
}

void Run(Task& task, const FakeMessage& message) {
  CHECK(task.Run(message).kind() == Outcome::Kind::kDone);
}

std::string Refusal(const std::string& spec) {
  TaskRegistry registry;
  rivulet::RegisterTasks(&registry);
  auto task = registry.Make(spec);
  return task.ok() ? "" : task.status().message();
}

}  // namespace

TEST_CASE("count: heartbeats are counted apart from messages") {
  auto task = Make("count");
  Run(*task, FakeMessage().With("a", 1));
  Run(*task, FakeMessage().With("_heartbeat_", 1331923247));
  Run(*task, FakeMessage().With("a", 2));
  FakeSummary summary(*task);
  CHECK(summary.counts["messages"] == 2);
  CHECK(summary.counts["heartbeats"] == 1);
}

TEST_CASE("moments: of 2, 4, 4, 4, 5, 5, 7, 9 as textbooks have them") {
  auto task = Make("moments:field=x");
  for (double x : {2, 4, 4, 4, 5, 5, 7, 9}) Run(*task, FakeMessage().With("x", x));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 8);
  CHECK(summary.counts["skipped"] == 0);
  CHECK(summary.numbers["mean"] == doctest::Approx(5));
  // By hand: the sums of the 2nd, 3rd and 4th powers about 5 are 32, 42 and 356. So the sample
  // deviation is sqrt(32/7), the skewness (42/8) / 4^1.5, the excess kurtosis (356/8) / 4^2 - 3.
  CHECK(summary.numbers["stddev"] == doctest::Approx(std::sqrt(32.0 / 7)));
  CHECK(summary.numbers["skewness"] == doctest::Approx(0.65625));
  CHECK(summary.numbers["kurtosis"] == doctest::Approx(-0.21875));
  CHECK(summary.numbers["min"] == 2);
  CHECK(summary.numbers["max"] == 9);
}

TEST_CASE("moments: of the difference of two fields") {
  auto task = Make("moments:field=t,minus=hc");
  Run(*task, FakeMessage().With("t", 10).With("hc", 4));
  Run(*task, FakeMessage().With("t", 10).With("hc", 2));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 2);
  CHECK(summary.numbers["mean"] == doctest::Approx(7));
}

TEST_CASE("moments: a field that is absent or no number is skipped, not failed") {
  auto task = Make("moments:field=t,minus=hc");
  Run(*task, FakeMessage());
  Run(*task, FakeMessage().With("t", 1));
  Run(*task, FakeMessage().With("hc", 1));
  Run(*task, FakeMessage().With("t", "1").With("hc", 1));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 0);
  CHECK(summary.counts["skipped"] == 4);
  CHECK(std::isnan(summary.numbers["mean"]));
}

TEST_CASE("moments: a difference too large for a number is skipped") {
  auto task = Make("moments:field=t,minus=hc");
  double huge = std::numeric_limits<double>::max();
  Run(*task, FakeMessage().With("t", huge).With("hc", -huge));
  CHECK(FakeSummary(*task).counts["skipped"] == 1);
}

TEST_CASE("top: the most frequent values come first, numbers as they are written") {
  auto task = Make("top:field=c,k=2");
  for (const char* c : {"US", "BR", "US", "DE", "US", "BR"}) {
    Run(*task, FakeMessage().With("c", std::string(c)));
  }
  Run(*task, FakeMessage().With("other", 1));
  for (int i = 0; i < 5; ++i) Run(*task, FakeMessage().With("c", 7));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 11);
  CHECK(summary.counts["skipped"] == 1);
  REQUIRE(summary.rows.size() == 2);
  CHECK(summary.rows[0][0].text == "7");
  CHECK(summary.rows[0][1].count == 5);
  CHECK(summary.rows[0][2].count == 0);
  CHECK(summary.rows[1][0].text == "US");
  CHECK(summary.rows[1][1].count == 3);
}

TEST_CASE("top: memory is bounded, and a frequent value among many rare ones is found") {
  auto task = Make("top:field=c,k=1");
  for (int i = 0; i < 50'000; ++i) {
    Run(*task, FakeMessage().With("c", i % 10 == 0 ? "often" : "rare" + std::to_string(i)));
  }
  FakeSummary summary(*task);
  REQUIRE(summary.rows.size() == 1);
  CHECK(summary.rows[0][0].text == "often");
  CHECK(summary.rows[0][1].count >= 5000);
  CHECK(summary.rows[0][1].count - summary.rows[0][2].count <= 5000);
}

TEST_CASE("tasks: wrong arguments are refused with those that are right") {
  CHECK(Refusal("moments").find("needs field=VALUE") != std::string::npos);
  CHECK(Refusal("moments:feild=x").find("needs field=VALUE") != std::string::npos);
  CHECK(Refusal("moments:field=x,mins=y").find("it takes field, minus, name") != std::string::npos);
  CHECK(Refusal("top:field=c,k=many").find("k=many must be a whole number from 1 to 10000") !=
        std::string::npos);
  CHECK(Refusal("count:field=x").find("it takes name") != std::string::npos);
  CHECK(Refusal("print:field=x").find("it takes name") != std::string::npos);
}

TEST_CASE("print: a message is a line, whatever newlines stand between its tokens") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file);
  rivulet::PrintTask task(file);
  Run(task, FakeMessage("{\"a\":\r\n 1}"));
  Run(task, FakeMessage("\"x\\ny\""));
  std::rewind(file);
  char text[64] = {};
  std::size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  CHECK(std::string(text, size) == "{\"a\":   1}\n\"x\\ny\"\n");
}

TEST_CASE("print: an output that takes nothing fails the task") {
  std::FILE* full = std::fopen("/dev/full", "w");
  REQUIRE(full);
  rivulet::PrintTask task(full);
  Outcome outcome = task.Run(FakeMessage("1"));
  CHECK(outcome.kind() == Outcome::Kind::kFailed);
  CHECK(outcome.why().find("No space left") != std::string::npos);
  std::fclose(full);
}
