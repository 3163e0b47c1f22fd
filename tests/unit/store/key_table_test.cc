#include "store/key_table.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

namespace rivulet {
namespace {

/// Of lengths on both sides of what is held in place.
std::string KeyOf(std::uint32_t n) {
  std::string key = "key " + std::to_string(n);
  if (n % 3 == 0) key.append(n % 60, 'x');
  return key;
}

}  // namespace

TEST_CASE("a key table: after any inserting and erasing it holds what a map holds") {
  for (const std::uint32_t keys : {7u, 40u, 3000u}) {
    CAPTURE(keys);
    std::mt19937 random(keys);
    KeyTable<int> table({keys, 1});
    std::map<std::string, int> model;
    for (int step = 0; step < 20'000; ++step) {
      const std::string key = KeyOf(static_cast<std::uint32_t>(random() % keys));
      // Grows for a while, then shrinks for a while, so that full buckets lose what they passed on.
      const bool insert = random() % 4 < (step / 4000 % 2 == 0 ? 3u : 1u);
      const std::uint32_t at = table.Find(key);
      REQUIRE((at != KeyTable<int>::kNone) == model.contains(key));
      if (insert) {
        const auto [entry, made] = table.Insert(key);
        REQUIRE(made == !model.contains(key));
        table.ValueAt(entry) = step;
        model[key] = step;
      } else if (at != KeyTable<int>::kNone) {
        REQUIRE(table.ValueAt(at) == model.at(key));
        table.Erase(at);
        model.erase(key);
      }
      REQUIRE(table.size() == model.size());
    }
    for (std::uint32_t n = 0; n < keys; ++n) {
      CHECK((table.Find(KeyOf(n)) != KeyTable<int>::kNone) == model.contains(KeyOf(n)));
    }
    std::map<std::string, int> all;
    table.ForEach([&](std::uint32_t, std::string_view key, int value) { all.emplace(key, value); });
    CHECK(all == model);
  }
}

TEST_CASE("a key table: an entry's number and place stay while the table grows") {
  KeyTable<int> table({1, 2});
  const std::uint32_t entry = table.Insert("first").first;
  table.ValueAt(entry) = 42;
  const int* const place = &table.ValueAt(entry);
  const std::string_view key = table.KeyAt(entry);
  for (std::uint32_t n = 0; n < 50'000; ++n) table.Insert(KeyOf(n));
  CHECK(table.Find("first") == entry);
  CHECK(&table.ValueAt(entry) == place);
  CHECK(*place == 42);
  CHECK(key == "first");
  CHECK(table.Insert("first") == std::pair(entry, false));
  CHECK(table.size() == 50'001);
}

TEST_CASE("a key table: keys are bytes of any length, the empty one too") {
  KeyTable<int> table({3, 4});
  const std::string with_zero("a\0b", 3);
  const std::string in_place(KeyText::kInPlace, 'k');
  for (const std::string& key : {std::string(), with_zero, in_place, in_place + "k"}) {
    CHECK(table.Find(key) == KeyTable<int>::kNone);
    const std::uint32_t entry = table.Insert(key).first;
    CHECK(table.KeyAt(entry) == key);
    CHECK(table.Find(key) == entry);
  }
  CHECK(table.Find("a") == KeyTable<int>::kNone);
  CHECK(table.size() == 4);
}

}  // namespace rivulet
