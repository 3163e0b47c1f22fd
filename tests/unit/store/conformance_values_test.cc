// The conformance suite: texts, counters, hashes, keys and bytes.
#include <limits>
#include <set>

#include "tests/unit/store/conformance.h"
#include "tests/unit/store/conformance_support.h"

namespace rivulet {

using namespace conformance;

namespace {
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
}  // namespace

void TestStoreTexts(Store& store) {
  CHECK(TextAt(store, "a") == "(none)");
  CHECK(Ask(store, [](auto& b) { b.Set("a", "1"); }).kind == Kind::kDone);
  CHECK(Ask(store, [](auto& b) { b.Set("a", "twenty-two"); }).kind == Kind::kDone);
  CHECK(TextAt(store, "a") == "twenty-two");
  const auto gone = Ask(store, [](auto& b) { b.Delete("a"); });
  CHECK(gone.kind == Kind::kWhole);
  CHECK(gone.whole == 1);
  CHECK(Ask(store, [](auto& b) { b.Delete("a"); }).whole == 0);
  CHECK(TextAt(store, "a") == "(none)");
  // The short ways say the same.
  CHECK(store.Set("b", "x").ok());
  CHECK(store.Get("b").value() == "x");
  CHECK(store.Delete("b").ok());
  CHECK(store.Delete("b").ok());
  CHECK_FALSE(store.Get("b").value().has_value());
  // Text that nearly is a number stays as it is.
  for (const char* text : {"", "0", "-0", "007", "+1", " 1", "1.0", "1e3", "9223372036854775808"}) {
    CHECK(store.Set("t", text).ok());
    CHECK(TextAt(store, "t") == text);
  }
  CHECK(Ask(store, [](auto& b) { b.Get("t"); }).kind == Kind::kText);
}

void TestStoreCounters(Store& store) {
  const auto first = Ask(store, [](auto& b) { b.Increment("n", 5); });
  CHECK(first.kind == Kind::kWhole);
  CHECK(first.whole == 5);
  CHECK(store.Increment("n", -8).value() == -3);
  CHECK(TextAt(store, "n") == "-3");
  CHECK(store.Set("n", "41").ok());
  CHECK(store.Increment("n", 1).value() == 42);
  CHECK(store.Increment("low", kMin).value() == kMin);
  CHECK(store.Increment("low", 0).value() == kMin);
  CHECK(TextAt(store, "low") == "-9223372036854775808");
  CHECK(store.Increment("high", kMax).value() == kMax);
  CheckRefused(store, "high", [](auto& b) { b.Increment("high", 1); });
  CheckRefused(store, "low", [](auto& b) { b.Increment("low", -1); });
  CHECK(store.Increment("high", 1).status().code() == StatusCode::kInvalidArgument);
  CHECK(store.Increment("high", 0).value() == kMax);
  for (const char* text : {"", " 1", "1 ", "+1", "01", "-0", "1.5", "x", "9223372036854775808"}) {
    CAPTURE(text);
    CHECK(store.Set("visitors|US", text).ok());
    CheckRefused(store, "visitors|US", [](auto& b) { b.Increment("visitors|US", 1); });
    CHECK(TextAt(store, "visitors|US") == text);
  }
}

void TestStoreHashes(Store& store) {
  CHECK(FieldAt(store, "h", "a") == "(none)");
  CHECK(FieldsAt(store, "h").empty());
  const auto none = Ask(store, [](auto& b) { b.HashSize("h"); });
  CHECK(none.kind == Kind::kWhole);
  CHECK(none.whole == 0);
  CHECK(Ask(store, [](auto& b) { b.HashSet("h", "a", "1"); }).kind == Kind::kDone);
  CHECK(Ask(store, [](auto& b) { b.HashSet("h", "a", "x"); }).kind == Kind::kDone);
  CHECK(FieldAt(store, "h", "a") == "x");
  CHECK(FieldAt(store, "h", "b") == "(none)");
  const auto sum = Ask(store, [](auto& b) { b.HashIncrement("h", "n", 7); });
  CHECK(sum.kind == Kind::kWhole);
  CHECK(sum.whole == 7);
  CHECK(store.HashIncrement("h", "n", -9).value() == -2);
  CHECK(FieldsAt(store, "h") == std::map<std::string, std::string>{{"a", "x"}, {"n", "-2"}});
  CHECK(Ask(store, [](auto& b) { b.HashSize("h"); }).whole == 2);
  CheckRefused(store, "h", [](auto& b) { b.HashIncrement("h", "a", 1); });
  CHECK(store.HashIncrement("h", "top", kMax).ok());
  CheckRefused(store, "h", [](auto& b) { b.HashIncrement("h", "top", 1); });
  CHECK(FieldAt(store, "h", "top") == "9223372036854775807");
  // The key goes with its last field, and can be of another kind then.
  for (const char* field : {"a", "n", "top", "never there"}) {
    CHECK(Ask(store, [&](auto& b) { b.HashDelete("h", field); }).kind == Kind::kDone);
  }
  CHECK(Ask(store, [](auto& b) { b.HashDelete("no such key", "a"); }).kind == Kind::kDone);
  CHECK(Ask(store, [](auto& b) { b.Delete("h"); }).whole == 0);
  CHECK(store.Increment("h", 1).value() == 1);

  // Numbers.
  const auto half = Ask(store, [](auto& b) { b.HashAdd("m", "x", 0.5); });
  CHECK(half.kind == Kind::kNumber);
  CHECK(half.number == 0.5);
  CHECK(Close(Ask(store, [](auto& b) { b.HashAdd("m", "x", 0.1); }).number, 0.6));
  CHECK(Close(std::stod(FieldAt(store, "m", "x")), 0.6));
  CHECK(Ask(store, [](auto& b) { b.HashAdd("m", "x", 2.4); }).number == doctest::Approx(3));
  CHECK(Ask(store, [](auto& b) { b.HashAdd("m", "n", 41); }).number == 41);
  CHECK(store.HashIncrement("m", "n", 1).value() == 42);  // a whole sum is a whole number
  CHECK(Ask(store, [](auto& b) { b.HashAdd("m", "n", 0.25); }).number == 42.25);
  CheckRefused(store, "m", [](auto& b) { b.HashIncrement("m", "n", 1); });
  const auto least = Ask(store, [](auto& b) { b.HashMin("m", "min", 3.5); });
  CHECK(least.kind == Kind::kNumber);
  CHECK(least.number == 3.5);
  CHECK(Ask(store, [](auto& b) { b.HashMin("m", "min", 4); }).number == 3.5);
  CHECK(Ask(store, [](auto& b) { b.HashMin("m", "min", -1e-300); }).number == -1e-300);
  CHECK(std::stod(FieldAt(store, "m", "min")) == -1e-300);
  CHECK(Ask(store, [](auto& b) { b.HashMax("m", "max", -2); }).number == -2);
  CHECK(Ask(store, [](auto& b) { b.HashMax("m", "max", -3); }).number == -2);
  CHECK(Ask(store, [](auto& b) { b.HashMax("m", "max", 1.7976931348623157e308); }).number ==
        1.7976931348623157e308);
  CHECK(store.HashSet("m", "word", "x").ok());
  CheckRefused(store, "m", [](auto& b) { b.HashAdd("m", "word", 1); });
  // What is held stays as it is, with more digits than a number has.
  CHECK(store.HashSet("m", "digits", "9007199254740993").ok());
  CHECK(Ask(store, [](auto& b) { b.HashMin("m", "digits", 1e17); }).number == 9007199254740992);
  CHECK(Ask(store, [](auto& b) { b.HashMax("m", "digits", -1); }).number == 9007199254740992);
  CHECK(FieldAt(store, "m", "digits") == "9007199254740993");
  CheckRefused(store, "m", [](auto& b) { b.HashMin("m", "word", 1); });
  CheckRefused(store, "m", [](auto& b) { b.HashMax("m", "word", 1); });
  CHECK(FieldAt(store, "m", "word") == "x");
}

void TestStoreBytes(Store& store) {
  const std::string bytes("\0\xff\r\n*$1'|", 9);
  for (const std::string& key : {std::string(), bytes}) {
    CHECK(store.Set(key, bytes).ok());
    CHECK(TextAt(store, key) == bytes);
    CHECK(store.Set(key, "").ok());
    CHECK(Ask(store, [&](auto& b) { b.Get(key); }).kind == Kind::kText);
    CHECK(store.Delete(key).ok());
    CHECK(store.HashSet(key, key, bytes).ok());
    CHECK(FieldAt(store, key, key) == bytes);
    CHECK(store.HashIncrement(key, "n", 1).value() == 1);
    CHECK(store.Delete(key).ok());
    CHECK(store.SortedAdd(key, key, 1.5).value() == 1.5);
    CHECK(TopOf(store, key, -1) == key + "=1.5");
  }
  // The largest that there may be, and one more.
  const std::string longest(StoreBatch::kMaxBytes, 'k');
  CHECK(store.HashIncrement(longest, longest, 3).value() == 3);
  CHECK(store.HashIncrement(longest, longest, 1).value() == 4);
  CHECK(Ask(store, [&](auto& b) { b.HashAll(longest); }).items.at(0).name == longest);
  CheckRefused(store, "kkkk", [&](auto& b) { b.Get(longest); });
  const std::string longer = longest + "k";
  CHECK_THROWS_AS(static_cast<void>(store.Get(longer)), std::length_error);
  CHECK_THROWS_AS(static_cast<void>(store.Increment(longer, 1)), std::length_error);
  CHECK_THROWS_AS(static_cast<void>(store.HashIncrement("h", longer, 1)), std::length_error);
  CHECK_THROWS_AS(static_cast<void>(store.SortedAdd("s", longer, 1)), std::length_error);
  CHECK_THROWS_AS(static_cast<void>(store.SortedAdd("s", "m", std::nan(""))),
                  std::invalid_argument);
  CHECK(Ask(store, [](auto& b) { b.SortedSize("s"); }).whole == 0);
  const std::string value(std::size_t{8} << 20, '\0');
  CHECK(store.Set("big", value).ok());
  CHECK(store.Get("big").value() == value);
}

void TestStoreKeys(Store& store) {
  for (const char* key : {"a*b|1", "a*b|2", "a*c", "axb|3", ""}) CHECK(store.Set(key, "1").ok());
  CHECK(store.HashSet("a*b|hash", "f", "v").ok());
  CHECK(store.SortedSet("a*b|set", "m", 1).ok());
  const auto keys = [&](std::string_view prefix, StoreKind kind) {
    const auto found = store.Keys(prefix, kind, 100);
    REQUIRE(found.ok());
    return std::set<std::string>(found->begin(), found->end());
  };
  using Names = std::set<std::string>;
  CHECK(keys("a*b|", StoreKind::kText) == Names{"a*b|1", "a*b|2"});
  CHECK(keys("a*b|", StoreKind::kHash) == Names{"a*b|hash"});
  CHECK(keys("a*b|", StoreKind::kSorted) == Names{"a*b|set"});
  CHECK(keys("", StoreKind::kText) == Names{"a*b|1", "a*b|2", "a*c", "axb|3", ""});
  CHECK(keys("z", StoreKind::kText).empty());
  CHECK(store.Keys("a*b|", StoreKind::kText, 2).ok());
  CHECK(store.Keys("a*b|", StoreKind::kText, 1).status().code() == StatusCode::kTooLarge);
}

void TestStoreKinds(Store& store) {
  CHECK(store.Set("text", "word").ok());
  CHECK(store.HashSet("hash", "f", "v").ok());
  CHECK(store.SortedSet("sorted", "m", 1).ok());
  for (const char* key : {"hash", "sorted"}) {
    CheckRefused(store, key, [&](auto& b) { b.Get(key); });
    CheckRefused(store, key, [&](auto& b) { b.Increment(key, 1); });
    CheckRefused(store, key, [&](auto& b) { b.DistinctAdd(key, "x"); });
    CheckRefused(store, key, [&](auto& b) { b.DistinctCount(key); });
    CHECK(store.Get(key).status().code() == StatusCode::kInvalidArgument);
    CHECK(store.Increment(key, 1).status().code() == StatusCode::kInvalidArgument);
  }
  CheckRefused(store, "text", [&](auto& b) { b.DistinctAdd("text", "x"); });
  for (const char* key : {"text", "sorted"}) {
    CheckRefused(store, key, [&](auto& b) { b.HashGet(key, "f"); });
    CheckRefused(store, key, [&](auto& b) { b.HashSet(key, "f", "v"); });
    CheckRefused(store, key, [&](auto& b) { b.HashDelete(key, "f"); });
    CheckRefused(store, key, [&](auto& b) { b.HashIncrement(key, "f", 1); });
    CheckRefused(store, key, [&](auto& b) { b.HashAdd(key, "f", 1); });
    CheckRefused(store, key, [&](auto& b) { b.HashMin(key, "f", 1); });
    CheckRefused(store, key, [&](auto& b) { b.HashMax(key, "f", 1); });
    CheckRefused(store, key, [&](auto& b) { b.HashAll(key); });
    CheckRefused(store, key, [&](auto& b) { b.HashSize(key); });
    CHECK(store.HashIncrement(key, "f", 1).status().code() == StatusCode::kInvalidArgument);
  }
  for (const char* key : {"text", "hash"}) {
    CheckRefused(store, key, [&](auto& b) { b.SortedSet(key, "m", 1); });
    CheckRefused(store, key, [&](auto& b) { b.SortedAdd(key, "m", 1); });
    CheckRefused(store, key, [&](auto& b) { b.SortedAddWithin(key, "m", 1, 5); });
    CheckRefused(store, key, [&](auto& b) { b.SortedDelete(key, "m"); });
    CheckRefused(store, key, [&](auto& b) { b.SortedScore(key, "m"); });
    CheckRefused(store, key, [&](auto& b) { b.SortedTop(key, 1); });
    CheckRefused(store, key, [&](auto& b) { b.SortedSize(key); });
    CheckRefused(store, key, [&](auto& b) {
      b.SortedAddDecayed(key, "m", 1, WallTime(std::chrono::seconds(1000)), std::chrono::hours(1));
    });
    CHECK(store.SortedAdd(key, "m", 1).status().code() == StatusCode::kInvalidArgument);
  }
  CHECK(TextAt(store, "text") == "word");
  CHECK(FieldAt(store, "hash", "f") == "v");
  CHECK(ScoreAt(store, "sorted", "m") == 1);
  // Set and Delete take whatever there is.
  CHECK(store.Set("hash", "now a text").ok());
  CHECK(TextAt(store, "hash") == "now a text");
  CHECK(Ask(store, [](auto& b) { b.Delete("sorted"); }).whole == 1);
  CHECK(store.HashSet("sorted", "f", "v").ok());
}

}  // namespace rivulet
