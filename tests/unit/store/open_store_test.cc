#include "store/open_store.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "base/clock.h"
#include "store/store_url.h"

using rivulet::OpenStore;
using rivulet::ParseRedisUrl;
using rivulet::RedisAddress;
using rivulet::ShownStoreUrl;
using rivulet::StatusCode;

namespace {

rivulet::StoreOptions OptionsWith(const rivulet::Clock& clock) {
  rivulet::StoreOptions options;
  options.clock = &clock;
  return options;
}

/// host|port|unix_path|user|password|db|seconds
std::string Parsed(std::string_view url) {
  const auto address = ParseRedisUrl(url);
  if (!address.ok()) return address.status().message();
  const RedisAddress& a = *address;
  std::string parsed;
  for (const std::string& part :
       {a.host, std::to_string(a.port), a.unix_path, a.user, a.password, std::to_string(a.db),
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(a.timeout).count())}) {
    parsed += part + "|";
  }
  parsed.pop_back();
  return parsed;
}

}  // namespace

TEST_CASE("store: an address of Redis is read from its URL") {
  const std::pair<const char*, const char*> kUrls[] = {
      {"redis://localhost", "localhost|6379||||0|5"},
      {"redis://localhost/", "localhost|6379||||0|5"},
      {"redis://10.0.0.1:7000/15", "10.0.0.1|7000||||15|5"},
      {"redis://h:65535/2147483647?timeout=2m", "h|65535||||2147483647|120"},
      {"redis://h?db=3", "h|6379||||3|5"},
      {"redis://[::1]", "::1|6379||||0|5"},
      {"redis://[::1]:1/2", "::1|1||||2|5"},
      {"redis://user:secret@h", "h|6379||user|secret|0|5"},
      {"redis://:secret@h", "h|6379|||secret|0|5"},
      {"redis://user@h", "h|6379||user||0|5"},
      {"redis://user:a:b@h", "h|6379||user|a:b|0|5"},
      {"redis://u%40x:p%2F%3f%25@h", "h|6379||u@x|p/?%|0|5"},
      {"redis+unix:///run/redis.sock", "|6379|/run/redis.sock|||0|5"},
      {"redis+unix://u:p@/run/a%20b?db=2&timeout=1s", "|6379|/run/a b|u|p|2|1"},
      {"redis+unix:///run/a:b@c", "|6379|/run/a:b@c|||0|5"},
  };
  for (const auto& row : kUrls) {
    const auto& url = row.first;
    const auto& parsed = row.second;
    CAPTURE(url);
    CHECK(Parsed(url) == parsed);
  }
}

TEST_CASE("store: a URL that is none is named, with what would be right, without its password") {
  const std::pair<const char*, const char*> kUrls[] = {
      {"redis://", "store redis://: there must be a host, as in redis://127.0.0.1:6379/0"},
      {"redis://u:secret@", "store redis://u@: there must be a host"},
      {"redis://h:0", "the port '0' must be a number from 1 to 65535"},
      {"redis://h:65536", "the port '65536' must be"},
      {"redis://h:", "the port '' must be"},
      {"redis://h:x", "the port 'x' must be"},
      {"redis://::1", "an IPv6 address must stand in [ ]"},
      {"redis://[::1", "after [ there must be an address and ]"},
      {"redis://[::1]7", "after ] there must be :PORT or /DB"},
      {"redis://h/x", "the DB 'x' must be a number from 0 to 2147483647"},
      {"redis://h/2147483648", "the DB '2147483648' must be"},
      {"redis://h/-1", "the DB '-1' must be"},
      {"redis://h?db=", "the DB '' must be"},
      {"redis://h?timeout=0s", "timeout=0s must be a time above 0, as in 5s"},
      {"redis://h?password=x", "'password' must be db or timeout"},
      {"redis://u:%zz@h", "in the user or password a % must be followed by two hexadecimal digits"},
      {"redis://u:%00@h", "in the user or password a %"},
      {"redis://u:sec/ret@h", "in a user or password / ? @ must be written as %2F %3F %40"},
      {"redis://u:sec?ret@h", "in a user or password / ? @"},
      {"redis+unix://relative/path", "there must be a path from /"},
      {"redis+unix://", "there must be a path from /"},
      {"redis+unix:///a%2", "in the path a % must be"},
  };
  for (const auto& row : kUrls) {
    const auto& url = row.first;
    const auto& message = row.second;
    CAPTURE(url);
    const auto address = ParseRedisUrl(url);
    REQUIRE_FALSE(address.ok());
    CHECK(address.status().code() == StatusCode::kInvalidArgument);
    CAPTURE(address.status().message());
    CHECK(address.status().message().find(message) != std::string::npos);
    CHECK(address.status().message().find("sec") == std::string::npos);
  }
}

TEST_CASE("store: what is no store is refused by its URL") {
  const rivulet::FakeClock clock;
  const std::pair<const char*, const char*> kUrls[] = {
      {"", "store : it must be memory:, file:DIR, redis://"},
      {"memory", "store memory: it must be memory:, file:DIR"},
      {"memory:x", "nothing may stand after memory:"},
      {"file:", "there must be a folder"},
      {"file:?sync=none", "there must be a folder"},
      {"file:x?sync=maybe", "sync=maybe must be always or none"},
      {"file:x?fast=1", "'fast' must be sync"},
      {"file:%", "a % must be followed by"},
      {"http://h", "it must be memory:"},
      {"redis:h", "it must be memory:"},
      {"redis://h:x", "the port 'x'"},
  };
  for (const auto& row : kUrls) {
    const auto& url = row.first;
    const auto& message = row.second;
    CAPTURE(url);
    const auto store = OpenStore(url, OptionsWith(clock));
    REQUIRE_FALSE(store.ok());
    CHECK(store.status().code() == StatusCode::kInvalidArgument);
    CAPTURE(store.status().message());
    CHECK(store.status().message().find(message) != std::string::npos);
  }
  auto options = OptionsWith(clock);
  options.password_file = "f";
  CHECK(OpenStore("redis://:p@h", options).status().message() ==
        "store redis://@h: it must hold no password where there is a password file");
}

TEST_CASE("store: memory: is one in this process") {
  const rivulet::FakeClock clock;
  const auto store = OpenStore("memory:", OptionsWith(clock));
  REQUIRE(store.ok());
  CHECK(store.value()->Increment("n", 2).value() == 2);
  CHECK(store.value()->Report().url == "memory:");
  CHECK(store.value()->Report().keys == 1);
}

TEST_CASE("store: a URL is shown without its password") {
  CHECK(ShownStoreUrl("redis://u:secret@h:1/2") == "redis://u@h:1/2");
  CHECK(ShownStoreUrl("redis://:secret@h") == "redis://@h");
  CHECK(ShownStoreUrl("redis://:s/e@c:r@h") == "redis://@h");
  CHECK(ShownStoreUrl("redis://h:1/2") == "redis://h:1/2");
  CHECK(ShownStoreUrl("redis+unix://u:secret@/a") == "redis+unix://u@/a");
  CHECK(ShownStoreUrl("redis+unix:///a:b@c") == "redis+unix:///a:b@c");
  CHECK(ShownStoreUrl("file:/a:b@c") == "file:/a:b@c");
  CHECK(ShownStoreUrl("memory:") == "memory:");
}
