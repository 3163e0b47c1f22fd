// How a cursor's reading ends: where it was to, by a cut, by a skip.
#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "pubsub/framed_log.h"
#include "tests/unit/pubsub/framed_log_support.h"

namespace rivulet {
namespace {

TEST_CASE("end: a cursor reads up to where it was to end, however much comes after") {
  LogFixture f(64);
  LogCursor cursor(&f.log);
  LogCursor other(&f.log);
  for (int i = 0; i < 9; ++i) f.log.Append({}, "before");
  CHECK_FALSE(cursor.at_end());
  cursor.EndHere();
  CHECK_FALSE(cursor.at_end());
  for (int i = 0; i < 9; ++i) f.log.Append({}, "after");
  cursor.EndHere();  // the first one counts
  CHECK(cursor.pending_bytes() == 63);
  CHECK(cursor.lag_messages() == 9);
  CHECK(Peek(cursor, 20) == "before\nbefore\n");
  std::string all;
  for (int i = 0; i < 9; ++i) all += "before\n";
  CHECK(Read(cursor) == all);
  CHECK(cursor.at_end());
  CHECK(Peek(cursor).empty());
  cursor.Detach();
  CHECK(Read(other).size() == 63 + 54);
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("end: where nothing is left to read it is at once") {
  LogFixture f;
  LogCursor cursor(&f.log);
  f.log.Append({}, "m");
  Read(cursor);
  cursor.EndHere();
  CHECK(cursor.at_end());
}

TEST_CASE("skip: what was promised is kept to the end of its message, the rest is left out") {
  LogFixture f(64);
  LogCursor cursor(&f.log);
  LogCursor other(&f.log);
  Remainder rest;
  for (const char* message : {"0", "11", "222", "3333", "44444"}) f.log.Append({}, message);
  SUBCASE("between two messages") {
    CHECK(Read(cursor, 2) == "0\n");
    CHECK(cursor.Skip(0, &rest) == 4);
    CHECK(rest.bytes().empty());
    CHECK(rest.messages() == 0);
  }
  SUBCASE("in a message") {
    CHECK(Read(cursor, 3) == "0\n1");
    CHECK(cursor.Skip(0, &rest) == 3);
    CHECK(rest.bytes() == "1\n");
    CHECK(rest.messages() == 1);
  }
  SUBCASE("with a promise") {
    Read(cursor, 1);
    CHECK(cursor.Skip(6, &rest) == 2);
    CHECK(rest.bytes() == "\n11\n222\n");
    CHECK(rest.messages() == 3);
  }
  SUBCASE("of nothing") {
    Read(cursor);
    CHECK(cursor.Skip(0, &rest) == 0);
    CHECK(rest.bytes().empty());
  }
  CHECK(cursor.pending_bytes() == 0);
  CHECK(cursor.index() == 5);
  CHECK_FALSE(cursor.mid_message());
  f.log.Append({}, "after");
  CHECK(Read(cursor) == "after\n");
}

TEST_CASE("skip: goes to where the cursor ends, not beyond") {
  LogFixture f;
  LogCursor cursor(&f.log);
  LogCursor other(&f.log);
  Remainder rest;
  f.log.Append({}, "one");
  f.log.Append({}, "two");
  cursor.EndHere();
  f.log.Append({}, "three");
  Read(cursor, 1);
  CHECK(cursor.Skip(0, &rest) == 1);
  CHECK(rest.bytes() == "ne\n");
  CHECK(cursor.at_end());
  f.log.Append({}, "four");
  CHECK(Peek(cursor).empty());
  CHECK(cursor.lag_messages() == 0);
}

TEST_CASE("cut: between two messages nothing is left to say") {
  LogFixture f;
  LogCursor cursor(&f.log);
  f.log.Append({}, "one");
  Read(cursor);
  f.log.Append({}, "two");
  const Remainder rest = cursor.Cut(0);
  CHECK(rest.bytes().empty());
  CHECK_FALSE(cursor.attached());
  CHECK(cursor.pending_bytes() == 0);
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("cut: the rest of the message in hand is kept, and no more") {
  LogFixture f;
  LogCursor cursor(&f.log);
  f.log.Append({}, "one");
  f.log.Append({}, "two");
  Read(cursor, 2);
  const Remainder rest = cursor.Cut(0);
  CHECK(rest.bytes() == "e\n");
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("cut: what was promised is kept up to the end of its last message") {
  LogFixture f(32);
  LogCursor cursor(&f.log);
  f.log.Append({}, "0123456789");  // 11 bytes and 4: two fit in a block
  f.log.Append({}, "abcdefghij");
  f.log.Append({}, "ABCDEFGHIJ");
  Read(cursor, 3);
  SUBCASE("the promise ends with a message") {
    CHECK(cursor.Cut(19).bytes() == "3456789\nabcdefghij\n");
  }
  SUBCASE("the promise ends in a later block") {
    CHECK(cursor.Cut(20).bytes() == "3456789\nabcdefghij\nABCDEFGHIJ\n");
  }
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("cut: the rest of a large message is not copied, and holds its block alone") {
  LogFixture f(256);
  LogCursor cursor(&f.log);
  f.log.Append({}, "before");
  f.log.Append({}, std::string(1'000'000, 'L'));
  for (int i = 0; i < 100; ++i) f.log.Append({}, "after");
  Read(cursor, 107);
  {
    Remainder rest = cursor.Cut(50);
    CHECK(rest.bytes() == std::string(999'900, 'L') + "\n");
    CHECK(f.pool.live_blocks() == 1);
    const Remainder moved = std::move(rest);
    CHECK(moved.bytes().size() == 999'901);
    CHECK(f.pool.live_blocks() == 1);
  }
  CHECK(f.pool.live_blocks() == 0);
}

}  // namespace
}  // namespace rivulet
