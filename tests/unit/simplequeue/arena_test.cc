#include "simplequeue/arena.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using rivulet::Arena;

TEST_CASE("arena: a body reads back as it was, whatever its size") {
  Arena arena;
  std::vector<std::pair<Arena::Location, std::string>> kept;
  for (const std::size_t size :
       {0UL, 1UL, 127UL, 128UL, 16383UL, 16384UL, 1048570UL, 1048576UL, 5000000UL}) {
    const std::string body(size, static_cast<char>('a' + kept.size()));
    kept.emplace_back(arena.Append(body), body);
  }
  for (const auto& [location, body] : kept) CHECK(arena.Read(location) == body);
}

TEST_CASE("arena: what is released is given back, but for two spare blocks and the open one") {
  Arena arena;
  std::vector<Arena::Location> kept;
  const std::string body(100, 'x');
  for (int i = 0; i < 200'000; ++i) kept.push_back(arena.Append(body));
  // 200,000 bodies of 102 bytes and the blocks' ends.
  CHECK(arena.allocated_bytes() < 200'000ULL * 102 + 2 * Arena::kBlockBytes);
  for (const auto location : kept) arena.Release(location.block);
  CHECK(arena.allocated_bytes() <= 3 * Arena::kBlockBytes);
}

TEST_CASE("arena: one old body keeps its own block and no other") {
  Arena arena;
  const std::string body(1000, 'x');
  const auto old = arena.Append("old");
  for (int i = 0; i < 100'000; ++i) arena.Release(arena.Append(body).block);
  CHECK(arena.Read(old) == "old");
  CHECK(arena.allocated_bytes() <= 4 * Arena::kBlockBytes);
}

TEST_CASE("arena: a body larger than a block leaves nothing behind") {
  Arena arena;
  const auto before = arena.allocated_bytes();
  for (int i = 0; i < 10; ++i) arena.Release(arena.Append(std::string(8 << 20, 'x')).block);
  CHECK(arena.allocated_bytes() - before <= 3 * Arena::kBlockBytes);
}

TEST_CASE("arena: put times and times to live come back in whole milliseconds") {
  using namespace std::chrono_literals;
  Arena arena;
  const rivulet::MonoTime start{100h};
  struct Case {
    rivulet::Duration after;  // of the first
    rivulet::Duration ttl;
    rivulet::Duration expected_after;
    rivulet::Duration expected_ttl;
  };
  std::vector<std::pair<Arena::Location, Case>> kept;
  for (const Case& c : std::vector<Case>{{0ns, 0ns, 0ns, 0ns},
                                         {1ms - 1ns, 1ns, 0ns, 1ms},
                                         {5ms, 5ms, 5ms, 5ms},
                                         {10h, 100'000h, 10h, 100'000h},
                                         {0ns, rivulet::Duration::max(), 0ns, 9'223'372'036'854ms},
                                         {-50h, 0ns, -50h, 0ns},
                                         {-101h, 1ms + 1ns, -101h, 2ms}}) {
    kept.emplace_back(arena.Append("body", start + c.after, c.ttl), c);
  }
  for (const auto& [location, c] : kept) {
    const Arena::Entry entry = arena.ReadEntry(location);
    CHECK(entry.body == "body");
    CHECK(arena.Read(location) == "body");
    CHECK(entry.put_at == start + c.expected_after);
    CHECK(entry.ttl == c.expected_ttl);
  }
}
