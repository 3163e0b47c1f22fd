#include "bridge/spool.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/bridge/spool_support.h"

using namespace rivulet;
using namespace rivulet::spool_test;

using Strings = std::vector<std::string>;

TEST_CASE("spool: messages of any bytes come back as they were, from memory and from disk") {
  SpoolFixture f;
  f.Open();
  const Strings sent = {"one",  "",           std::string("\0nul\r\n", 6), "\n",  "x",
                        "\xff", "two\nlines", std::string(200'000, 'l'),   "last"};
  for (const std::string& message : sent) f.Append(message);
  CHECK(f.All() == sent);
  CHECK(f.All(1) == sent);
  f.Commit();
  f.Open();
  CHECK(f.spool->start() == 0);
  CHECK(f.spool->end() == sent.size());
  CHECK(f.All() == sent);
  CHECK(f.All(1) == sent);
}

TEST_CASE("spool: a batch has as many messages as are asked for, and about 1 MiB at most") {
  SpoolFixture f;
  f.Open();
  const std::string message(999, 'm');
  for (int i = 0; i < 3000; ++i) f.Append(message);
  f.Commit();
  f.Open();
  CHECK(f.spool->Slice(5, 7).count == 7);
  const MessageBatch large = f.spool->Slice(5, 3000);
  CHECK(large.first == 5);
  CHECK(large.lines.size() > 900'000);
  CHECK(large.lines.size() <= 1 << 20);
}

TEST_CASE("spool: a message larger than many segments is one message, before and after a restart") {
  SpoolFixture f;
  f.Open();
  std::string large(std::size_t{20} << 20, 'L');
  large[12345] = '\n';
  f.Append("before");
  f.Append(large);
  f.Append("behind");
  f.Commit();
  f.Open();
  const MessageBatch batch = f.spool->Slice(1, 10);
  CHECK(batch.count == 1);
  CHECK_FALSE(batch.cut_at_newlines);
  CHECK((batch.message() == large));
  CHECK(MessagesOf(f.spool->Slice(2, 10)) == Strings{"behind"});
}

TEST_CASE("spool: a batch lives on when its messages are done with and their segment is gone") {
  SpoolFixture f;
  f.config.max_bytes = 256 << 10;
  f.config.memory_bytes = 1000;
  f.Open();
  for (int i = 0; i < 1500; ++i) {
    f.Append(fmt::format("{:0>100}", i));
    f.Turn();
  }
  const MessageBatch batch = f.spool->Slice(0, 3);
  f.Done(1500);
  REQUIRE(f.RunUntil([&] { return f.spool->index().segments().front().first > 3; }));
  CHECK(MessagesOf(batch) == Strings{fmt::format("{:0>100}", 0), fmt::format("{:0>100}", 1),
                                     fmt::format("{:0>100}", 2)});
}

TEST_CASE("spool: after a clean end each reader begins where it was, and so does the source") {
  SpoolFixture f;
  f.config.readers = {"a", "b"};
  f.Open();
  CHECK(f.spool->begin_at() == std::vector<std::uint64_t>{0, 0});
  CHECK_FALSE(f.spool->source_position("http://one/").has_value());
  for (int i = 0; i < 10; ++i) f.Append(fmt::to_string(i));
  f.spool->SetSource("http://one/", 110);
  f.spool->SetSource("http://two/", 7);
  f.spool->SetDone(0, 6);
  f.spool->SetDone(1, 4);
  f.spool->DropBefore(4);
  REQUIRE(f.spool->Close().ok());
  f.Open();
  CHECK(f.spool->begin_at() == std::vector<std::uint64_t>{6, 4});
  CHECK(f.spool->start() == 4);
  CHECK(f.All() == Strings{"4", "5", "6", "7", "8", "9"});
  CHECK(f.spool->source_position("http://one/") == 110);
  CHECK(f.spool->source_position("http://two/") == 7);
  CHECK_FALSE(f.spool->source_position("http://three/").has_value());
  f.Append("10");
  CHECK(f.spool->end() == 11);
}

TEST_CASE("spool: how far readers and sources are is told before long, though no message comes") {
  SpoolFixture f;
  f.Open();
  for (int i = 0; i < 10; ++i) f.Append(fmt::to_string(i));
  f.Commit();
  f.spool->SetDone(0, 6);
  f.spool->SetSource("http://one/", 110);
  SpoolFixture other;
  REQUIRE(f.RunUntil([&] {
    std::filesystem::remove_all(other.folder.path());
    std::filesystem::copy(f.folder.path(), other.folder.path());
    other.Open();
    return other.spool->begin_at()[0] == 6 && other.spool->source_position("http://one/") == 110;
  }));
}

TEST_CASE(
    "spool: a reader that is new begins where the last one is, one that is not here is gone") {
  SpoolFixture f;
  f.config.readers = {"a", "b"};
  f.Open();
  for (int i = 0; i < 10; ++i) f.Append(fmt::to_string(i));
  f.spool->SetDone(0, 8);
  f.spool->SetDone(1, 5);
  f.spool->DropBefore(5);
  f.Commit();
  REQUIRE(f.spool->Close().ok());

  f.config.readers = {"new", "a"};
  f.Open();
  CHECK(f.spool->begin_at() == std::vector<std::uint64_t>{5, 8});
  f.spool->SetDone(0, 9);
  REQUIRE(f.spool->Close().ok());

  f.config.readers = {"b"};
  f.Open();
  CHECK(f.spool->begin_at() == std::vector<std::uint64_t>{8});
  REQUIRE(f.spool->Close().ok());

  f.config.readers = {"a", "b"};
  f.Open();
  CHECK(f.spool->begin_at() == std::vector<std::uint64_t>{8, 8});
}

TEST_CASE("spool: two readers of one name keep a place each") {
  SpoolFixture f;
  f.config.readers = {"a", "a"};
  f.Open();
  for (int i = 0; i < 10; ++i) f.Append(fmt::to_string(i));
  f.spool->SetDone(0, 3);
  f.spool->SetDone(1, 9);
  REQUIRE(f.spool->Close().ok());
  f.Open();
  CHECK(f.spool->begin_at() == std::vector<std::uint64_t>{3, 9});
}

TEST_CASE("spool: held bytes are those of messages from start on, each with its newline") {
  SpoolFixture f;
  f.config.memory_bytes = 1000;
  f.Open();
  for (int i = 0; i < 1000; ++i) f.Append(std::string(99, 'x'));
  CHECK(f.spool->held_bytes() == 100'000);
  f.Commit();
  CHECK(f.spool->held_bytes() == 100'000);
  f.Done(250);
  CHECK(f.spool->held_bytes() == 75'000);
  REQUIRE(f.spool->Close().ok());
  f.Open();
  CHECK(f.spool->held_bytes() == 75'000);
  f.Done(1000);
  CHECK(f.spool->held_bytes() == 0);
}

TEST_CASE("spool: with sync=always a message is committed after its fdatasync, and not before") {
  SpoolFixture f("always");
  f.Open();
  f.Append("first");
  f.Commit();
  {
    const auto held = f.disk.HoldSyncs();
    f.Append("second");
    for (int i = 0; i < 20; ++i) f.Turn();
    CHECK(f.spool->committed() == 1);
    CHECK(f.All() == Strings{"first", "second"});
  }
  f.Commit();
  CHECK(f.told > 0);
}

TEST_CASE("spool: the folder of another owner, or in use, is refused") {
  SpoolFixture f;
  f.Open();
  SpoolFixture second;
  second.config.path = f.folder.path();
  const Status in_use = second.TryOpen();
  CHECK(in_use.code() == StatusCode::kInvalidArgument);

  journal_test::Fixture journal;
  REQUIRE(journal.Open().ok());
  journal.Commit("not a spool's");
  journal.journal.reset();
  SpoolFixture third;
  third.config.path = journal.folder.path();
  CHECK(third.TryOpen().code() == StatusCode::kInvalidArgument);
}
