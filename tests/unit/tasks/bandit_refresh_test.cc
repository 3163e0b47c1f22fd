// When and how the set is drawn anew.
#include "tasks/bandit_refresh.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/unit/scaled.h"
#include "tests/unit/tasks/bandit_support.h"
#include "tests/unit/tasks/temp_file.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

const WallTime kNow = FakeContext().at;

std::vector<std::string> Ids(const JsonValue& list) {
  std::vector<std::string> ids;
  for (const auto& id : list.GetArray()) ids.emplace_back(JsonText(id));
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<std::string> IdsIn(Store& store) {
  std::vector<std::string> ids;
  for (const BanditArm& arm : BanditIn(store).arms) ids.push_back(arm.id);
  return ids;
}

/// 0 to `count` - 1, a line each.
std::string Numbers(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += std::to_string(i) + "\n";
  return lines;
}

/// Impressions of the set's items in turn, and clicks on the first `good` of them each time.
std::vector<FeedbackMessage> RoundOf(Store& store, int impressions, std::size_t good) {
  const std::vector<std::string> ids = IdsIn(store);
  std::vector<FeedbackMessage> messages;
  for (int i = 0; i < impressions; ++i) {
    const std::size_t item = static_cast<std::size_t>(i) % ids.size();
    messages.push_back(Impression(ids[item]));
    if (item < good) messages.push_back(Click(ids[item]));
  }
  return messages;
}

}  // namespace

TEST_CASE("bandit refresh: the better half stays, newcomers come, counters begin again") {
  MemoryStore store;
  const TempFile catalogue(Numbers(50));
  const auto task =
      MakeBandit("bandit:catalogue=" + catalogue.path() + ",arms=7,refresh=700,seed=5", &store);
  const std::vector<std::string> first = IdsIn(store);
  CHECK(first.size() == 7);
  CHECK(std::set<std::string>(first.begin(), first.end()).size() == 7);
  std::vector<FeedbackMessage> messages = RoundOf(store, 700, 4);
  RunFeedback(*task, std::vector(messages.begin(), messages.end() - 1));
  CHECK(IdsIn(store) == first);
  CHECK(BanditIn(store).round == 1);
  RunFeedback(*task, std::vector{messages.back()});

  const BanditArms bandit = BanditIn(store);
  CHECK(bandit.round == 2);
  CHECK(bandit.experiments == 0);
  REQUIRE(bandit.arms.size() == 7);
  for (const BanditArm& arm : bandit.arms) {
    CHECK(arm.clicks == 1);
    CHECK(arm.impressions == 1);
  }
  // Four of seven stay: after 100 impressions each, those that were always clicked on.
  const std::vector<std::string> kept(first.begin(), first.begin() + 4);
  const std::vector<std::string> second = IdsIn(store);
  CHECK(std::includes(second.begin(), second.end(), kept.begin(), kept.end()));
  std::vector<std::string> both;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(),
                        std::back_inserter(both));
  CHECK(both == kept);

  REQUIRE(bandit.history.size() == 2);
  JsonDocument history;
  REQUIRE(history.Parse(bandit.history[0].json).ok());
  const JsonValue& entry = history.root();
  CHECK(entry["round"].GetUint() == 2);
  CHECK(JsonText(entry["at"]) == "2020-09-13T12:26:40Z");  // 1.6e9 s
  CHECK(Ids(entry["kept"]) == kept);
  CHECK(Ids(entry["dropped"]) == std::vector<std::string>(first.begin() + 4, first.end()));
  CHECK(Ids(entry["new"]).size() == 3);
  CHECK(entry["impressions"].GetInt() == 700);
  CHECK(entry["clicks"].GetInt() == 400);
  CHECK(entry["rate"].GetDouble() == doctest::Approx(4.0 / 7));
  CHECK(FakeSummary(*task).counts["refreshes"] == 2);
}

TEST_CASE("bandit refresh: of two readers one refreshes, and late feedback learns nothing") {
  MemoryStore store;
  const TempFile catalogue(Numbers(50));
  const std::string spec = "bandit:catalogue=" + catalogue.path() + ",arms=4,refresh=20";
  const auto one = MakeBandit(spec, &store);
  const auto two = MakeBandit(spec, &store);
  CHECK(FakeSummary(*two).counts["refreshes"] == 0);
  const std::vector<std::string> first = IdsIn(store);
  for (int i = 0; i < 19; ++i) {
    RunFeedback(i % 2 == 0 ? *one : *two, std::vector{Impression(first[0]).InRound(1)});
  }
  // Both see that it is due; the second one finds it done.
  RefreshOptions options;
  options.arms = 4;
  options.after = 19;
  BanditRefresh mine(options, BanditCatalogue(catalogue.path()), 1);
  BanditRefresh other(options, BanditCatalogue(catalogue.path()), 2);
  mine.Saw(19, 8);
  CHECK(mine.IsDue(kNow));
  CHECK(*mine.Run(&store, kNow) == BanditRefresh::Did::kRefreshed);
  const std::string after = CountersIn(store);
  CHECK(*other.Run(&store, kNow) == BanditRefresh::Did::kNothing);
  CHECK(CountersIn(store) == after);
  CHECK(BanditIn(store).round == 2);
  // Of the round before: its item may be in the set again, and is not counted.
  RunFeedback(*two, std::vector{Click(first[0]).InRound(1), Impression(first[0]).InRound(1)});
  CHECK(CountersIn(store) == after);
  CHECK(BanditIn(store).late() == 2);
}

namespace {

/// Something happens before the batch of that number is run.
class Meddled final : public Store {
 public:
  Meddled(Store* store, int before, std::function<Status()> what)
      : store_(store), before_(before), what_(std::move(what)) {}
  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override {
    if (++runs_ == before_) {
      if (Status status = what_(); !status.ok()) return status;
    }
    return store_->Run(batch);
  }
  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                        std::size_t most) override {
    return store_->Keys(prefix, kind, most);
  }

 private:
  Store* store_;
  int runs_ = 0;
  int before_;
  std::function<Status()> what_;
};

}  // namespace

TEST_CASE("bandit refresh: somebody is quicker between reading and writing") {
  MemoryStore store;
  FakeClock clock;
  RefreshOptions options;
  options.arms = 3;
  options.clock = &clock;
  const std::vector<std::string> items = {"a", "b", "c", "d", "e"};
  BanditRefresh theirs(options, BanditCatalogue(items), 1);
  BanditRefresh mine(options, BanditCatalogue(items), 2);
  // The first filling: read, a round of 0 to require, and the set.
  Meddled filled(&store, 3, [&] { return theirs.Run(&store, kNow).status(); });
  CHECK(*mine.Run(&filled, kNow) == BanditRefresh::Did::kElsewhere);
  CHECK(BanditIn(store).round == 1);
  const std::string before = CountersIn(store);
  CHECK(store.Set("experiments", "1000").ok());
  Meddled refreshed(&store, 2, [&] { return theirs.Run(&store, kNow).status(); });
  CHECK(*mine.Run(&refreshed, kNow) == BanditRefresh::Did::kElsewhere);
  CHECK(BanditIn(store).round == 2);
  CHECK(BanditIn(store).history.size() == 2);
  CHECK(theirs.refreshes() == 2);
  CHECK(mine.refreshes() == 0);
  // A store that fails in the middle leaves the set as it is, and it is tried later.
  CHECK(store.Set("experiments", "1000").ok());
  const std::string now = CountersIn(store);
  // The pause begins when it has failed.
  Meddled failing(&store, 2, [&] {
    clock.Advance(std::chrono::seconds(5));
    return Status(StatusCode::kIoError, "no room");
  });
  CHECK(mine.Run(&failing, kNow).status().message() == "no room");
  CHECK(CountersIn(store) == now);
  CHECK_FALSE(mine.IsDue(kNow + std::chrono::seconds(14)));
  CHECK(mine.IsDue(kNow + std::chrono::seconds(15)));
  CHECK(*mine.Run(&store, kNow) == BanditRefresh::Did::kRefreshed);
}

TEST_CASE("bandit refresh: the pauses after failures double, up to their longest") {
  MemoryStore store;
  FakeClock clock;
  RefreshOptions options;
  options.clock = &clock;
  options.longest_pause = std::chrono::seconds(35);
  BanditRefresh refresh(options, BanditCatalogue(std::vector<std::string>{}), 1);
  WallTime now = kNow;
  for (const int seconds : {10, 20, 35, 35}) {
    REQUIRE(refresh.IsDue(now));
    CHECK_FALSE(refresh.Run(&store, now).ok());
    now += std::chrono::seconds(seconds);
    CHECK_FALSE(refresh.IsDue(now - std::chrono::milliseconds(1)));
  }
  // A store that is away is tried again soon.
  Meddled away(&store, 1, [] { return Status(StatusCode::kUnavailable, "away"); });
  CHECK_FALSE(refresh.Run(&away, now).ok());
  CHECK_FALSE(refresh.IsDue(now));
  CHECK(refresh.IsDue(now + std::chrono::seconds(1)));
}

TEST_CASE("bandit refresh: a conflict in which nobody was quicker is followed by a pause") {
  MemoryStore store;
  RefreshOptions options;
  BanditRefresh refresh(options, BanditCatalogue(std::vector<std::string>{"a", "b"}), 1);
  const auto conflict = [] { return Status(StatusCode::kConflict, "another round"); };
  for (int i = 0; i < 2; ++i) {
    CHECK(refresh.IsDue(kNow));
    Meddled store_of_others(&store, 3, conflict);
    CHECK(*refresh.Run(&store_of_others, kNow) == BanditRefresh::Did::kElsewhere);
  }
  CHECK_FALSE(refresh.IsDue(kNow));
}

TEST_CASE("bandit refresh: experiments below 0 count as none, and go on from there") {
  MemoryStore store;
  CHECK(store.Set("experiments", "-2").ok());
  const auto task = MakeBandit("bandit:items=a+b+c+d,arms=2,refresh=3", &store);
  CHECK(BanditIn(store).experiments == 0);
  const std::string item = IdsIn(store)[0];
  RunFeedback(*task, std::vector{Impression(item), Impression(item), Impression(item)});
  CHECK(BanditIn(store).round == 1);
  RunFeedback(*task, std::vector{Impression(item), Impression(item)});
  CHECK(BanditIn(store).round == 2);
}

TEST_CASE("bandit refresh: a set of which only foreign fields are left is filled again in time") {
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=a+b,refresh=0", &store);
  CHECK(store.Delete("items").ok());
  CHECK(store.HashSet("items", "note", "mine").ok());
  const WallTime now = SystemClock().WallNow();
  RunFeedback(*task, std::vector{Impression("a")}, now);
  CHECK(IdsIn(store).empty());
  RunFeedback(*task, std::vector{Impression("a")}, now + std::chrono::seconds(11));
  CHECK(CountersIn(store) == "a=1/1 b=1/1");
}

TEST_CASE("bandit refresh: an item that cannot be read is left out, late, and replaced") {
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=a+b+c,arms=2,refresh=2", &store);
  const std::vector<std::string> set = IdsIn(store);
  CHECK(store.HashSet("items", "c|" + set[0], "abc").ok());
  RunFeedback(*task, std::vector{Click(set[0])});
  CHECK(CountersIn(store) == set[1] + "=1/1");
  CHECK(BanditIn(store).late() == 1);
  CHECK(FakeSummary(*task).texts["trouble"].find("c|" + set[0]) != std::string::npos);
  RunFeedback(*task, std::vector{Impression(set[1]), Impression(set[1])});
  CHECK(BanditIn(store).round == 2);
  CHECK(BanditIn(store).trouble.empty());
  CHECK(IdsIn(store).size() == 2);
}

TEST_CASE("bandit refresh: the set of the prototype is taken over, a deleted one is filled again") {
  MemoryStore store;
  for (const char* field : {"c|old", "i|old", "c|older", "i|older"}) {
    CHECK(store.HashSet("items", field, "1").ok());
  }
  CHECK(store.Set("experiments", "9").ok());
  const auto task = MakeBandit("bandit:items=a+b+c+d,arms=4,refresh=10", &store);
  CHECK(CountersIn(store) == "old=1/1 older=1/1");
  RunFeedback(*task, std::vector{Impression("old")});
  CHECK(BanditIn(store).round == 1);
  CHECK(IdsIn(store).size() == 4);
  CHECK(store.Delete("items").ok());
  RunFeedback(*task, std::vector{Impression("a")});
  CHECK(CountersIn(store) == "a=1/1 b=1/1 c=1/1 d=1/1");
  CHECK(BanditIn(store).round == 2);
}

TEST_CASE("bandit refresh: no more leave than can be replaced, and with nothing new none does") {
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=a+b+c+d+e,arms=4,refresh=10,seed=1", &store);
  CHECK(IdsIn(store).size() == 4);
  RunFeedback(*task, RoundOf(store, 10, 0));
  CHECK(BanditIn(store).round == 2);
  CHECK(IdsIn(store).size() == 4);
  MemoryStore fixed;
  const auto never = MakeBandit("bandit:items=a+b+c,refresh=10", &fixed);
  for (int i = 0; i < 4; ++i) RunFeedback(*never, RoundOf(fixed, 9, 1));
  CHECK(CountersIn(fixed) == "a=13/13 b=1/13 c=1/13");
  CHECK(BanditIn(fixed).round == 1);
}

TEST_CASE("bandit refresh: what is known from before is where an item begins") {
  const TempFile priors(
      "{\"item\":\"a\",\"clicks\":3,\"impressions\":60}\r\n\n"
      "{\"id\":7,\"clicks\":0,\"impressions\":1}\n");
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=a+b+7,refresh=0,priors=" + priors.path(), &store);
  CHECK(CountersIn(store) == "7=1/2 a=4/61 b=1/1");
  for (const char* wrong :
       {"{\"item\":\"a\",\"clicks\":3,\"impressions\":2}", "{\"item\":\"a\",\"clicks\":3}",
        "{\"item\":\"a\",\"clicks\":-1,\"impressions\":2}", "{\"clicks\":1,\"impressions\":2}",
        "{\"item\":\"a\",\"clicks\":1.5,\"impressions\":2}", "a", "[1]", "{"}) {
    CAPTURE(wrong);
    const Status status = ReadInformedPriors("\n" + std::string(wrong)).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().starts_with("line 2"));
  }
}

TEST_CASE("bandit refresh: the history keeps its last rounds") {
  MemoryStore store;
  const auto task = MakeBandit("bandit:items=a+b+c,arms=2,refresh=1", &store);
  for (int i = 0; i < 60; ++i) RunFeedback(*task, std::vector{Impression(IdsIn(store)[0])});
  const BanditArms bandit = BanditIn(store);
  CHECK(bandit.round == 61);
  REQUIRE(bandit.history.size() == kKeptRounds);
  CHECK(bandit.history.front().round == 61);
  CHECK(bandit.history.back().round == 12);
}
