#include "tasks/graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "queuereader/json_message.h"
#include "queuereader/task_unusable.h"
#include "tests/unit/graph/model_store.h"
#include "tests/unit/tasks/support.h"

using rivulet::Context;
using rivulet::GraphTask;
using rivulet::JsonDocument;
using rivulet::JsonMessage;
using rivulet::MakeTask;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::Result;
using rivulet::StatusCode;
using rivulet::Store;
using rivulet::Task;
using rivulet::TaskArgs;
using rivulet::WallTime;
using rivulet::test::FakeSummary;
using rivulet::test::GraphModelStore;

namespace {

using Sorted = std::map<std::string, std::map<std::string, double>>;

class StoreContext final : public Context {
 public:
  explicit StoreContext(Store* store) : store_(store) {}
  void Emit(std::string_view, std::string_view message) override { emitted.emplace_back(message); }
  void Count(std::string_view, std::uint64_t) override {}
  Store& store() override { return *store_; }
  WallTime now() const override { return WallTime(std::chrono::seconds(seconds)); }
  void Log(std::string_view) override {}

  int seconds = 1000;
  std::vector<std::string> emitted;

 private:
  Store* store_;
};

/// Of "graph:KEY=VALUE,…".
Result<std::unique_ptr<Task>> TryMake(std::string_view spec, Store* store) {
  TaskArgs::Values values;
  for (std::string_view rest = spec.substr(spec.find(':') + 1); !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    values.emplace(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
  }
  TaskArgs args(std::move(values), {"results"}, store);
  auto made = MakeTask<GraphTask>(args);
  return args.Check().ok() ? std::move(made) : args.Check();
}

/// A graph task, and what it needs.
struct Bench {
  explicit Bench(const std::string& spec) {
    auto made = TryMake(spec, &store);
    REQUIRE_MESSAGE(made.ok(), made.status().message());
    task = std::move(*made);
  }

  Outcome Run(const std::string& json, const std::string& id = {}) {
    return RunAll({json}, {id}).front();
  }
  /// As one batch.
  std::vector<Outcome> RunAll(const std::vector<std::string>& jsons,
                              const std::vector<std::string>& ids) {
    std::vector<JsonDocument> documents(jsons.size());
    std::vector<JsonMessage> messages(jsons.size());
    std::vector<const Message*> batch;
    for (std::size_t i = 0; i < jsons.size(); ++i) {
      REQUIRE(documents[i].Parse(jsons[i]).ok());
      messages[i].Bind({.text = jsons[i], .data = &documents[i].root(), .id = ids[i]});
      batch.push_back(&messages[i]);
    }
    std::vector<Outcome> outcomes(jsons.size(), Outcome::Done());
    task->RunBatch(batch, outcomes, context);
    return outcomes;
  }

  GraphModelStore store;
  StoreContext context{&store};
  std::unique_ptr<Task> task;
};

std::string Why(const std::string& spec) { return TryMake(spec, nullptr).status().message(); }

bool Holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("graph: messages are edges; what lacks a node is skipped, what is too long is bad") {
  Bench bench("graph:from=r,to=u");
  for (const char* json : {R"({"r":"a","u":"x"})", R"({"r":"a","u":"x"})", R"({"r":"","u":7})",
                           R"({"r":"a"})", R"({"u":"x"})", R"({"r":null,"u":"x"})"}) {
    CHECK_FALSE(bench.Run(json).failed());
  }
  CHECK_FALSE(bench.Run(R"({"u":"x","r":")" + std::string(1025, 'a') + "\"}").failed());
  FakeSummary summary(*bench.task);
  CHECK(summary.counts["count"] == 3);
  CHECK(summary.counts["skipped"] == 3);
  CHECK(summary.counts["bad"] == 1);
  CHECK(summary.counts["nodes"] == 4);
  CHECK(summary.counts["edges"] == 2);
  REQUIRE(summary.rows.size() == 4);
  CHECK(summary.rows[0][0].text == "a");
  CHECK(summary.rows[0][2].number == 2);
  CHECK(summary.rows[1][0].text.empty());
  CHECK(summary.rows[1][1].text == "7");
}

TEST_CASE("graph: weights are above 0 and at most 1e15, or the message is bad") {
  Bench bench("graph:from=r,to=u,weight=w");
  for (const char* weight : {"2.5", "1e15", "0", "-1", "1e16", "1e308", "\"1\"", "null"}) {
    bench.Run(R"({"r":"a","u":"x","w":)" + std::string(weight) + "}");
  }
  FakeSummary summary(*bench.task);
  CHECK(summary.counts["count"] == 2);
  CHECK(summary.counts["bad"] == 4);
  CHECK(summary.counts["skipped"] == 2);
  CHECK(summary.rows[0][2].number == 1e15 + 2.5);
}

TEST_CASE("graph: undirected is both directions, and decay halves by the messages' times") {
  Bench bench("graph:from=r,to=u,undirected=1,decay=1h,time=t");
  bench.context.seconds = 1331926800;
  bench.Run(R"({"r":"a","u":"b","t":1331923200})");
  bench.Run(R"({"r":"b","u":"a","t":1331926800})");
  bench.Run(R"({"r":"b","u":"a"})");
  FakeSummary summary(*bench.task);
  CHECK(summary.counts["edges"] == 2);
  CHECK(summary.counts["skipped"] == 1);
  CHECK(summary.rows[0][2].number == doctest::Approx(1.5));
  CHECK(summary.rows[1][2].number == doctest::Approx(1.5));
}

TEST_CASE("graph: one time far in the future does not wipe out what is there") {
  for (const std::string store : {"local", "shared"}) {
    CAPTURE(store);
    Bench bench("graph:from=r,to=u,decay=1s,time=t,store=" + store);
    // By the model store's landmark, 0.
    bench.context.seconds = 100;
    bench.Run(R"({"r":"a","u":"b","t":0})", "1");
    bench.Run(R"({"r":"evil","u":"x","t":161})", "2");
    bench.Run(R"({"r":"evil","u":"x","t":9e9})", "3");
    bench.Run(R"({"r":"evil","u":"x","t":1e15})", "4");
    CHECK(FakeSummary(*bench.task).counts["bad"] == 2);
    CHECK(FakeSummary(*bench.task).counts["skipped"] == 1);
    if (store == "shared") CHECK(bench.store.sorted == Sorted{{"graph:a", {{"b", 1}}}});
    if (store == "local") CHECK(FakeSummary(*bench.task).counts["edges"] == 1);
    bench.Run(R"({"r":"a","u":"c","t":160})", "5");
    CHECK(FakeSummary(*bench.task).counts["count"] == 2);
  }
}

TEST_CASE("graph: bounds hold, and what is beyond is counted") {
  Bench bench("graph:from=r,to=u,max_edges=2,max_nodes=100");
  for (int i = 0; i < 5; ++i) bench.Run(R"({"r":"a","u":)" + std::to_string(i) + "}");
  FakeSummary summary(*bench.task);
  CHECK(summary.counts["edges"] == 2);
  CHECK(summary.counts["refused"] == 3);
}

TEST_CASE("graph: a checkpoint brings all of it back, and refuses other arguments") {
  Bench bench("graph:from=r,to=u");
  bench.Run(R"({"r":"a","u":"x"})");
  bench.Run(R"({"r":"a"})");
  const std::string saved = bench.task->Save();
  Bench again("graph:from=r,to=u");
  REQUIRE(again.task->Load(saved).ok());
  again.Run(R"({"r":"a","u":"x"})");
  FakeSummary summary(*again.task);
  CHECK(summary.counts["count"] == 2);
  CHECK(summary.counts["skipped"] == 1);
  CHECK(summary.rows[0][2].number == 2);
  for (std::size_t i = 0; i < saved.size(); ++i) {
    CHECK_FALSE(Bench("graph:from=r,to=u").task->Load(saved.substr(0, i)).ok());
    if (i > 30) i += 7;
  }
  CHECK(Holds(Bench("graph:from=u,to=r").task->Load(saved).message(), "from=u,to=r"));
}

TEST_CASE("graph: shared, a batch is one round trip, a sorted set a node, each message once") {
  Bench bench("graph:from=r,to=u,weight=w,store=shared");
  CHECK(bench.task->batch_size() == 500);
  const std::vector<std::string> jsons = {R"({"r":"a","u":"x","w":2})",
                                          R"({"r":"b","u":"x","w":3})", R"({"r":"a"})",
                                          R"({"r":"a","u":"x","w":4})"};
  for (const Outcome& outcome : bench.RunAll(jsons, {"1", "2", "3", "4"})) {
    CHECK(outcome.kind() == Outcome::Kind::kDone);
  }
  CHECK(bench.store.batches == std::vector<std::size_t>{6});  // Once() and ZINCRBY of three
  const Sorted expected = {{"graph:a", {{"x", 6}}}, {"graph:b", {{"x", 3}}}};
  CHECK(bench.store.sorted == expected);
  bench.RunAll(jsons, {"1", "2", "3", "4"});  // delivered again, to another reader
  CHECK(bench.store.sorted == expected);
  CHECK(FakeSummary(*bench.task).counts["skipped"] == 2);
}

TEST_CASE("graph: shared and undirected, with another prefix and decay") {
  Bench bench("graph:from=r,to=u,undirected=1,prefix=g|,decay=10s,store=shared");
  bench.context.seconds = 20;
  bench.Run(R"({"r":"a","u":"b"})", "1");
  bench.Run(R"({"r":"c","u":"c"})", "2");
  // As of time 0: 2 half-lives.
  CHECK(bench.store.sorted ==
        Sorted{{"g|a", {{"b", 4}}}, {"g|b", {{"a", 4}}}, {"g|c", {{"c", 4}}}});
  // And as of now, in the views.
  const auto view = bench.task->Show("graph");
  REQUIRE(view);
  CHECK(Holds(view->body, R"("weight":1})"));
  CHECK(Holds(view->body, R"("directed":false)"));
}

TEST_CASE("graph: a store of unknown outcome is asked again where messages have ids") {
  Bench bench("graph:from=r,to=u,store=shared");
  bench.store.failures = {{StatusCode::kUnknownOutcome, "lost"}};
  CHECK_FALSE(bench.Run(R"({"r":"a","u":"b"})", "1").failed());
  CHECK(bench.store.sorted == Sorted{{"graph:a", {{"b", 1}}}});
  bench.store.failures = {{StatusCode::kUnknownOutcome, "lost"}};
  const Outcome outcome = bench.Run(R"({"r":"a","u":"b"})");
  CHECK(outcome.failed());
  CHECK(outcome.why() == "lost");
}

TEST_CASE("graph: a store that stays away makes the task unusable, and nothing is counted") {
  Bench bench("graph:from=r,to=u,store=shared");
  bench.store.failures = {{StatusCode::kUnavailable, "redis://x is away"}};
  CHECK_THROWS_AS(bench.Run(R"({"r":"a","u":"b"})", "1"), rivulet::TaskUnusable);
  CHECK(FakeSummary(*bench.task).counts["count"] == 0);
}

TEST_CASE("graph: a key of another type fails its message, not the others of the batch") {
  Bench bench("graph:from=r,to=u,store=shared");
  bench.store.wrong_type = "graph:a";
  CHECK_THROWS(bench.RunAll({R"({"r":"a","u":"b"})", R"({"r":"c","u":"b"})"}, {"1", "2"}));
  CHECK(bench.store.sorted.empty());
  const Outcome outcome = bench.Run(R"({"r":"a","u":"b"})", "1");
  CHECK(outcome.failed());
  CHECK(outcome.why() == "key graph:a holds a hash");
  CHECK_FALSE(bench.Run(R"({"r":"c","u":"b"})", "2").failed());
  CHECK(FakeSummary(*bench.task).counts["count"] == 1);
}

TEST_CASE("graph: what would be one of the store's own keys is no node") {
  for (const auto& [prefix, name] : std::vector<std::pair<std::string, std::string>>{
           {"", "rivulet|once|x"}, {"riv", "ulet|decayed"}, {"rivulet", "|"}}) {
    Bench bench("graph:from=r,to=u,undirected=1,store=shared,prefix=" + prefix);
    bench.Run(R"({"r":")" + name + R"(","u":"b"})", "1");
    bench.Run(R"({"r":"b","u":")" + name + R"("})", "2");
    CHECK(bench.store.sorted.empty());
    CHECK(FakeSummary(*bench.task).counts["bad"] == 2);
    bench.Run(R"({"r":"a","u":"b"})", "3");
    CHECK(bench.store.sorted.size() == 2);
  }
}

TEST_CASE("graph: a message counts once for each task that does something else with it") {
  GraphModelStore store;
  StoreContext context(&store);
  const std::string json = R"({"r":"a","u":"b","w":10})";
  JsonDocument document;
  REQUIRE(document.Parse(json).ok());
  JsonMessage message;
  message.Bind({.text = json, .data = &document.root(), .id = "f00-1"});
  for (const char* more : {"", ",weight=w", ",undirected=1", ",name=other", ",name=other"}) {
    auto task = TryMake(std::string("graph:from=r,to=u,store=shared") + more, &store);
    REQUIRE(task.ok());
    CHECK_FALSE((*task)->Run(message, context).failed());
  }
  // The last one is the one before, in another reader.
  CHECK(store.sorted == Sorted{{"graph:a", {{"b", 1 + 10 + 1 + 1}}}, {"graph:b", {{"a", 1}}}});
}

TEST_CASE("graph: results are emitted every so often") {
  for (const std::string store : {"local", "shared"}) {
    CAPTURE(store);
    Bench bench("graph:from=r,to=u,every=10s,output=results,name=clicks,store=" + store);
    bench.Run(R"({"r":"a","u":"b"})", "1");
    bench.context.seconds += 9;
    bench.Run(R"({"r":"a","u":"b"})", "2");
    CHECK(bench.context.emitted.empty());
    bench.context.seconds += 1;
    bench.Run(R"({"r":"a","u":"b"})", "3");
    REQUIRE(bench.context.emitted.size() == 1);
    const std::string& emitted = bench.context.emitted[0];
    CHECK(emitted.starts_with(R"({"task":"clicks","time":1010.000,"results":{"count":3)"));
    CHECK(Holds(emitted, R"("top_edges":[{"from":"a","to":"b","weight":3}])"));
  }
}

TEST_CASE("graph: views are a picture, DOT and JSON; names are escaped") {
  Bench bench("graph:from=r,to=u");
  CHECK(Holds(bench.task->Show("svg")->body, "nothing yet"));
  bench.Run(R"({"r":"<a>","u":"b&c"})");
  const auto svg = bench.task->Show("svg");
  REQUIRE(svg);
  CHECK(svg->content_type == "image/svg+xml");
  CHECK(Holds(svg->body, "&lt;a&gt;"));
  CHECK(Holds(svg->body, "b&amp;c"));
  CHECK_FALSE(Holds(svg->body, "<a>"));
  bench.Run(R"({"r":"b&c","u":"<a>"})");  // now it is a circle
  CHECK(Holds(bench.task->Show("svg")->body, "<polygon"));
  CHECK(Holds(bench.task->Show("dot")->body, R"(n0 [label="<a>"])"));
  CHECK(Holds(bench.task->Show("dot")->body, "n0 -> n1"));
  CHECK(Holds(bench.task->Show("graph")->body, R"("pagerank":0.5)"));
  CHECK_FALSE(bench.task->Show("html"));
}

TEST_CASE("graph: wrong arguments are refused, with what would be right") {
  struct Case {
    const char* spec;
    const char* says;
  };
  for (const Case& c : {
           Case{"graph:from=r", "needs to=VALUE"},
           Case{"graph:from=r,to=u,undirected=yes", "undirected=yes must be"},
           Case{"graph:from=r,to=u,decay=1y", "decay=1y must be a duration"},
           Case{"graph:from=r,to=u,decay=0s", "decay=0s must be a duration"},
           Case{"graph:from=r,to=u,time=t", "needs decay=DURATION"},
           Case{"graph:from=r,to=u,store=redis", "store=redis must be local or shared"},
           Case{"graph:from=r,to=u,prefix=x", "needs store=shared"},
           Case{"graph:from=r,to=u,prefix=rivulet|x,store=shared", "must not begin with"},
           Case{"graph:from=r,to=u,store=shared,max_edges=5", "not with store=shared"},
           Case{"graph:from=r,to=u,every=10s", "every= needs output=NAME"},
           Case{"graph:from=r,to=u,edges=5", "unknown key 'edges'"},
       }) {
    CAPTURE(c.spec);
    CHECK(Holds(Why(c.spec), c.says));
  }
}
