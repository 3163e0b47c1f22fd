#include "pubsub/publish_keys.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <vector>

using namespace rivulet;

namespace {

using std::chrono::seconds;
constexpr WallTime kStart{seconds(1'000'000)};

PublishedUnderKey What(std::uint64_t first_offset, WallTime until) {
  return {first_offset, 3, 2, until};
}

}  // namespace

TEST_CASE("publish keys: a key is known until its time, with what it stands for") {
  PublishKeys keys(10, 1);
  keys.Add("t", "k", What(7, kStart + seconds(10)));
  const auto found = keys.Find("t", "k", kStart + seconds(9));
  REQUIRE(found);
  CHECK(found->first_offset == 7);
  CHECK(found->messages == 3);
  CHECK(found->clients == 2);
  CHECK_FALSE(keys.Find("t", "k", kStart + seconds(10)));
  CHECK_FALSE(keys.Find("t", "K", kStart));
  CHECK(keys.size() == 1);
  keys.Expire(kStart + seconds(10));
  CHECK(keys.size() == 0);
}

TEST_CASE("publish keys: the same key in another topic is another") {
  PublishKeys keys(10, 1);
  keys.Add("a", "bc", What(1, kStart));
  CHECK_FALSE(keys.Find("ab", "c", WallTime()));
  CHECK_FALSE(keys.Find("b", "bc", WallTime()));
  CHECK(keys.Find("a", "bc", WallTime()));
}

TEST_CASE("publish keys: beyond the limit the oldest leaves, and a repeat counts as new") {
  PublishKeys keys(2, 1);
  keys.Add("t", "a", What(1, kStart + seconds(1)));
  keys.Add("t", "b", What(2, kStart + seconds(2)));
  keys.Add("t", "a", What(3, kStart + seconds(3)));
  CHECK(keys.size() == 2);
  keys.Add("t", "c", What(4, kStart + seconds(4)));
  CHECK(keys.size() == 2);
  CHECK_FALSE(keys.Find("t", "b", kStart));
  CHECK(keys.Find("t", "a", kStart)->first_offset == 3);
  CHECK(keys.Find("t", "c", kStart)->first_offset == 4);
}

TEST_CASE("publish keys: with no room for any nothing is remembered") {
  PublishKeys keys(0, 1);
  keys.Add("t", "a", What(1, kStart));
  CHECK(keys.size() == 0);
  CHECK_FALSE(keys.Find("t", "a", WallTime()));
}

TEST_CASE("publish keys: a log is told all of them, oldest first, and may stop") {
  PublishKeys keys(10, 1);
  for (int i = 0; i < 4; ++i) keys.Add("t", fmt::format("k{}", i), What(0, kStart + seconds(i)));
  keys.SetPlace("t", "k2", 9);
  keys.SetPlace("t", "none", 9);
  std::vector<std::string> seen;
  keys.ForEach([&seen](std::string_view topic, std::string_view key, const PublishedUnderKey&,
                       std::uint64_t* place) {
    seen.push_back(fmt::format("{}/{}@{}", topic, key, *place));
    *place = 5;
    return key != "k2";
  });
  CHECK(seen == std::vector<std::string>{"t/k0@0", "t/k1@0", "t/k2@9"});
  seen.clear();
  keys.ForEach([&seen](std::string_view, std::string_view, const PublishedUnderKey&,
                       const std::uint64_t* place) {
    seen.push_back(fmt::format("{}", *place));
    return true;
  });
  CHECK(seen == std::vector<std::string>{"5", "5", "5", "0"});
}

TEST_CASE("publish keys: whatever comes, they are those of a plain list") {
  struct Known {
    std::string topic, key;
    std::uint64_t offset;
    WallTime until;
  };
  std::mt19937 random(11);
  PublishKeys keys(50, random());
  std::vector<Known> model;  // oldest first
  WallTime now = kStart;
  for (std::uint64_t step = 0; step < 20'000; ++step) {
    const std::string topic = fmt::format("t{}", random() % 3);
    const std::string key(random() % 3, static_cast<char>('a' + random() % 10));
    const auto same = [&](const Known& known) { return known.topic == topic && known.key == key; };
    if (random() % 2 == 0) {
      std::erase_if(model, same);
      if (model.size() == 50) model.erase(model.begin());
      model.push_back({topic, key, step, now + seconds(30)});
      keys.Add(topic, key, What(step, now + seconds(30)));
    } else {
      const auto known = std::find_if(model.begin(), model.end(), same);
      const auto found = keys.Find(topic, key, now);
      REQUIRE(found.has_value() == (known != model.end() && known->until > now));
      if (found) REQUIRE(found->first_offset == known->offset);
    }
    if (random() % 4 == 0) now += seconds(1);
    if (random() % 20 == 0) {
      keys.Expire(now);
      std::erase_if(model, [now](const Known& known) { return known.until <= now; });
      REQUIRE(keys.size() == model.size());
    }
  }
}
