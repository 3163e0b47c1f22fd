#include "tasks/statistic_task.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "algorithms/moments.h"
#include "algorithms/top_k.h"
#include "tests/unit/tasks/support.h"

using rivulet::Outcome;
using rivulet::Status;
using rivulet::WallTime;
using rivulet::test::FakeContext;
using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;
using rivulet::test::MakeTaskOf;
using rivulet::test::Refusal;
using rivulet::test::RunDone;

namespace {

bool Holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

FakeMessage Of(const std::string& key, double x) {
  return FakeMessage().With("k", key).With("x", x);
}

WallTime At(double seconds) {
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

}  // namespace

TEST_CASE("statistic task: a state a key, a string or a number, shown by how often it was") {
  auto task = MakeTaskOf("moments:field=x,by=k");
  for (const double x : {1, 2, 3}) RunDone(*task, Of("a", x));
  for (const double x : {10, 20, 30, 40}) RunDone(*task, Of("", x));
  RunDone(*task, FakeMessage().With("k", 7).With("x", 5));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 8);
  CHECK(summary.counts["keys"] == 3);
  REQUIRE(summary.rows.size() == 3);
  CHECK(summary.rows[0][0].text.empty());
  CHECK(summary.rows[1][0].text == "a");
  CHECK(summary.rows[2][0].text == "7");
  CHECK(summary.At("", "mean") == 25);
  CHECK(summary.At("a", "mean") == 2);
  CHECK(summary.At("a", "max") == 3);
  CHECK(summary.At("7", "count") == 1);
}

TEST_CASE("statistic task: top= is how many keys are shown, not how many are held") {
  auto task = MakeTaskOf("moments:field=x,by=k,top=1");
  for (const char* key : {"a", "b", "b"}) RunDone(*task, Of(key, 1));
  FakeSummary summary(*task);
  CHECK(summary.counts["keys"] == 2);
  REQUIRE(summary.rows.size() == 1);
  CHECK(summary.rows[0][0].text == "b");
}

TEST_CASE(
    "statistic task: keys beyond max_keys, keys too long and messages without one are counted") {
  auto task = MakeTaskOf("moments:field=x,by=k,max_keys=2");
  for (const char* key : {"a", "b", "c", "a", "d", "c"}) RunDone(*task, Of(key, 1));
  RunDone(*task, Of(std::string(1024, 'x'), 1));     // as long as may be, but there is no room
  RunDone(*task, Of(std::string(1025, 'x'), 1));     // too long
  RunDone(*task, Of(std::string(1 << 20, 'x'), 1));  // 1 MiB
  RunDone(*task, FakeMessage().With("x", 1));        // no key
  RunDone(*task, FakeMessage().With("k", "a"));      // no number
  RunDone(*task, FakeMessage().With("k", "a").With("x", "1"));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 3);
  CHECK(summary.counts["keys"] == 2);
  CHECK(summary.counts["other_keys"] == 4);
  CHECK(summary.counts["bad_keys"] == 2);
  CHECK(summary.counts["skipped"] == 3);
  // They are told by a loaded one, too, which has no more room than the saved one.
  auto other = MakeTaskOf("moments:field=x,by=k,max_keys=2");
  REQUIRE(other->Load(task->Save()).ok());
  RunDone(*other, Of("e", 1));
  FakeSummary loaded(*other);
  CHECK(loaded.counts["other_keys"] == 5);
  CHECK(loaded.counts["bad_keys"] == 2);
  CHECK(loaded.counts["skipped"] == 3);
}

TEST_CASE("statistic task: memory is bounded by max_keys, however many keys come") {
  auto task = MakeTaskOf("moments:field=x,by=k,max_keys=100");
  for (int i = 0; i < 50'000; ++i) RunDone(*task, Of("key " + std::to_string(i), i));
  FakeSummary summary(*task);
  CHECK(summary.counts["keys"] == 100);
  CHECK(summary.counts["other_keys"] == 49'900);
  // 100 keys of 8 bytes at most, 64 of a state and 16 of lengths, and the head.
  CHECK(task->Save().size() < 100 * (8 + 64 + 16) + 200);
}

TEST_CASE("statistic task: numbers whose powers are none are skipped, and poison nothing") {
  auto task = MakeTaskOf("moments:field=x");
  for (const double x : {1e308, -1e308, 1e71, 2.0, 4.0}) RunDone(*task, FakeMessage().With("x", x));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 2);
  CHECK(summary.counts["skipped"] == 3);
  CHECK(summary.numbers["mean"] == 3);
  CHECK(summary.numbers["max"] == 4);
}

TEST_CASE("statistic task: results are emitted with the first message after each period") {
  auto task = MakeTaskOf("moments:field=x,every=10s,output=out,name=ages");
  FakeContext context;
  const auto run = [&](double seconds, double x) {
    context.at = At(seconds);
    CHECK(task->Run(FakeMessage().With("x", x), context).kind() == Outcome::Kind::kDone);
  };
  run(100, 1);
  run(109.999, 3);
  CHECK(context.emitted.empty());
  run(110, 5);
  REQUIRE(context.emitted.size() == 1);
  CHECK(context.emitted[0] ==
        "out {\"task\":\"ages\",\"time\":110.000,\"results\":{\"count\":3,\"skipped\":0,\"mean\":3,"
        "\"stddev\":2,\"skewness\":0,\"kurtosis\":-1.5,\"min\":1,\"max\":5}}");
  run(119, 1);
  CHECK(context.emitted.size() == 1);
  run(200, 1);
  CHECK(context.emitted.size() == 2);
  run(50, 1);  // the clock was set back
  run(59, 1);
  CHECK(context.emitted.size() == 2);
  run(60, 1);
  CHECK(context.emitted.size() == 3);
}

TEST_CASE("statistic task: emitted results by key are an array, undefined numbers null") {
  auto task = MakeTaskOf("moments:field=x,by=k,every=1s,output=out,name=\"n\"");
  FakeContext context;
  for (const double seconds : {1, 2}) {
    context.at = At(seconds);
    task->Run(Of("\"<\n", seconds * 8), context);
  }
  REQUIRE(context.emitted.size() == 1);
  CHECK(context.emitted[0] ==
        "out {\"task\":\"\\\"n\\\"\",\"time\":2.000,\"results\":{\"count\":2,\"skipped\":0,"
        "\"keys\":1,\"other_keys\":0,\"bad_keys\":0,\"by\":[{\"key\":\"\\\"<\\n\",\"count\":2,"
        "\"mean\":12,\"stddev\":5.656854249492381,\"skewness\":0,\"kurtosis\":-2,\"min\":8,"
        "\"max\":16}]}}");
}

TEST_CASE("statistic task: what was saved before there were keys is loaded") {
  rivulet::Moments moments;
  for (const double x : {1, 2, 6}) moments.Update(x);
  std::string saved = "moments 1 field=x\n";
  rivulet::PutUint64(&saved, 4);  // skipped
  auto mean = MakeTaskOf("moments:field=x");
  REQUIRE(mean->Load(saved + moments.Save()).ok());
  CHECK(FakeSummary(*mean).counts["skipped"] == 4);
  CHECK(FakeSummary(*mean).numbers["mean"] == 3);
  CHECK(mean->Save() == saved + moments.Save());

  rivulet::TopK values(1000);
  values.Update("a", 5);
  saved = "top 1 field=x,k=10\n";
  rivulet::PutUint64(&saved, 5);  // counted
  rivulet::PutUint64(&saved, 4);  // skipped
  auto top = MakeTaskOf("top:field=x");
  REQUIRE(top->Load(saved + values.Save()).ok());
  CHECK(FakeSummary(*top).counts["count"] == 5);
  CHECK(FakeSummary(*top).At("a", "count") == 5);
  CHECK(top->Save() == saved + values.Save());
}

TEST_CASE("statistic task: wrong arguments are refused with what would be right") {
  struct Case {
    const char* spec;
    const char* why;
  };
  for (const Case& c :
       {Case{"moments:field=x,every=10s", "every= needs output=NAME"},
        Case{"moments:field=x,output=out", "output=out needs every=DURATION"},
        Case{"moments:field=x,every=often,output=out", "every=often must be a duration"},
        Case{"moments:field=x,every=1s,output=none", "needs --output=none=URL"},
        Case{"moments:field=x,by=k,max_keys=1000001", "max_keys=1000001 must be a whole number"},
        Case{"moments:field=x,store=mine", "store=mine must be local or shared"},
        Case{"moments:field=x,store=shared", "store=shared needs a reader with a store"},
        Case{"histogram:field=x", "needs low=NUMBER and high=NUMBER"},
        Case{"histogram:field=x,low=2,high=1", "low=2 and high=1 must be finite"},
        Case{"histogram:field=x,scale=log,low=0", "low=0 and high=1000000 must be above 0"},
        Case{"histogram:field=x,scale=odd", "scale=odd must be fixed, log or integer"},
        Case{"quantiles:field=x,q=0.5/2", "q=0.5/2 must be up to 20 numbers from 0 to 1"},
        Case{"quantiles:field=x,q=", "q= must be up to 20 numbers"},
        Case{"quantiles:field=x,accuracy=2", "accuracy=2 must be a number from 0.001 to 0.5"},
        Case{"distinct:field=x,precision=3", "precision=3 must be a whole number from 4 to 18"},
        Case{"rate:window=0s", "window=0s must be a duration from 1ms to 366d"},
        Case{"ewma:half_life=1s", "needs field=VALUE"},
        Case{"drift:field=x,method=guess", "method=guess must be adwin, page-hinkley or ddm"},
        Case{"drift:field=x,method=ddm,delta=.1", "unknown key 'delta'"},
        Case{"drift:field=x,store=shared", "depends on the order of the messages"},
        Case{"ewma:field=x,store=shared", "store=shared is not possible"},
        Case{"regression:x=a", "needs y=VALUE"}}) {
    CAPTURE(c.spec);
    const std::string refusal = Refusal(c.spec);
    CHECK_MESSAGE(Holds(refusal, c.why), refusal);
  }
}
