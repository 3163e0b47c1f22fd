#include "pubsub/selection.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace rivulet {
namespace {

Selection Parsed(std::string_view text) {
  auto selection = Selection::Parse(text);
  REQUIRE(selection.ok());
  return *std::move(selection);
}

TEST_CASE("selection: a name is itself, and its positions are offsets") {
  const Selection selection = Parsed("clicks");
  CHECK(selection.single());
  CHECK_FALSE(selection.has_patterns());
  CHECK(selection.text() == "clicks");
  CHECK(selection.names() == std::vector<std::string>{"clicks"});
  CHECK(selection.Matches("clicks"));
  CHECK_FALSE(selection.Matches("click"));
  CHECK_FALSE(selection.Matches("clicks2"));
}

TEST_CASE("selection: a pattern matches every name that begins so") {
  const Selection clicks = Parsed("clicks.*");
  CHECK_FALSE(clicks.single());
  CHECK(clicks.has_patterns());
  CHECK(clicks.names().empty());
  CHECK(clicks.Matches("clicks.eu"));
  CHECK(clicks.Matches("clicks."));
  CHECK_FALSE(clicks.Matches("clicks"));
  CHECK_FALSE(clicks.Matches("more.clicks.eu"));
  const Selection all = Parsed("*");
  CHECK(all.Matches("anything"));
  CHECK_FALSE(all.single());
}

TEST_CASE("selection: the same topics in another order, or twice, are the same text") {
  CHECK(Parsed("b,a").text() == "a,b");
  CHECK(Parsed("a,b,a,b").text() == "a,b");
  CHECK(Parsed("b*,a,c").text() == "a,b*,c");
  CHECK(Parsed("a,a").single());
}

TEST_CASE("selection: what another item covers is left out") {
  CHECK(Parsed("a,*").text() == "*");
  CHECK(Parsed("*,*").text() == "*");
  CHECK(Parsed("*,a").names().empty());
  CHECK(Parsed("ab*,a*,abc,b").text() == "a*,b");
  CHECK(Parsed("a*,a").text() == "a*");
  CHECK(Parsed("a-*,a,a.*,ab").text() == "a,a-*,a.*,ab");
  CHECK(Parsed("abc*,abd*,ab").text() == "ab,abc*,abd*");
}

TEST_CASE("selection: an item that is neither name nor pattern is told by its number") {
  struct Case {
    std::string text;
    std::string_view item;
  };
  for (const Case& c : {Case{"", "item 1 "}, Case{"a,", "item 2 "}, Case{",a", "item 1 "},
                        Case{"a,,b", "item 2 "}, Case{"a,b c", "item 2 "}, Case{"**", "item 1 "},
                        Case{"*a", "item 1 "}, Case{"a*b", "item 1 "}, Case{"a\n", "item 1 "},
                        Case{"\xff", "item 1 "}, Case{"a,b,c," + std::string(65, 'x'), "item 4 "},
                        Case{std::string(65, 'x') + "*", "item 1 "}}) {
    CAPTURE(c.text);
    const auto refused = Selection::Parse(c.text);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().starts_with("topic: "));
    CHECK(refused.status().message().find(c.item) != std::string::npos);
    CHECK(refused.status().message().find('\n') == std::string::npos);
    CHECK(refused.status().message().find("64 of A-Z") != std::string::npos);
  }
  CHECK(Selection::Parse(std::string(64, 'x')).ok());
  CHECK(Selection::Parse(std::string(64, 'x') + "*").ok());
}

TEST_CASE("selection: up to 64 items") {
  std::string text = "t0";
  for (int i = 1; i < 64; ++i) text += ",t" + std::to_string(i);
  CHECK(Parsed(text).names().size() == 64);
  const auto refused = Selection::Parse(text + ",a");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message() == "topic: 65 items must be at most 64");
}

// The independent truth: each item by itself, as the rule says it.
bool MatchesOneOf(const std::vector<std::string>& items, const std::string& topic) {
  return std::any_of(items.begin(), items.end(), [&](const std::string& item) {
    if (item.back() != '*') return item == topic;
    return topic.compare(0, item.size() - 1, item, 0, item.size() - 1) == 0;
  });
}

TEST_CASE("selection: matches as its items do one by one, and reads its own text") {
  std::mt19937 random(20120316);  // short words of two letters: they cover each other often
  const auto word = [&random](std::size_t least) {
    std::string made;
    for (std::size_t size = least + random() % 4; made.size() < size;) {
      made += random() % 2 == 0 ? 'a' : '-';
    }
    return made;
  };
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::string> items;
    std::string text;
    for (std::size_t i = 0, count = 1 + random() % 6; i < count; ++i) {
      items.push_back(random() % 2 == 0 ? word(1) : word(0) + "*");
      text += (i > 0 ? "," : "") + items.back();
    }
    CAPTURE(text);
    const Selection selection = Parsed(text);
    for (int i = 0; i < 20; ++i) {
      const std::string topic = word(1);
      if (selection.Matches(topic) != MatchesOneOf(items, topic)) FAIL(topic);
    }
    std::shuffle(items.begin(), items.end(), random);
    std::string shuffled;
    for (const std::string& item : items) shuffled += (shuffled.empty() ? "" : ",") + item;
    REQUIRE(Parsed(shuffled).text() == selection.text());
    REQUIRE(Parsed(selection.text()).text() == selection.text());
  }
}

}  // namespace
}  // namespace rivulet
