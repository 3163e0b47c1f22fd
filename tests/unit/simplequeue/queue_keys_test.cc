#include "simplequeue/queue_keys.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "simplequeue/queue.h"

using namespace std::chrono_literals;
using rivulet::Arena;
using rivulet::MonoTime;
using rivulet::Queue;
using rivulet::QueueKeys;

TEST_CASE("keys: a repeat is found within the window, also after its message is gone") {
  Arena arena;
  Queue queue("q", 1, {.dedupe_window = 60s, .max_keys = 2}, &arena);
  MonoTime now{1h};
  const auto put = [&](std::string_view key) {
    return queue.Put("x", now, {.delay = {}, .ttl = {}, .key = key});
  };
  CHECK_FALSE(queue.FindDuplicate("k", now).has_value());
  const std::uint64_t id = put("k");
  queue.TakeFront();
  now += 60s - 1ns;
  CHECK(queue.FindDuplicate("k", now) == id);
  CHECK(queue.stats().duplicates == 1);
  CHECK(queue.FitsKey(now));
  const std::uint64_t other = put("other");
  CHECK_FALSE(queue.FitsKey(now));
  std::vector<std::string> seen;
  queue.ForEachKey(other, other,
                   [&seen](const Queue::KeyInfo& key) { seen.emplace_back(key.key); });
  CHECK(seen == std::vector<std::string>{"other"});
  now += 1ns;
  CHECK_FALSE(queue.FindDuplicate("k", now).has_value());
  CHECK(queue.FitsKey(now));
  const std::uint64_t again = put("k");
  CHECK(queue.FindDuplicate("k", now) == again);
}

TEST_CASE("keys: without a window a key means nothing") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  const MonoTime now{1h};
  queue.Put("x", now, {.delay = {}, .ttl = {}, .key = "k"});
  CHECK_FALSE(queue.FindDuplicate("k", now).has_value());
  CHECK(queue.keys() == 0);
}

TEST_CASE("keys: a key that is added again belongs to the later message") {
  QueueKeys keys;
  keys.Add("k", 1, MonoTime(10s));
  keys.Add("k", 2, MonoTime(30s));
  keys.Expire(MonoTime(20s));
  CHECK(keys.size() == 1);
  CHECK(keys.Find("k", MonoTime(20s)) == 2);
  keys.Expire(MonoTime(30s));
  CHECK(keys.size() == 0);
}

TEST_CASE("keys: restored in any order they are told, and forgotten, by id") {
  QueueKeys keys;
  keys.Restore("c", 3, MonoTime(30s));
  keys.Restore("a", 1, MonoTime(20s));
  keys.Restore("b", 2, MonoTime(5s));
  keys.Restore("c", 1, MonoTime(10s));  // an older record of the key
  keys.EndRestore(MonoTime(5s));
  std::vector<std::uint64_t> ids;
  keys.ForEach(0, UINT64_MAX,
               [&ids](std::string_view, std::uint64_t id, MonoTime) { ids.push_back(id); });
  CHECK(ids == std::vector<std::uint64_t>{1, 3});
  CHECK(keys.Find("c", MonoTime(6s)) == 3);
  keys.Expire(MonoTime(20s));
  CHECK(keys.size() == 1);
}
