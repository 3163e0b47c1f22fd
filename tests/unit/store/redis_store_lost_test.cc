// What the Redis store makes of answers that are lost, strange, or put it off: over a scripted
// server, which sees what it is sent.
#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "store/redis_script.h"
#include "store/redis_store.h"
#include "tests/unit/store/redis_fake_server.h"

using namespace rivulet;
using std::chrono::milliseconds;
using Kind = StoreReply::Kind;

namespace {

const SystemClock kClock;

std::unique_ptr<RedisStore> Open(const RedisFakeServer& server,
                                 std::optional<Duration> patience = std::chrono::seconds(20)) {
  auto store = RedisStore::Open(server.address(), {&kClock, patience, "", std::size_t{1} << 20});
  REQUIRE(store.ok());
  return std::move(*store);
}

using Received = std::vector<std::vector<std::string>>;

}  // namespace

TEST_CASE("redis store: an increment whose answer is lost is never sent again") {
  RedisFakeServer server({{"", 1}, {":1\r\n", 1, false}});
  auto store = Open(server);
  const auto sum = store->Increment("n", 1);
  CHECK(sum.status().code() == StatusCode::kUnknownOutcome);
  CHECK(store->Report().unknown == 1);
  CHECK(store->Increment("m", 1).value() == 1);
  CHECK(server.received() == Received{{"INCRBY n 1"}, {"INCRBY m 1"}});
}

TEST_CASE("redis store: of a pipeline that is cut, what changes nothing twice is sent again") {
  RedisFakeServer server({{":1\r\n+OK\r\n$1", 4}, {"$1\r\nx\r\n:1\r\n", 2, false}});
  auto store = Open(server);
  StoreBatch batch;
  batch.Increment("n", 1);
  batch.Set("a", "x");
  batch.Get("a");
  batch.Delete("b");
  const auto replies = store->Run(batch);
  REQUIRE(replies.ok());
  CHECK(replies->at(0).whole == 1);
  CHECK(replies->at(1).kind == Kind::kDone);
  CHECK(replies->at(2).text == "x");
  CHECK(replies->at(3).whole == 1);
  CHECK(server.received() ==
        Received{{"INCRBY n 1", "SET a x", "GET a", "DEL b"}, {"GET a", "DEL b"}});
}

TEST_CASE(
    "redis store: a pipeline that is cut before an increment's answer is of unknown outcome") {
  RedisFakeServer server({{"+OK\r\n", 3}, {":1\r\n", 1, false}});
  auto store = Open(server);
  StoreBatch batch;
  batch.Set("a", "x");
  batch.HashIncrement("h", "f", 1);
  batch.Get("a");
  const Status status = store->Run(batch).status();
  CHECK(status.code() == StatusCode::kUnknownOutcome);
  CHECK(status.message().find("of 3 commands 1 were answered") != std::string::npos);
}

TEST_CASE("redis store: what is refused for now is sent again, and nothing else") {
  for (const char* refusal : {"LOADING", "OOM", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN",
                              "NOAUTH", "WRONGPASS", "NOPERM"}) {
    CAPTURE(refusal);
    RedisFakeServer server({{":7\r\n-" + std::string(refusal) + " not now\r\n", 2, false}});
    auto store = Open(server);
    StoreBatch batch;
    batch.set_patience(Duration::zero());
    batch.Increment("n", 1);
    batch.HashIncrement("h", "f", 1);
    const Status status = store->Run(batch).status();
    INFO(status.message());
    CHECK(status.code() == StatusCode::kUnavailable);
    CHECK(status.message().find(std::string(refusal) + " not now") != std::string::npos);
    CHECK(status.message().find(server.address().unix_path) != std::string::npos);
  }
  RedisFakeServer server({{":7\r\n-OOM full\r\n", 2, true}, {":1\r\n", 1, false}});
  auto store = Open(server);
  StoreBatch batch;
  batch.Increment("n", 1);
  batch.HashIncrement("h", "f", 1);
  const auto replies = store->Run(batch);
  REQUIRE(replies.ok());
  CHECK(replies->at(0).whole == 7);
  CHECK(replies->at(1).whole == 1);
  CHECK(server.received() == Received{{"INCRBY n 1", "HINCRBY h f 1"}, {"HINCRBY h f 1"}});
  CHECK(store->last_waited().has_value());
}

TEST_CASE("redis store: an answer of another kind fails its command, and the connection") {
  const std::pair<std::string, StoreOp> kCases[] = {
      {":5\r\n", StoreOp::kGet},
      {"*0\r\n", StoreOp::kHashIncrement},
      {"+OK\r\n", StoreOp::kSortedAdd},
      {"$1\r\nx\r\n", StoreOp::kSortedAdd},
      {"*1\r\n$1\r\na\r\n", StoreOp::kHashAll},
      {"$-1\r\n", StoreOp::kSortedTop},
      {"*2\r\n$1\r\na\r\n:1\r\n", StoreOp::kHashAll},
      {":1\r\n", StoreOp::kMergeMoments},
      {"*2\r\n$4\r\ndone\r\n*0\r\n", StoreOp::kHashMin}};
  for (const auto& row : kCases) {
    const auto& answer = row.first;
    const auto& op = row.second;
    CAPTURE(answer);
    RedisFakeServer server({{answer, 1, false}, {"$1\r\nx\r\n", 1, false}});
    auto store = Open(server);
    StoreBatch batch;
    if (op == StoreOp::kGet) batch.Get("key");
    if (op == StoreOp::kHashIncrement) batch.HashIncrement("key", "f", 1);
    if (op == StoreOp::kSortedAdd) batch.SortedAdd("key", "f", 1);
    if (op == StoreOp::kHashAll) batch.HashAll("key");
    if (op == StoreOp::kSortedTop) batch.SortedTop("key", 3);
    if (op == StoreOp::kHashMin || op == StoreOp::kMergeMoments) batch.HashMin("key", "f", 3);
    const auto replies = store->Run(batch);
    REQUIRE(replies.ok());
    CHECK(replies->at(0).kind == Kind::kFailed);
    CHECK(replies->at(0).status.code() == StatusCode::kCorrupt);
    CHECK(replies->at(0).status.message().find("key") != std::string::npos);
    CHECK(store->Get("key").value() == "x");
    CHECK(store->Report().connects == 2);
  }
}

TEST_CASE("redis store: the script is sent by its text where the server does not know it") {
  const std::string done = "*2\r\n$4\r\ndone\r\n*2\r\n:1\r\n:1\r\n";
  RedisFakeServer apart({{"-NOSCRIPT No matching script.\r\n", 1}, {done, 1, false}});
  auto store = Open(apart);
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.Once("scope", "q7");
  batch.Increment("n", 1);
  const auto replies = store->Run(batch);
  REQUIRE(replies.ok());
  CHECK(replies->at(0).whole == 1);
  const auto received = apart.received();
  // MessagePack: an array of 7, the numbers of the keys, and bit 7 of the ids.
  using namespace std::string_literals;
  const std::string tail =
      " 2 rivulet|once|scope|q|0 n a \xdd\0\0\0\7\xa4once\1\7\xa9"
      "604800000\xa4incr\2\xa1"
      "1"s;
  CHECK(received.at(0).at(0) == "EVALSHA " + std::string(RedisScriptSha()) + tail);
  CHECK(received.at(1).at(0) == "EVAL " + std::string(kRedisScript) + tail);
}

TEST_CASE("redis store: a batch behind Once() is sent again, one with a requirement is not") {
  const auto sent = [](auto fill) {
    RedisFakeServer server({{"", 1}, {"-ERR second\r\n", 1, false}});
    auto store = Open(server);
    StoreBatch batch(StoreBatch::Mode::kAtomic);
    fill(batch);
    const StatusCode code = store->Run(batch).status().code();
    // The second answer is an error, which is how it is seen that there was a second try.
    CHECK((code == StatusCode::kInvalidArgument || code == StatusCode::kUnknownOutcome));
    return code == StatusCode::kInvalidArgument ? "again" : "once";
  };
  using B = StoreBatch&;
  CHECK(sent([](B b) { b.Once("s", "1"), b.Increment("n", 1); }) == std::string("again"));
  CHECK(sent([](B b) { b.Set("a", "1"), b.HashMin("h", "f", 1); }) == std::string("again"));
  CHECK(sent([](B b) { b.RequireAbsent("a"), b.Get("b"); }) == std::string("again"));
  CHECK(sent([](B b) { b.Once("s", ""), b.Increment("n", 1); }) == std::string("once"));
  CHECK(sent([](B b) { b.Increment("n", 1), b.Once("s", "1"); }) == std::string("once"));
  CHECK(sent([](B b) { b.Admit("s", "m", 1), b.Get("a"); }) == std::string("once"));
  CHECK(sent([](B b) { b.RequireAbsent("a"), b.Set("a", "1"); }) == std::string("once"));
  CHECK(sent([](B b) { b.HashHas("h", "f"), b.HashSet("h", "f", "1"); }) == std::string("once"));
  CHECK(sent([](B b) { b.Once("s", "1"), b.HashHolds("h", "f", "1"), b.Increment("n", 1); }) ==
        std::string("again"));
  CHECK(sent([](B b) { b.HashHolds("h", "f", "1"), b.Get("a"); }) == std::string("again"));
  CHECK(sent([](B b) {
          b.Once("s", "1"), b.Increment("n", 1), b.Once("s", ""), b.Increment("n", 1);
        }) == std::string("once"));
}

TEST_CASE("redis store: nothing waits after Interrupt()") {
  RedisAddress nowhere;
  nowhere.unix_path = "/tmp/rivulet-no-such-socket";
  auto store = RedisStore::Open(nowhere, {&kClock, std::nullopt, "", 1000});
  REQUIRE(store.ok());
  std::thread interrupts([&] {
    while (!(*store)->last_waited()) std::this_thread::yield();
    (*store)->Interrupt();
  });
  const Status status = (*store)->Increment("n", 1).status();
  interrupts.join();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("No such file") != std::string::npos);
  CHECK((*store)->Get("n").status().code() == StatusCode::kUnavailable);
  CHECK((*store)->Keys("", StoreKind::kText, 1).status().code() == StatusCode::kUnavailable);
  CHECK((*store)->Report().status.code() == StatusCode::kUnavailable);
}

TEST_CASE("redis store: a command that no store knows is refused, and shifts no answers") {
  RedisFakeServer server({{"$1\r\nx\r\n", 1, false}});
  auto store = Open(server);
  StoreBatch known;
  known.Delete("a");
  std::string bytes(known.bytes());
  bytes[0] = 99;
  known.Get("b");
  bytes += known.bytes().substr(bytes.size());
  const auto batch = StoreBatch::FromBytes(StoreBatch::Mode::kPipelined, bytes);
  REQUIRE(batch);
  const auto replies = store->Run(*batch);
  REQUIRE(replies.ok());
  CHECK(replies->at(0).kind == Kind::kFailed);
  CHECK(replies->at(1).text == "x");
}
