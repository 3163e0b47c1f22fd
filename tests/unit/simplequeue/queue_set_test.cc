#include "simplequeue/queue_set.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using rivulet::MonoTime;
using rivulet::Queue;
using rivulet::QueueSet;
using rivulet::StatusCode;
using Names = std::vector<std::string>;

namespace {

constexpr MonoTime kNow{1h};

Names Advance(QueueSet* queues, MonoTime now, std::size_t max = SIZE_MAX) {
  Names ready;
  queues->Advance(now, max, [&ready](Queue& queue) { ready.push_back(queue.name()); });
  return ready;
}

}  // namespace

TEST_CASE("queue set: a name is made once, checked, and bounded in number") {
  QueueSet queues({}, 3);
  CHECK(queues.Find("jobs") == nullptr);
  auto jobs = queues.FindOrMake("jobs");
  REQUIRE(jobs.ok());
  CHECK(*queues.FindOrMake("jobs") == *jobs);
  CHECK(*queues.FindOrMake("default") == &queues.default_queue());
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b"),
                                 std::string(65, 'a'), std::string("a\0", 2)}) {
    const auto refused = queues.FindOrMake(bad);
    CHECK(refused.status().code() == rivulet::StatusCode::kInvalidArgument);
  }
  REQUIRE(queues.FindOrMake(std::string(64, 'a')).ok());
  CHECK(queues.FindOrMake("more").status().code() == rivulet::StatusCode::kExhausted);
  CHECK(queues.FindOrMake("jobs").ok());
}

TEST_CASE("queue set: queues have numbers in the order of their making") {
  QueueSet queues({}, 10);
  Queue* jobs = *queues.FindOrMake("jobs");
  CHECK(queues.default_queue().number() == 1);
  CHECK(jobs->number() == 2);
  CHECK(queues.FindByNumber(1) == &queues.default_queue());
  CHECK(queues.FindByNumber(2) == jobs);
  CHECK(queues.FindByNumber(0) == nullptr);
  CHECK(queues.FindByNumber(3) == nullptr);
}

TEST_CASE("queue set: a restored queue keeps its number, and later ones get larger ones") {
  QueueSet queues({}, 2);
  CHECK(*queues.Restore("default", 1) == &queues.default_queue());
  REQUIRE(queues.Restore("seven", 7).ok());
  REQUIRE(queues.Restore("four", 4).ok());  // more than --max-queues, but there already
  CHECK(*queues.Restore("seven", 7) == queues.FindByNumber(7));
  CHECK(queues.Find("four")->number() == 4);
  for (const auto& [name, number] : std::vector<std::pair<std::string, std::uint32_t>>{
           {"seven", 8}, {"other", 7}, {"default", 2}, {"four", 7}, {"a b", 9}, {"zero", 0}}) {
    CHECK(queues.Restore(name, number).status().code() == StatusCode::kCorrupt);
  }
  QueueSet more({}, 9);
  REQUIRE(more.Restore("seven", 7).ok());
  CHECK((*more.FindOrMake("next"))->number() == 8);
}

TEST_CASE("queue set: the agenda tells the soonest time and advances only whose time has come") {
  QueueSet queues({}, 10);
  CHECK(queues.next_due() == MonoTime::max());
  Queue* a = *queues.FindOrMake("a");
  Queue* b = *queues.FindOrMake("b");
  a->Put("x", kNow, {.delay = 10s, .ttl = {}, .key = {}});
  b->Put("x", kNow, {.delay = 5s, .ttl = {}, .key = {}});
  b->Put("x", kNow, {.delay = 20s, .ttl = {}, .key = {}});
  CHECK(queues.next_due() == kNow + 5s);
  CHECK(Advance(&queues, kNow + 4s).empty());
  CHECK(Advance(&queues, kNow + 5s) == Names{"b"});
  CHECK(queues.next_due() == kNow + 10s);
  a->Put("x", kNow, {.delay = 1s, .ttl = {}, .key = {}});  // sooner than what is noted
  CHECK(queues.next_due() == kNow + 1s);
  CHECK(Advance(&queues, kNow + 30s) == Names{"a", "b"});
  CHECK(a->depth() == 2);
  CHECK(b->depth() == 2);
  CHECK(queues.next_due() == MonoTime::max());
}

TEST_CASE("queue set: queues that are advanced without their set are still on the agenda") {
  QueueSet queues({}, 10);
  Queue* a = *queues.FindOrMake("a");
  a->Put("x", kNow, {.delay = 1s, .ttl = {}, .key = {}});
  a->Put("x", kNow, {.delay = 5s, .ttl = {}, .key = {}});
  CHECK(a->Advance(kNow + 1s));
  CHECK(Advance(&queues, kNow + 1s).empty());
  CHECK(queues.next_due() == kNow + 5s);
}

TEST_CASE("queue set: a thousand queues share the budget of one Advance") {
  QueueSet queues({}, 2'000);
  for (int i = 0; i < 1'000; ++i) {
    Queue* queue = *queues.FindOrMake("q" + std::to_string(i));
    for (int k = 0; k < 10; ++k) queue->Put("x", kNow, {.delay = 1s, .ttl = {}, .key = {}});
  }
  std::uint64_t ready = 0;
  int calls = 0;
  while (queues.next_due() <= kNow + 1s) {
    ++calls;
    for (const std::string& name : Advance(&queues, kNow + 1s, 1'000)) {
      CHECK(queues.Find(name)->depth() > 0);
    }
  }
  for (const auto& [name, queue] : queues.all()) ready += queue->depth();
  CHECK(ready == 10'000);
  CHECK(calls == 10);
}

TEST_CASE("queue set: a queue that was restored is on the agenda") {
  QueueSet queues({}, 10);
  Queue* queue = *queues.Restore("a", 2);
  rivulet::MessageInfo message;
  message.id = 1;
  message.state = rivulet::MessageState::kDeferred;
  message.put_at = kNow;
  message.due = kNow + 7s;
  message.body = "x";
  queue->RestoreMessage(message, {});
  queue->EndRestore(kNow);
  CHECK(queues.next_due() == kNow + 7s);
  CHECK(Advance(&queues, kNow + 7s) == Names{"a"});
}
