// The conformance suite: batches, groups and expiry.
#include <limits>
#include <vector>

#include "algorithms/moments.h"
#include "tests/unit/store/conformance.h"
#include "tests/unit/store/conformance_support.h"

namespace rivulet {

using namespace conformance;

namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

}  // namespace

void TestStorePipelines(Store& store) {
  CHECK(RunAll(store, StoreBatch()).empty());
  CHECK(RunAll(store, StoreBatch(Mode::kAtomic)).empty());
  StoreBatch batch;
  batch.Set("text", "x");
  batch.Increment("text", 1);  // fails, and the others do not care
  batch.Increment("n", 1);
  batch.HashIncrement("h", "f", 2);
  batch.SortedAdd("h", "m", 1);  // fails
  batch.SortedAdd("s", "m", 1);
  batch.Get("text");
  batch.Get("none");
  batch.SortedTop("s", 5);
  const auto replies = RunAll(store, batch);
  CHECK(KindsOf(replies) == "dFwwFNtni");
  CHECK(replies[1].status.message().find("text") != std::string::npos);
  CHECK(replies[4].status.code() == StatusCode::kInvalidArgument);
  CHECK(replies[6].text == "x");
  CHECK(replies[8].items.size() == 1);
  // Commands of atomic batches alone.
  StoreBatch groups;
  groups.Once("scope", "id1");
  groups.Admit("members", "m", 1);
  groups.RequireText("text", "x");
  groups.RequireAbsent("none");
  groups.RequireHash("h", "f", "2");
  groups.Increment("n", 1);
  const auto refused = RunAll(store, groups);
  CHECK(KindsOf(refused) == "FFFFFw");
  for (int i = 0; i < 5; ++i) {
    CHECK(refused[static_cast<std::size_t>(i)].status.code() == StatusCode::kInvalidArgument);
  }
  CHECK(refused[5].whole == 2);
  CHECK(Ask(store, [](auto& b) { b.SortedSize("members"); }).whole == 0);
  // Many at once, answered in order.
  StoreBatch many;
  for (int i = 0; i < 3000; ++i) many.Increment("count", 1);
  const auto counts = RunAll(store, many);
  bool ordered = true;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    ordered = ordered && counts[i].whole == static_cast<std::int64_t>(i) + 1;
  }
  CHECK(ordered);
}

void TestStoreRefusals(Store& store, const ConformanceOptions& options) {
  CHECK(store.Set("text", "x").ok());
  CHECK(store.Increment("n", kMax - 1).ok());
  CHECK(store.HashSet("hash", "word", "x").ok());
  CHECK(store.HashIncrement("hash", "n", 5).ok());
  CHECK(store.SortedSet("sorted", "a", 1e308).ok());
  CHECK(store.SortedSet("sorted", "b", 1).ok());
  const std::string sorted = TopOf(store, "sorted", -1);
  // Each of these fails, in its last command; what stands before it must not be done.
  using Fill = void (*)(StoreBatch&);
  std::vector<Fill> failing = {
      [](StoreBatch& b) { b.Increment("text", 1); },
      [](StoreBatch& b) { b.Get("hash"); },
      [](StoreBatch& b) { b.HashIncrement("hash", "word", 1); },
      [](StoreBatch& b) { b.SortedAdd("hash", "a", 1); },
      [](StoreBatch& b) { b.SortedAddWithin("sorted", "a", 1, 0); },
      [](StoreBatch& b) { b.MergeMoments("moments", "none"); },
      [](StoreBatch& b) { b.DistinctAdd("sorted", "a"); },
      [](StoreBatch& b) {
        b.SortedAddDecayed(StoreBatch::kDecayedKey, "m", 1, WallTime(), std::chrono::hours(1));
      },
      // Not to be seen before the batch begins.
      [](StoreBatch& b) { b.Increment("n", 1), b.Increment("n", 1); },
      [](StoreBatch& b) { b.Set("fresh", "y"), b.Increment("fresh", 1); },
      [](StoreBatch& b) { b.HashSet("fresh", "f", "y"), b.HashIncrement("fresh", "f", 1); },
      [](StoreBatch& b) { b.Delete("hash"), b.SortedAdd("hash", "m", 1), b.HashGet("hash", "f"); },
  };
  if (options.refuses_infinity) {
    failing.push_back([](StoreBatch& b) { b.SortedAdd("sorted", "a", 1e308); });
    failing.push_back(
        [](StoreBatch& b) { b.HashAdd("x", "f", 1e308), b.HashAdd("x", "f", 1e308); });
  }
  for (std::size_t i = 0; i < failing.size(); ++i) {
    CAPTURE(i);
    StoreBatch batch(Mode::kAtomic);
    batch.Once("refused", "id" + std::to_string(i));
    batch.Admit("members", "m", 10);
    batch.Set("new", "1");
    batch.Set("text", "other");
    batch.Set("text", "x");
    batch.Delete("hash");
    batch.HashSet("hash", "word", "x");
    batch.HashIncrement("hash", "n", 5);
    batch.HashAdd("hash", "sum", 0.5);
    batch.HashMin("hash", "sum", 0.1);
    batch.HashDelete("hash", "sum");
    batch.Expire("hash", std::chrono::hours(1));
    batch.SortedAddWithin("sorted", "c", 1, 2);
    batch.SortedDelete("sorted", "c");
    batch.SortedAdd("sorted", "b", 1);
    batch.SortedSet("sorted", "a", 1e308);
    batch.SortedAddDecayed("decayed", "m", 1, WallTime(std::chrono::seconds(1)),
                           std::chrono::hours(1));
    batch.DistinctAdd("distinct", "x");
    Moments moments;
    moments.Update(1);
    batch.MergeMoments("moments", moments.Save());
    failing[i](batch);
    const Status status = store.Run(batch).status();
    INFO(status.message());
    CHECK(status.code() == StatusCode::kInvalidArgument);
    for (const char* key : {"members", "new", "decayed", "distinct", "moments", "fresh", "x"}) {
      CAPTURE(key);
      CHECK(Ask(store, [&](auto& b) { b.Delete(key); }).whole == 0);
    }
    CHECK(TextAt(store, "text") == "x");
    CHECK(TextAt(store, "n") == std::to_string(kMax - 1));
    CHECK(FieldsAt(store, "hash") == std::map<std::string, std::string>{{"word", "x"}, {"n", "5"}});
    CHECK(TopOf(store, "sorted", -1) == sorted);
    CHECK(FieldAt(store, StoreBatch::kDecayedKey, "decayed") == "(none)");
    StoreBatch again(Mode::kAtomic);
    again.Once("refused", "id" + std::to_string(i));
    CHECK(RunAll(store, again).front().whole == 1);
  }
}

void TestStoreRequirements(Store& store) {
  CHECK(store.Set("a", "1").ok());
  CHECK(store.HashSet("h", "f", "v").ok());
  const auto run = [&](auto require) {
    StoreBatch batch(Mode::kAtomic);
    batch.Increment("done", 1);
    require(batch);
    return store.Run(batch).status();
  };
  const auto conflicts = [&](auto require) {
    const Status status = run(require);
    INFO(status.message());
    return status.code() == StatusCode::kConflict;
  };
  CHECK(run([](auto& b) { b.RequireText("a", "1"); }).ok());
  CHECK(run([](auto& b) { b.RequireAbsent("none"); }).ok());
  CHECK(run([](auto& b) { b.RequireHash("h", "f", "v"); }).ok());
  CHECK(TextAt(store, "done") == "3");
  CHECK(conflicts([](auto& b) { b.RequireText("a", "2"); }));
  CHECK(conflicts([](auto& b) { b.RequireText("none", ""); }));
  CHECK(conflicts([](auto& b) { b.RequireAbsent("a"); }));
  CHECK(conflicts([](auto& b) { b.RequireAbsent("h"); }));
  CHECK(conflicts([](auto& b) { b.RequireHash("h", "f", "w"); }));
  CHECK(conflicts([](auto& b) { b.RequireHash("h", "g", "v"); }));
  CHECK(conflicts([](auto& b) { b.RequireHash("none", "f", "v"); }));
  CHECK_FALSE(run([](auto& b) { b.RequireText("h", "1"); }).ok());
  CHECK_FALSE(run([](auto& b) { b.RequireHash("a", "f", "v"); }).ok());
  CHECK(TextAt(store, "done") == "3");
  // They hold before the batch, wherever they stand in it.
  StoreBatch batch(Mode::kAtomic);
  batch.Set("a", "2");
  batch.RequireText("a", "1");
  CHECK(KindsOf(RunAll(store, batch)) == "dd");
  CHECK(TextAt(store, "a") == "2");

  CHECK(store.Modify("m", [](const auto& old) { return old.value_or("") + "x"; }).ok());
  // Somebody else is quicker, once.
  int calls = 0;
  CHECK(store
            .Modify("m",
                    [&](const auto& old) {
                      if (++calls == 1) CHECK(store.Set("m", "theirs").ok());
                      return *old + "y";
                    })
            .ok());
  CHECK(calls == 2);
  CHECK(TextAt(store, "m") == "theirsy");
  CHECK(store.Modify("h", [](const auto&) { return ""; }).code() == StatusCode::kInvalidArgument);
}

void TestStoreOnce(Store& store) {
  const auto first = [&](std::string_view scope, std::string_view id) {
    StoreBatch batch(Mode::kAtomic);
    batch.Once(scope, id);
    batch.Increment("n", 1);
    const auto replies = RunAll(store, batch);
    CHECK(replies[0].kind == Kind::kWhole);
    CHECK(replies[1].kind == (replies[0].whole == 1 ? Kind::kWhole : Kind::kSkipped));
    return replies[0].whole == 1;
  };
  const std::vector<std::string> ids = {"7",
                                        "8",
                                        "07",
                                        "007",
                                        "70",
                                        "0",
                                        "00",
                                        "q7",
                                        "q07",
                                        "q-7",
                                        "q",
                                        "7q",
                                        "q 7",
                                        "a:7",
                                        "a:",
                                        "1048575",
                                        "1048576",
                                        "1048577",
                                        "9007199254740991",
                                        "9007199254740992",
                                        "9007199254740993",
                                        "99999999999999999999999999999999",
                                        "q99999999999999999999",
                                        "01048576",
                                        std::string("\0", 1),
                                        std::string("\0007", 2),
                                        "|",
                                        "|0|7"};
  for (const std::string& id : ids) {
    CAPTURE(id);
    CHECK(first("a", id));
    CHECK(first("b", id));
  }
  for (const std::string& id : ids) {
    CAPTURE(id);
    CHECK_FALSE(first("a", id));
    CHECK_FALSE(first("b", id));
  }
  CHECK(TextAt(store, "n") == std::to_string(2 * ids.size()));
  CHECK(first("a", ""));
  CHECK(first("a", ""));

  // Groups of one batch; the second of an id is not done.
  StoreBatch batch(Mode::kAtomic);
  batch.Increment("before", 1);
  for (int i = 0; i < 4; ++i) {
    batch.Once("groups", std::to_string(100 + i % 3));
    batch.Increment("groups", 1);
    batch.SortedAdd("by id", std::to_string(i), 1);
  }
  CHECK(KindsOf(RunAll(store, batch)) == "wwwNwwNwwNwss");
  CHECK(KindsOf(RunAll(store, batch)) == "wwsswsswsswss");
  CHECK(TextAt(store, "groups") == "3");
  CHECK(TextAt(store, "before") == "2");
  // Many, in an order of their own: each once.
  std::int64_t done = 0;
  for (int round = 0; round < 2; ++round) {
    StoreBatch many(Mode::kAtomic);
    for (int i = 0; i < 5000; ++i) many.Once("many", "queue|" + std::to_string(i * 7919 % 5000));
    for (const auto& reply : RunAll(store, many)) done += reply.whole;
  }
  CHECK(done == 5000);
}

void TestStoreExpiry(Store& store, const ConformanceOptions& options) {
  const Duration tick = options.tick;
  const auto expire = [&](const char* key, Duration after) {
    const auto reply = Ask(store, [&](auto& b) { b.Expire(key, after); });
    CHECK(reply.kind == Kind::kWhole);
    return reply.whole;
  };
  CHECK(expire("none", tick) == 0);
  for (const char* key : {"text", "set anew", "for ever", "counted"}) {
    CHECK(store.Set(key, "1").ok());
    CHECK(expire(key, 4 * tick) == 1);
  }
  CHECK(store.HashSet("hash", "f", "v").ok());
  CHECK(store.SortedSet("sorted", "m", 1).ok());
  CHECK(Ask(store, [](auto& b) { b.DistinctAdd("distinct", "m"); }).whole == 1);
  const auto decayed = [&](std::chrono::hours half_life) {
    StoreBatch batch;
    batch.SortedAddDecayed("decayed", "m", 1, WallTime(std::chrono::seconds(1000)), half_life);
    RunAll(store, batch);
    return FieldAt(store, StoreBatch::kDecayedKey, "decayed");
  };
  CHECK(decayed(std::chrono::hours(1)) == "1000 3600");
  for (const char* key : {"hash", "sorted", "distinct", "decayed"}) {
    CHECK(expire(key, 4 * tick) == 1);
  }
  CHECK(store.Set("set anew", "2").ok());
  CHECK(expire("for ever", Duration::zero()) == 1);
  CHECK(store.Increment("counted", 1).value() == 2);  // which changes nothing of its time
  CHECK(TextAt(store, "text") == "1");
  CHECK(FieldAt(store, "hash", "f") == "v");
  if (!options.pass) return;
  options.pass(6 * tick);
  CHECK(TextAt(store, "text") == "(none)");
  CHECK(TextAt(store, "set anew") == "2");
  CHECK(TextAt(store, "for ever") == "1");
  CHECK(store.Increment("counted", 1).value() == 1);
  CHECK(Ask(store, [](auto& b) { b.DistinctCount("distinct"); }).whole == 0);
  CHECK(decayed(std::chrono::hours(2)) == "1000 7200");  // a set of its own
  CHECK(store.Keys("hash", StoreKind::kHash, 10)->empty());
  CHECK(expire("hash", tick) == 0);
  CHECK(Ask(store, [](auto& b) { b.Delete("sorted"); }).whole == 0);
  // What is gone is of no kind.
  CHECK(store.SortedSet("hash", "m", 1).ok());
  StoreBatch batch(Mode::kAtomic);
  batch.RequireAbsent("text");
  batch.Set("text", "2");
  CHECK(store.Run(batch).ok());
  options.pass(6 * tick);
  CHECK(TextAt(store, "text") == "2");
  CHECK(store.Increment("counted", 1).value() == 2);
}

}  // namespace rivulet
