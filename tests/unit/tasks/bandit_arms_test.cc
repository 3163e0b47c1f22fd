#include "tasks/bandit_arms.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "store/memory_store.h"

using namespace rivulet;

namespace {

std::string Shown(const std::vector<BanditArm>& arms) {
  std::string all;
  for (const BanditArm& arm : arms) {
    if (!all.empty()) all += ' ';
    all += arm.id + "=" + std::to_string(arm.clicks) + "/" + std::to_string(arm.impressions);
  }
  return all;
}

Result<BanditArms> Read(Store& store, std::size_t features, const BanditKeys& keys = {}) {
  StoreBatch ask;
  AskBandit(&ask, keys, features);
  const auto replies = store.Run(ask);
  REQUIRE(replies.ok());
  return ReadBandit(*replies, features);
}

}  // namespace

TEST_CASE("bandit arms: the hash of the published prototype is read as it is") {
  const std::vector<StoreItem> items = {{"i|b", "60", 0}, {"c|a", "1", 0},   {"c|b", "4", 0},
                                        {"i|a", "1", 0},  {"c|x|y", "2", 0}, {"i|x|y", "3", 0}};
  const auto arms = ReadArms(items);
  REQUIRE(arms.ok());
  CHECK(Shown(*arms) == "a=1/1 b=4/60 x|y=2/3");
  CHECK(ClickField("x|y") == "c|x|y");
  CHECK(ImpressionField("a") == "i|a");
}

TEST_CASE("bandit arms: other fields are skipped, half an item is one of which nothing is known") {
  const auto arms = ReadArms(std::vector<StoreItem>{
      {"c|half", "7", 0}, {"i|other", "9", 0}, {"note", "hello", 0}, {"c|", "x", 0}, {"", "", 0}});
  REQUIRE(arms.ok());
  CHECK(Shown(*arms) == "half=7/1 other=1/9");
  CHECK(ReadArms({})->empty());
}

TEST_CASE("bandit arms: an item with a counter that is none is left out, and told") {
  for (const char* text :
       {"", "x", "1.5", "-1", "99999999999999999999", "9007199254740993", " 1"}) {
    CAPTURE(text);
    std::string trouble;
    const auto arms = ReadArms(
        std::vector<StoreItem>{{"i|a", text, 0}, {"c|a", "3", 0}, {"c|b", "2", 0}}, &trouble);
    REQUIRE(arms.ok());
    CHECK(Shown(*arms) == "b=2/1");
    CHECK(trouble.find("i|a") != std::string::npos);
  }
  std::string trouble;
  const std::vector<StoreItem> two = {{"c|\xff", "1", 0}, {"i|\xff", "1", 0}, {"i|a", "2", 0}};
  CHECK(Shown(*ReadArms(two, &trouble)) == "a=1/2");
  CHECK(trouble.find("and 1 more") != std::string::npos);
  trouble.clear();
  CHECK(ReadArms(std::vector<StoreItem>{{"i|a", "9007199254740992", 0}}, &trouble)->size() == 1);
  CHECK(trouble.empty());
}

TEST_CASE("bandit arms: all of a bandit is read, under names of one's own") {
  MemoryStore store;
  const BanditKeys keys = {"shop", "seen"};
  CHECK(Read(store, 2, keys)->arms.empty());
  StoreBatch batch;
  batch.HashSet("shop", "c|a", "2");
  batch.HashSet("shop", "i|a", "5");
  batch.Increment("seen", 4);
  for (const auto& [field, count] : {std::pair{"round", 3},
                                     {"impressions", 30},
                                     {"clicks", 20},
                                     {"counted_impressions", 29},
                                     {"counted_clicks", 17}}) {
    batch.HashIncrement("shop:bandit", field, count);
  }
  batch.HashSet("shop:history", "2", "{\"round\":2}");
  batch.HashSet("shop:history", "10", "{\"round\":10}");
  batch.HashSet("shop:history", "9", "{\"round\":9}");
  // d = 2: the upper half of A by rows, then b.
  batch.HashAdd("shop:linear", "A|0|0|a", 4);
  batch.HashAdd("shop:linear", "A|0|1|a", 1.5);
  batch.HashAdd("shop:linear", "A|1|1|a", 2.25);
  batch.HashAdd("shop:linear", "b|1|a", -0.5);
  for (const char* of_none : {"A|1|0|a", "A|0|2|a", "A|0|a", "b|2|a", "b|a", "A|0|0|gone", "x"}) {
    batch.HashAdd("shop:linear", of_none, 1);
  }
  REQUIRE(store.Run(batch).ok());
  const auto bandit = Read(store, 2, keys);
  REQUIRE_MESSAGE(bandit.ok(), bandit.status().message());
  CHECK(Shown(bandit->arms) == "a=2/5");
  CHECK(bandit->arms[0].sums == std::vector<double>{4, 1.5, 2.25, 0, -0.5});
  CHECK(bandit->round == 3);
  CHECK(bandit->experiments == 4);
  CHECK(bandit->late() == 4);
  REQUIRE(bandit->history.size() == 3);
  CHECK(bandit->history[0].round == 10);
  CHECK(bandit->history[2].json == "{\"round\":2}");
  CHECK(Read(store, 0, keys)->arms[0].sums.empty());
}

TEST_CASE(
    "bandit arms: packed sums are read with those of a field each, of as many features as asked") {
  MemoryStore store;
  StoreBatch batch;
  batch.HashSet("items", "i|a|1", "5");
  // Three features: 00, 01, 11, 02, 12, 22.
  batch.HashAddNumbers("items:linear", "xx|a|1", std::vector<double>{4, 1, 2, 0.5, -3, 8});
  batch.HashAddNumbers("items:linear", "rx|a|1", std::vector<double>{1, 0, -2});
  batch.HashAdd("items:linear", "A|1|1|a|1", 10);
  batch.HashAdd("items:linear", "b|0|a|1", 0.25);
  batch.HashAddNumbers("items:linear", "xx|gone", std::vector<double>{7});
  REQUIRE(store.Run(batch).ok());
  const auto sums = [&](std::size_t features) { return Read(store, features)->arms.at(0).sums; };
  CHECK(sums(3) == std::vector<double>{4, 1, 0.5, 12, -3, 8, 1.25, 0, -2});
  CHECK(sums(2) == std::vector<double>{4, 1, 12, 1.25, 0});
  CHECK(sums(4) == std::vector<double>{4, 1, 0.5, 0, 12, -3, 0, 8, 0, 0, 1.25, 0, -2, 0});
  CHECK(store.HashSet("items:linear", "rx|a|1", "13 bytes here").ok());
  CHECK(Read(store, 3)->arms.empty());
  CHECK(Read(store, 3)->trouble.find("rx|a|1' must hold finite numbers") != std::string::npos);
}

TEST_CASE("bandit arms: what cannot be read is an error that names it") {
  MemoryStore store;
  CHECK(store.HashSet("items:bandit", "round", "x").ok());
  CHECK(Read(store, 0).status().message().find("round") != std::string::npos);
  CHECK(store.HashSet("items:bandit", "round", "07").ok());
  CHECK(Read(store, 0).status().message().find("07") != std::string::npos);
  CHECK(store.HashSet("items:bandit", "round", "1").ok());
  CHECK(store.HashSet("items:bandit", "counted_clicks", "5").ok());
  CHECK(Read(store, 0)->late() == 0);
  CHECK(store.Set("experiments", "-3").ok());
  CHECK(Read(store, 0)->experiments == 0);
  CHECK(store.HashSet("items", "c|a", "1").ok());
  CHECK(store.HashSet("items:linear", "b|0|a", "none").ok());
  CHECK(store.HashSet("items", "c|b", "1").ok());
  const auto sums = Read(store, 1);
  REQUIRE(sums.ok());
  CHECK(sums->trouble.find("b|0|a") != std::string::npos);
  CHECK(Shown(sums->arms) == "b=1/1");
  CHECK(store.Set("items", "a text").ok());
  CHECK(Read(store, 0).status().message().find("items") != std::string::npos);
  CHECK_FALSE(ReadBandit({}, 0).ok());
}
