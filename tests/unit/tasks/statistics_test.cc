#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/tasks/support.h"

using rivulet::Outcome;
using rivulet::Task;
using rivulet::test::FakeContext;
using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunDone;

namespace {

void RunNumbers(Task& task, const std::vector<double>& numbers) {
  for (const double x : numbers) RunDone(task, FakeMessage().With("x", x));
}

FakeSummary SummaryOf(const std::string& spec, const std::vector<double>& numbers) {
  auto task = MakeTaskOf(spec);
  RunNumbers(*task, numbers);
  return FakeSummary(*task);
}

/// As "first cell:last cell" of each row.
std::string Rows(const FakeSummary& summary) {
  std::string text;
  for (const auto& row : summary.rows) {
    text += std::to_string(static_cast<long>(row.front().number)) + ":" +
            std::to_string(row.back().count) + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("histogram: what is at a bound is in the bucket above; beyond the scale is told apart") {
  auto summary = SummaryOf("histogram:field=x,low=0,high=30,buckets=3",
                           {-1, 0, 9.99, 10, 19, 20, 29.99, 30, 1e308, -1e308});
  CHECK(Rows(summary) == "0:2 10:2 20:2 ");
  CHECK(summary.columns == std::vector<std::string>{"low", "high", "count"});
  CHECK(summary.counts["underflow"] == 2);
  CHECK(summary.counts["overflow"] == 2);
  CHECK(summary.counts["count"] == 10);
}

TEST_CASE("histogram: of decades, and of integers") {
  auto log = SummaryOf("histogram:field=x,scale=log,low=1,high=1000,per_decade=1",
                       {1, 9, 10, 99, 100, 500, 0, -5, 1000});
  CHECK(Rows(log) == "1:2 10:2 100:2 ");
  CHECK(log.counts["underflow"] == 2);
  CHECK(log.counts["overflow"] == 1);
  auto integers = SummaryOf("histogram:field=x,scale=integer", {3, 3, -2, 100000, 3, 0.5});
  CHECK(Rows(integers) == "-2:1 0:1 3:3 100000:1 ");
  CHECK(integers.columns == std::vector<std::string>{"value", "count"});
}

TEST_CASE("quantiles: each within the accuracy of the true one, and the ends exactly") {
  std::vector<double> numbers;
  for (int i = 1000; i >= 1; --i) numbers.push_back(i);
  auto summary = SummaryOf("quantiles:field=x,q=0/0.5/0.9/0.999,accuracy=0.02", numbers);
  // Of 1 to 1000 the one of rank floor(q 999), from 0.
  CHECK(summary.numbers["p0"] == 1);
  CHECK(std::abs(summary.numbers["p50"] - 500) <= 0.02 * 500);
  CHECK(std::abs(summary.numbers["p90"] - 900) <= 0.02 * 900);
  CHECK(std::abs(summary.numbers["p99.9"] - 999) <= 0.02 * 999);
  CHECK(summary.numbers["max"] == 1000);
  CHECK(summary.texts.empty());
}

TEST_CASE("quantiles: numbers of any size are counted") {
  auto summary = SummaryOf("quantiles:field=x,q=0.5", {1e308, -1e308, 0, 1e-308, 7});
  CHECK(summary.counts["count"] == 5);
  CHECK(summary.numbers["p50"] == doctest::Approx(1e-308).epsilon(0.011));
  CHECK(summary.numbers["min"] == -1e308);
  CHECK(summary.numbers["max"] == 1e308);
}

TEST_CASE("distinct: few are exact, many within five standard errors") {
  auto task = MakeTaskOf("distinct:field=c");
  for (int i = 0; i < 3000; ++i) {
    RunDone(*task, FakeMessage().With("c", "v" + std::to_string(i % 300)));
  }
  RunDone(*task, FakeMessage().With("c", 5));
  RunDone(*task, FakeMessage());
  FakeSummary few(*task);
  CHECK(few.counts["distinct"] == 301);
  CHECK(few.numbers["standard_error"] == 0);
  CHECK(few.counts["count"] == 3001);
  CHECK(few.counts["skipped"] == 1);
  for (int i = 0; i < 20'000; ++i) RunDone(*task, FakeMessage().With("c", std::to_string(i * 7)));
  FakeSummary many(*task);
  // 20,300: of 0 to 139,993 by sevens 5 is none, but the number 5 is there from before.
  CHECK(static_cast<double>(many.counts["distinct"]) ==
        doctest::Approx(20'301).epsilon(5 * 0.0082));
}

TEST_CASE("top: of each key its own, in less memory") {
  auto task = MakeTaskOf("top:field=c,by=k,k=2");
  for (int i = 0; i < 60; ++i) {
    const std::string c = i % 6 == 0 ? "one" : i % 3 == 0 ? "two" : "three" + std::to_string(i % 3);
    RunDone(*task, FakeMessage().With("k", i < 30 ? "a" : "b").With("c", c));
  }
  FakeSummary summary(*task);
  REQUIRE(summary.rows.size() == 4);
  CHECK(summary.columns == std::vector<std::string>{"key", "value", "count", "error"});
  CHECK(summary.rows[0][0].text == "a");
  CHECK(summary.rows[0][1].text == "three1");
  CHECK(summary.rows[0][2].count == 10);
  CHECK(summary.rows[3][1].text == "three2");
  RunDone(*task, FakeMessage().With("k", "a").With("c", std::string(4097, 'x')));
  CHECK(FakeSummary(*task).counts["skipped"] == 1);
}

TEST_CASE("rate: messages a second, or a number's sum, over the window of their own times") {
  auto messages = MakeTaskOf("rate:window=60s,time=t");
  auto sums = MakeTaskOf("rate:field=x,window=60s,time=t");
  for (int t = 0; t < 600; ++t) {
    const auto message = FakeMessage().With("t", 1e9 + t).With("x", t % 2 == 0 ? 3 : 1);
    RunDone(*messages, message);
    RunDone(*sums, message);
  }
  // One a second; two a second on the average. The slot that is partly in it makes 1/60 of doubt.
  CHECK(FakeSummary(*messages).numbers["per_second"] == doctest::Approx(1).epsilon(0.02));
  CHECK(FakeSummary(*sums).numbers["per_second"] == doctest::Approx(2).epsilon(0.03));
  CHECK(FakeSummary(*sums).numbers["total"] == 1200);
  RunDone(*messages, FakeMessage().With("t", 1e9));    // late
  RunDone(*messages, FakeMessage().With("t", 1e300));  // no time
  RunDone(*sums, FakeMessage().With("t", 1e9).With("x", -1));
  CHECK(FakeSummary(*messages).numbers["late"] == 1);
  CHECK(FakeSummary(*messages).counts["skipped"] == 1);
  CHECK(FakeSummary(*sums).counts["skipped"] == 1);
}

TEST_CASE("ewma: a half-life ago counts half") {
  auto task = MakeTaskOf("ewma:field=x,half_life=10s,time=t");
  RunDone(*task, FakeMessage().With("x", 10).With("t", 100));
  RunDone(*task, FakeMessage().With("x", 40).With("t", 110));
  FakeSummary summary(*task);
  // (10 / 2 + 40) / (1 / 2 + 1), by hand.
  CHECK(summary.numbers["mean"] == doctest::Approx(30));
}

TEST_CASE("rate, ewma: a time of more than a minute ahead of the clock is not believed") {
  for (const std::string spec : {"rate:window=60s,time=t", "ewma:field=x,half_life=60s,time=t"}) {
    CAPTURE(spec);
    auto task = MakeTaskOf(spec);
    FakeContext context;
    const auto run = [&](double t) {
      CHECK_FALSE(task->Run(FakeMessage().With("x", 1).With("t", t), context).failed());
    };
    const auto now = std::chrono::duration<double>(context.at.time_since_epoch()).count();
    for (const double t : {now - 1, now, now + 61, 9e9, now - 2}) run(t);
    FakeSummary summary(*task);
    CHECK(summary.counts["count"] == 3);
    CHECK(summary.counts["skipped"] == 2);
    // Three in the last minute; with a half-life of 60 s: three weights, times ln 2 / 60.
    const double weights = 1 + std::exp2(-1 / 60.0) + std::exp2(-2 / 60.0);
    CHECK(summary.numbers["per_second"] ==
          doctest::Approx(spec[0] == 'r' ? 3 / 60.0 : weights * std::log(2) / 60));
    run(now + 59);
    CHECK(FakeSummary(*task).counts["count"] == 4);
  }
}

TEST_CASE("regression: the line, the correlation and the covariance of textbook points") {
  auto task = MakeTaskOf("regression:x=a,y=b");
  for (const auto& [a, b] :
       std::vector<std::pair<double, double>>{{1, 2}, {2, 4}, {3, 5}, {4, 4}, {5, 5}}) {
    RunDone(*task, FakeMessage().With("a", a).With("b", b));
  }
  RunDone(*task, FakeMessage().With("a", 1e200).With("b", 1));
  FakeSummary summary(*task);
  // By hand: sums about the means 3 and 4 are xx 10, yy 6, xy 6.
  CHECK(summary.numbers["slope"] == doctest::Approx(0.6));
  CHECK(summary.numbers["intercept"] == doctest::Approx(2.2));
  CHECK(summary.numbers["covariance"] == doctest::Approx(1.5));
  CHECK(summary.numbers["correlation"] == doctest::Approx(6 / std::sqrt(60.0)));
  CHECK(summary.counts["skipped"] == 1);
}

TEST_CASE("drift: a change is told once, to the output, with its key") {
  for (const std::string method : {"adwin", "page-hinkley,threshold=5", "ddm"}) {
    CAPTURE(method);
    auto task = MakeTaskOf("drift:field=x,by=k,output=out,name=d,method=" + method);
    FakeContext context;
    for (int i = 0; i < 2000; ++i) {
      // One of ten, and then nine of ten, of key a; key b stays as it is.
      const double x = (i < 1000) == (i % 10 == 0) ? 1 : 0;
      task->Run(FakeMessage().With("k", "a").With("x", x), context);
      task->Run(FakeMessage().With("k", "b").With("x", i % 10 == 0 ? 1 : 0), context);
    }
    REQUIRE_FALSE(context.emitted.empty());
    const std::string name = method.substr(0, method.find(','));
    CHECK(context.emitted[0].starts_with(
        "out {\"task\":\"d\",\"time\":1600000000.000,\"key\":\"a\",\"drift\":\"" + name +
        "\",\"count\":10"));
    FakeSummary summary(*task);
    CHECK(summary.At("a", "drifts") >= 1);
    CHECK(summary.At("a", "drifts") == static_cast<double>(context.emitted.size()));
    CHECK(summary.At("b", "drifts") == 0);
    CHECK(task->views().empty());
  }
}

TEST_CASE("drift: errors may be true and false") {
  auto task = MakeTaskOf("drift:field=bad,method=ddm");
  RunDone(*task, FakeMessage("{\"bad\":true}"));
  RunDone(*task, FakeMessage("{\"bad\":false}"));
  RunDone(*task, FakeMessage("{\"bad\":null}"));
  RunDone(*task, FakeMessage("{\"bad\":\"true\"}").With("bad", "true"));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 2);
  CHECK(summary.counts["skipped"] == 2);
  CHECK(summary.numbers["mean"] == 0.5);
}
