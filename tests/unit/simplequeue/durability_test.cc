#include "simplequeue/durability.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "tests/unit/simplequeue/durable_process.h"

using namespace rivulet;
using namespace std::chrono_literals;

TEST_CASE("durability: messages come back with ids, order, times and bodies") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock);
    before.queue().Put("one", clock.Now());
    clock.Advance(3s);
    before.queue().Put(std::string_view("t\0o", 3), clock.Now());
    before.queue("jobs").Put("three", clock.Now(), {.delay = {}, .ttl = 1min, .key = {}});
    before.Settle();
  }
  clock.Advance(2s);
  DurableProcess after(&disk, &clock);
  CHECK(after.durability.restored().messages == 3);
  CHECK(after.durability.restored().ready == 3);
  std::vector<MessageInfo> messages;
  after.queue().Peek(MessageState::kReady, 9, &messages);
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].id == 1);
  CHECK(messages[0].body == "one");
  CHECK(messages[0].put_at == clock.Now() - 5s);
  CHECK(messages[1].id == 2);
  CHECK(messages[1].body == std::string_view("t\0o", 3));
  CHECK(messages[1].put_at == clock.Now() - 2s);
  after.queue("jobs").Peek(MessageState::kReady, 9, &messages);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].ttl == 1min);
  CHECK(after.queue().Put("next", clock.Now()) == 3);
  CHECK(after.queue("jobs").Put("next", clock.Now()) == 2);
}

TEST_CASE("durability: each state comes back as it was, and what was leased is ready again") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock);
    Queue& queue = before.queue();
    for (const char* body : {"leased", "finished", "requeued", "deferred", "buried", "kicked"}) {
      queue.Put(body, clock.Now());
    }
    std::vector<Queue::Lease> leases;
    REQUIRE(queue.LeaseFront(6, clock.Now(), 30s, &leases) == 6);
    std::vector<Queue::Holding> held;
    for (const auto& lease : leases) held.push_back({lease.id, lease.number});
    std::vector<std::size_t> missed;
    const auto one = [&held](std::size_t i) { return std::span(held).subspan(i, 1); };
    CHECK(queue.Finish(one(1), &missed) == 1);
    CHECK(queue.Requeue(one(2), clock.Now(), 0s, &missed) == 1);
    CHECK(queue.Requeue(one(3), clock.Now(), 10s, &missed) == 1);
    CHECK(queue.Bury(one(5), &missed) == 1);
    CHECK(queue.Kick(9) == 1);
    CHECK(queue.Bury(one(4), &missed) == 1);
    queue.Put("delayed", clock.Now(), {.delay = 20s, .ttl = {}, .key = {}});
    queue.SetPaused(true);
    before.Settle();
  }
  clock.Advance(5s);
  DurableProcess after(&disk, &clock);
  Queue& queue = after.queue();
  CHECK(queue.paused());
  CHECK(Order(queue) == "1 3 6 ");
  CHECK(queue.deferred() == 2);
  CHECK(queue.dead() == 1);
  CHECK(after.durability.restored().had_been_in_flight == 1);
  CHECK(after.durability.restored().deferred == 2);
  CHECK(after.durability.restored().dead == 1);
  MessageInfo message;
  REQUIRE(queue.Find(1, &message));
  CHECK(message.attempts == 1);
  REQUIRE(queue.Find(6, &message));
  CHECK(message.attempts == 0);
  CHECK_FALSE(queue.Find(2, &message));
  // Not before their time, which is 10 s and 20 s after the change.
  queue.Advance(clock.Now() + 4999ms);
  CHECK(queue.deferred() == 2);
  queue.Advance(clock.Now() + 5s);
  CHECK(Order(queue) == "1 3 6 4 ");
  queue.Advance(clock.Now() + 15s);
  CHECK(Order(queue) == "1 3 6 4 7 ");
}

TEST_CASE("durability: a time that went by while nothing ran is due at once") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock);
    before.queue().Put("a", clock.Now(), {.delay = 10s, .ttl = {}, .key = {}});
    before.Settle();
  }
  clock.Advance(1h);
  DurableProcess after(&disk, &clock);
  CHECK(after.queues.next_due() <= clock.Now());
  after.queues.Advance(clock.Now(), 10, [](Queue&) {});
  CHECK(after.queue().depth() == 1);
}

TEST_CASE("durability: a step of the wall clock between two runs moves what is deferred") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock);
    before.queue().Put("a", clock.Now(), {.delay = 10s, .ttl = {}, .key = {}});
    before.Settle();
  }
  clock.StepWall(-5s);
  DurableProcess after(&disk, &clock);
  CHECK(after.queue().next_due() == clock.Now() + 15s);
}

TEST_CASE(
    "durability: attempts that were used up by a lease that a crash ended make a dead letter") {
  FakeDisk disk;
  FakeClock clock;
  QueueLimits limits = DurableLimits();
  limits.max_attempts = 1;
  {
    DurableProcess before(&disk, &clock, 16 << 20, limits);
    before.queue().Put("a", clock.Now());
    LeaseOne(before.queue(), clock.Now());
    before.Settle();
  }
  DurableProcess after(&disk, &clock, 16 << 20, limits);
  CHECK(after.queue().depth() == 0);
  CHECK(after.queue().dead() == 1);
}

TEST_CASE("durability: keys are remembered, also of messages that are gone") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock);
    before.queue().Put("a", clock.Now(), {.delay = {}, .ttl = {}, .key = "k1"});
    before.queue().Put("b", clock.Now(), {.delay = {}, .ttl = {}, .key = "k2"});
    before.queue().TakeFront();
    before.Settle();
  }
  clock.Advance(30min);
  DurableProcess after(&disk, &clock);
  CHECK(after.queue().FindDuplicate("k1", clock.Now()) == 1);
  CHECK(after.queue().FindDuplicate("k2", clock.Now()) == 2);
  clock.Advance(31min);
  CHECK_FALSE(after.queue().FindDuplicate("k1", clock.Now()));
}

TEST_CASE("durability: a commit that fails and one that heals are passed on") {
  FakeDisk disk;
  FakeClock clock;
  DurableProcess process(&disk, &clock);
  process.queue().Put("a", clock.Now());
  process.journal->Fail({StatusCode::kExhausted, "no space left"});
  CHECK(process.failed.message() == "no space left");
  CHECK(process.durability.Admit(Journal::Work::kGrows).code() == StatusCode::kExhausted);
  process.journal->Heal();
  CHECK(process.healed);
}

TEST_CASE("durability: a queue is introduced before its first record, and again after a restart") {
  FakeDisk disk;
  FakeClock clock;
  {
    DurableProcess before(&disk, &clock);
    before.queue("a").Put("x", clock.Now());
    before.queue("a").Put("x", clock.Now());
    before.queue("b").SetPaused(true);
    before.Settle();
  }
  {
    DurableProcess after(&disk, &clock);
    CHECK(after.queues.Find("b")->paused());
    after.queue("a").Put("x", clock.Now());
    after.Settle();
  }
  DurableProcess again(&disk, &clock);
  CHECK(again.queue("a").depth() == 3);
  CHECK(again.queues.Find("b")->paused());
}

TEST_CASE("durability: a fresh put costs no more than its record beside the body") {
  FakeDisk disk;
  FakeClock clock;
  DurableProcess process(&disk, &clock);
  const std::string body(100, 'x');
  process.queue().Put(body, clock.Now());
  process.Settle();
  const std::uint64_t before = disk.bytes();
  for (int i = 0; i < 1000; ++i) process.queue().Put(body, clock.Now());
  // The fake counts two bytes for a record's size, as a batch has; a batch of its own adds 16.
  CHECK((disk.bytes() - before) / 1000 <= 100 + 32 - 16);
}

TEST_CASE("durability: a queue whose name was lost to damage comes back by the next segment's") {
  FakeDisk disk;
  FakeClock clock;
  DecodedRecord record;
  const auto lose_names = [&](std::size_t segments) {
    for (std::size_t i = 0; i < segments; ++i) {
      std::erase_if(disk.segments[i].records, [&record](const std::string& bytes) {
        REQUIRE(DecodeRecord(bytes, &record).ok());
        return record.type == RecordType::kQueue;
      });
    }
  };
  {
    DurableProcess before(&disk, &clock, 64 << 10);
    const std::string body(1000, 'x');
    for (int i = 0; i < 100; ++i) before.queue("jobs").Put(body, clock.Now());
    before.queue("jobs").TakeFront();
    before.Settle();
  }
  REQUIRE(disk.segments.size() == 2);

  const auto restore = [&](bool salvage, QueueSet* queues) {
    QueueRestorer restorer(queues, WallTimes(clock), salvage);
    Status status;
    for (const auto& segment : disk.segments) {
      for (const std::string& bytes : segment.records) {
        if (status.ok()) status = restorer.Visit(bytes);
      }
    }
    restorer.End(clock.Now());
    return status;
  };
  lose_names(1);
  QueueSet refused(DurableLimits(), 10);
  CHECK(restore(false, &refused).message() == "put record: queue 2 must have been named before");
  QueueSet named(DurableLimits(), 10);
  CHECK(restore(true, &named).ok());
  REQUIRE(named.Find("jobs") != nullptr);
  CHECK(named.Find("jobs")->depth() == 99);
  lose_names(2);
  QueueSet nameless(DurableLimits(), 10);
  CHECK(restore(true, &nameless).ok());
  REQUIRE(nameless.Find("nameless-2") != nullptr);
  CHECK(nameless.Find("nameless-2")->depth() == 99);
}

TEST_CASE("durability: options that mean nothing without a data path are refused") {
  JournalOptions options;
  CHECK(CheckJournalOptions(options).ok());
  options.sync = "always";
  CHECK(CheckJournalOptions(options).message() ==
        "--sync=always: must come with --data-path=DIR; without it nothing is kept on disk");
  options.data_path = "/tmp/x";
  CHECK(CheckJournalOptions(options).ok());
  options = {};
  options.segment_bytes = 1 << 20;
  CHECK(CheckJournalOptions(options).message().starts_with("--segment-bytes=1MiB: must come"));
  options = {};
  options.salvage = true;
  CHECK(CheckJournalOptions(options).message().starts_with("--salvage: must come"));
}
