#include "collector/marks.h"

#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <string>

#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

using std::chrono::seconds;

MonoTime At(int second) { return MonoTime(seconds(second)); }

TEST_CASE("bots: programs that name themselves, and who names nothing") {
  const BotWords words;
  for (const std::string_view agent :
       {"", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0)", "Mozilla/5.0 (compatible; Yahoo! Slurp)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36",
        "curl/8.5.0", "Wget/1.21", "python-requests/2.31", "Python/3.11 aiohttp/3.9", "Baiduspider",
        "SOME CRAWLER", "Go-http-client/1.1",
        "cubot"
        " and a bot"}) {
    CAPTURE(agent);
    CHECK(words.IsBot(agent));
  }
}

TEST_CASE("bots: browsers are none, nor is a telephone called Cubot") {
  const BotWords words;
  for (const std::string_view agent :
       {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/120.0.0.0",
        "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18", "bo", "b"}) {
    CAPTURE(agent);
    CHECK_FALSE(words.IsBot(agent));
  }
}

TEST_CASE("bots: more words, in any case") {
  const BotWords words({"", "ShopCheck", "\xc3\xa9"});
  CHECK(words.IsBot("x SHOPCHECK/1.0"));
  CHECK(words.IsBot("caf\xc3\xa9"));
  CHECK_FALSE(words.IsBot("shop check"));
  CHECK(words.IsBot("curl/8"));
}

TEST_CASE("duplicates: the same id of the same party, within the window") {
  DuplicateFilter filter(seconds(10), 1000, 7);
  CHECK_FALSE(filter.Seen("p", "1", At(0)));
  CHECK(filter.Seen("p", "1", At(0)));
  CHECK(filter.Seen("p", "1", At(9)));
  CHECK_FALSE(filter.Seen("q", "1", At(9)));
  CHECK_FALSE(filter.Seen("p", "2", At(9)));
  CHECK_FALSE(filter.Seen("", "p1", At(9)));
  CHECK_FALSE(filter.Seen("p", "", At(9)));
  CHECK_FALSE(filter.Seen("p", "", At(9)));  // no id: never a duplicate
  CHECK_FALSE(filter.Seen("p", "1", At(20)));
}

TEST_CASE("duplicates: kept for the window, forgotten after two, whenever they come") {
  for (int first = 0; first < 30; ++first) {
    for (int age = 0; age < 40; ++age) {
      DuplicateFilter filter(seconds(10), 1000, 7);
      // Something comes every second, or now and then, or not for almost two windows.
      for (int now = 0; now < first; now += 1 + first % 7) {
        filter.Seen("other", std::to_string(now), At(now));
      }
      CHECK_FALSE(filter.Seen("p", "x", At(first)));
      for (int now = first + 1; now < first + age; now += 1 + age * 7 % 20) {
        filter.Seen("other", std::to_string(now), At(now));
      }
      const bool seen = filter.Seen("p", "x", At(first + age));
      CAPTURE(first);
      CAPTURE(age);
      if (age < 10) CHECK(seen);
      if (age >= 20) CHECK_FALSE(seen);
    }
  }
}

TEST_CASE("duplicates: bounded, and the newest half of the room is remembered") {
  constexpr int kRoom = 2000;
  DuplicateFilter filter(std::chrono::hours(1), kRoom, 7);
  for (int i = 0; i < Scaled(50000); ++i) {
    REQUIRE_FALSE(filter.Seen("p", std::to_string(i), At(1)));
    REQUIRE(filter.size() <= kRoom);
    REQUIRE(filter.memory_bytes() <= 32 * kRoom + 2048);
    if (i % 100 == 0) {
      for (int back = 0; back < kRoom / 2 && back <= i; back += 37) {
        REQUIRE(filter.Seen("p", std::to_string(i - back), At(1)));
      }
    }
  }
}

TEST_CASE("duplicates: agrees with a set while there is room") {
  DuplicateFilter filter(std::chrono::hours(1), 100000, 99);
  std::set<std::string> model;
  unsigned x = 1;
  for (int i = 0; i < Scaled(30000); ++i) {
    x = x * 1664525U + 1013904223U;
    const std::string id = std::to_string(x >> 17);
    REQUIRE(filter.Seen("p", id, At(1)) == !model.insert(id).second);
  }
}

TEST_CASE("duplicates: without a window or without room nothing is one") {
  for (DuplicateFilter filter :
       {DuplicateFilter(seconds(0), 1000, 7), DuplicateFilter(seconds(10), 0, 7)}) {
    CHECK_FALSE(filter.Seen("p", "1", At(0)));
    CHECK_FALSE(filter.Seen("p", "1", At(0)));
    CHECK(filter.size() == 0);
  }
}

}  // namespace
}  // namespace rivulet
