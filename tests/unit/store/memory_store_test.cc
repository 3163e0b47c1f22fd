#include "store/memory_store.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <random>
#include <string>

using rivulet::MemoryStore;
using rivulet::StatusCode;

namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

std::string Value(MemoryStore& store, std::string_view key) {
  auto value = store.Get(key);
  REQUIRE(value.ok());
  return value->value_or("(none)");
}

}  // namespace

TEST_CASE("memory store: a key has the value that was set last, and none after its deletion") {
  MemoryStore store;
  CHECK(Value(store, "a") == "(none)");
  CHECK(store.Set("a", "1").ok());
  CHECK(store.Set("a", "22").ok());
  CHECK(Value(store, "a") == "22");
  CHECK(store.Delete("a").ok());
  CHECK(store.Delete("a").ok());
  CHECK(Value(store, "a") == "(none)");
}

TEST_CASE("memory store: keys and values are bytes, also none at all") {
  MemoryStore store;
  const std::string key("\0\xff\n", 3);
  CHECK(store.Set(key, key).ok());
  CHECK(store.Set("", "").ok());
  CHECK(Value(store, key) == key);
  CHECK(Value(store, "") == "");
  CHECK(store.size() == 2);
}

TEST_CASE("memory store: a count begins at nothing, and can be read as digits") {
  MemoryStore store;
  CHECK(*store.Increment("n", 5) == 5);
  CHECK(*store.Increment("n", -8) == -3);
  CHECK(Value(store, "n") == "-3");
  CHECK(store.Set("n", "41").ok());
  CHECK(*store.Increment("n", 1) == 42);
  CHECK(*store.Increment("low", kMin) == kMin);
  CHECK(*store.Increment("low", 0) == kMin);
}

TEST_CASE("memory store: what is no whole number is not counted on, and the key is named") {
  for (const char* value : {"", " 1", "1 ", "+1", "01", "-0", "1.5", "x", "9223372036854775808"}) {
    CAPTURE(value);
    MemoryStore store;
    REQUIRE(store.Set("visitors|US", value).ok());
    auto sum = store.Increment("visitors|US", 1);
    REQUIRE_FALSE(sum.ok());
    CHECK(sum.status().code() == StatusCode::kInvalidArgument);
    CHECK(sum.status().message().find("'visitors|US'") != std::string::npos);
    CHECK(Value(store, "visitors|US") == value);
  }
}

TEST_CASE("memory store: a sum beyond 64 bits is refused and changes nothing") {
  MemoryStore store;
  REQUIRE(store.Increment("n", kMax).ok());
  CHECK(store.Increment("n", 1).status().code() == StatusCode::kInvalidArgument);
  CHECK(*store.Increment("n", 0) == kMax);
  REQUIRE(store.Increment("m", kMin).ok());
  CHECK_FALSE(store.Increment("m", -1).ok());
}

TEST_CASE("memory store: it knows how much it holds") {
  MemoryStore store;
  CHECK(store.bytes() == 0);
  REQUIRE(store.Set("key", "value").ok());
  REQUIRE(store.Set("key", "v").ok());
  REQUIRE(store.Increment("n", 100).ok());
  CHECK(store.size() == 2);
  CHECK(store.bytes() == 3 + 1 + 1 + 3);
  REQUIRE(store.Delete("key").ok());
  CHECK(store.bytes() == 4);
}

TEST_CASE("memory store: what was saved is there again, and nothing else") {
  MemoryStore store;
  CHECK(store.Save().empty());
  REQUIRE(store.Set("a\n", std::string("1\n\0", 3)).ok());
  REQUIRE(store.Set("", "").ok());
  MemoryStore other;
  REQUIRE(other.Set("old", "x").ok());
  REQUIRE(other.Load(store.Save()).ok());
  CHECK(other.size() == 2);
  CHECK(other.bytes() == 5);
  CHECK(Value(other, "a\n") == std::string("1\n\0", 3));
  CHECK(other.Load("").ok());
  CHECK(other.size() == 0);
  CHECK(other.bytes() == 0);
}

TEST_CASE("memory store: saved bytes that end anywhere but at the end are refused, unread") {
  MemoryStore store;
  REQUIRE(store.Set("key", "value").ok());
  const std::string saved = store.Save();
  MemoryStore other;
  REQUIRE(other.Set("mine", "1").ok());
  for (std::size_t size = 1; size < saved.size(); ++size) {
    CAPTURE(size);
    // The head alone is a store that holds nothing: Save() gives no bytes for it, and it is taken.
    if (saved.substr(0, size) == "rivulet store 1\n") continue;
    CHECK(other.Load(saved.substr(0, size)).code() == StatusCode::kCorrupt);
  }
  CHECK(other.Load(saved + "x").code() == StatusCode::kCorrupt);
  CHECK(other.Load("rivulet store 1\n1\na\n1\nb\n1\na\n1\nc\n").code() == StatusCode::kCorrupt);
  CHECK(other.Load("rivulet store 2\n").code() == StatusCode::kCorrupt);
  CHECK(Value(other, "mine") == "1");
}

TEST_CASE("memory store: it does what a map does, for any operations") {
  MemoryStore store;
  std::map<std::string, std::string> model;
  std::mt19937 random(6);
  for (int i = 0; i < 5000; ++i) {
    const std::string key = std::to_string(random() % 50);
    const int by = static_cast<int>(random() % 2000) - 1000;
    switch (random() % 4) {
      case 0:
        REQUIRE(store.Set(key, std::to_string(by)).ok());
        model[key] = std::to_string(by);
        break;
      case 1:
        REQUIRE(store.Delete(key).ok());
        model.erase(key);
        break;
      case 2: {
        const long sum = (model.count(key) ? std::stol(model[key]) : 0) + by;
        CHECK(*store.Increment(key, by) == sum);
        model[key] = std::to_string(sum);
        break;
      }
      default: {
        MemoryStore copy;
        REQUIRE(copy.Load(store.Save()).ok());
        std::swap(store, copy);
      }
    }
  }
  std::size_t bytes = 0;
  for (const auto& [key, value] : model) {
    CHECK(Value(store, key) == value);
    bytes += key.size() + value.size();
  }
  CHECK(store.size() == model.size());
  CHECK(store.bytes() == bytes);
}
