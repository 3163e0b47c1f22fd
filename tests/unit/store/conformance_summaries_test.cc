// The conformance suite: sorted sets, and summaries of streams.
#include <random>
#include <string_view>
#include <vector>

#include "algorithms/moments.h"
#include "store/packed_numbers.h"
#include "tests/unit/store/conformance.h"
#include "tests/unit/store/conformance_support.h"

namespace rivulet {

using namespace conformance;
using std::chrono::hours;
using std::chrono::seconds;

void TestStoreSortedSets(Store& store) {
  CHECK(TopOf(store, "s", -1).empty());
  CHECK(Ask(store, [](auto& b) { b.SortedSize("s"); }).whole == 0);
  CHECK(Ask(store, [](auto& b) { b.SortedScore("s", "a"); }).kind == Kind::kNothing);
  CHECK(Ask(store, [](auto& b) { b.SortedSet("s", "a", 2); }).kind == Kind::kDone);
  CHECK(Ask(store, [](auto& b) { b.SortedSet("s", "a", -1.5); }).kind == Kind::kDone);
  const auto score = Ask(store, [](auto& b) { b.SortedScore("s", "a"); });
  CHECK(score.kind == Kind::kNumber);
  CHECK(score.number == -1.5);
  const auto sum = Ask(store, [](auto& b) { b.SortedAdd("s", "b", 3); });
  CHECK(sum.kind == Kind::kNumber);
  CHECK(sum.number == 3);
  CHECK(store.SortedAdd("s", "b", 0.25).value() == 3.25);
  CHECK(store.SortedAdd("s", "c", 0).value() == 0);
  CHECK(TopOf(store, "s", -1) == "b=3.25 c=0 a=-1.5");
  CHECK(TopOf(store, "s", 2) == "b=3.25 c=0");
  CHECK(TopOf(store, "s", 0).empty());
  CHECK(TopOf(store, "s", 100) == "b=3.25 c=0 a=-1.5");
  const auto size = Ask(store, [](auto& b) { b.SortedSize("s"); });
  CHECK(size.kind == Kind::kWhole);
  CHECK(size.whole == 3);
  // Of equal scores the larger member first, by its bytes.
  for (const char* member : {"a", "B", "\xc3\xa9", "ab", ""}) {
    CHECK(store.SortedSet("e", member, 1).ok());
  }
  CHECK(TopOf(store, "e", -1) == "\xc3\xa9=1 ab=1 a=1 B=1 =1");
  CHECK(TopOf(store, "e", 3) == "\xc3\xa9=1 ab=1 a=1");
  // Every bit of a score is kept.
  for (const double number : {0.1, 1e-300, -1.7976931348623157e308, 9007199254740993.0, 1.0 / 3}) {
    CHECK(store.SortedSet("n", "m", number).ok());
    CHECK(ScoreAt(store, "n", "m") == number);
    CHECK(store.SortedTop("n", 1)->at(0).number == number);
  }
  for (const char* member : {"a", "b", "c", "never there"}) {
    CHECK(Ask(store, [&](auto& b) { b.SortedDelete("s", member); }).kind == Kind::kDone);
  }
  CHECK(Ask(store, [](auto& b) { b.Delete("s"); }).whole == 0);
  CHECK(store.HashSet("s", "f", "v").ok());
}

void TestStoreSpaceSaving(Store& store) {
  const auto add = [&](const char* member, double by) {
    const auto reply = Ask(store, [&](auto& b) { b.SortedAddWithin("top", member, by, 3); });
    CHECK(reply.kind == Kind::kNumber);
    return reply.number;
  };
  CHECK(add("a", 1) == 1);
  CHECK(add("b", 2) == 2);
  CHECK(add("c", 3) == 3);
  CHECK(add("a", 4) == 5);
  CHECK(TopOf(store, "top", -1) == "a=5 c=3 b=2");
  CHECK(add("d", 1) == 3);  // takes the place of b, with its 2
  CHECK(TopOf(store, "top", -1) == "a=5 d=3 c=3");
  CHECK(add("e", 1) == 4);  // of the least two the smaller member goes
  CHECK(TopOf(store, "top", -1) == "a=5 e=4 d=3");
  // The other commands and this one see the same set.
  CHECK(store.SortedAdd("top", "d", 10).ok());
  CHECK(store.SortedSet("top", "a", 1).ok());
  CHECK(add("f", 1) == 2);
  CHECK(TopOf(store, "top", -1) == "d=13 e=4 f=2");
  CHECK(Ask(store, [](auto& b) { b.SortedDelete("top", "e"); }).kind == Kind::kDone);
  CHECK(add("g", 1) == 1);
  CHECK(TopOf(store, "top", -1) == "d=13 f=2 g=1");
  CheckRefused(store, "top", [](auto& b) { b.SortedAddWithin("top", "x", 1, 0); });
  CheckRefused(store, "top", [](auto& b) { b.SortedAddWithin("top", "x", 1, -1); });

  // The bound of Metwally et al.: no score is too low, nor too high by more than the sum over the
  // capacity.
  std::map<std::string, double> exact;
  std::mt19937 random(7);
  StoreBatch batch;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "k" + std::to_string(random() % (1 + random() % 60));
    exact[key] += 1;
    batch.SortedAddWithin("bound", key, 1, 20);
  }
  RunAll(store, batch);
  const auto held = store.SortedTop("bound", -1);
  REQUIRE(held.ok());
  CHECK(held->size() == 20);
  for (const StoreItem& item : *held) {
    CHECK(item.number >= exact[item.name]);
    CHECK(item.number <= exact[item.name] + 3000.0 / 20);
  }
}

namespace {

/// What is kept of a decay is the set's: it goes with it, and the next set at its key begins anew.
void TestDecaysEnd(Store& store) {
  const std::string begins = "1000 3600";
  const auto add = [](StoreBatch& batch, hours half_life = hours(1)) {
    batch.SortedAddDecayed("ends", "m", 1, WallTime(seconds(1000)), half_life);
  };
  const auto kept = [&] { return FieldAt(store, StoreBatch::kDecayedKey, "ends"); };
  using Fill = void (*)(StoreBatch&);
  const Fill ends[] = {
      [](StoreBatch& b) { b.Delete("ends"); },
      [](StoreBatch& b) { b.SortedDelete("ends", "m"); },
      [](StoreBatch& b) { b.Set("ends", "text"); },
      [](StoreBatch& b) { b.Expire("ends", -seconds(1)); },
  };
  for (const Fill end : ends) {
    StoreBatch batch(Mode::kAtomic);
    add(batch);
    RunAll(store, batch);
    CHECK(kept() == begins);
    // Not where that is refused.
    StoreBatch refused(Mode::kAtomic);
    end(refused);
    refused.Set("word", "x");
    refused.Increment("word", 1);
    CHECK(store.Run(refused).status().code() == StatusCode::kInvalidArgument);
    CHECK(kept() == begins);
    CHECK(ScoreAt(store, "ends", "m") == 1);

    StoreBatch ending(Mode::kAtomic);
    end(ending);
    RunAll(store, ending);
    CHECK(kept() == "(none)");
    CHECK(store.Delete("ends").ok());
    // Within one batch.
    StoreBatch both(Mode::kAtomic);
    add(both);
    end(both);
    both.Delete("ends");
    add(both, hours(2));
    add(both);
    RunAll(store, both);
    CHECK(kept() == "1000 7200");
    CHECK(store.Delete("ends").ok());
    StoreBatch again;
    add(again);
    RunAll(store, again);
    CHECK(kept() == begins);
    CHECK(store.Delete("ends").ok());
  }
}

}  // namespace

void TestStoreDecay(Store& store) {
  // Where the store keeps them itself there can be no such set, though nothing is there yet.
  CheckRefused(store, "rivulet|decayed", [](auto& b) {
    b.SortedAddDecayed(StoreBatch::kDecayedKey, "m", 1, WallTime(seconds(1)), hours(1));
  });
  TestDecaysEnd(store);
  CHECK(store.SortedSet("broken", "m", 1).ok());
  CHECK(store.HashSet(StoreBatch::kDecayedKey, "broken", "1.2.3 4").ok());
  CheckRefused(store, "rivulet|decayed", [](auto& b) {
    b.SortedAddDecayed("broken", "m", 1, WallTime(seconds(1)), hours(1));
  });
  const double begin = 1'700'000'000;
  const auto add = [&](const char* key, const char* member, double by, double at, hours half_life) {
    StoreBatch batch;
    const WallTime when(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(at)));
    batch.SortedAddDecayed(key, member, by, when, half_life);
    CHECK(RunAll(store, batch).front().kind != Kind::kFailed);
  };
  const auto now = [&](const char* key, const char* member, double at) {
    const std::string kept = FieldAt(store, StoreBatch::kDecayedKey, key);
    std::size_t end = 0;
    const double landmark = std::stod(kept, &end);
    const double half_life = std::stod(kept.substr(end));
    CHECK(half_life == 3600);
    return StoreScoreNow(ScoreAt(store, key, member), landmark, at, half_life);
  };
  const auto near = [](double number) { return doctest::Approx(number).epsilon(1e-9); };
  add("d", "a", 8, begin, hours(1));
  CHECK(now("d", "a", begin) == near(8));
  CHECK(now("d", "a", begin + 3600) == near(4));
  add("d", "a", 1, begin + 7200, hours(5));  // the first half-life stays
  CHECK(now("d", "a", begin + 7200) == near(8.0 / 4 + 1));
  add("d", "b", 4, begin + 3600, hours(1));  // late
  CHECK(now("d", "b", begin + 7200) == near(2));
  add("d", "b", 2, begin - 3600, hours(1));  // before the landmark
  CHECK(now("d", "b", begin + 7200) == near(2 + 2.0 / 8));
  CHECK(TopOf(store, "d", -1).substr(0, 2) == "a=");
  // Far later: the landmark moves, and the scores with it.
  const double later = begin + 100 * 3600.0;
  add("d", "c", 1, later, hours(1));
  CHECK(now("d", "c", later) == near(1));
  CHECK(now("d", "a", later) == near(12 * std::exp2(-100)));
  CHECK(ScoreAt(store, "d", "c") < 2e9);
  // Years later nothing is too large.
  const double years = begin + 10 * 365 * 86400.0;
  add("d", "e", 1, years, hours(1));
  CHECK(now("d", "e", years) == near(1));
  CHECK(std::isfinite(ScoreAt(store, "d", "a")));
  CHECK(TopOf(store, "d", 1).substr(0, 2) == "e=");
  // Other sets have times of their own.
  add("other", "a", 1, begin, hours(1));
  CHECK(now("other", "a", begin) == near(1));
}

namespace {

void TestDistinct(Store& store) {
  CHECK(Ask(store, [](auto& b) { b.DistinctCount("d"); }).whole == 0);
  const auto first = Ask(store, [](auto& b) { b.DistinctAdd("d", "a"); });
  CHECK(first.kind == Kind::kWhole);
  CHECK(first.whole == 1);
  CHECK(Ask(store, [](auto& b) { b.DistinctAdd("d", "a"); }).whole == 0);
  CHECK(Ask(store, [](auto& b) { b.DistinctAdd("d", ""); }).whole == 1);
  const auto two = Ask(store, [](auto& b) { b.DistinctCount("d"); });
  CHECK(two.kind == Kind::kWhole);
  CHECK(two.whole == 2);
  StoreBatch batch;
  for (int twice = 0; twice < 2; ++twice) {
    for (int i = 0; i < 5000; ++i) batch.DistinctAdd("many", "element " + std::to_string(i));
  }
  RunAll(store, batch);
  // Of what came before nothing changes.
  CHECK(Ask(store, [](auto& b) { b.DistinctAdd("many", "element 7"); }).whole == 0);
  const auto many = Ask(store, [](auto& b) { b.DistinctCount("many"); }).whole;
  CHECK(std::fabs(static_cast<double>(many) / 5000 - 1) < 5 * 0.0081);
  CheckRefused(store, "d", [](auto& b) { b.HashSet("d", "f", "v"); });
  CheckRefused(store, "d", [](auto& b) { b.Increment("d", 1); });
}

// A store may write what it has merged once a batch: no other command may notice.
void TestMomentsAmongOthers(Store& store) {
  const auto moments_of = [](double x) {
    Moments moments;
    moments.Update(x);
    return moments.Save();
  };
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.MergeMoments("a", moments_of(1));
  batch.MergeMoments("b", moments_of(100));
  batch.MergeMoments("a", moments_of(4));
  batch.HashGet("a", "n");
  batch.HashGet("a", "max");
  batch.MergeMoments("a", moments_of(-7));
  batch.HashSize("a");
  batch.HashGet("b", "mean");
  auto replies = RunAll(store, batch);
  CHECK(replies[3].text == "2");
  CHECK(std::stod(replies[4].text) == 4);
  CHECK(replies[6].whole == 7);
  CHECK(std::stod(replies[7].text) == 100);
  CHECK(FieldsAt(store, "a")["n"] == "3");
  batch.Clear();
  batch.MergeMoments("a", moments_of(2));
  batch.Delete("a");
  batch.MergeMoments("a", moments_of(5));
  batch.MergeMoments("a", moments_of(6));
  replies = RunAll(store, batch);
  CHECK(replies[1].whole == 1);
  auto fields = FieldsAt(store, "a");
  CHECK(fields["n"] == "2");
  CHECK(std::stod(fields["mean"]) == 5.5);
  CHECK(std::stod(fields["m2"]) == 0.5);
  CHECK(std::stod(fields["min"]) == 5);
  CHECK(FieldsAt(store, "b")["n"] == "1");
  // What is refused for what the batch itself took away: nothing of it is done.
  batch.Clear();
  batch.Increment("cut", 1);
  batch.HashDelete("b", "mean");
  batch.MergeMoments("b", moments_of(1));
  CHECK(store.Run(batch).status().code() == StatusCode::kInvalidArgument);
  CHECK(TextAt(store, "cut") == "(none)");
  CHECK(FieldsAt(store, "b").size() == 7);
  CheckRefused(store, "m2, m3 or m4", [&](auto& b) { b.MergeMoments("b", moments_of(1e80)); });
}

void TestNumbers(Store& store) {
  using Numbers = std::vector<double>;
  const auto add = [](StoreBatch& batch, std::string_view field, const Numbers& numbers) {
    batch.HashAddNumbers("v", field, numbers);
  };
  const auto held = [&](std::string_view field) {
    return UnpackNumbers(Ask(store, [&](auto& b) { b.HashGet("v", field); }).text)
        .value_or(Numbers{-99});
  };
  CHECK(Ask(store, [&](auto& b) { add(b, "a", {1, -2.5, 0.1}); }).kind == Kind::kDone);
  CHECK(Ask(store, [&](auto& b) { add(b, "a", {1e-300}); }).kind == Kind::kDone);
  CHECK(Ask(store, [&](auto& b) { add(b, "none", {}); }).kind == Kind::kDone);
  CHECK(Ask(store, [](auto& b) { b.HashSize("v"); }).whole == 1);
  // Every bit of a sum is kept; a field grows to the longest.
  StoreBatch batch(Mode::kAtomic);
  batch.Once("numbers", "q-1");
  add(batch, "a", {0.5, 0.25, 0.2, 7});
  batch.Once("numbers", "q-1");
  add(batch, "a", {100});
  batch.Once("numbers", "q-2");
  add(batch, "b", {3});
  add(batch, "a", {0, 0, 0, 0, -1});
  batch.HashGet("v", "b");  // no other command may notice that sums are written once a batch
  add(batch, "b", {4});
  batch.HashDelete("v", "b");
  add(batch, "b", {5, 6});
  const auto replies = RunAll(store, batch);
  CHECK(replies[3].kind == Kind::kSkipped);
  CHECK(UnpackNumbers(replies[7].text) == Numbers{3});
  CHECK(held("a") == Numbers{1.5, -2.25, 0.1 + 0.2, 7, -1});
  CHECK(held("b") == Numbers{5, 6});
  add(batch = StoreBatch(), "zero", {1, -0.0});
  add(batch, "zero", {1});
  CHECK(RunAll(store, batch).size() == 2);
  CHECK(std::signbit(held("zero").at(1)));
  Numbers longest(StoreBatch::kMaxNumbers, 2);
  for (int twice = 0; twice < 2; ++twice) {
    CHECK(Ask(store, [&](auto& b) { add(b, "long", longest); }).kind == Kind::kDone);
  }
  CHECK(held("long") == Numbers(longest.size(), 4));
  // None are done where one is refused.
  longest.push_back(2);
  CheckRefused(store, "'long'", [&](auto& b) { add(b, "long", longest); });
  CheckRefused(store, "'a'", [&](auto& b) { add(b, "a", {std::nan("")}); });
  CHECK(store.HashSet("v", "word", "12345").ok());
  CheckRefused(store, "'word'", [&](auto& b) { add(b, "word", {1}); });
  CHECK(Ask(store, [&](auto& b) { add(b, "huge", {1.5e308}); }).kind == Kind::kDone);
  CheckRefused(store, "finite", [&](auto& b) { add(b, "huge", {1.5e308}); });
  CheckRefused(store, "'a'", [&](auto& b) {
    b.HashSet("v", "c", "x");
    b.HashAdd("v", "a", 1);
  });
  CHECK(held("huge") == Numbers{1.5e308});
  CHECK(store.Set("text", "x").ok());
  CheckRefused(store, "text", [](auto& b) { b.HashAddNumbers("text", "f", Numbers{1}); });
  CHECK(store.Delete("text").ok());
}

}  // namespace

void TestStoreSummaries(Store& store) {
  TestDistinct(store);
  TestNumbers(store);
  TestMomentsAmongOthers(store);
  std::mt19937 random(3);
  std::normal_distribution<double> normal(1000, 3);
  Moments all;
  StoreBatch batch;
  for (int part = 0; part < 20; ++part) {
    Moments moments;
    for (int i = 0; i < 5 * part; ++i) {  // the first has none
      const double x = normal(random);
      moments.Update(x);
      all.Update(x);
    }
    batch.MergeMoments("m", moments.Save());
  }
  for (const auto& reply : RunAll(store, batch)) CHECK(reply.kind == Kind::kDone);
  auto fields = FieldsAt(store, "m");
  CHECK(fields.size() == 7);
  CHECK(fields["n"] == std::to_string(all.count()));
  CHECK(std::stod(fields["mean"]) == doctest::Approx(all.mean()).epsilon(1e-13));
  CHECK(std::stod(fields["min"]) == all.min());
  CHECK(std::stod(fields["max"]) == all.max());
  const double n = static_cast<double>(all.count());
  const double m2 = std::stod(fields["m2"]);
  CHECK(m2 / n == doctest::Approx(all.population_variance()).epsilon(1e-10));
  CHECK(std::sqrt(n) * std::stod(fields["m3"]) / std::pow(m2, 1.5) ==
        doctest::Approx(all.skewness()).epsilon(1e-8));
  CHECK(n * std::stod(fields["m4"]) / (m2 * m2) - 3 ==
        doctest::Approx(all.excess_kurtosis()).epsilon(1e-8));
  const auto before = fields;
  const std::string saved = all.Save();
  for (const std::string& broken : {std::string(), std::string("x"), saved + "x",
                                    saved.substr(0, saved.size() - 1), std::string(64, '\0')}) {
    CheckRefused(store, "m", [&](auto& b) { b.MergeMoments("m", broken); });
  }
  for (const Moments::Sums& sums :
       {Moments::Sums{2, 1, -1, 0, 0, 1, 1}, Moments::Sums{2, 1, 0, 0, 0, 2, 1}}) {
    const std::string impossible = Moments::FromSums(sums).Save();
    CheckRefused(store, "m", [&](auto& b) { b.MergeMoments("m", impossible); });
  }
  CHECK(FieldsAt(store, "m") == before);
  // Of nothing there is nothing to see.
  CHECK(Ask(store, [](auto& b) { b.MergeMoments("nothing", Moments().Save()); }).kind ==
        Kind::kDone);
  CHECK(Ask(store, [](auto& b) { b.HashSize("nothing"); }).whole == 0);
  CHECK(store.HashSet("words", "mean", "x").ok());
  CHECK(store.HashSet("words", "n", "2").ok());
  CheckRefused(store, "words", [&](auto& b) { b.MergeMoments("words", saved); });
  CHECK(store.Set("text", "x").ok());
  CheckRefused(store, "text", [&](auto& b) { b.MergeMoments("text", saved); });
}

}  // namespace rivulet
