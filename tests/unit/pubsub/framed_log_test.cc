#include "pubsub/framed_log.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/pubsub/framed_log_support.h"

namespace rivulet {
namespace {

TEST_CASE("log: a cursor reads what is appended after it came, in order") {
  LogFixture f;
  LogCursor early(&f.log);
  f.log.Append({}, "one");
  LogCursor late(&f.log);
  f.log.Append({}, "two");
  CHECK(early.lag_messages() == 2);
  CHECK(early.pending_bytes() == 8);
  CHECK(Read(early) == "one\ntwo\n");
  CHECK(Read(late) == "two\n");
  CHECK(early.index() == 2);
  CHECK(late.index() == 2);
  CHECK(late.lag_messages() == 0);
}

TEST_CASE("log: what was gathered stays until it is consumed") {
  LogFixture f;
  LogCursor cursor(&f.log);
  f.log.Append({}, "one");
  CHECK(Peek(cursor) == "one\n");
  CHECK(Peek(cursor) == "one\n");
  CHECK(cursor.Consume(2) == 0);
  CHECK(cursor.mid_message());
  CHECK(Peek(cursor) == "e\n");
  CHECK(cursor.Consume(2) == 1);
  CHECK_FALSE(cursor.mid_message());
  CHECK(Peek(cursor).empty());
}

TEST_CASE("log: a gathering ends where a message ends") {
  LogFixture f;
  LogCursor cursor(&f.log);
  f.log.Append({}, "aaa");
  f.log.Append({}, "bbb");
  CHECK(Peek(cursor, 7) == "aaa\n");
  CHECK(Peek(cursor, 8) == "aaa\nbbb\n");
  CHECK(Peek(cursor, 4) == "aaa\n");
}

TEST_CASE("log: a message larger than the gathering comes in parts, alone") {
  LogFixture f;
  LogCursor cursor(&f.log);
  f.log.Append({}, "0123456789");
  f.log.Append({}, "b");
  CHECK(Read(cursor, 4) == "0123");
  CHECK(cursor.mid_message());
  CHECK(cursor.lag_messages() == 2);
  CHECK(Peek(cursor, 4) == "4567");
  CHECK(Peek(cursor, 8) == "456789\n");
  CHECK(Peek(cursor, 9) == "456789\nb\n");
}

TEST_CASE("log: it is told whether what was gathered ends with a message") {
  LogFixture f(32);
  LogCursor cursor(&f.log);
  f.log.Append({}, "0123456789");  // 11 bytes and 4: two fit in a block
  f.log.Append({}, "abcdefghij");
  f.log.Append({}, "ABCDEFGHIJ");
  for (std::size_t consumed = 0; consumed < 33; ++consumed) {
    const std::string bytes = Peek(cursor);
    REQUIRE(bytes.size() == 33 - consumed);
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
      CHECK(cursor.EndsMessage(size) == (bytes[size - 1] == '\n'));
    }
    cursor.Consume(1);
  }
}

TEST_CASE("log: a promise that is half consumed is gathered again as it was") {
  LogFixture f(64);
  LogCursor cursor(&f.log);
  f.log.Append({}, std::string(100, 'x'));
  f.log.Append({}, "after");
  CHECK(Peek(cursor, 30) == std::string(30, 'x'));
  cursor.Consume(10);
  f.log.Append({}, "more");
  CHECK(Peek(cursor, 20) == std::string(20, 'x'));
}

TEST_CASE("log: no block is held once all have caught up, and a warm one is used again") {
  LogFixture f;
  LogCursor a(&f.log);
  LogCursor b(&f.log);
  CHECK(f.pool.live_blocks() == 0);
  for (int round = 0; round < 5; ++round) {
    f.log.Append({}, "message");
    CHECK(f.pool.live_blocks() == 1);
    Read(a);
    CHECK(f.pool.live_blocks() == 1);
    Read(b);
    CHECK(f.pool.live_blocks() == 0);
    CHECK(f.pool.spare_blocks() == 1);
    CHECK(f.log.held_bytes() == 0);
  }
}

TEST_CASE("log: a slow cursor holds the blocks it has not read, once, whoever else listens") {
  LogFixture f(256);
  LogCursor slow(&f.log);
  std::vector<std::unique_ptr<LogCursor>> quick;
  for (int i = 0; i < 10; ++i) quick.push_back(std::make_unique<LogCursor>(&f.log));
  for (int i = 0; i < 100; ++i) {
    f.log.Append({}, std::string(99, 'm'));
    for (auto& cursor : quick) Read(*cursor);
  }
  // Two messages of 100 bytes and their 8 bytes of positions fit in 256 bytes.
  CHECK(f.pool.live_blocks() == 50);
  CHECK(f.log.held_bytes() == 10000);
  Read(slow, 5000);
  CHECK(f.pool.live_blocks() == 25);
  slow.Detach();
  CHECK(f.pool.live_blocks() == 0);
  CHECK(f.log.cursors().size() == 10);
}

TEST_CASE("log: a large message has a block of its own, given back to the system when read") {
  LogFixture f(256);
  LogCursor cursor(&f.log);
  f.log.Append({}, "small");
  f.log.Append({}, std::string(1'000'000, 'L'));
  f.log.Append({}, "small");
  CHECK(f.pool.live_blocks() == 3);
  CHECK(Read(cursor).size() == 1'000'013);
  CHECK(f.pool.live_blocks() == 0);
  CHECK(f.pool.live_bytes() == 0);
  CHECK(f.pool.spare_blocks() == 2);
}

TEST_CASE("log: a chain of 100,000 blocks is freed without recursion") {
  LogFixture f(64);
  LogCursor cursor(&f.log);
  const std::string message(50, 'm');
  for (int i = 0; i < 100'000; ++i) f.log.Append({}, message);
  CHECK(f.pool.live_blocks() == 100'000);
  SUBCASE("by reading") { CHECK(Read(cursor).size() == 5'100'000); }
  SUBCASE("by leaving") { cursor.Detach(); }
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("log: a cursor may leave and come to the end again, also of another log") {
  LogFixture f(64);
  FramedLog other(&f.pool, Framing::kMultipart);
  LogCursor keeper(&f.log);
  LogCursor cursor;
  CHECK_FALSE(cursor.attached());
  CHECK(cursor.pending_bytes() == 0);
  CHECK(cursor.lag_messages() == 0);
  for (int i = 0; i < 20; ++i) f.log.Append({}, "before");
  cursor.Attach(&f.log);
  CHECK(cursor.index() == 20);
  f.log.Append({}, "one");
  CHECK(Read(cursor) == "one\n");
  cursor.Detach();
  f.log.Append({}, "two");
  cursor.Attach(&f.log);
  f.log.Append({}, "three");
  CHECK(Read(cursor) == "three\n");
  cursor.Detach();
  cursor.Attach(&other);
  CHECK(cursor.index() == 0);
  other.Append({}, "m");
  CHECK(Read(cursor).starts_with("content-type"));
  Read(keeper);
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("log: a position stands before the message where the framing has one") {
  BlockPool pool;
  FramedLog log(&pool, Framing::kLinesAt);
  LogCursor cursor(&log);
  log.Append("17", "hello");
  log.Append("18 topic 3", "");
  CHECK(Read(cursor) == "17 hello\n18 topic 3 \n");
}

TEST_CASE("slow: a cursor is judged by what it had a turn to read, not by a burst") {
  LogFixture f;
  LogCursor stalled(&f.log);
  LogCursor quick(&f.log);
  std::vector<LogCursor*> slow;
  f.log.Append({}, std::string(5000, 'm'));
  f.log.FindSlow(1000, &slow);
  CHECK(slow.empty());
  Read(quick);
  f.log.Append({}, "m");
  f.log.FindSlow(1000, &slow);
  CHECK(slow == std::vector<LogCursor*>{&stalled});
}

TEST_CASE("slow: the search is repeated only once a sixteenth of the limit was appended") {
  LogFixture f;
  LogCursor first(&f.log);
  std::vector<LogCursor*> slow;
  f.log.Append({}, std::string(1600, 'm'));
  f.log.FindSlow(1600, &slow);
  f.log.FindSlow(1600, &slow);
  CHECK(slow.size() == 1);  // the first search
  f.log.Append({}, std::string(98, 'm'));
  f.log.FindSlow(1600, &slow);
  CHECK(slow.size() == 1);
  f.log.Append({}, "m");
  f.log.FindSlow(1600, &slow);
  CHECK(slow.size() == 2);
}

TEST_CASE("slow: exactly the limit is not too much") {
  LogFixture f;
  LogCursor cursor(&f.log);
  std::vector<LogCursor*> slow;
  f.log.Append({}, std::string(999, 'm'));
  f.log.FindSlow(1000, &slow);
  f.log.Append({}, std::string(500, 'm'));
  f.log.FindSlow(1000, &slow);
  CHECK(slow.empty());
  f.log.Append({}, std::string(500, 'm'));
  f.log.FindSlow(1000, &slow);
  CHECK(slow.size() == 1);
}

}  // namespace
}  // namespace rivulet
