#include "bridge/message_filter.h"

#include <doctest/doctest.h>

#include <utility>

namespace rivulet {
namespace {

MessageFilter Filter(std::vector<std::string> require, std::vector<std::string> exclude = {}) {
  auto filter = MessageFilter::Make({std::move(require), std::move(exclude)});
  REQUIRE(filter.ok());
  return std::move(filter).value();
}

TEST_CASE("message filter: without options everything is kept, whatever it is") {
  MessageFilter filter;
  CHECK(filter.keeps_all());
  for (const std::string_view message :
       {std::string_view(), std::string_view("no json"), std::string_view("\0\n", 2)}) {
    CHECK(filter.Keeps(message));
  }
  CHECK(filter.dropped() == 0);
}

TEST_CASE("message filter: what is kept, by the rules of the manual page") {
  struct Case {
    std::vector<std::string> require;
    std::vector<std::string> exclude;
    const char* message;
    bool kept;
  };
  const Case cases[] = {
      {{"a=x"}, {}, R"({"a":"x"})", true},
      {{"a=x"}, {}, R"({"a":"y"})", false},
      {{"a=x"}, {}, R"({"b":"x"})", false},
      {{"a=x"}, {}, "x", false},
      {{"a=x"}, {}, "", false},
      {{"a=x"}, {}, R"(["a","x"])", false},
      {{"a=x"}, {}, R"({"a":"x")", false},
      {{"a=x"}, {}, R"({"a":"\u0078"})", true},  // escapes are resolved
      {{"a=x", "a=y"}, {}, R"({"a":"y"})", true},
      {{"a=x", "a=y"}, {}, R"({"a":"z"})", false},
      {{"a=x", "b=y"}, {}, R"({"a":"x","b":"y"})", true},
      {{"a=x", "b=y"}, {}, R"({"a":"x"})", false},
      {{"a=1.50"}, {}, R"({"a":1.50})", true},  // numbers as written
      {{"a=1.5"}, {}, R"({"a":1.50})", false},
      {{"a=true"}, {}, R"({"a":true})", true},
      {{"a=null"}, {}, R"({"a":null})", false},
      {{"a.b=x"}, {}, R"({"a":{"b":"x"}})", true},
      {{"a.b=x"}, {}, R"({"a":"x"})", false},
      {{"a="}, {}, R"({"a":""})", true},
      {{"a="}, {}, R"({"a":"x"})", false},
      {{"a==b"}, {}, R"({"a":"=b"})", true},  // the first = divides
      {{"a=*"}, {}, R"({"a":"whatever"})", true},
      {{"a=*"}, {}, R"({"b":1})", false},
      {{}, {"a=x"}, R"({"a":"x"})", false},
      {{}, {"a=x"}, R"({"a":"y"})", true},
      {{}, {"a=x"}, R"({"b":"x"})", true},
      {{}, {"a=x"}, "no json", true},
      {{}, {"a=x", "a=y"}, R"({"a":"y"})", false},
      {{}, {"a=*"}, R"({"a":0})", false},
      {{"a=x"}, {"b=y"}, R"({"a":"x","b":"z"})", true},
      {{"a=x"}, {"b=y"}, R"({"a":"x","b":"y"})", false},
      {{"a=*"}, {"a=y"}, R"({"a":"y"})", false},
      {{"a=*"}, {"a=y"}, R"({"a":"z"})", true},
  };
  for (const Case& one : cases) {
    CAPTURE(one.message);
    auto filter = Filter(one.require, one.exclude);
    CHECK(!filter.keeps_all());
    CHECK(filter.Keeps(one.message) == one.kept);
    CHECK(filter.dropped() == (one.kept ? 0 : 1));
  }
}

TEST_CASE("message filter: counts what it drops, over many messages and after a move") {
  auto first = Filter({"a=x"});
  CHECK(first.Keeps(R"({"a":"x"})"));
  CHECK(!first.Keeps(R"({"a":"y"})"));
  MessageFilter filter = std::move(first);
  CHECK(!filter.Keeps("z"));
  CHECK(filter.Keeps(R"({"a":"x"})"));
  CHECK(filter.dropped() == 2);
}

TEST_CASE("message filter: a pair without a key or a value is named") {
  const auto no_value = MessageFilter::Make({{"a=x", "country"}, {}});
  CHECK(no_value.status().code() == StatusCode::kInvalidArgument);
  CHECK(no_value.status().message().find("--filter-require=country: must be KEY=VALUE") == 0);
  const auto no_key = MessageFilter::Make({{}, {"=x"}});
  CHECK(no_key.status().message().find("--filter-exclude==x: must be KEY=VALUE") == 0);
}

}  // namespace
}  // namespace rivulet
