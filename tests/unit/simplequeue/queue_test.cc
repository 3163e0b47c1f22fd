#include "simplequeue/queue.h"
#include "tests/unit/scaled.h"

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

using rivulet::Arena;
using rivulet::LongerIfAsked;
using rivulet::Queue;

namespace {

constexpr rivulet::MonoTime kNow{std::chrono::hours(1)};

std::string Take(Queue* queue) {
  Queue::Cursor cursor;
  Queue::Message message;
  REQUIRE(queue->Next(&cursor, &message));
  std::string body(message.body);
  queue->TakeFront();
  return body;
}

}  // namespace

TEST_CASE("queue: messages leave in the order they came") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  for (const char* body : {"a", "b", "c"}) queue.Put(body, kNow);
  CHECK(Take(&queue) == "a");
  queue.Put("d", kNow);
  CHECK(Take(&queue) == "b");
  CHECK(Take(&queue) == "c");
  CHECK(Take(&queue) == "d");
  CHECK(queue.depth() == 0);
}

TEST_CASE("queue: ids are dense and start at one") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  CHECK(queue.Put("a", kNow) == 1);
  CHECK(queue.Put("b", kNow) == 2);
  Take(&queue);
  Take(&queue);
  CHECK(queue.Put("c", kNow) == 3);
}

TEST_CASE("queue: counts what was put, taken and is there") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  queue.Put("four", kNow);
  queue.Put("sixsix", kNow);
  CHECK(queue.depth() == 2);
  CHECK(queue.bytes() == 10);
  Take(&queue);
  CHECK(queue.bytes() == 6);
  CHECK(queue.stats().puts == 2);
  CHECK(queue.stats().gets == 1);
  CHECK(queue.stats().depth_high_water == 2);
  queue.ResetStats();
  CHECK(queue.stats().puts == 0);
  CHECK(queue.stats().depth_high_water == 1);  // what is there now, not zero
}

TEST_CASE("queue: limits bound the ready messages and their bytes") {
  Arena arena;
  Queue queue("q", 1, {.max_depth = 3, .max_bytes = 10}, &arena);
  CHECK(queue.Fits(3, 10));
  CHECK_FALSE(queue.Fits(4, 4));
  CHECK_FALSE(queue.Fits(1, 11));
  queue.Put("123456", kNow);
  CHECK(queue.Fits(2, 4));
  CHECK_FALSE(queue.Fits(1, 5));
}

TEST_CASE("queue: a cursor looks without taking, and passes over what left meanwhile") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  for (const char* body : {"a", "b", "c", "d"}) queue.Put(body, kNow);
  Queue::Cursor cursor;
  Queue::Message message;
  REQUIRE(queue.Next(&cursor, &message));
  CHECK(message.body == "a");
  CHECK(queue.depth() == 4);
  for (int i = 0; i < 3; ++i) Take(&queue);
  REQUIRE(queue.Next(&cursor, &message));
  CHECK(message.body == "d");
  CHECK_FALSE(queue.Next(&cursor, &message));
  queue.Put("e", kNow);
  REQUIRE(queue.Next(&cursor, &message));
  CHECK(message.body == "e");
}

TEST_CASE("queue: what is drained is given back, through many turns") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 100'000; ++i) queue.Put("0123456789012345678901234567890123456789", kNow);
    while (queue.depth() > 0) queue.TakeFront();
  }
  CHECK(arena.allocated_bytes() <= 3 * Arena::kBlockBytes);
}

TEST_CASE("queue: many are looked at and taken at once, across segments and blocks") {
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  std::vector<Queue::Message> front;
  queue.Front(10, &front);
  CHECK(front.empty());
  for (int i = 0; i < 40'000; ++i) queue.Put(std::to_string(i) + std::string(60, 'x'), kNow);
  int next = 0;
  for (const std::uint64_t count : {1UL, 16'382UL, 1UL, 2UL, 20'000UL, 3'614UL}) {
    queue.Front(count, &front);
    REQUIRE(front.size() == count);
    for (const Queue::Message& message : front) {
      REQUIRE(message.body.starts_with(std::to_string(next) + "x"));
      REQUIRE(message.id == static_cast<std::uint64_t>(++next));
    }
    queue.Take(front);
  }
  CHECK(queue.depth() == 0);
  CHECK(queue.bytes() == 0);
  CHECK(queue.stats().gets == 40'000);
}

TEST_CASE("queue: random steps agree with a plain deque") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Arena arena;
  Queue queue("q", 1, {}, &arena);
  std::deque<std::string> model;
  std::uint64_t model_bytes = 0;
  for (int step = 0; step < LongerIfAsked(100'000); ++step) {
    const auto dice = random() % 100;
    // Phases of growth and of shrinking, so that segments and blocks come and go.
    const bool growing = (step / 5000) % 2 == 0;
    if (dice < (growing ? 60 : 40)) {
      std::string body = std::to_string(random());
      if (dice == 0) body.resize(random() % 20'000, 'z');
      queue.Put(body, kNow);
      model_bytes += body.size();
      model.push_back(std::move(body));
    } else if (!model.empty()) {
      std::vector<Queue::Message> front;
      queue.Front(1 + random() % 5, &front);
      for (const Queue::Message& message : front) {
        REQUIRE(message.body == model.front());
        model_bytes -= model.front().size();
        model.pop_front();
      }
      queue.Take(front);
    }
    REQUIRE(queue.depth() == model.size());
    REQUIRE(queue.bytes() == model_bytes);
  }
  Queue::Cursor cursor;
  Queue::Message message;
  for (const std::string& body : model) {
    REQUIRE(queue.Next(&cursor, &message));
    REQUIRE(message.body == body);
  }
}
