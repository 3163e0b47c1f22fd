// A field reader and a whole document with FindPath() must agree: on what is JSON, on which value a
// path means. The document's text is read from the message by hand where numbers are concerned.
#include "base/json_field.h"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string>

#include "base/json.h"
#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

using Found = JsonFieldReader::Found;

std::string Read(const std::string& path, std::string_view message) {
  JsonFieldReader reader(path);
  switch (reader.Read(message)) {
    case Found::kNotObject:
      return "not an object";
    case Found::kAbsent:
      return "absent";
    case Found::kText:
      return "=" + std::string(reader.text());
  }
  return {};
}

TEST_CASE("json field: strings by their text, numbers and truth values as written") {
  CHECK(Read("a", R"({"a":"x"})") == "=x");
  CHECK(Read("a", R"( { "b" : [1,{"a":2}] , "a" : "t\u00e9\n\"" } )") == "=t\xc3\xa9\n\"");
  CHECK(Read("a", R"({"a":1.50e+1})") == "=1.50e+1");
  CHECK(Read("a", R"({"a":-0})") == "=-0");
  CHECK(Read("a", R"({"a":123456789012345678901234567890})") == "=123456789012345678901234567890");
  CHECK(Read("a", R"({"a":true})") == "=true");
  CHECK(Read("a", R"({"a":false,"b":1})") == "=false");
  CHECK(Read("a", R"({"a":""})") == "=");
  CHECK(Read("", R"({"":"e"})") == "=e");
  CHECK(Read("a", R"({"\u0061":"escaped key"})") == "=escaped key");
}

TEST_CASE("json field: null, arrays, objects and missing keys are absent") {
  for (const char* message : {R"({"a":null})", R"({"a":[1]})", R"({"a":{"b":1}})", "{}",
                              R"({"b":{"a":1}})", R"({"A":1})", R"({"aa":1})"}) {
    CAPTURE(message);
    CHECK(Read("a", message) == "absent");
  }
}

TEST_CASE(
    "json field: a path goes through objects, the longest key first, the first of equal ones") {
  CHECK(Read("geo.city", R"({"geo":{"lat":1,"city":"Paris"}})") == "=Paris");
  CHECK(Read("geo.city", R"({"geo.city":"whole","geo":{"city":"nested"}})") == "=whole");
  CHECK(Read("geo.city", R"({"geo":{"city":"nested"},"geo.city":"whole"})") == "=whole");
  CHECK(Read("geo.city", R"({"geo":{"city":"nested"},"geo.city":null})") == "absent");
  CHECK(Read("a.b.c", R"({"a":{"b":{"c":1}},"a.b":{"c":2}})") == "=2");
  CHECK(Read("a.b.c", R"({"a":{"b":{"c":1}},"a.b":{"d":2}})") == "absent");
  CHECK(Read("a", R"({"a":1,"a":2})") == "=1");
  CHECK(Read("a", R"({"a":null,"a":2})") == "absent");
  CHECK(Read("a.b", R"({"a":[{"b":1}]})") == "absent");
  CHECK(Read("a.b", R"({"a":{"x":{"b":1}},"b":2})") == "absent");
  CHECK(Read("a.b", R"({"a":"text","b":2})") == "absent");
  CHECK(Read(".a", R"({"":{"a":3}})") == "=3");
  CHECK(Read("a.", R"({"a":{"":4}})") == "=4");
}

TEST_CASE("json field: what is no JSON object is told, also behind the field") {
  for (const char* message : {"",
                              " ",
                              "null",
                              "[]",
                              "\"a\"",
                              "{",
                              "{\"a\":1",
                              "{\"a\":1}x",
                              "{\"a\":1,}",
                              "{'a':1}",
                              "{\"a\":01}",
                              "{\"a\":1.}",
                              "{\"a\":+1}",
                              "{\"a\":.5}",
                              "{\"a\":1e}",
                              "{\"a\":1e999}",
                              "{\"a\":1,\"b\":\"\\x\"}",
                              "{\"a\":1,\"b\":\"\xff\"}",
                              "{\"a\":1,\"b\":\"\\ud800\"}",
                              "{\"a\":1,\"b\":\"\x1f\"}",
                              "{\"a\":1,\"b\":\"\t\"}",
                              "{\"a\":1,\"b\\u0000\":2}",
                              "{\"a\":1}{\"a\":1}",
                              "\xef\xbb\xbf{\"a\":1}",
                              "{\"a\":tru}",
                              "{\"a\":nullx}",
                              "{\"a\" 1}",
                              "{\"a\":1 \"b\":2}",
                              "{\"a\":1,\"b\"}",
                              "{a:1}",
                              "\v{\"a\":1}"}) {
    CAPTURE(message);
    CHECK(Read("a", message) == "not an object");
  }
  CHECK(Read("a", std::string_view("{\"a\":1}\0", 8)) == "not an object");
  // The object is the first of 64 levels.
  const auto deep = [](int arrays) {
    return "{\"a\":1,\"b\":" + std::string(static_cast<std::size_t>(arrays), '[') +
           std::string(static_cast<std::size_t>(arrays), ']') + "}";
  };
  CHECK(Read("a", deep(63)) == "=1");
  CHECK(Read("a", deep(64)) == "not an object");
}

std::string RandomValue(std::mt19937& random, int depth);

std::string RandomKey(std::mt19937& random) {
  constexpr std::array<const char*, 9> kKeys = {"a",   "b",       "a.b",      "",        "b.a",
                                                "c.a", "\\u0061", "\xc3\xa9", "long key"};
  return kKeys[random() % kKeys.size()];
}

std::string RandomObject(std::mt19937& random, int depth) {
  std::string text = "{";
  const auto members = random() % 5;
  for (std::size_t i = 0; i < members; ++i) {
    if (i > 0) text += random() % 4 == 0 ? " , " : ",";
    text += '"' + RandomKey(random) + "\":" + RandomValue(random, depth + 1);
  }
  return text += '}';
}

std::string RandomValue(std::mt19937& random, int depth) {
  constexpr std::array<const char*, 14> kScalars = {
      "null",     "true",     "false", "0",      "-1.5e-3",        "\"\"",
      "\"text\"", "12",       "1e400", "1e-400", "\"\\n\\u00e9\"", "\"\\ud83d\\ude00\"",
      "1E2",      "\"a\\\\\""};
  const auto kind = random() % (depth > 5 ? 1 : 3);
  if (kind == 1) return RandomObject(random, depth);
  if (kind == 0) return kScalars[random() % kScalars.size()];
  std::string text = "[";
  const auto elements = random() % 4;
  for (std::size_t i = 0; i < elements; ++i) {
    if (i > 0) text += ',';
    text += RandomValue(random, depth + 1);
  }
  return text += ']';
}

// What a document says of the path, numbers by their value.
std::string Expected(const std::string& path, const std::string& message) {
  JsonDocument document;
  if (!document.Parse(message, {.refuse_duplicate_keys = false, .require_object = true}).ok()) {
    return "not an object";
  }
  const JsonValue* value = FindPath(document.root(), path);
  if (value == nullptr || value->IsNull() || value->IsArray() || value->IsObject()) return "absent";
  if (value->IsString()) return "=" + std::string(JsonText(*value));
  std::string text = "=";
  AppendJson(&text, *value);
  return text;
}

TEST_CASE("json field: agrees with a whole document, on random texts and on damaged ones") {
  std::mt19937 random(20261121);
  int objects = 0;
  int found = 0;
  for (int i = 0; i < LongerIfAsked(5000); ++i) {
    std::string message = RandomObject(random, 0);
    if (i % 3 == 0 && !message.empty()) {
      message[random() % message.size()] = "{}[],:\"\\0ax \x1f\xff\xc3"[random() % 15];
    }
    for (const char* path : {"a", "a.b", "b.a", "a.b.a", ".a", "\xc3\xa9", "c.a.b"}) {
      CAPTURE(message);
      CAPTURE(path);
      const std::string expected = Expected(path, message);
      std::string got = Read(path, message);
      objects += expected != "not an object" ? 1 : 0;
      found += expected[0] == '=' ? 1 : 0;
      if (got != expected) {
        // A number as written: its value must be the document's.
        REQUIRE(got[0] == '=');
        REQUIRE(Expected("n", "{\"n\":" + got.substr(1) + "}") == expected);
      }
    }
  }
  CHECK(objects > 12'500);
  CHECK(found > 500);
}

}  // namespace
}  // namespace rivulet
