// The Redis store over a real redis-server.
#include "store/redis_store.h"

#include <doctest/doctest.h>

#include "tests/unit/store/conformance.h"
#include "tests/unit/store/redis_test_server.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

const SystemClock kClock;

bool Skipped() {
  if (RedisTestServer::Installed()) return false;
  MESSAGE("skipped: there is no /usr/bin/redis-server");
  return true;
}

/// One for all that do not harm it.
RedisTestServer& Server() {
  static RedisTestServer server;
  return server;
}

std::unique_ptr<RedisStore> Open(const RedisAddress& address,
                                 std::optional<Duration> patience = std::nullopt) {
  auto store = RedisStore::Open(address, {&kClock, patience, "", std::size_t{512} << 20});
  INFO(store.status().message());
  REQUIRE(store.ok());
  return std::move(*store);
}

/// What so much time does to every key, at once: its server's clock cannot be moved, and no test
/// waits.
void Pass(Duration time) {
  constexpr char kScript[] = R"(for _, key in ipairs(redis.call('KEYS', '*')) do
      local left = redis.call('PTTL', key)
      if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
    end)";
  const auto ms = std::chrono::duration_cast<milliseconds>(time).count();
  REQUIRE(Server().Ask({"EVAL", kScript, "0", std::to_string(ms)}).substr(0, 1) == "$");
}

}  // namespace

TEST_CASE("redis store: it answers as every store does") {
  if (Skipped()) return;
  TestStoreConformance(
      [] {
        Server().Ask({"FLUSHALL"});
        return std::unique_ptr<Store>(Open(Server().address()));
      },
      {.pass = Pass, .tick = std::chrono::hours(1), .random_batches = 500});
}
