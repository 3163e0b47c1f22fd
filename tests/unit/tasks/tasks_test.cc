#include "tasks/tasks.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tasks/print.h"
#include "tests/unit/tasks/support.h"

using rivulet::Outcome;
using rivulet::test::FakeContext;
using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;
using rivulet::test::MakeTaskOf;
using rivulet::test::Refusal;
using rivulet::test::RunDone;
using rivulet::test::RunTask;

TEST_CASE("count: heartbeats are counted apart from messages") {
  auto task = MakeTaskOf("count");
  RunDone(*task, FakeMessage().With("a", 1));
  RunDone(*task, FakeMessage().With("_heartbeat_", 1331923247));
  RunDone(*task, FakeMessage().With("a", 2));
  FakeSummary summary(*task);
  CHECK(summary.counts["messages"] == 2);
  CHECK(summary.counts["heartbeats"] == 1);
}

TEST_CASE("moments: of 2, 4, 4, 4, 5, 5, 7, 9 as textbooks have them") {
  auto task = MakeTaskOf("moments:field=x");
  for (double x : {2, 4, 4, 4, 5, 5, 7, 9}) RunDone(*task, FakeMessage().With("x", x));
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
  auto task = MakeTaskOf("moments:field=t,minus=hc");
  RunDone(*task, FakeMessage().With("t", 10).With("hc", 4));
  RunDone(*task, FakeMessage().With("t", 10).With("hc", 2));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 2);
  CHECK(summary.numbers["mean"] == doctest::Approx(7));
}

TEST_CASE("moments: a field that is absent or no number is skipped, not failed") {
  auto task = MakeTaskOf("moments:field=t,minus=hc");
  RunDone(*task, FakeMessage());
  RunDone(*task, FakeMessage().With("t", 1));
  RunDone(*task, FakeMessage().With("hc", 1));
  RunDone(*task, FakeMessage().With("t", "1").With("hc", 1));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 0);
  CHECK(summary.counts["skipped"] == 4);
  CHECK(std::isnan(summary.numbers["mean"]));
}

TEST_CASE("moments: a difference too large for a number is skipped") {
  auto task = MakeTaskOf("moments:field=t,minus=hc");
  double huge = std::numeric_limits<double>::max();
  RunDone(*task, FakeMessage().With("t", huge).With("hc", -huge));
  CHECK(FakeSummary(*task).counts["skipped"] == 1);
}

TEST_CASE("top: the most frequent values come first, numbers as they are written") {
  auto task = MakeTaskOf("top:field=c,k=2");
  for (const char* c : {"US", "BR", "US", "DE", "US", "BR"}) {
    RunDone(*task, FakeMessage().With("c", std::string(c)));
  }
  RunDone(*task, FakeMessage().With("other", 1));
  for (int i = 0; i < 5; ++i) RunDone(*task, FakeMessage().With("c", 7));
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
  auto task = MakeTaskOf("top:field=c,k=1");
  for (int i = 0; i < 50'000; ++i) {
    RunDone(*task, FakeMessage().With("c", i % 10 == 0 ? "often" : "rare" + std::to_string(i)));
  }
  FakeSummary summary(*task);
  REQUIRE(summary.rows.size() == 1);
  CHECK(summary.rows[0][0].text == "often");
  CHECK(summary.rows[0][1].count >= 5000);
  CHECK(summary.rows[0][1].count - summary.rows[0][2].count <= 5000);
}

TEST_CASE("keep: what is strictly between the two passes, and nothing else") {
  const auto kDone = Outcome::Kind::kDone;
  const auto kDrop = Outcome::Kind::kDrop;
  auto task = MakeTaskOf("keep:field=x,above=0.5,below=1");
  const std::vector<std::pair<double, Outcome::Kind>> between{
      {0.5, kDrop}, {0.5000001, kDone}, {0.9999999, kDone}, {1, kDrop}, {-1, kDrop}, {7, kDrop}};
  for (const auto& [x, kind] : between) {
    CHECK(RunTask(*task, FakeMessage().With("x", x)) == kind);
  }
  CHECK(RunTask(*task, FakeMessage().With("x", "0.7")) == kDrop);
  CHECK(RunTask(*task, FakeMessage()) == kDrop);
  auto above = MakeTaskOf("keep:field=x,above=-1");
  CHECK(RunTask(*above, FakeMessage().With("x", 1e300)) == kDone);
  CHECK(RunTask(*above, FakeMessage().With("x", -1)) == kDrop);
  auto below = MakeTaskOf("keep:field=x,below=1e3");
  CHECK(RunTask(*below, FakeMessage().With("x", -1e300)) == kDone);
  CHECK(RunTask(*below, FakeMessage().With("x", 1000)) == kDrop);
}

TEST_CASE("tasks: wrong arguments are refused with those that are right") {
  CHECK(Refusal("moments").find("needs field=VALUE") != std::string::npos);
  CHECK(Refusal("moments:feild=x")
            .find("unknown key 'feild'; it takes by, every, field, max_keys, minus, name") !=
        std::string::npos);
  CHECK(Refusal("top:field=c,k=many").find("k=many must be a whole number from 1 to 10000") !=
        std::string::npos);
  CHECK(Refusal("sum").find("needs field=VALUE") != std::string::npos);
  CHECK(Refusal("keep:field=x").find("needs above=NUMBER or below=NUMBER") != std::string::npos);
  CHECK(Refusal("keep:field=x,above=2,below=1").find("above=2 must be less than below=1") !=
        std::string::npos);
  CHECK(Refusal("keep:field=x,above=nan").find("above=nan must be a number") != std::string::npos);
  CHECK(Refusal("sample").find("needs rate=VALUE") != std::string::npos);
  CHECK(Refusal("sample:rate=1.5").find("rate=1.5 must be a number from 0 to 1") !=
        std::string::npos);
  CHECK(Refusal("fail:rate=.5,seed=x").find("seed=x must be a whole number") != std::string::npos);
  CHECK(Refusal("count:field=x").find("it takes name") != std::string::npos);
  CHECK(Refusal("print:field=x").find("it takes name") != std::string::npos);
}

TEST_CASE("print: a message is a line, whatever newlines stand between its tokens") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file);
  rivulet::PrintTask task(file);
  RunDone(task, FakeMessage("{\"a\":\r\n 1}"));
  RunDone(task, FakeMessage("\"x\\ny\""));
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
  FakeContext context;
  Outcome outcome = task.Run(FakeMessage("1"), context);
  CHECK(outcome.kind() == Outcome::Kind::kFailed);
  CHECK(outcome.why().find("No space left") != std::string::npos);
  std::fclose(full);
}
