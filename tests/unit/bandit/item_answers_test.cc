#include "bandit/item_answers.h"

#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <string>

#include "base/json.h"
#include "tests/unit/bandit/fake_arms.h"

namespace rivulet {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  FakeClock clock;
  FakeArms source;
  BanditApiOptions options;

  ItemAnswers Make() { return {source, options, 5}; }
  ItemAnswer Ask(ItemAnswers& answers, const ItemRequest& request = {}) {
    return answers.Answer(request, clock.Now(), clock.Now());
  }
  static ItemRequest Json() {
    ItemRequest request;
    request.as_json = true;
    return request;
  }
};

// One that is sure to be drawn above what there is beside it.
BanditArm Good(std::string id) { return {std::move(id), 100'000, 100'000, {}}; }
BanditArm Bad(std::string id) { return {std::move(id), 1, 100'000, {}}; }

TEST_CASE("item: text is the id alone, or one a line where n= was given") {
  Fixture test;
  test.source.Tell(ArmsOf({Bad("a"), Good("b")}, 3), test.clock.Now());
  ItemAnswers answers = test.Make();
  CHECK(test.Ask(answers).body == "b");
  ItemRequest request;
  request.items = 5;
  request.as_lines = true;
  const ItemAnswer answer = test.Ask(answers, request);
  CHECK(answer.body == "b\na\n");
  CHECK(answer.status == 200);
  CHECK(answer.round == 3);
  CHECK(answer.picked == 2);
}

TEST_CASE("item: JSON has items with their draws, the round, the policy and where it is from") {
  Fixture test;
  test.source.Tell(ArmsOf({Bad("a"), Good("quote\" \n<b>\xff")}, 3), test.clock.Now());
  ItemAnswers answers = test.Make();
  JsonDocument document;
  REQUIRE(document.Parse(test.Ask(answers, Fixture::Json()).body).ok());
  const JsonValue& item = (*FindMember(document.root(), "items"))[0];
  CHECK(JsonText(*FindMember(item, "item")) == "quote\" \n<b>\uFFFD");
  CHECK(JsonNumber(FindMember(item, "draw")).value() > 0.99);
  CHECK(JsonNumber(FindMember(document.root(), "round")) == 3);
  CHECK(JsonText(*FindMember(document.root(), "policy")) == "thompson");
  CHECK(JsonText(*FindMember(document.root(), "arms")) == "current");
}

TEST_CASE("item: draws stand in JSON as millionths, and what is infinite as null") {
  Fixture test;
  test.options.policy = "epsilon-greedy";
  test.options.epsilon = 0;
  const struct {
    BanditArm arm;
    std::string draw;  // of (clicks)/(1 + impressions)
  } kCases[] = {{{"a", 1, 1, {}}, "0.500000"},
                {{"a", 1, 7, {}}, "0.125000"},
                {{"a", 2, 2, {}}, "0.666667"},
                {{"a", 1, 9'999'999, {}}, "0.000000"},
                {{"a", 99'999'999, 99'999'999, {}}, "1"}};
  for (const auto& [arm, draw] : kCases) {
    test.source.Tell(ArmsOf({arm}), test.clock.Now());
    ItemAnswers answers = test.Make();
    CHECK(test.Ask(answers, Fixture::Json()).body ==
          "{\"items\":[{\"item\":\"a\",\"draw\":" + draw +
              "}],\"round\":1,\"policy\":\"epsilon-greedy\",\"arms\":\"current\"}\n");
  }
  test.options.policy = "ucb1";
  test.source.Tell(ArmsOf({{"a", 1, 1, {}}}), test.clock.Now());
  ItemAnswers answers = test.Make();
  CHECK(test.Ask(answers, Fixture::Json()).body.find("\"draw\":null}") != std::string::npos);
}

TEST_CASE("item: an id with a line feed is no line of text") {
  Fixture test;
  test.source.Tell(ArmsOf({Good("two\nlines")}), test.clock.Now());
  ItemAnswers answers = test.Make();
  CHECK(test.Ask(answers).body == "two\nlines");
  ItemRequest request;
  request.as_lines = true;
  const ItemAnswer answer = test.Ask(answers, request);
  CHECK(answer.status == 409);
  CHECK(answer.picked == 0);
  CHECK(answer.body == "an item's id has a line feed: ask with format=json, or without n=\n");
}

TEST_CASE("item: where each request reads, a reading that failed makes arms last-known at once") {
  Fixture test;
  test.options.reads_each_request = true;
  test.source.FreshFor(1000ms);
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  ItemAnswers answers = test.Make();
  CHECK(test.Ask(answers).state == ArmsState::kCurrent);
  test.source.Fail("no route");
  CHECK(test.Ask(answers).state == ArmsState::kLastKnown);
}

TEST_CASE("item: a fallback that is given twice is answered once") {
  Fixture test;
  test.options.fallback = {"a", "b", "a"};
  ItemAnswers answers = test.Make();
  ItemRequest request;
  request.items = 3;
  request.as_lines = true;
  const std::string body = test.Ask(answers, request).body;
  CHECK((body == "a\nb\n" || body == "b\na\n"));
}

TEST_CASE("item: arms are last-known once they are old, not by a failed reading, current again") {
  Fixture test;
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  ItemAnswers answers = test.Make();
  CHECK(test.Ask(answers).state == ArmsState::kCurrent);
  test.source.Fail("no route");
  test.source.FreshFor(1100ms);  // more than stale_after
  test.clock.Advance(1100ms);
  CHECK(test.Ask(answers).state == ArmsState::kCurrent);
  test.clock.Advance(1ms);
  const ItemAnswer old = test.Ask(answers);
  CHECK(old.state == ArmsState::kLastKnown);
  CHECK(old.body == "a");
  CHECK(old.age == 1101ms);
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  CHECK(test.Ask(answers).state == ArmsState::kCurrent);
  test.source.FreshFor(100ms);
  test.clock.Advance(1000ms);
  CHECK(test.Ask(answers).state == ArmsState::kCurrent);
  test.clock.Advance(1ms);
  CHECK(test.Ask(answers).state == ArmsState::kLastKnown);
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  CHECK(test.Ask(answers).state == ArmsState::kCurrent);
}

TEST_CASE("item: where each request reads, arms asked for before the request are last-known") {
  Fixture test;
  test.options.reads_each_request = true;
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  ItemAnswers answers = test.Make();
  const MonoTime before = test.clock.Now();
  test.clock.Advance(1ms);
  CHECK(answers.Answer({}, test.clock.Now(), before).state == ArmsState::kCurrent);
  CHECK(answers.Answer({}, test.clock.Now(), test.clock.Now()).state == ArmsState::kLastKnown);
}

TEST_CASE("item: the fallback answers where arms never came, are none, or are all excluded") {
  Fixture test;
  test.options.fallback = {"x", "y"};
  ItemAnswers answers = test.Make();
  std::set<std::string> seen;
  for (int i = 0; i < 64; ++i) seen.insert(test.Ask(answers).body);
  CHECK(seen == std::set<std::string>{"x", "y"});
  CHECK_FALSE(test.Ask(answers).has_age);
  ItemRequest request = Fixture::Json();
  request.excluded = "x";
  request.items = 2;
  CHECK(test.Ask(answers, request).body ==
        "{\"items\":[{\"item\":\"y\"}],\"round\":0,\"policy\":\"thompson\","
        "\"arms\":\"fallback\"}\n");
  test.source.Tell(ArmsOf({}, 7), test.clock.Now());
  CHECK(test.Ask(answers).state == ArmsState::kFallback);
  CHECK(test.Ask(answers).round == 7);
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  CHECK(test.Ask(answers).body == "a");
  request.excluded = ",,a,x,";
  CHECK(test.Ask(answers, request).body.find("\"item\":\"y\"") != std::string::npos);
}

TEST_CASE("item: with neither, 503 says what is missing and what would be right") {
  Fixture test;
  test.source.Fail("127.0.0.1:6379: connection refused");
  ItemAnswers answers = test.Make();
  const ItemAnswer away = test.Ask(answers);
  CHECK(away.status == 503);
  CHECK(away.state == ArmsState::kNone);
  CHECK(away.body ==
        "there are no arms yet: 127.0.0.1:6379: connection refused; --fallback=ID would be "
        "answered meanwhile\n");
  CHECK(test.Ask(answers, Fixture::Json()).body.ends_with(",\"arms\":\"none\"}\n"));
  test.source.Tell(ArmsOf({}), test.clock.Now());
  CHECK(test.Ask(answers).body ==
        "the set of items is empty: let the task bandit fill it, or give --fallback=ID\n");
  test.source.Tell(ArmsOf({Good("a")}), test.clock.Now());
  ItemRequest request;
  request.excluded = "a";
  CHECK(test.Ask(answers, request).body == "every item is excluded: exclude= must leave one\n");
}

TEST_CASE("item: the same seed gives the same picks, and looking counts none") {
  Fixture test;
  std::vector<BanditArm> arms;
  for (char c = 'a'; c < 'z'; ++c) arms.push_back({std::string(1, c), 1, 1, {}});
  test.source.Tell(ArmsOf(arms), test.clock.Now());
  ItemAnswers one = test.Make();
  ItemAnswers other = test.Make();
  for (int i = 0; i < 20; ++i) CHECK(test.Ask(one).body == test.Ask(other).body);
  std::uint64_t picked = 0;
  ItemRequest looks;
  looks.is_head = true;
  test.Ask(one, looks);
  for (std::size_t i = 0; i < arms.size(); ++i) picked += one.picker().picked(i);
  CHECK(picked == 20);
}

TEST_CASE("item: digits are those of the number") {
  CHECK(Digits(std::uint64_t{0}).text() == "0");
  CHECK(Digits(UINT64_MAX).text() == "18446744073709551615");
  CHECK(Digits(Duration(0)).text() == "0.000");
  CHECK(Digits(Duration(-5s)).text() == "0.000");
  CHECK(Digits(Duration(1'042ms)).text() == "1.042");
  CHECK(Digits(Duration::max()).text() == "9223372036.854");
}

}  // namespace
}  // namespace rivulet
