#include <doctest/doctest.h>

#include <bit>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/tasks/support.h"

using rivulet::Status;
using rivulet::Task;
using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunTask;

namespace {

const std::vector<std::string> kStateful{"count",
                                         "moments:field=x",
                                         "moments:field=x,minus=y",
                                         "top:field=c,k=3",
                                         "sum:field=x",
                                         "sample:rate=.5",
                                         "fail:rate=.5",
                                         "moments:field=x,by=c,max_keys=5",
                                         "histogram:field=x,low=0,high=90,buckets=9",
                                         "histogram:field=x,scale=log,per_decade=2,by=y",
                                         "histogram:field=y,scale=integer",
                                         "histogram:field=x,scale=integer,by=y",
                                         "quantiles:field=x,accuracy=.05,q=0/.5/1",
                                         "quantiles:field=x,by=c",
                                         "distinct:field=x",
                                         "distinct:field=c,by=y,precision=4",
                                         "top:field=c,k=3,by=y",
                                         "rate:field=y,window=10s,time=s",
                                         "rate:by=y,time=s,window=1m",
                                         "ewma:field=x,time=s,half_life=5s",
                                         "drift:field=y,range=4",
                                         "drift:field=y,method=page-hinkley,threshold=3,by=c",
                                         "drift:field=z,method=ddm",
                                         "regression:x=x,y=y,by=c"};

FakeMessage Nth(int i) {
  return FakeMessage("{\"x\":" + std::to_string(i) + "}")
      .With("x", i % 7 == 0 ? i * 0x1p50 : i * 0.37)
      .With("y", i % 5)
      .With("s", i * .1)
      .With("c", "v" + std::to_string(i * i % 13))
      .With(i % 11 == 0 ? "_heartbeat_" : "z", 1);
}

/// Everything that a task says and answers, to the last bit.
std::string Story(Task& task, int first, int last) {
  std::string story;
  for (int i = first; i < last; ++i) {
    story += std::to_string(static_cast<int>(RunTask(task, Nth(i))));
  }
  FakeSummary summary(task);
  for (const auto& [name, value] : summary.counts) story += name + std::to_string(value);
  for (const auto& [name, value] : summary.numbers) {
    story += name + std::to_string(std::bit_cast<std::uint64_t>(value));
  }
  for (const auto& [name, value] : summary.texts) story += name + value;
  for (const auto& row : summary.rows) {
    for (const auto& cell : row) story += cell.text + std::to_string(cell.count) + ",";
  }
  return story;
}

}  // namespace

TEST_CASE("tasks: one that is loaded goes on exactly as the one that was saved") {
  for (const std::string& spec : kStateful) {
    CAPTURE(spec);
    auto whole = MakeTaskOf(spec);
    const std::string first = Story(*whole, 0, 500);
    auto half = MakeTaskOf(spec);
    CHECK(Story(*half, 0, 500) == first);
    auto other = MakeTaskOf(spec);
    Status status = other->Load(half->Save());
    REQUIRE_MESSAGE(status.ok(), status.message());
    CHECK(other->Save() == half->Save());
    CHECK(Story(*other, 500, 1000) == Story(*whole, 500, 1000));
  }
}

TEST_CASE("tasks: no piece of a saved state is taken for the whole") {
  for (const std::string& spec : kStateful) {
    CAPTURE(spec);
    auto task = MakeTaskOf(spec);
    for (int i = 0; i < 20; ++i) RunTask(*task, Nth(i));
    const std::string saved = task->Save();
    for (std::size_t size = 0; size < saved.size(); size += 1 + saved.size() / 300) {
      CHECK_FALSE(MakeTaskOf(spec)->Load(saved.substr(0, size)).ok());
    }
    CHECK_FALSE(MakeTaskOf(spec)->Load(saved + "x").ok());
  }
}

TEST_CASE("tasks: the state of another task, of other arguments or of a newer format is refused") {
  struct Case {
    const char* saved_by;
    const char* loaded_by;
    const char* why;
  };
  for (const Case& c : {Case{"moments:field=a", "moments:field=b",
                             "of 'moments 1 field=a', and not of 'moments 1 field=b'"},
                        Case{"moments:field=a,minus=b", "moments:field=a",
                             "of 'moments 1 field=a,minus=b', and not of 'moments 1 field=a'"},
                        Case{"moments:field=a", "moments:field=a,minus=b", "and not of"},
                        Case{"top:field=a,k=2", "top:field=a,k=3", "field=a,k=2"},
                        Case{"moments:field=a", "moments:field=a,by=b", "field=a,by=b'"},
                        Case{"histogram:field=a,low=0,high=1", "histogram:field=a,low=0,high=2",
                             "low=0,high=1,buckets=50', and not of"},
                        Case{"quantiles:field=a", "quantiles:field=a,accuracy=.1", "accuracy=0.01"},
                        Case{"sum:field=a", "sum:field=b", "'sum 1 field=a'"},
                        Case{"sample:rate=.5,seed=1", "sample:rate=.5,seed=2", "seed=1"},
                        Case{"count", "sum:field=a", "of 'count 1', and not of 'sum 1 field=a'"}}) {
    Status status = MakeTaskOf(c.loaded_by)->Load(MakeTaskOf(c.saved_by)->Save());
    REQUIRE_FALSE(status.ok());
    CHECK_MESSAGE(status.message().find(c.why) != std::string::npos, status.message());
  }
  std::string newer = MakeTaskOf("count")->Save();
  newer[6] = '2';
  Status status = MakeTaskOf("count")->Load(newer);
  CHECK(status.message().find("of 'count 2', and not of 'count 1'") != std::string::npos);
}

TEST_CASE("sample: another rate goes on with the same numbers") {
  auto half = MakeTaskOf("sample:rate=.5");
  auto none = MakeTaskOf("sample:rate=0");
  CHECK(none->Load(half->Save()).ok());
}
