// What the task `bandit` counts.
#include "tasks/bandit.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "algorithms/random.h"
#include "queuereader/task_unusable.h"
#include "tests/unit/tasks/bandit_support.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

const std::string kThree = "bandit:items=a+b+c,refresh=0";

std::uint64_t StateOf(Store& store, const char* field) {
  const auto text = store.HashGet("items:bandit", field);
  REQUIRE(text.ok());
  return *text ? std::stoull(**text) : 0;
}

}  // namespace

TEST_CASE("bandit: the set is filled before the first message, at 1 and 1") {
  MemoryStore store;
  const auto task = MakeBandit(kThree, &store);
  CHECK(CountersIn(store) == "a=1/1 b=1/1 c=1/1");
  CHECK(StateOf(store, "round") == 1);
  CHECK(*store.Get("experiments").value() == "0");
  // Another reader finds it there, and what it has learnt.
  RunFeedback(*task, std::vector{Impression("a")});
  MakeBandit(kThree, &store);
  CHECK(CountersIn(store) == "a=1/2 b=1/1 c=1/1");
}

TEST_CASE("bandit: impressions and clicks are counted in the prototype's layout") {
  MemoryStore store;
  const auto task = MakeBandit(kThree, &store);
  std::vector<FeedbackMessage> messages;
  for (int i = 0; i < 7; ++i) messages.push_back(Impression("a"));
  messages.push_back(Click("a"));
  messages.push_back(Click("b"));  // may come before its impression
  messages.push_back(Impression("b"));
  messages.push_back({"page view", "a"});
  RunFeedback(*task, messages);
  CHECK(CountersIn(store) == "a=2/8 b=2/2 c=1/1");
  CHECK(*store.Get("experiments").value() == "8");
  CHECK(StateOf(store, "impressions") == 8);
  CHECK(StateOf(store, "clicks") == 2);
  FakeSummary summary(*task);
  CHECK(summary.counts["impressions"] == 8);
  CHECK(summary.counts["clicks"] == 2);
  CHECK(summary.counts["late"] == 0);
  CHECK(summary.counts["skipped"] == 1);
  CHECK(summary.counts["round"] == 1);
  CHECK(summary.counts["refreshes"] == 1);
  CHECK(summary.rows.size() == 3);
  CHECK(summary.At("a", "clicks") == 2);
  CHECK(summary.At("a", "impressions") == 8);
  // The mean of Beta(1 + 1 click, 1 + 6 misses).
  CHECK(summary.At("a", "mean") == doctest::Approx(2.0 / 9));
  CHECK(summary.At("a", "rate") == doctest::Approx(1.0 / 7));
}

TEST_CASE("bandit: feedback of an item that is not shown, or of another round, is late") {
  MemoryStore store;
  const auto task = MakeBandit(kThree, &store);
  RunFeedback(
      *task, std::vector{Impression("gone"), Click("gone"), Impression("a").InRound(0),
                         Click("a").InRound(2), Impression("a").InRound(1), Click("a").InRound(1)});
  CHECK(CountersIn(store) == "a=2/2 b=1/1 c=1/1");
  CHECK(BanditIn(store).late() == 4);
  CHECK(*store.Get("experiments").value() == "1");
  CHECK(StateOf(store, "impressions") == 3);
  CHECK(StateOf(store, "counted_impressions") == 1);
  CHECK(FakeSummary(*task).counts["late"] == 4);
}

TEST_CASE("bandit: a message learns once, however often it is delivered") {
  MemoryStore store;
  const auto one = MakeBandit(kThree, &store);
  const auto two = MakeBandit(kThree, &store);
  std::vector<FeedbackMessage> messages;
  for (int i = 0; i < 30; ++i) {
    messages.push_back(Impression(std::string(1, "abc"[i % 3]), "queue-" + std::to_string(2 * i)));
    if (i % 5 == 0) messages.push_back(Click("b", "queue-" + std::to_string(2 * i + 1)));
  }
  RunFeedback(*one, messages);
  RunFeedback(*two, messages);
  RunFeedback(*two, std::vector(messages.begin() + 3, messages.begin() + 9));
  RunFeedback(*one, std::vector{messages[4], messages[4]});
  CHECK(CountersIn(store) == "a=1/11 b=7/11 c=1/11");
  CHECK(StateOf(store, "impressions") == 30);
  CHECK(StateOf(store, "clicks") == 6);
  // Without ids as often as they are run.
  RunFeedback(*one, std::vector{Impression("a"), Impression("a")});
  CHECK(CountersIn(store) == "a=1/13 b=7/11 c=1/11");
}

TEST_CASE("bandit: malformed feedback is counted, and done with") {
  MemoryStore store;
  const auto task = MakeBandit(kThree, &store);
  const std::string longest(kMaxItemBytes, 'x');
  std::vector<FeedbackMessage> messages = {Impression(""), Click(longest + "x"),
                                           Impression("a").InRound(1.5), Click("a").InRound(1e300)};
  RunFeedback(*task, messages);
  CHECK(FakeSummary(*task).counts["malformed"] == 4);
  RunFeedback(*task, std::vector{Impression(longest)});
  CHECK(FakeSummary(*task).counts["malformed"] == 4);
  CHECK(BanditIn(store).late() == 1);
  // No item at all, an item that is a fraction, or a number.
  RunDone(*task, FakeMessage().With("type", "impression"));
  RunDone(*task, FakeMessage().With("type", "impression").With("item", 1.5));
  CHECK(FakeSummary(*task).counts["malformed"] == 6);
  RunDone(*task, FakeMessage().With("type", 7).With("item", "a"));
  RunDone(*task, FakeMessage().With("item", "a"));
  CHECK(FakeSummary(*task).counts["skipped"] == 2);
  CHECK(CountersIn(store) == "a=1/1 b=1/1 c=1/1");
}

TEST_CASE("bandit: a number beyond 2^53 is its own item, and a round of null is none") {
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=9007199254740992+9007199254740993,refresh=0", &store);
  const auto run = [&](const std::string& item, const std::string& more = "") {
    FakeMessage message("{\"type\":\"impression\",\"item\":" + item + more + "}");
    message.With("type", "impression").With("item", std::stod(item));
    if (!more.empty()) message.With("round", std::nan(""));
    RunDone(*task, message);
  };
  run("9007199254740993");
  CHECK(CountersIn(store) == "9007199254740992=1/1 9007199254740993=1/2");
  run("9007199254740992", ",\"round\":null");
  CHECK(CountersIn(store) == "9007199254740992=1/2 9007199254740993=1/2");
  CHECK(FakeSummary(*task).counts["malformed"] == 0);
  run("9007199254740993.0");
  run("1e300");
  run("9007199254740992", ",\"round\":{}");
  CHECK(FakeSummary(*task).counts["malformed"] == 3);
}

TEST_CASE("bandit: fields and event names are one's own; items may be whole numbers") {
  MemoryStore store;
  const auto task = MakeBandit(
      "bandit:items=7+8,refresh=0,key=shop,experiments=seen,type=e.kind,impression=shown,click=hit,"
      "item=e.product,round=e.r",
      &store);
  RunDone(*task, FakeMessage().With("e.kind", "shown").With("e.product", 7));
  RunDone(*task, FakeMessage().With("e.kind", "hit").With("e.product", "7").With("e.r", "1"));
  RunDone(*task, FakeMessage().With("e.kind", "hit").With("e.product", 8).With("e.r", 9));
  const BanditArms bandit = BanditIn(store, 0, {"shop", "seen"});
  REQUIRE(bandit.arms.size() == 2);
  CHECK(bandit.arms[0].clicks == 2);
  CHECK(bandit.arms[0].impressions == 2);
  CHECK(bandit.experiments == 1);
  CHECK(bandit.late() == 1);
}

TEST_CASE("bandit: the sums of a contextual bandit are plain sums") {
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=a+b,refresh=0,features=age+hour,context=who", &store);
  CHECK(task->batch_size() == 500);
  Random random(7);
  // By item: A's upper half by rows, then b.
  std::map<std::string, std::vector<double>> plain = {{"a", std::vector<double>(9)},
                                                      {"b", std::vector<double>(9)}};
  std::vector<FeedbackMessage> messages;
  for (int i = 0; i < 80; ++i) {
    const std::string item = i % 3 == 0 ? "a" : "b";
    // Quarters: their products and sums are exact.
    const double x[] = {1, static_cast<double>(random.Below(40)) / 4,
                        i % 7 == 0 ? 0 : static_cast<double>(random.Below(8)) - 4};
    const bool click = random.Chance(0.3);
    messages.push_back(click ? Click(item) : Impression(item));
    messages.back().With("who.age", x[1]);
    if (i % 7 != 0) messages.back().With("who.hour", x[2]);
    std::vector<double>& sums = plain[item];
    for (int j = 0, place = 0; j < 3; ++j) {
      for (int k = j; k < 3; ++k, ++place) sums[place] += click ? 0 : x[j] * x[k];
      sums[6 + j] += click ? x[j] : 0;
    }
  }
  RunFeedback(*task, messages);
  const BanditArms bandit = BanditIn(store, 3);
  REQUIRE(bandit.arms.size() == 2);
  for (const BanditArm& arm : bandit.arms) CHECK(arm.sums == plain[arm.id]);
  // A feature that is no number, or too large, and items that are not shown.
  RunFeedback(*task, std::vector{Impression("a").With("who.age", 2e6), Impression("gone")});
  RunDone(*task, FakeMessage().With("type", "click").With("item", "a").With("who.age", "old"));
  CHECK(FakeSummary(*task).counts["malformed"] == 2);
  CHECK(BanditIn(store, 3).arms[0].sums == plain["a"]);
  CHECK(store.HashAll("items:linear")->size() == 4);
}

TEST_CASE("bandit: batches are so small that a refresh comes near its number") {
  MemoryStore store;
  const auto size = [&](const std::string& more) {
    return MakeBandit("bandit:items=a+b" + more, &store)->batch_size();
  };
  CHECK(size("") == 50);
  CHECK(size(",refresh=10") == 1);
  CHECK(size(",refresh=100000") == 500);
  CHECK(size(",refresh=0") == 500);
  CHECK(size(",refresh=0,features=x") == 500);
  // At most 32,768 products: 16 numbers make 136.
  CHECK(size(",refresh=0,features=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o") == 240);
}

TEST_CASE("bandit: wrong arguments are refused, and told what would be right") {
  MemoryStore store;
  const auto refusal = [&](const std::string& more) {
    return TryMakeTask("bandit:" + more, &store).status().message();
  };
  const auto says = [&](const std::string& more, const char* what) {
    CAPTURE(more);
    CHECK_MESSAGE(refusal(more).find(what) != std::string::npos, refusal(more));
  };
  says("arms=10", "needs catalogue=");
  says("items=a+b,catalogue=/dev/null", "one of the two");
  says("catalogue=/no/such/file", "/no/such/file");
  says("items=a,arms=1", "arms=1");
  says("items=a,prior=none", "prior=none must be uniform or counts");
  says("items=a,keep=all", "keep=all must be draws or random");
  says("items=a,click=impression", "must differ");
  says("items=a,experiments=items", "must differ");
  says("items=a,experiments=items:bandit", "must differ");
  says("items=a,experiments=items:history", "must differ");
  says("items=a,key=x,experiments=x:linear", "must differ");
  says("items=a+\xff", "UTF-8");
  says("items=a,priors=/dev/zero", "regular file");
  says("catalogue=/dev/zero", "regular file");
  says("catalogue=http://me:secret@127.0.0.1:1/x", "needs name=NAME");
  CHECK(refusal("catalogue=http://me:secret@127.0.0.1:1/x,name=shop").empty());
  says("items=a,key=rivulet|x", "the store keeps its own");
  says("items=a,priors=/no/such/file", "priors=/no/such/file");
  says("items=a,features=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p", "at most 15");
  says("items=a,wrong=1", "unknown key 'wrong'");
  CHECK(TryMakeTask("bandit:items=a").status().message().find("store") != std::string::npos);
  CHECK(BanditIn(store).arms.empty());  // nothing was filled by these
}
