// Filters as pubsub/filter.h promises; which text a pattern matches was worked out by hand from
// RE2's syntax.
#include "pubsub/filter.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

namespace rivulet {
namespace {

bool Keeps(std::string_view subject, std::string_view pattern, std::string_view body) {
  FilterSet set;
  auto filter = set.Get(subject, pattern);
  REQUIRE(filter.ok());
  TopicMessage message;
  message.body = body;
  return (*filter)->Keeps(message);
}

TEST_CASE("filter: keeps the JSON objects whose key matches anywhere in its text") {
  struct Case {
    const char* subject;
    const char* pattern;
    const char* body;
    bool kept;
  };
  const std::vector<Case> cases = {
      {"action", "click", R"({"action":"a click!"})", true},
      {"action", "^click$", R"({"action":"a click!"})", false},
      {"action", "^click$", R"({"action":"click"})", true},
      {"action", "(?i)CLICK", R"({"action":"click"})", true},
      {"action", "", R"({"action":"anything"})", true},
      {"action", "", R"({"other":"anything"})", false},
      {"n", "^4\\d$", R"({"n":42})", true},
      {"n", "^4\\d$", R"({"n":42.0})", false},
      {"n", "^42\\.0$", R"({"n":42.0})", true},
      {"n", "^true$", R"({"n":true})", true},
      {"n", "null", R"({"n":null})", false},
      {"n", "1", R"({"n":[1]})", false},
      {"n", "1", R"({"n":{"n":1}})", false},
      {"geo.city", "^Par", R"({"geo":{"city":"Paris"}})", true},
      {"geo.city", "^Par", R"({"geo":{"town":"Paris"}})", false},
      {"a", "^é.$", R"({"a":"\u00e9\u00fc"})", true},
      {"a", "x", R"({"a":"y","a":"x"})", false},
      {"a", "x", R"([{"a":"x"}])", false},
      {"a", "x", "\"x\"", false},
      {"a", "x", "x", false},
      {"a", "x", R"({"a":"x")", false},
      {"a", "x", "", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.subject);
    CAPTURE(c.pattern);
    CAPTURE(c.body);
    CHECK(Keeps(c.subject, c.pattern, c.body) == c.kept);
  }
}

TEST_CASE("filter: a message is looked at once, however often it is asked about") {
  FilterSet set;
  auto filter = *set.Get("a", "x");
  TopicMessage message;
  message.body = R"({"a":"x"})";
  for (int i = 0; i < 3; ++i) CHECK(filter->Keeps(message));
  CHECK(filter->evaluated() == 1);
  CHECK(filter->kept() == 1);
  message.sequence = 1;
  message.body = R"({"a":"y"})";
  for (int i = 0; i < 3; ++i) CHECK_FALSE(filter->Keeps(message));
  CHECK(filter->evaluated() == 2);
  CHECK(filter->kept() == 1);
}

TEST_CASE("filter set: equal filters are one as long as somebody holds it") {
  FilterSet set;
  auto first = *set.Get("a", "x");
  CHECK(*set.Get("a", "x") == first);
  auto second = *set.Get("a", "y");
  CHECK(second != first);
  CHECK(second->text() != first->text());
  // What one could take for the other.
  auto third = *set.Get("a\",\"x", "");
  CHECK(third->text() != (*set.Get("a", "x\",\""))->text());
  CHECK(set.size() == 3);
  second.reset();
  third.reset();
  CHECK(set.size() == 1);
}

TEST_CASE("filter set: no more filters than there may be, and room again when one is let go") {
  FilterSet set(2);
  auto first = *set.Get("a", "1");
  auto second = *set.Get("a", "2");
  const auto third = set.Get("a", "3");
  REQUIRE_FALSE(third.ok());
  CHECK(third.status().code() == StatusCode::kExhausted);
  CHECK(*set.Get("a", "2") == second);
  first.reset();
  CHECK(set.Get("a", "3").ok());
}

TEST_CASE("filter set: what is wrong is named, in one line") {
  FilterSet set;
  struct Case {
    std::string subject;
    std::string pattern;
    const char* said;
  };
  const std::vector<Case> cases = {
      {"", "x", "filter_subject must be given"},
      {std::string(257, 'a'), "x", "filter_subject of 257 bytes must be at most 256"},
      {"a\xff", "x", "filter_subject=a\\xff must be UTF-8"},
      {std::string("a\0b", 3), "x", "must be UTF-8 without NUL"},
      {"a", "(", "filter_pattern=( must be an RE2 regular expression: missing"},
      {"a", "a\n(", "filter_pattern=a\\n( must be"},
      {"a", "\\1", "must be an RE2 regular expression"},
      {"a", "(?=x)", "must be an RE2 regular expression"},
      {"a", "\xff", "filter_pattern must be UTF-8"},
      {"a", std::string(1001, 'a'), "filter_pattern of 1001 bytes must be at most 1000"},
      {"a", "((a{1000}){1000}){1000}", "must be an RE2 regular expression"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.subject);
    CAPTURE(c.pattern);
    const auto filter = set.Get(c.subject, c.pattern);
    REQUIRE_FALSE(filter.ok());
    CHECK(filter.status().code() == StatusCode::kInvalidArgument);
    CHECK(filter.status().message().find(c.said) != std::string::npos);
    CHECK(filter.status().message().find('\n') == std::string::npos);
  }
  CHECK(set.size() == 0);
}

TEST_CASE("filter: a pattern that would take others for ever is linear here") {
  // (a*)*b on a million times "a" takes a backtracking engine 2^n steps.
  const std::string body = "{\"a\":\"" + std::string(1'000'000, 'a') + "\"}";
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(Keeps("a", "^((a*)*)*b$", body));
  CHECK(Keeps("a", "^(a|aa)+$", body));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("filter: Unicode classes fit in the memory that a pattern may take") {
  CHECK(Keeps("a", "^(\\p{L}+ ?)+$", R"({"a":"Grüße aus Köln"})"));
  CHECK_FALSE(Keeps("a", "^(\\p{L}+ ?)+$", R"({"a":"50667 Köln"})"));
}

}  // namespace
}  // namespace rivulet
