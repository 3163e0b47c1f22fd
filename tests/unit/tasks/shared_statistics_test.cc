#include "tasks/shared_statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "queuereader/task_unusable.h"
#include "store/memory_store.h"
#include "tests/unit/tasks/support.h"

using rivulet::MemoryStore;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::Result;
using rivulet::Status;
using rivulet::StatusCode;
using rivulet::Store;
using rivulet::StoreBatch;
using rivulet::StoreKind;
using rivulet::StoreReply;
using rivulet::Task;
using rivulet::TaskUnusable;
using rivulet::test::FakeContext;
using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunDone;
using rivulet::test::RunTask;

namespace {

/// As a queue's messages: x from -3 to 12, keys a to d.
std::vector<FakeMessage> Messages(int count) {
  std::vector<FakeMessage> messages;
  for (int i = 0; i < count; ++i) {
    messages.push_back(FakeMessage()
                           .With("x", i * 7 % 16 - 3)
                           .With("k", std::string(1, static_cast<char>('a' + i * i % 4)))
                           .With("t", 1e9 + i)
                           .WithId("queue-" + std::to_string(i)));
  }
  return messages;
}

/// All in one RunBatch(); the outcomes, a letter each.
std::string RunAll(Task& task, const std::vector<FakeMessage>& messages) {
  std::vector<const Message*> pointers;
  for (const FakeMessage& message : messages) pointers.push_back(&message);
  std::vector<Outcome> outcomes(pointers.size(), Outcome::Done());
  FakeContext context;
  task.RunBatch(pointers, outcomes, context);
  std::string letters;
  for (const Outcome& outcome : outcomes) letters += outcome.failed() ? 'f' : 'd';
  return letters;
}

/// What a store's hash holds.
std::map<std::string, std::string> HashOf(Store& store, const std::string& key) {
  std::map<std::string, std::string> fields;
  const auto items = store.HashAll(key);
  REQUIRE_MESSAGE(items.ok(), items.status().message());
  for (const auto& item : *items) fields[item.name] = item.text;
  return fields;
}

/// A store that is away, or answers what it is told to.
class BrokenStore final : public Store {
 public:
  explicit BrokenStore(Status status) : status_(std::move(status)) {}
  Result<std::vector<StoreReply>> Run(const StoreBatch&) override { return status_; }
  Result<std::vector<std::string>> Keys(std::string_view, StoreKind, std::size_t) override {
    return status_;
  }

 private:
  Status status_;
};

}  // namespace

TEST_CASE("shared statistics: many readers' updates are those of one that keeps its own") {
  for (const std::string spec :
       {"moments:field=x", "moments:field=x,by=k", "histogram:field=x,low=0,high=10,buckets=5",
        "histogram:field=x,scale=integer,by=k", "quantiles:field=x,q=0/0.3/0.5/1",
        "quantiles:field=x,by=k", "top:field=x", "distinct:field=x", "distinct:field=x,by=k",
        "rate:time=t", "rate:field=t,time=t,by=k"}) {
    CAPTURE(spec);
    MemoryStore store;
    auto local = MakeTaskOf(spec);
    const std::string shared = spec + ",store=shared,prefix=p";
    auto one = MakeTaskOf(shared, &store);
    auto two = MakeTaskOf(shared, &store);
    CHECK(one->batch_size() == 500);
    const auto messages = Messages(240);
    for (const auto& message : messages) RunDone(*local, message);
    const std::vector<FakeMessage> first(messages.begin(), messages.begin() + 100);
    const std::vector<FakeMessage> second(messages.begin() + 60, messages.end());
    CHECK(RunAll(*one, first) == std::string(100, 'd'));
    CHECK(RunAll(*two, second) == std::string(180, 'd'));  // 40 of them again
    RunDone(*one, messages[7]);                            // and once more
    RunDone(*one, FakeMessage().With("y", 1).WithId("queue-900"));
    RunDone(*local, FakeMessage().With("y", 1));

    FakeSummary alone(*local);
    FakeSummary together(*two);
    CHECK(together.texts.empty());
    CHECK(together.counts["count"] == 240);
    for (const char* name :
         {"count", "skipped", "keys", "other_keys", "underflow", "overflow", "distinct"}) {
      CHECK_MESSAGE(alone.counts[name] == together.counts[name], name);
    }
    for (const auto& seen : together.numbers) {
      if (seen.first == "standard_error") continue;
      CHECK_MESSAGE(seen.second == doctest::Approx(alone.numbers[seen.first]), seen.first);
    }
    REQUIRE(together.rows.size() == alone.rows.size());
    for (const auto& row : together.rows) {
      for (std::size_t i = 1; i < row.size(); ++i) {
        if (spec.starts_with("top") || row[0].kind != decltype(row[0].kind)::kText) continue;
        CHECK(together.At(row[0].text, together.columns[i]) ==
              doctest::Approx(alone.At(row[0].text, together.columns[i])));
      }
    }
    CHECK(two->Show("svg")->body.ends_with("</svg>\n"));
  }
}

TEST_CASE("shared statistics: the layout is plain") {
  MemoryStore store;
  const auto messages = Messages(16);  // x is each of -3 to 12, once
  RunAll(*MakeTaskOf("histogram:field=x,low=0,high=10,buckets=2,store=shared,prefix=h", &store),
         messages);
  CHECK(HashOf(store, "h") == std::map<std::string, std::string>{
                                  {"0", "5"}, {"1", "5"}, {"overflow", "3"}, {"underflow", "3"}});
  CHECK(HashOf(store, "h:counts") == std::map<std::string, std::string>{{"count", "16"}});
  CHECK(HashOf(store, "h:form")["form"] == "histogram field=x,low=0,high=10,buckets=2");
  RunAll(*MakeTaskOf("moments:field=x,by=k,store=shared,prefix=m", &store), messages);
  // i * i % 4 is 0 or 1: eight a's with even i, eight b's.
  CHECK(HashOf(store, "m|a")["n"] == "8");
  const auto keys = store.SortedTop("m:keys", -1);
  REQUIRE(keys.ok());
  REQUIRE(keys->size() == 2);
  CHECK((*keys)[0].number == 8);
  RunAll(*MakeTaskOf("top:field=k,store=shared,prefix=t", &store), messages);
  const auto top = store.SortedTop("t", -1);
  REQUIRE(top.ok());
  CHECK(top->size() == 2);
}

TEST_CASE("shared statistics: keys without room are counted once, by whoever they came to") {
  MemoryStore store;
  const std::string spec = "moments:field=x,by=x,max_keys=10,store=shared,prefix=p";
  auto task = MakeTaskOf(spec, &store);
  const auto messages = Messages(32);  // sixteen keys, twice
  RunAll(*task, messages);
  RunAll(*task, messages);
  RunDone(*task, FakeMessage().With("x", 0.5).With("y", 1).WithId("queue-99"));
  FakeSummary summary(*task);
  CHECK(summary.counts["keys"] == 10);
  CHECK(summary.counts["count"] == 20);
  CHECK(summary.counts["other_keys"] == 13);
  // What the store was not told goes with a checkpoint.
  auto other = MakeTaskOf(spec, &store);
  REQUIRE(other->Load(task->Save()).ok());
  CHECK(FakeSummary(*other).counts["other_keys"] == 13);
  RunDone(*other, messages[0]);
  CHECK(FakeSummary(*other).counts["other_keys"] == 13);
  CHECK(HashOf(store, "p:counts")["other_keys"] == "13");
}

TEST_CASE("shared statistics: a key of a message cannot be one of ours") {
  MemoryStore store;
  auto task = MakeTaskOf("moments:field=x,by=k,store=shared,prefix=p", &store);
  for (const char* key : {"form", "keys", "counts", ":keys", "|", "", "p:keys", "once|p"}) {
    RunDone(*task, FakeMessage().With("x", 1).With("k", std::string(key)));
  }
  FakeSummary summary(*task);
  CHECK(summary.counts["keys"] == 8);
  CHECK(summary.At("keys", "count") == 1);
}

TEST_CASE("shared statistics: another form under the same prefix stops the reader") {
  MemoryStore store;
  auto ten = MakeTaskOf("histogram:field=x,low=0,high=10,store=shared,prefix=p", &store);
  auto twenty = MakeTaskOf("histogram:field=x,low=0,high=20,store=shared,prefix=p", &store);
  RunDone(*ten, FakeMessage().With("x", 1));
  std::string why;
  try {
    RunTask(*twenty, FakeMessage().With("x", 1));
  } catch (const TaskUnusable& error) {
    why = error.what();
  }
  CHECK(why ==
        "under the prefix 'p' the store has statistics of 'histogram "
        "field=x,low=0,high=10,buckets=50', and not of 'histogram "
        "field=x,low=0,high=20,buckets=50'; give one of the two another prefix=");
  CHECK(FakeSummary(*ten).counts["count"] == 1);
  // A store that has lost everything begins anew.
  REQUIRE(store.Delete("p:form").ok());
  RunDone(*twenty, FakeMessage().With("x", 1));
}

TEST_CASE("shared statistics: a key of another kind fails the messages and names the key") {
  MemoryStore store;
  REQUIRE(store.Set("p", "text").ok());
  auto task = MakeTaskOf("moments:field=x,store=shared,prefix=p", &store);
  // A batch throws, so that each is run alone and fails or not for itself.
  CHECK_THROWS(RunAll(*task, Messages(3)));
  FakeContext context;
  const Outcome outcome = task->Run(FakeMessage().With("x", 1), context);
  CHECK(outcome.kind() == Outcome::Kind::kFailed);
  CHECK_MESSAGE(outcome.why().find("p") != std::string::npos, outcome.why());
  FakeSummary summary(*task);
  CHECK_FALSE(summary.texts["store"].empty());
  REQUIRE(store.Delete("p").ok());
  CHECK(RunAll(*task, Messages(3)) == "ddd");
  CHECK(FakeSummary(*task).counts["count"] == 3);
}

TEST_CASE("shared statistics: a store that is away stops the task, and the summary says why") {
  BrokenStore away({StatusCode::kUnavailable, "redis://h: connection refused"});
  auto task = MakeTaskOf("moments:field=x,store=shared,prefix=p", &away);
  CHECK_THROWS_AS(RunTask(*task, FakeMessage().With("x", 1)), TaskUnusable);
  CHECK(FakeSummary(*task).texts["store"] == "redis://h: connection refused");
  CHECK(task->Show("svg")->body.find("connection refused") != std::string::npos);
  BrokenStore unknown({StatusCode::kUnknownOutcome, "lost before it answered"});
  auto other = MakeTaskOf("moments:field=x,store=shared,prefix=p", &unknown);
  CHECK(RunTask(*other, FakeMessage().With("x", 1)) == Outcome::Kind::kFailed);
}

TEST_CASE("shared statistics: a prefix that could be mixed up is refused") {
  MemoryStore store;
  for (const char* prefix : {"a|b", "rivulet", ""}) {
    const auto task = rivulet::test::TryMakeTask(
        std::string("moments:field=x,store=shared,prefix=") + prefix, &store);
    CHECK(task.status().message().find("must be a text without '|'") != std::string::npos);
  }
}
