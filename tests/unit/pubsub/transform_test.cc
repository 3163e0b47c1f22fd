// What messages become on their way through. Hashes are RFC 4231's HMAC-SHA-256 vectors, cut to 16
// bytes; JSON was worked out by hand, and by a model that removes from a description of an object.
#include "pubsub/transform.h"

#include <doctest/doctest.h>

#include <random>
#include <utility>

#include "base/json.h"

namespace rivulet {
namespace {

using Outcome = Transform::Outcome;

constexpr char kKey[] = "a key of the test";

// What becomes of the message: the new text, or "unchanged", "not json", "unexpected".
std::string Apply(const TransformConfig& config, std::string_view message) {
  auto transform = Transform::Make(config);
  REQUIRE(transform.ok());
  std::string out;
  switch ((*transform)->Apply(message, &out)) {
    case Outcome::kUnchanged:
      return "unchanged";
    case Outcome::kChanged:
      return out;
    case Outcome::kNotJson:
      return "not json";
    case Outcome::kUnexpected:
      return "unexpected";
  }
  return {};
}

TransformConfig Removing(const char* fields) {
  TransformConfig config;
  config.removed_fields = *ParseFieldList(fields);
  return config;
}

TransformConfig Hashing(const char* fields) {
  TransformConfig config;
  config.hashed_fields = *ParseFieldList(fields);
  config.hash_key = kKey;
  return config;
}

TEST_CASE("keyed hash: the vectors of RFC 4231, 4.2 to 4.8, their first 16 bytes") {
  CHECK(KeyedHash(std::string(20, '\x0b'), "Hi There") == "b0344c61d8db38535ca8afceaf0bf12b");
  CHECK(KeyedHash("Jefe", "what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c7");
  CHECK(KeyedHash(std::string(20, '\xaa'), std::string(50, '\xdd')) ==
        "773ea91e36800e46854db8ebd09181a7");
  std::string key;
  for (char c = 1; c <= 25; ++c) key += c;
  CHECK(KeyedHash(key, std::string(50, '\xcd')) == "82558a389a443c0ea4cc819899f2083a");
  CHECK(KeyedHash(std::string(131, '\xaa'),
                  "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f");
  // 4.6 is the vector that the RFC itself cuts to 16 bytes.
  CHECK(KeyedHash(std::string(20, '\x0c'), "Test With Truncation") ==
        "a3b6167473100ee06e0c796c2955552b");
}

TEST_CASE("transform: removed fields go, the others keep their order and value") {
  CHECK(Apply(Removing("b"), R"({"a":1,"b":2,"c":3})") == R"({"a":1,"c":3})");
  CHECK(Apply(Removing("a,c"), R"({"a":1,"b":{"x":[1, 2]},"c":3})") == R"({"b":{"x":[1,2]}})");
  CHECK(Apply(Removing("a"), R"({"a":{"deep":1}})") == "{}");
  CHECK(Apply(Removing("u.email"), R"({"u":{"email":"e","id":7}})") == R"({"u":{"id":7}})");
  CHECK(Apply(Removing("a"), R"({"a":1,"big":18446744073709551615,"x":0.1})") ==
        R"({"big":18446744073709551615,"x":0.1})");
}

TEST_CASE("transform: every occurrence of a field is found") {
  CHECK(Apply(Removing("a"), R"({"a":1,"b":2,"a":3})") == R"({"b":2})");
  CHECK(Apply(Removing("a"), R"({"\u0061":1,"b":2})") == R"({"b":2})");
  CHECK(Apply(Removing("u.email"), R"({"u":[{"email":"e","id":1},{"id":2},[{"email":"f"}],3]})") ==
        R"({"u":[{"id":1},{"id":2},[{}],3]})");
  CHECK(Apply(Removing("a.b"), R"({"a.b":1,"a":{"b":2,"c":3}})") == R"({"a":{"c":3}})");
  CHECK(Apply(Removing("a.b.c"), R"({"a.b":{"c":1},"a":{"b.c":2,"b":{"c":3}}})") ==
        R"({"a.b":{},"a":{"b":{}}})");
}

TEST_CASE("transform: a message without such a field goes on byte for byte") {
  for (const char* message :
       {R"( { "x" : 1.0 , "y":[ ] } )", "{}", R"({"b":{"a":1}})", R"({"x":"\u00e9"})"}) {
    CAPTURE(message);
    CHECK(Apply(Removing("a,c.d"), message) == "unchanged");
    CHECK(Apply(Hashing("a,c.d"), message) == "unchanged");
  }
}

TEST_CASE("transform: hashed fields become the keyed hash of their text") {
  const auto hash = [](std::string_view text) { return "\"" + KeyedHash(kKey, text) + "\""; };
  CHECK(Apply(Hashing("e"), R"({"e":"jane@example.com","n":1})") ==
        "{\"e\":" + hash("jane@example.com") + ",\"n\":1}");
  CHECK(Apply(Hashing("e"), R"({"e":"\u00e9"})") == "{\"e\":" + hash("\xc3\xa9") + "}");
  CHECK(Apply(Hashing("e"), R"({"e":42})") == "{\"e\":" + hash("42") + "}");
  CHECK(Apply(Hashing("e"), R"({"e":"42"})") == "{\"e\":" + hash("42") + "}");
  CHECK(Apply(Hashing("e"), R"({"e":[1, {"a":true}]})") ==
        "{\"e\":" + hash(R"([1,{"a":true}])") + "}");
  CHECK(Apply(Hashing("e"), R"({"e":""})") == "{\"e\":" + hash("") + "}");
  CHECK(Apply(Hashing("e"), R"({"e":null})") == "unchanged");
  CHECK(Apply(Hashing("e"), R"({"e":1,"e":2})") ==
        "{\"e\":" + hash("1") + ",\"e\":" + hash("2") + "}");
}

TEST_CASE("transform: what is removed is not hashed") {
  auto config = Hashing("a");
  config.removed_fields = {"a"};
  CHECK(Apply(config, R"({"a":1,"b":2})") == R"({"b":2})");
}

TEST_CASE("transform: only expected messages go on, untouched") {
  TransformConfig config;
  config.expected_key = "k.type";
  CHECK(Apply(config, R"({"k":{"type":"any"}})") == "unchanged");
  CHECK(Apply(config, R"({"k":"type"})") == "unexpected");
  config.expected_value = "42";
  CHECK(Apply(config, R"({"k":{"type":"42"}})") == "unchanged");
  CHECK(Apply(config, R"({"k":{"type":42}})") == "unchanged");
  CHECK(Apply(config, R"({"k":{"type":42.0}})") == "unexpected");
  CHECK(Apply(config, R"({"k":{"type":"421"}})") == "unexpected");
  CHECK(Apply(config, R"({"k":{"type":null}})") == "unexpected");
  config.expected_value.reset();
  config.expected_regex = "^4[0-9]";
  CHECK(Apply(config, R"({"k":{"type":421}})") == "unchanged");
  CHECK(Apply(config, R"({"k":{"type":142}})") == "unexpected");
  config.removed_fields = {"k.type"};
  CHECK(Apply(config, R"({"k":{"type":421}})") == R"({"k":{}})");
  CHECK(Apply(config, R"({"k":{"type":142}})") == "unexpected");
}

TEST_CASE("transform: what is no JSON object is told") {
  for (const char* message : {"", "text", "[]", "1", "null", "{\"a\":1", "{\"a\":\"\xff\"}"}) {
    CAPTURE(message);
    CHECK(Apply(Removing("a"), message) == "not json");
    TransformConfig expecting;
    expecting.expected_key = "a";
    CHECK(Apply(expecting, message) == "not json");
  }
  CHECK(Apply(TransformConfig(), "text") == "unchanged");
}

TEST_CASE("transform: a bad regular expression is refused by the name of its option") {
  TransformConfig config;
  config.expected_key = "a";
  config.expected_regex = "(";
  const auto transform = Transform::Make(config);
  REQUIRE_FALSE(transform.ok());
  CHECK(transform.status().message().starts_with("--expected-value-regex=( must be"));
}

TEST_CASE("field list: names with commas between, none empty") {
  CHECK(*ParseFieldList("") == std::vector<std::string>{});
  CHECK(*ParseFieldList("a") == std::vector<std::string>{"a"});
  CHECK(*ParseFieldList("a,b.c, d") == std::vector<std::string>{"a", "b.c", " d"});
  for (const char* bad : {",", "a,", ",a", "a,,b", "a,\xff"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParseFieldList(bad).ok());
  }
  CHECK_FALSE(ParseFieldList(std::string(257, 'a')).ok());
}

// A description of an object from which a text is written with or without what is to go.
struct Model {
  std::vector<std::pair<std::string, std::vector<Model>>> members;  // no members: a number
  int number = 0;
  bool object = false;
};

Model RandomModel(std::mt19937& random, int depth) {
  Model model;
  model.number = static_cast<int>(random() % 1000);
  model.object = depth == 0 || (depth < 4 && random() % 2 == 0);
  if (!model.object) return model;
  const auto members = random() % 4;
  for (std::size_t i = 0; i < members; ++i) {
    model.members.push_back(
        {std::string(1, static_cast<char>('a' + random() % 3)), {RandomModel(random, depth + 1)}});
  }
  return model;
}

// `gone` and `hashed` are paths; `here` is that of the model.
std::string Write(const Model& model, const std::string& here, const std::string& gone,
                  const std::string& hashed, bool* changed) {
  if (!model.object) return std::to_string(model.number);
  std::string text = "{";
  for (const auto& [key, value] : model.members) {
    const std::string path = here.empty() ? key : here + "." + key;
    if (path == gone) {
      *changed = true;
      continue;
    }
    if (text.size() > 1) text += ',';
    text += "\"" + key + "\":";
    const std::string inner = Write(value[0], path, gone, hashed, changed);
    if (path == hashed) {
      *changed = true;
      text += "\"" + KeyedHash(kKey, inner) + "\"";
    } else {
      text += inner;
    }
  }
  return text + "}";
}

TEST_CASE("transform: random objects become what a model writes without the field") {
  std::mt19937 random(4231);
  const std::vector<std::string> paths = {"a", "b", "a.b", "b.a", "a.a.c", "c.b.a"};
  int changes = 0;
  for (int i = 0; i < 5000; ++i) {
    const Model model = RandomModel(random, 0);
    const std::string& gone = paths[random() % paths.size()];
    const std::string& hashed = paths[random() % paths.size()];
    TransformConfig config;
    config.removed_fields = {gone};
    config.hashed_fields = {hashed};
    config.hash_key = kKey;
    bool ignored = false;
    bool changed = false;
    const std::string message = Write(model, "", "", "", &ignored);
    const std::string expected = Write(model, "", gone, hashed, &changed);
    CAPTURE(message);
    CAPTURE(gone);
    CAPTURE(hashed);
    REQUIRE(Apply(config, message) == (changed ? expected : "unchanged"));
    changes += changed ? 1 : 0;
  }
  CHECK(changes > 1000);
}

}  // namespace
}  // namespace rivulet
