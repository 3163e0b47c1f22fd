#include <doctest/doctest.h>

#include <string>

#include "pubsub/durability.h"
#include "pubsub/topic_set.h"
#include "tests/unit/pubsub/durable_topics.h"

using namespace rivulet;
using journal_test::FaultyDisk;
using journal_test::TempFolder;

TEST_CASE(
    "topic durability: a full disk takes back what was published, and reveals it when it heals") {
  TempFolder folder;
  FakeClock clock;
  FaultyDisk disk;
  disk.IgnoreSyncs();
  for (const char* sync : {"none", "always"}) {
    DurableTopics::Config config;
    config.sync = sync;
    DurableTopics process(folder.path(), &clock, config, disk);
    REQUIRE(process.opened.ok());
    const std::uint64_t base = process.topic()->next_offset();
    process.Publish("t", "safe");
    process.Commit();
    disk.Fail(FaultyDisk::Call::kWrite, StatusCode::kExhausted);
    disk.Fail(FaultyDisk::Call::kAllocate, StatusCode::kExhausted);
    process.topics.PublishLines(process.topic(), "taken\nback", clock.WallNow());
    process.Publish("new", "too");
    static_cast<void>(process.durability->last_commit());
    REQUIRE(process.RunUntil([&] { return !process.failed.ok(); }));
    CHECK(process.failed.code() == StatusCode::kExhausted);
    CHECK(process.durability->Admit().code() == StatusCode::kExhausted);
    CHECK(process.topic()->end_offset() == base + 1);
    // What somebody publishes all the same goes behind it.
    process.Publish("t", "behind");
    process.Turn();
    CHECK(process.topic()->end_offset() == base + 1);
    disk.Heal();
    REQUIRE(process.RunUntil([&] { return process.healed; }));
    process.Commit();
    CHECK(process.durability->Admit().ok());
    CHECK(process.topic()->end_offset() == base + 4);
    std::string bodies;
    auto place = process.past()->At(base);
    while (true) {
      const auto message = process.past()->Next(&*place);
      REQUIRE(message.ok());
      if (!message->has_value()) break;
      bodies += std::string((*message)->body) + " ";
    }
    CHECK(bodies == "safe taken back behind ");
    TempFolder copy;
    CopyFiles(folder.path(), copy.path());
    DurableTopics again(copy.path(), &clock, config);
    REQUIRE(again.opened.ok());
    CHECK(Kept(again.past()) == Kept(process.past()));
    CHECK(Kept(again.past("new")) == Kept(process.past("new")));
    REQUIRE(process.durability->Close().ok());
  }
}

TEST_CASE("topic durability: after another failure nothing is revealed that is not safe") {
  TempFolder folder;
  FakeClock clock;
  FaultyDisk disk;
  {
    DurableTopics process(folder.path(), &clock, {}, disk);
    process.Publish("t", "safe");
    process.Commit();
    disk.Fail(FaultyDisk::Call::kWrite, StatusCode::kIoError);
    process.Publish("t", "lost");
    REQUIRE(process.RunUntil([&] { return !process.failed.ok(); }));
    CHECK(process.durability->Admit().code() == StatusCode::kIoError);
    CHECK(process.durability->pending_bytes() < 100);
    process.Publish("t", "refused");
    for (int turn = 0; turn < 3; ++turn) process.Turn();
    CHECK(process.topic()->end_offset() == 1);
    CHECK(Kept(process.past()) == "0:0:safe ");
  }
  DurableTopics again(folder.path(), &clock);
  CHECK(Kept(again.past()) == "0:0:safe ");
  CHECK(again.topic()->next_offset() == 1);
}
