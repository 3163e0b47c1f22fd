#include "pubsub/durability.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "pubsub/topic_set.h"
#include "tests/unit/pubsub/durable_topics.h"

using namespace rivulet;
using journal_test::FaultyDisk;
using journal_test::TempFolder;
using std::chrono::seconds;

namespace {

std::string Opened(DurableTopics& process) { return process.opened.message(); }

}  // namespace

TEST_CASE("topic durability: topics come back with offsets, sequences, times and bodies") {
  for (const char* sync : {"none", "always", "50ms"}) {
    TempFolder folder;
    FakeClock clock;
    DurableTopics::Config config;
    config.sync = sync;
    const WallTime first = clock.WallNow();
    {
      DurableTopics process(folder.path(), &clock, config);
      REQUIRE(Opened(process).empty());
      process.Publish("a", "one");
      process.Publish("b", std::string("\0\n", 2));
      clock.Advance(seconds(5));
      process.topics.PublishLines(process.topic("a"), "two\n\nthree\n", clock.WallNow());
      process.Commit();
      REQUIRE(process.durability->Close().ok());
    }
    clock.Advance(seconds(60));
    DurableTopics again(folder.path(), &clock, config);
    REQUIRE(Opened(again).empty());
    CHECK(Kept(again.past("a")) == "0:0:one 1:2:two 2:3: 3:4:three ");
    CHECK(Kept(again.past("b")) == std::string("0:1:\0\n ", 7));
    CHECK(again.topic("a")->next_offset() == 4);
    CHECK(again.topic("a")->end_offset() == 4);
    CHECK(again.topic("a")->first_offset() == 0);
    CHECK(again.topics.next_sequence() == 5);
    CHECK(again.past("a")->OffsetAtTime(first).value() == 0);
    CHECK(again.past("a")->OffsetAtTime(first + Duration(1)).value() == 1);
    CHECK(again.past("a")->OffsetAtTime(first + seconds(5)).value() == 1);
    CHECK(again.past("a")->OffsetAtTime(first + seconds(6)).value() == 4);
    CHECK(again.past("a")->OffsetAtSequence(1).value() == 1);
    CHECK(again.durability->restored().messages == 5);
    CHECK(again.durability->restored().topics == 2);
    again.Publish("b", "next");
    again.Commit();
    CHECK(Kept(again.past("b"), 1) == "1:5:next ");
  }
}

TEST_CASE("topic durability: a message is revealed when its commit is complete, and not before") {
  TempFolder folder;
  FakeClock clock;
  FaultyDisk disk;
  DurableTopics::Config config;
  config.sync = "always";
  DurableTopics process(folder.path(), &clock, config, disk);
  REQUIRE(Opened(process).empty());
  const Topic* const topic = process.topic();
  auto held = disk.HoldSyncs();
  process.Publish("t", "x");
  process.Publish("t", "y");
  for (int turn = 0; turn < 3; ++turn) process.Turn();
  CHECK(topic->next_offset() == 2);
  CHECK(topic->end_offset() == 0);
  CHECK(topic->past()->end_offset() == 0);
  CHECK(process.durability->pending_bytes() > 0);
  held.unlock();
  process.Commit();
  CHECK(topic->end_offset() == 2);
  CHECK(Kept(topic->past()) == "0:0:x 1:1:y ");
}

TEST_CASE("topic durability: what was published and told together is one record") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics process(folder.path(), &clock);
  const auto records = [&] { return process.durability->journal().stats().records; };
  process.Publish("t", "x");
  process.Commit();
  const std::uint64_t before = records();
  process.topics.PublishLines(process.topic(), "a\nb\nc\nd\n", clock.WallNow());
  process.Commit();
  CHECK(records() == before + 1);
  process.Publish("t", "e");
  process.Publish("other", "f");
  process.Publish("t", "g");
  process.Commit();
  CHECK(records() == before + 5);  // and one that names the other topic
}

TEST_CASE("topic durability: offsets and sequences go on although everything was let go") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  for (const std::uint64_t retained : {0, 1}) {
    config.retention.bytes = retained;
    DurableTopics process(folder.path(), &clock, config);
    REQUIRE(Opened(process).empty());
    const std::uint64_t base = process.topic("quiet")->next_offset();
    process.Publish("quiet", "x");
    const std::string large(20'000, 'l');
    for (int i = 0; i < 50; ++i) {
      process.Publish("busy", large);
      process.Commit();
    }
    process.Settle();
    CHECK(process.topic("quiet")->next_offset() == base + 1);
    CHECK(process.durability->journal().disk_bytes() <= 4 * config.segment_bytes);
    CHECK(process.durability->journal().oldest_segment() > 5);
  }
  DurableTopics again(folder.path(), &clock, config);
  REQUIRE(Opened(again).empty());
  CHECK(again.topic("quiet")->next_offset() == 2);
  CHECK(again.topic("busy")->next_offset() == 100);
  CHECK(again.topics.next_sequence() == 102);
}

TEST_CASE(
    "topic durability: a quiet topic does not keep the files of a busy one, nor loses anything") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  config.retention.bytes = 100'000;
  const std::string large(5'000, 'l');
  {
    DurableTopics process(folder.path(), &clock, config);
    for (int i = 0; i < 3; ++i) process.Publish("quiet", fmt::format("q{}", i));
    auto place = process.past("quiet")->At(0);
    for (int i = 0; i < 200; ++i) {
      process.Publish("busy", large);
      process.Commit();
      if (i == 100) process.Publish("quiet", "q3");
      process.Turn();
    }
    process.Settle();
    CHECK(process.durability->cleaned_records() > 0);
    CHECK(process.durability->journal().oldest_segment() > 1);
    CHECK(process.durability->journal().disk_bytes() <= 2 * 110'000 + 3 * config.segment_bytes);
    CHECK(Kept(process.past("quiet")) == "0:0:q0 1:1:q1 2:2:q2 3:104:q3 ");
    // A place from before goes on as if nothing had happened.
    std::string bodies;
    while (true) {
      const auto message = process.past("quiet")->Next(&*place);
      REQUIRE(message.ok());
      if (!message->has_value()) break;
      bodies += (*message)->body;
    }
    CHECK(bodies == "q0q1q2q3");
    CHECK(process.past()->retained_bytes() == 0);
    CHECK(process.past("busy")->retained_bytes() < 120'000);
    CHECK(process.past("busy")->retained_bytes() >= 100'000);
  }
  DurableTopics again(folder.path(), &clock, config);
  REQUIRE(Opened(again).empty());
  CHECK(Kept(again.past("quiet")) == "0:0:q0 1:1:q1 2:2:q2 3:104:q3 ");
  CHECK(again.past("busy")->end_offset() == 200);
}

TEST_CASE("topic durability: what is too old is let go by itself, and its files with it") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  config.retention = {1 << 30, seconds(10)};
  DurableTopics process(folder.path(), &clock, config);
  for (int i = 0; i < 40; ++i) {
    process.Publish("t", std::string(10'000, 'x'));
    process.Commit();
    clock.Advance(seconds(1));
  }
  // The last ten seconds, and an eighth of that.
  CHECK(process.topic()->first_offset() >= 27);
  CHECK(process.topic()->first_offset() <= 30);
  clock.Advance(seconds(20));
  const auto* const past = process.past();
  REQUIRE(process.RunUntil([&] { return past->first_offset() == 40; }));
  process.Settle();
  CHECK(process.durability->journal().oldest_segment() ==
        process.durability->journal().open_segment());
  CHECK(process.topic()->first_offset() == 40);
  CHECK(process.topic()->next_offset() == 40);
}

TEST_CASE("topic durability: less is kept when less is asked for at the next start") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  {
    DurableTopics process(folder.path(), &clock, config);
    for (int i = 0; i < 60; ++i) {
      process.Publish("t", std::string(10'000, 'x'));
      process.Commit();
    }
    CHECK(process.topic()->first_offset() == 0);
  }
  config.retention.bytes = 50'000;
  {
    DurableTopics process(folder.path(), &clock, config);
    CHECK(process.topic()->first_offset() == 55);
    CHECK(process.durability->restored().messages == 5);
    process.Settle();
    CHECK(process.durability->journal().disk_bytes() <= 100'000 + 2 * config.segment_bytes);
  }
  config.retention.bytes = 0;
  DurableTopics none(folder.path(), &clock, config);
  CHECK(none.topic()->past() == nullptr);
  CHECK(none.topic()->first_offset() == 60);
  CHECK(none.topic()->next_offset() == 60);
}

TEST_CASE("topic durability: keys come back within their window, though their segments went") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  config.retention.bytes = 0;
  const WallTime start = clock.WallNow();
  const auto publish = [&](DurableTopics& process, const std::string& key, Duration window) {
    const std::uint64_t offset = process.topic()->next_offset();
    process.Publish("t", key);
    const PublishedUnderKey what{offset, 1, 7, clock.WallNow() + window};
    process.keys.Add("t", key, what);
    process.durability->OnKey(*process.topic(), key, what);
  };
  {
    DurableTopics process(folder.path(), &clock, config);
    for (int i = 0; i < 20; ++i) {
      publish(process, fmt::format("k{}", i), seconds(100));
      process.Commit();
      clock.Advance(seconds(1));
    }
    for (int i = 0; i < 100; ++i) {
      process.Publish("busy", std::string(10'000, 'x'));
      process.Commit();
      process.Turn();
    }
    process.Settle();
    CHECK(process.durability->journal().oldest_segment() > 1);
    CHECK(process.durability->cleaned_records() > 0);
  }
  clock.Advance(seconds(85));  // 105 since the start: k0 to k5 are over
  DurableTopics again(folder.path(), &clock, config);
  REQUIRE(Opened(again).empty());
  CHECK(again.keys.size() == 14);
  for (int i = 0; i < 20; ++i) {
    const auto known = again.keys.Find("t", fmt::format("k{}", i), clock.WallNow());
    REQUIRE(known.has_value() == (i > 5));
    if (!known) continue;
    CHECK(known->first_offset == static_cast<std::uint64_t>(i));
    CHECK(known->messages == 1);
    CHECK(known->clients == 7);
    CHECK(known->until == start + seconds(100 + i));
  }
  // What is over keeps no segment.
  clock.Advance(seconds(100));
  for (int i = 0; i < 20; ++i) {
    again.Publish("busy", std::string(10'000, 'x'));
    again.Commit();
  }
  again.Settle();
  CHECK(again.durability->cleaned_records() == 0);
}

TEST_CASE("topic durability: a key under which nothing was published is not told") {
  TempFolder folder;
  FakeClock clock;
  {
    DurableTopics process(folder.path(), &clock);
    process.durability->OnKey(*process.topic("none"), "k", {0, 0, 0, clock.WallNow() + seconds(9)});
    process.Publish("t", "x");
    process.Commit();
  }
  DurableTopics again(folder.path(), &clock);
  CHECK(again.topics.Find("none") == nullptr);
  CHECK(again.keys.size() == 0);
}

TEST_CASE("topic durability: messages larger than a window, and than a segment, come back") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  config.retention.bytes = 64 << 20;
  std::string large(3'000'000, 'a');
  for (std::size_t i = 0; i < large.size(); i += 1000)
    large[i] = static_cast<char>('b' + i / 1000 % 20);
  for (int start = 0; start < 2; ++start) {
    DurableTopics process(folder.path(), &clock, config);
    REQUIRE(Opened(process).empty());
    if (start == 0) {
      process.Publish("t", "before");
      process.Publish("t", large);
      process.Publish("u", large);
      process.Publish("t", "behind");
      process.Commit();
      CHECK(process.durability->pending_bytes() < 2 * PendingBytes::kBlockBytes);
    }
    CHECK(Kept(process.past()) == "0:0:before 1:1:" + large + " 2:3:behind ");
    CHECK(Kept(process.past("u")) == "0:2:" + large + " ");
  }
}

TEST_CASE("topic durability: a large body of lines is kept once while it waits") {
  TempFolder folder;
  FakeClock clock;
  DurableTopics::Config config;
  config.retention.bytes = 64 << 20;
  DurableTopics process(folder.path(), &clock, config);
  std::string lines;
  constexpr int kLines = 200'000;
  for (int i = 0; i < kLines; ++i) lines += fmt::format("line {:020d}\n", i);
  process.topics.PublishLines(process.topic(), lines, clock.WallNow());
  static_cast<void>(process.durability->last_commit());
  CHECK(process.durability->pending_bytes() < lines.size() * 11 / 10 + PendingBytes::kBlockBytes);
  process.Commit();
  CHECK(process.durability->pending_bytes() < 2 * PendingBytes::kBlockBytes);
  CHECK(process.durability->index_bytes() < lines.size() / 100);
  CHECK(process.durability->journal().disk_bytes() <
        lines.size() * 102 / 100 + config.segment_bytes);
  auto place = process.past()->At(123'456);
  REQUIRE(place.ok());
  for (std::uint64_t i = 123'456; i < kLines; ++i) {
    const auto message = process.past()->Next(&*place);
    REQUIRE(message.ok());
    REQUIRE(message->has_value());
    REQUIRE((*message)->offset == i);
    REQUIRE((*message)->sequence == i);
    REQUIRE((*message)->body == fmt::format("line {:020d}", i));
  }
}

TEST_CASE("topic durability: many topics among each other are each found again") {
  TempFolder folder;
  FakeClock clock;
  constexpr int kTopics = 500;
  for (int start = 0; start < 2; ++start) {
    DurableTopics process(folder.path(), &clock);
    REQUIRE(Opened(process).empty());
    for (int i = 0; start == 0 && i < 20 * kTopics; ++i) {
      process.Publish(fmt::format("t{}", i % kTopics), fmt::format("{}", i));
    }
    process.Commit();
    for (const int topic : {0, 7, kTopics - 1}) {
      std::string expected;
      for (int i = 5; i < 20; ++i) {
        expected += fmt::format("{}:{}:{} ", i, i * kTopics + topic, i * kTopics + topic);
      }
      CHECK(Kept(process.past(fmt::format("t{}", topic)), 5) == expected);
    }
  }
}

TEST_CASE("topic durability: a journal of another daemon is refused, and so is a wrong option") {
  JournalOptions options;
  CHECK(CheckJournalOptions(options).ok());
  options.sync = "none";
  CHECK(CheckJournalOptions(options).message() ==
        "--sync=none: must come with --data-path=DIR; without it nothing is kept on disk");
  options.data_path = "/x";
  CHECK(CheckJournalOptions(options).ok());

  journal_test::Fixture other;
  REQUIRE(other.Open().ok());
  other.Commit("x");
  REQUIRE(other.journal->Close().ok());
  FakeClock clock;
  DurableTopics process(other.folder.path(), &clock);
  CHECK(process.opened.code() == StatusCode::kInvalidArgument);
}
