#include "bandit/redis_arms.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/store/redis_fake_server.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

std::string Bulk(const std::string& text) {
  std::string bytes;
  AppendRedisWord(&bytes, text);
  return bytes;
}
std::string Array(const std::vector<std::string>& texts) {
  std::string bytes = "*" + std::to_string(texts.size()) + "\r\n";
  for (const std::string& text : texts) bytes += Bulk(text);
  return bytes;
}
/// Items, state, experiments, history: what is asked for at first.
std::string All(const std::vector<std::string>& items, const std::string& round) {
  return Array(items) + Array({"round", round, "impressions", "9"}) + Bulk("4") +
         Array({"1", R"({"round":1})"});
}

struct Reading {
  explicit Reading(const RedisFakeServer& server, Duration refresh,
                   Duration timeout = std::chrono::seconds(5), const Clock* its_clock = nullptr,
                   std::size_t features = 0)
      : arms(loop, its_clock != nullptr ? *its_clock : clock, server.address(),
             {.keys = {}, .features = features, .refresh = refresh, .timeout = timeout},
             {milliseconds(1), milliseconds(2)}) {}

  template <typename Condition>
  void Until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      loop.RunOnce(milliseconds(5));
    }
  }
  /// So many ask in one turn; until all were told.
  void Ask(int times) {
    int told = 0;
    for (int i = 0; i < times; ++i) arms.ReadNow([&told] { ++told; });
    CHECK(told == 0);  // never inside
    Until([&] { return told == times; });
  }
  const KnownArms& known() const { return arms.known(); }

  EventLoop loop;
  FakeClock clock;
  RedisArms arms;
};

}  // namespace

TEST_CASE("redis arms: what was asked in one turn is one request, all of it first, then the arms") {
  RedisFakeServer server({{All({"c|a", "2", "i|a", "7"}, "3"), 4, true},
                          {Array({"c|a", "3", "i|a", "8"}) + Bulk("3"), 2, true},
                          {Array({"c|a", "3", "i|a", "8"}) + Bulk("3"), 2, false}});
  Reading reading(server, Duration::zero());
  reading.Ask(5);
  REQUIRE(reading.known().arms != nullptr);
  const auto first = reading.known().arms;
  CHECK(first->arms.at(0).clicks == 2);
  CHECK(first->arms.at(0).impressions == 7);
  CHECK(first->round == 3);
  CHECK(first->experiments == 4);
  CHECK(first->history.at(0).json == R"({"round":1})");
  reading.Until([&] {
    reading.Ask(2);
    return reading.known().status.ok() && reading.known().readings == 2;
  });
  const auto second = reading.known().arms;
  CHECK(second->arms.at(0).clicks == 3);
  CHECK(second->history.size() == 1);  // as it was known
  CHECK(first->arms.at(0).clicks == 2);
  // The same again is the same object.
  reading.Until([&] {
    reading.Ask(1);
    return reading.known().readings == 3;
  });
  CHECK(reading.known().arms == second);
  CHECK(server.received().at(0) == std::vector<std::string>{"HGETALL items", "HGETALL items:bandit",
                                                            "GET experiments",
                                                            "HGETALL items:history"});
  CHECK(server.received().at(1) ==
        std::vector<std::string>{"HGETALL items", "HGET items:bandit round"});
}

TEST_CASE("redis arms: of a new round all is read next, and without one after a second") {
  RedisFakeServer server({{All({"c|a", "2", "i|a", "7"}, "3"), 4, true},
                          {Array({"c|b", "1", "i|b", "1"}) + Bulk("4"), 2, true},
                          {All({"c|b", "1", "i|b", "1"}, "4"), 4, true},
                          {Array({"c|b", "1", "i|b", "1"}) + Bulk("4"), 2, true},
                          {All({"c|b", "1", "i|b", "1"}, "4"), 4, false}});
  Reading reading(server, milliseconds(1));
  reading.arms.Start();
  reading.Until([&] { return reading.known().readings >= 4; });
  CHECK(reading.known().arms->round == 4);
  CHECK(reading.known().arms->arms.at(0).id == "b");
  reading.clock.Advance(std::chrono::seconds(1));
  reading.Until([&] { return reading.known().readings >= 5; });
  CHECK(server.received().at(1).at(1) == "HGET items:bandit round");
  CHECK(server.received().at(2).at(1) == "HGETALL items:bandit");
  CHECK(server.received().at(3).at(1) == "HGET items:bandit round");
  CHECK(server.received().at(4).at(1) == "HGETALL items:bandit");
}

TEST_CASE("redis arms: what it could read last stays while the server is away or refuses") {
  RedisFakeServer server({{All({"c|a", "2", "i|a", "7"}, "3"), 4, true},
                          {"-LOADING Redis loads\r\n-LOADING Redis loads\r\n", 2, true},
                          {"-WRONGTYPE Operation against a key\r\n$1\r\n3\r\n", 2, true},
                          {"", 1, true},
                          {Array({"c|a", "5", "i|a", "9"}) + Bulk("3"), 2, false}});
  Reading reading(server, Duration::zero());
  reading.Ask(1);
  const auto first = reading.known().arms;
  REQUIRE(first != nullptr);
  std::string seen;
  reading.Until([&] {
    reading.Ask(1);
    const Status& status = reading.known().status;
    seen += status.message() + "\n";
    if (!status.ok()) CHECK(reading.known().arms == first);
    return reading.known().readings == 2;
  });
  CHECK(seen.find("LOADING") != std::string::npos);
  CHECK(seen.find("another kind, and not a hash") != std::string::npos);
  CHECK(reading.known().failures >= 2);
  CHECK(reading.known().arms->arms.at(0).clicks == 5);
}

TEST_CASE(
    "redis arms: a store that comes back empty has lost the bandit, and what was known stays") {
  const std::string empty = "*0\r\n";
  RedisFakeServer server({{All({"c|a", "2", "i|a", "7"}, "3"), 4, true},
                          {empty + "$-1\r\n", 2, true},
                          {empty + empty + "$-1\r\n" + empty, 4, true},
                          {empty + empty + "$-1\r\n" + empty, 4, true},
                          {All({"c|b", "1", "i|b", "1"}, "1"), 4, false}});
  Reading reading(server, Duration::zero());
  reading.Ask(1);
  bool lost = false;
  reading.clock.Advance(milliseconds(1));
  reading.Until([&] {
    reading.Ask(1);
    lost |= reading.known().status.message().find("the store has lost the bandit: items") == 0;
    const bool again = reading.known().readings == 2;
    CHECK(reading.known().arms->arms.at(0).id == (again ? "b" : "a"));
    reading.clock.Advance(std::chrono::seconds(1));
    return again;
  });
  CHECK(lost);
  CHECK(reading.known().arms->round == 1);
}

TEST_CASE("redis arms: a reading does not wait for the answers of those before it") {
  // Answers nothing until eight commands have come: of all, and of all again.
  const std::string all = All({"c|a", "2", "i|a", "7"}, "3");
  RedisFakeServer server({{all + all, 8, false}});
  Reading reading(server, Duration::zero());
  reading.Until([&] {
    reading.loop.RunOnce(milliseconds(1));
    return !server.received().empty();
  });
  int told = 0;
  reading.arms.ReadNow([&told] { ++told; });
  for (int i = 0; i < 5; ++i) reading.loop.RunOnce(milliseconds(1));
  reading.arms.ReadNow([&told] { ++told; });
  reading.Until([&] { return told == 2; });
  CHECK(reading.known().readings == 2);
  CHECK(reading.known().failures == 0);
}

TEST_CASE("redis arms: many arms are understood beside the loop, in the order of their readings") {
  std::vector<std::string> items;
  for (int i = 1000; i < 1300; ++i) {
    items.insert(items.end(), {"c|" + std::to_string(i), "2", "i|" + std::to_string(i), "3"});
  }
  RedisFakeServer server({{All(items, "1"), 4, true},
                          {Array(items) + Bulk("1"), 2, true},
                          {Array({"c|a", "5", "i|a", "9"}) + Bulk("1"), 2, false}});
  Reading reading(server, Duration::zero());
  const auto read = [&](std::uint64_t readings) {
    reading.Until([&] {
      reading.Ask(1);
      return reading.known().readings == readings;
    });
    return reading.known().arms;
  };
  const auto first = read(1);
  REQUIRE(first->arms.size() == 300);
  CHECK(first->arms[299].id == "1299");
  CHECK(first->arms[299].clicks == 2);
  CHECK(read(2) == first);
  CHECK(read(3)->arms.at(0).clicks == 5);
}

TEST_CASE("redis arms: more arms than are drawn from are refused by name") {
  std::vector<std::string> words;
  for (int i = 0; i < 20'001; ++i) {
    words.push_back("c|" + std::to_string(i));
    words.push_back("1");
  }
  RedisFakeServer server({{All(words, "3"), 4, false}});
  Reading reading(server, Duration::zero());
  reading.Ask(1);
  CHECK(reading.known().arms == nullptr);
  CHECK(reading.known().status.message() ==
        "the hash items has 20001 fields: it must be a bandit of at most 10000 items");
}

TEST_CASE("redis arms: the sums of a context are read when counters have changed") {
  const auto sums = [](const char* n) { return Array({"A|0|0|a", n}); };
  const std::string few = Array({"c|a", "2", "i|a", "7"}) + Bulk("3");
  const std::string more = Array({"c|a", "2", "i|a", "8"}) + Bulk("3");
  const std::string all = All({"c|a", "2", "i|a", "7"}, "3");
  const std::string all_more = All({"c|a", "2", "i|a", "8"}, "3");
  RedisFakeServer server({{all + sums("6"), 5, true},
                          {all + sums("6"), 5, true},  // it was new
                          {few, 2, true},
                          {more, 2, true},
                          {all_more + sums("7"), 5, false}});
  Reading reading(server, Duration::zero(), std::chrono::seconds(5), nullptr, 1);
  const auto sum = [&reading] { return reading.known().arms->arms.at(0).sums.at(0); };
  reading.Until([&] {
    reading.Ask(1);
    if (reading.known().readings < 4) CHECK(sum() == 6);
    return reading.known().readings == 4;
  });
  CHECK(sum() == 7);
}

TEST_CASE("redis arms: who waits for an answer that does not come is told after the timeout") {
  RedisFakeServer server({{"", 4, false}});
  const SystemClock clock;
  Reading reading(server, Duration::zero(), milliseconds(20), &clock);
  reading.Ask(3);
  CHECK(reading.known().arms == nullptr);
  CHECK(reading.known().failures == 1);
  CHECK(reading.known().status.message().find("no answer within 20ms") != std::string::npos);
  reading.Ask(2);  // those who ask while it hangs, too
  CHECK(reading.known().failures == 2);
}
