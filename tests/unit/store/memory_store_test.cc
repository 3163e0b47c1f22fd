#include "store/memory_store.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "algorithms/moments.h"
#include "base/clock.h"
#include "tests/unit/store/conformance.h"

using rivulet::FakeClock;
using rivulet::MemoryStore;
using rivulet::StatusCode;
using rivulet::StoreBatch;
using rivulet::StoreKind;
using rivulet::StoreReply;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

std::string Value(MemoryStore& store, std::string_view key) {
  auto value = store.Get(key);
  REQUIRE(value.ok());
  return value->value_or("(none)");
}

std::int64_t First(MemoryStore& store, std::string_view scope, std::string_view id) {
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.Once(scope, id);
  return store.Run(batch)->at(0).whole;
}

}  // namespace

TEST_CASE("memory store: it answers as every store does") {
  FakeClock clock;
  rivulet::TestStoreConformance([&] { return std::make_unique<MemoryStore>(clock); },
                                {.pass = [&](rivulet::Duration time) { clock.Advance(time); }});
}

TEST_CASE("memory store: it knows how much it holds") {
  FakeClock clock;
  MemoryStore store(clock);
  CHECK(store.bytes() == 0);
  REQUIRE(store.Set("key", "value").ok());
  REQUIRE(store.Set("key", "v").ok());
  REQUIRE(store.Increment("n", 100).ok());
  CHECK(store.size() == 2);
  CHECK(store.bytes() == 3 + 1 + 1 + 8);
  REQUIRE(store.HashIncrement("h", "field", 1).ok());
  REQUIRE(store.HashSet("h", "f", "text").ok());
  REQUIRE(store.SortedAdd("s", "member", 1).ok());
  CHECK(store.bytes() == 13 + 1 + 5 + 8 + 1 + 4 + 1 + 6 + 8);
  CHECK(store.Report().keys == 4);
  CHECK(store.Report().bytes == store.bytes());
  CHECK(store.Report().commands == 6);
  CHECK_FALSE(store.Increment("h", 1).ok());
  CHECK(store.Report().failed == 1);
  for (const char* key : {"key", "n", "h", "s"}) REQUIRE(store.Delete(key).ok());
  CHECK(store.bytes() == 0);
  CHECK(store.size() == 0);
}

TEST_CASE("memory store: a refused batch leaves as much as there was") {
  FakeClock clock;
  MemoryStore store(clock);
  REQUIRE(store.Set("text", "x").ok());
  REQUIRE(store.HashSet("h", "a", "1").ok());
  REQUIRE(store.SortedSet("s", "a", 1).ok());
  REQUIRE(store.SortedSet("s", "b", 2).ok());
  REQUIRE(store.Expire("h", hours(1)).ok());
  const std::size_t bytes = store.bytes();
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.HashDelete("h", "a");
  batch.HashSet("h", "long field", "long text");
  batch.Expire("h", hours(5));
  batch.Delete("h");
  batch.Set("h", "text");
  batch.Set("h", "longer text");
  batch.SortedAddWithin("s", "c", 1, 1);  // of three there is room for one
  batch.SortedAddWithin("s", "d", 1, 1);
  batch.SortedAddDecayed("s", "e", 1, rivulet::WallTime(seconds(1)), hours(1));
  batch.SortedAddDecayed("s", "e", 1, rivulet::WallTime(hours(100)), hours(1));
  for (int i = 0; i < 2000; ++i) batch.DistinctAdd("d", std::to_string(i));
  batch.Expire("text", -seconds(1));
  batch.Increment("text", 1);
  batch.Expire("text", seconds(1));
  batch.HashGet("s", "a");
  const rivulet::Status status = store.Run(batch).status();
  CHECK(status.message() == "key 's' holds a sorted set, and not a hash");
  CHECK(store.bytes() == bytes);
  CHECK(store.size() == 3);
  CHECK(Value(store, "text") == "x");
  CHECK(store.HashGet("h", "a")->value() == "1");
  CHECK(store.SortedTop("s", -1)->size() == 2);
  clock.Advance(hours(1));
  CHECK_FALSE(store.HashGet("h", "a")->has_value());
  CHECK(Value(store, "text") == "x");
}

TEST_CASE("memory store: keys that have expired are freed though nobody asks for them") {
  FakeClock clock;
  MemoryStore store(clock);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(store.Set(std::to_string(i), "text").ok());
    REQUIRE(store.Expire(std::to_string(i), seconds(i % 2 ? 10 : 20)).ok());
  }
  clock.Advance(seconds(15));
  for (int i = 0; i < 100; ++i) REQUIRE(store.Increment("n", 1).ok());
  CHECK(store.size() == 501);
  clock.Advance(seconds(15));
  for (int i = 0; i < 100; ++i) REQUIRE(store.Increment("n", 1).ok());
  CHECK(store.size() == 1);
  CHECK(store.bytes() == 9);
}

TEST_CASE("memory store: with a set that expires goes what is kept of its decay") {
  FakeClock clock;
  MemoryStore store(clock);
  for (const char* key : {"seen", "not seen"}) {
    StoreBatch batch;
    batch.SortedAddDecayed(key, "m", 1, rivulet::WallTime(seconds(1)), hours(1));
    REQUIRE(store.Run(batch).ok());
    REQUIRE(store.Expire(key, seconds(1)).ok());
  }
  clock.Advance(seconds(1));
  CHECK(store.SortedTop("seen", -1)->empty());
  CHECK(store.HashAll(StoreBatch::kDecayedKey)->empty());
  CHECK(store.size() == 0);
  CHECK(store.bytes() == 0);
}

TEST_CASE("memory store: half a millisecond is the shortest time but none") {
  FakeClock clock;
  MemoryStore store(clock);
  REQUIRE(store.Set("key", "value").ok());
  REQUIRE(store.Expire("key", std::chrono::microseconds(500)).ok());
  CHECK(Value(store, "key") == "value");
  clock.Advance(std::chrono::milliseconds(1));
  CHECK(Value(store, "key") == "(none)");
}

TEST_CASE("memory store: a refused batch asks for no id, and moves no time of those there are") {
  // Beside one that was never asked: ids of both kinds, each time between two weeks.
  FakeClock clock;
  MemoryStore store(clock);
  MemoryStore plain(clock);
  REQUIRE(store.Set("text", "x").ok());
  REQUIRE(plain.Set("text", "x").ok());
  for (int step = 0; step < 40; ++step) {
    CAPTURE(step);
    const std::string number = "q" + std::to_string(step % 5);
    const std::string name = number + "z";
    StoreBatch refused(StoreBatch::Mode::kAtomic);
    for (int i = 0; i < 8; ++i) {
      refused.Once("s", "q" + std::to_string(i));
      refused.Once("s", "q" + std::to_string(i) + "z");
      refused.Once("new" + std::to_string(step), std::to_string(i));
    }
    refused.Once("", "");  // so that what is refused is not skipped
    refused.HashGet("text", "f");
    CHECK(store.Run(refused).status().code() == StatusCode::kInvalidArgument);
    if (step % 3 != 2) {
      CHECK(First(store, "s", number) == First(plain, "s", number));
      CHECK(First(store, "s", name) == First(plain, "s", name));
    }
    clock.Advance(hours(24 * (1 + step * 7 % 6)));
  }
  clock.Advance(hours(24 * 40));
  for (int i = 0; i < 30; ++i) CHECK(First(store, "", "") == 1);
  CHECK(store.bytes() == 4 + 1);
}

TEST_CASE("memory store: an id is remembered for a week after the last of its million") {
  FakeClock clock;
  MemoryStore store(clock);
  CHECK(First(store, "s", "q7") == 1);
  CHECK(First(store, "s", "name") == 1);
  clock.Advance(hours(24 * 6));
  CHECK(First(store, "s", "q8") == 1);
  CHECK(First(store, "s", "other") == 1);
  clock.Advance(hours(24 * 6));
  CHECK(First(store, "s", "q7") == 0);
  CHECK(First(store, "s", "q8") == 0);
  CHECK(First(store, "s", "other") == 0);
  clock.Advance(hours(24) + seconds(1));
  CHECK(First(store, "s", "q7") == 1);
  clock.Advance(hours(24 * 15));
  CHECK(First(store, "s", "name") == 1);
  clock.Advance(hours(24 * 15));
  for (int i = 0; i < 5; ++i) CHECK(First(store, "other scope", "") == 1);
  CHECK(store.bytes() == 0);
}

TEST_CASE(
    "memory store: a dense million of ids takes no more than 160 KB, a few some hundred bytes") {
  FakeClock clock;
  MemoryStore store(clock);
  CHECK(First(store, "s", "q2000000") == 1);
  CHECK(store.bytes() < 100);
  // Some of each page of bits: all of them would take no more.
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  for (int id = 1000; id < 1 << 20; id += 509) batch.Once("s", "q" + std::to_string(id));
  REQUIRE(store.Run(batch).ok());
  CHECK(store.bytes() < 160'000);
  CHECK(First(store, "s", "q1509") == 0);
  CHECK(First(store, "s", "q1510") == 1);
}

TEST_CASE("memory store: what was saved is there again, and nothing else") {
  FakeClock clock;
  MemoryStore store(clock);
  CHECK(store.Save().empty());
  REQUIRE(store.Set("a\n", std::string("1\n\0", 3)).ok());
  REQUIRE(store.Set("", "").ok());
  REQUIRE(store.Increment("n", -5).ok());
  REQUIRE(store.HashSet("h", "f", "text").ok());
  REQUIRE(store.HashIncrement("h", "n", 7).ok());
  REQUIRE(store.SortedSet("s", "m", 0.1).ok());
  REQUIRE(store.Expire("s", hours(2)).ok());
  StoreBatch batch;
  rivulet::Moments moments;
  moments.Update(0.1);
  batch.MergeMoments("moments", moments.Save());
  for (int i = 0; i < 3000; ++i) batch.DistinctAdd("d", std::to_string(i));
  REQUIRE(store.Run(batch).ok());
  for (int i = 0; i < 200; ++i) CHECK(First(store, "s", std::to_string(i * 7)) == 1);
  CHECK(First(store, "few", "q9") == 1);
  CHECK(First(store, "names", "name") == 1);

  MemoryStore other(clock);
  REQUIRE(other.Set("old", "x").ok());
  REQUIRE(other.Load(store.Save()).ok());
  CHECK(other.size() == store.size());
  CHECK(other.Save() == store.Save());
  CHECK(Value(other, "a\n") == std::string("1\n\0", 3));
  CHECK(*other.Increment("n", 1) == -4);
  CHECK(*other.HashIncrement("h", "n", 1) == 8);
  CHECK(other.HashGet("moments", "mean")->value() == "0.1");
  StoreBatch count;
  count.DistinctCount("d");
  CHECK(other.Run(count)->at(0).whole == store.Run(count)->at(0).whole);
  CHECK(First(other, "s", "7") == 0);
  CHECK(First(other, "s", "8") == 1);
  CHECK(First(other, "few", "q9") == 0);
  CHECK(First(other, "names", "name") == 0);
  CHECK(other.SortedTop("s", 1)->at(0).number == 0.1);
  clock.Advance(hours(2));
  CHECK(other.SortedTop("s", 1)->empty());
  clock.Advance(hours(24 * 7));
  CHECK(First(other, "few", "q9") == 1);
  CHECK(other.Load("").ok());
  CHECK(other.size() == 0);
  CHECK(other.bytes() == 0);
}

TEST_CASE("memory store: what the first version saved is read") {
  FakeClock clock;
  MemoryStore store(clock);
  REQUIRE(store.Load("rivulet store 1\n1\na\n2\n12\n3\nkey\n4\ntext\n").ok());
  CHECK(store.size() == 2);
  CHECK(*store.Increment("a", 1) == 13);
  CHECK(Value(store, "key") == "text");
  CHECK(store.Load("rivulet store 1\n").ok());
  CHECK(store.size() == 0);
}

TEST_CASE("memory store: saved bytes that are not whole are refused, and nothing changes") {
  FakeClock clock;
  MemoryStore store(clock);
  REQUIRE(store.Set("key", "value").ok());
  REQUIRE(store.HashSet("h", "f", "v").ok());
  REQUIRE(store.SortedSet("s", "m", 1).ok());
  const std::string saved = store.Save();
  MemoryStore other(clock);
  REQUIRE(other.Set("mine", "1").ok());
  // Between two records it is a store that holds less; a whole one is told by who keeps it.
  const std::size_t head = std::string("rivulet store 2\n").size();
  int whole = 0;
  for (std::size_t size = 1; size < saved.size(); ++size) {
    CAPTURE(size);
    MemoryStore loaded(clock);
    const rivulet::Status status = loaded.Load(saved.substr(0, size));
    if (status.ok()) {
      ++whole;
      CHECK(size >= head);
    } else {
      CHECK(status.code() == StatusCode::kCorrupt);
      CHECK(other.Load(saved.substr(0, size)).code() == StatusCode::kCorrupt);
    }
  }
  CHECK(whole == 3);  // none, one and two of the three
  CHECK(other.Load(saved + "x").code() == StatusCode::kCorrupt);
  CHECK(other.Load(saved + saved.substr(head)).code() == StatusCode::kCorrupt);
  CHECK(other.Load("rivulet store 1\n1\na\n1\nb\n1\na\n1\nc\n").code() == StatusCode::kCorrupt);
  CHECK(other.Load("rivulet store 1\n1\na\n1\nb").code() == StatusCode::kCorrupt);
  CHECK(other.Load("rivulet store 3\n").code() == StatusCode::kCorrupt);
  CHECK(Value(other, "mine") == "1");
}

TEST_CASE("memory store: a command that there is not, or that is broken, fails alone") {
  FakeClock clock;
  MemoryStore store(clock);
  StoreBatch batch;
  batch.Set("key", "value");
  std::string bytes(batch.bytes());
  bytes[0] = 99;
  StoreBatch decayed;
  decayed.SortedAddDecayed("s", "m", 1, rivulet::WallTime(seconds(1)), seconds(0));
  const auto broken =
      StoreBatch::FromBytes(StoreBatch::Mode::kPipelined,
                            bytes + std::string(decayed.bytes()) + std::string(batch.bytes()));
  REQUIRE(broken.has_value());
  const auto replies = store.Run(*broken);
  REQUIRE(replies.ok());
  CHECK(replies->at(0).status.code() == StatusCode::kInvalidArgument);
  CHECK(replies->at(1).status.code() == StatusCode::kInvalidArgument);
  CHECK(replies->at(2).status.ok());
  CHECK(store.size() == 1);
}

TEST_CASE("memory store: sums that no number can hold are refused") {
  FakeClock clock;
  MemoryStore store(clock);
  CHECK(*store.SortedAdd("s", "m", 1e308) == 1e308);
  CHECK(store.SortedAdd("s", "m", 1e308).status().code() == StatusCode::kInvalidArgument);
  rivulet::Moments large;
  large.Update(1e77);
  StoreBatch batch;
  batch.MergeMoments("m", large.Save());
  large.Update(-1e77);  // whose fourth power is no number
  batch.MergeMoments("m", large.Save());
  rivulet::Moments other;
  other.Update(-1e77);
  batch.MergeMoments("m", other.Save());
  batch.SortedAddWithin("s", "n", 1e308, 1);
  const auto replies = store.Run(batch);
  CHECK(replies->at(0).kind == StoreReply::Kind::kDone);
  CHECK(replies->at(1).kind == StoreReply::Kind::kFailed);
  CHECK(replies->at(2).kind == StoreReply::Kind::kFailed);
  CHECK(replies->at(3).kind == StoreReply::Kind::kFailed);
  CHECK(store.HashGet("m", "n")->value() == "1");
  CHECK(store.SortedTop("s", -1)->at(0).name == "m");
}

TEST_CASE("memory store: its own keys are listed for who asks for them alone") {
  FakeClock clock;
  MemoryStore store(clock);
  StoreBatch batch;
  batch.SortedAddDecayed("s", "m", 1, rivulet::WallTime(seconds(1)), hours(1));
  REQUIRE(store.Run(batch).ok());
  CHECK(store.Keys("", StoreKind::kHash, 5)->empty());
  CHECK(store.Keys("rivulet|", StoreKind::kHash, 5)->size() == 1);
}
