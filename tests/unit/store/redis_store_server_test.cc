// The Redis store while a real server is full, read-only, locked, killed and started again.
#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <thread>

#include "store/redis_store.h"
#include "tests/unit/store/redis_test_server.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

const SystemClock kClock;

bool Skipped() {
  if (RedisTestServer::Installed()) return false;
  MESSAGE("skipped: there is no /usr/bin/redis-server");
  return true;
}

Result<std::unique_ptr<RedisStore>> TryOpen(const RedisAddress& address,
                                            std::optional<Duration> patience = std::nullopt,
                                            const std::string& password_file = "") {
  return RedisStore::Open(address, {&kClock, patience, password_file, std::size_t{1} << 20});
}

std::unique_ptr<RedisStore> Open(const RedisAddress& address,
                                 std::optional<Duration> patience = std::nullopt) {
  auto store = TryOpen(address, patience);
  INFO(store.status().message());
  REQUIRE(store.ok());
  return std::move(*store);
}

bool Holds(const Status& status, StatusCode code, const char* words) {
  INFO(status.message());
  CHECK(status.code() == code);
  return status.message().find(words) != std::string::npos;
}

/// `n` messages as one batch: each counted once, in a hash and in a sorted set.
StoreBatch Messages(int first, int n) {
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  for (int id = first; id < first + n; ++id) {
    batch.Once("load", "queue-" + std::to_string(id));
    batch.HashIncrement("counts", "n" + std::to_string(id % 7), 1);
    batch.SortedAdd("edges", "m" + std::to_string(id % 5), 0.5);
  }
  return batch;
}

/// What is to be refused gives up soon; what is to succeed has the store's time, however slow the
/// machine.
StoreBatch Hasty(StoreBatch batch) {
  batch.set_patience(milliseconds(30));
  return batch;
}

}  // namespace

TEST_CASE("redis store: under kills and restarts each message counts once") {
  if (Skipped()) return;
  RedisTestServer server({"--appendonly", "yes", "--appendfsync", "always"});
  constexpr int kBatches = 120;
  constexpr int kEach = 7;
  auto store = Open(server.address());
  std::atomic<int> progress = 0;
  bool ok = true;
  std::thread load([&] {
    for (int i = 0; i < kBatches; ++i) {
      ok = ok && store->Run(Messages(i * kEach, kEach)).ok();
      // Now and then one is delivered again.
      if (i % 3 == 0) ok = ok && store->Run(Messages(i * kEach, kEach)).ok();
      ++progress;
    }
  });
  for (int kill = 1; kill <= 4; ++kill) {
    while (progress < kill * kBatches / 5) std::this_thread::yield();
    if (kill % 2 == 0) {
      server.Kill();
      server.Start();
    } else {
      for (int i = 0; i < 10; ++i) server.Ask({"CLIENT", "KILL", "TYPE", "normal"});
    }
  }
  load.join();
  CHECK(ok);
  const auto counts = store->HashAll("counts");
  REQUIRE(counts.ok());
  CHECK(counts->size() == 7);
  for (const StoreItem& item : *counts) CHECK(item.text == std::to_string(kBatches));
  const auto edges = store->SortedTop("edges", -1);
  REQUIRE(edges.ok());
  CHECK(edges->size() == 5);
  for (const StoreItem& item : *edges) CHECK(item.number == 0.5 * kBatches * kEach / 5);
  CHECK(store->Report().connects > 2);
}

TEST_CASE("redis store: a server that is full, or read-only, is waited for") {
  if (Skipped()) return;
  RedisTestServer server;
  const std::vector<std::string> kHarms[] = {{"OOM", "CONFIG", "SET", "maxmemory", "1", "0"},
                                             {"READONLY", "REPLICAOF", "127.0.0.1", "1", "", ""}};
  int first = 0;
  for (const auto& harm : kHarms) {
    CAPTURE(harm[0]);
    auto store = Open(server.address());
    CHECK(store->Run(Messages(first, 7)).ok());
    const bool full = harm[0] == "OOM";
    if (full) {
      server.Ask({"CONFIG", "SET", "maxmemory", "1"});
    } else {
      server.Ask({"REPLICAOF", "127.0.0.1", "1"});
    }
    CHECK(Holds(store->Run(Hasty(Messages(first + 7, 7))).status(), StatusCode::kUnavailable,
                harm[0].c_str()));
    StoreBatch plain;
    plain.Set("a", "b");
    CHECK(Holds(store->Run(Hasty(plain)).status(), StatusCode::kUnavailable, harm[0].c_str()));
    CHECK(Holds(store->Report().status, StatusCode::kUnavailable, harm[0].c_str()));
    StoreBatch patient = Messages(first + 7, 7);
    patient.set_patience(std::chrono::seconds(20));
    std::thread lifts([&] {
      const auto before = *store->last_waited();
      while (*store->last_waited() == before) std::this_thread::yield();
      if (full) {
        server.Ask({"CONFIG", "SET", "maxmemory", "0"});
      } else {
        server.Ask({"REPLICAOF", "NO", "ONE"});
      }
    });
    const auto replies = store->Run(patient);
    lifts.join();
    REQUIRE(replies.ok());
    CHECK(replies->at(0).whole == 1);
    CHECK(store->Report().status.ok());
    CHECK(store->Report().waited > Duration::zero());
    first += 14;
  }
}

TEST_CASE("redis store: users, passwords and databases") {
  if (Skipped()) return;
  RedisTestServer server;
  RedisAddress address = server.address();
  address.db = 3;
  CHECK(Open(address)->Set("where", "three").ok());
  CHECK(Open(address)->Get("where").value() == "three");
  CHECK_FALSE(Open(server.address())->Get("where").value().has_value());
  address.db = 99;
  CHECK(Holds(TryOpen(address).status(), StatusCode::kInvalidArgument, "no DB 99"));
  address.db = 0;
  server.Ask({"ACL", "SETUSER", "counter", "on", ">secret", "~counts*", "~rivulet|*", "+@all",
              "-zincrby"});
  address.user = "counter";
  address.password = "wrong";
  const Status refused = TryOpen(address).status();
  CHECK(Holds(refused, StatusCode::kInvalidArgument, "refuses the user or password"));
  CHECK(refused.message().find("wrong:") == std::string::npos);
  const std::string file = address.unix_path + ".password";
  std::ofstream(file) << "secret\nmore\n";
  auto store = TryOpen(address, std::nullopt, file);
  REQUIRE(store.ok());
  CHECK((*store)->HashIncrement("counts", "a", 1).value() == 1);
  StoreBatch plain;
  plain.Set("other", "x");
  CHECK(Holds((*store)->Run(Hasty(plain)).status(), StatusCode::kUnavailable, "NOPERM"));
  // A key, or a command, that is not allowed: nothing of the batch is done.
  for (const char* key : {"other", "counts sorted"}) {
    StoreBatch batch(StoreBatch::Mode::kAtomic);
    batch.Once("acl", "1");
    batch.HashIncrement("counts", "a", 1);
    batch.SortedAdd(key, "m", 1);
    CHECK(Holds((*store)->Run(Hasty(batch)).status(), StatusCode::kUnavailable, "NOPERM"));
  }
  CHECK((*store)->HashGet("counts", "a").value() == "1");
  StoreBatch allowed(StoreBatch::Mode::kAtomic);
  allowed.Once("acl", "1");
  CHECK((*store)->Run(allowed)->at(0).whole == 1);
  // Of a key that the user may change: the command that deletes it names no other.
  allowed.Clear();
  allowed.Delete("counts");
  const auto deleted = (*store)->Run(Hasty(allowed));
  REQUIRE(deleted.ok());
  CHECK(deleted->at(0).whole == 1);
  // What a command needs behind its first change, too.
  server.Ask({"ACL", "SETUSER", "counter", "-pexpire"});
  StoreBatch half(StoreBatch::Mode::kAtomic);
  half.Once("acl", "2");
  half.Increment("counts", 1);
  CHECK(Holds((*store)->Run(Hasty(half)).status(), StatusCode::kUnavailable, "NOPERM"));
  server.Ask({"ACL", "SETUSER", "counter", "+pexpire"});
  CHECK((*store)->Run(half)->at(1).whole == 1);
  CHECK(Holds(TryOpen(address, {}, "/tmp/no such file").status(), StatusCode::kIoError,
              "/tmp/no such file"));
  server.Ask({"CONFIG", "SET", "requirepass", "other"});
  CHECK(
      Holds(TryOpen(server.address()).status(), StatusCode::kInvalidArgument, "needs a password"));
}

TEST_CASE("redis store: a server that is not there yet is waited for") {
  if (Skipped()) return;
  RedisTestServer server;
  server.Kill();
  CHECK(Holds(TryOpen(server.address(), milliseconds(20)).status(), StatusCode::kUnavailable,
              "refused"));
  auto store = Open(server.address());
  CHECK(store->Report().status.code() == StatusCode::kUnavailable);
  std::optional<Result<std::int64_t>> sum;
  std::thread waits([&] { sum = store->Increment("n", 1); });
  server.Start();
  waits.join();
  REQUIRE(sum->ok());
  CHECK(sum->value() == 1);
  // A connection that was closed while nobody called is no lost answer.
  server.Ask({"CLIENT", "KILL", "TYPE", "normal"});
  CHECK(store->Increment("n", 1).value() == 2);
  server.Kill();
  server.Start();
  CHECK(store->Increment("n", 1).value() == 1);
}

TEST_CASE("redis store: a batch of megabytes is one") {
  if (Skipped()) return;
  RedisTestServer server;
  auto store = Open(server.address());
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  const std::string large(std::size_t{1} << 20, 'x');
  for (int i = 0; i < 12; ++i) {
    batch.Once("large", std::to_string(i));
    batch.HashSet("h", large.substr(static_cast<std::size_t>(i)), large);
  }
  CHECK(store->Run(batch).ok());
  StoreBatch wrong = batch;
  wrong.Once("large", "12");
  wrong.Increment("h", 1);
  CHECK(Holds(store->Run(wrong).status(), StatusCode::kInvalidArgument, "'h'"));
  StoreBatch size;
  size.HashSize("h");
  CHECK(store->Run(size)->at(0).whole == 12);
  // More than what the store was told to take in one reply.
  CHECK(Holds(store->HashAll("h").status(), StatusCode::kTooLarge, "1048576"));
  CHECK(store->Increment("n", 1).value() == 1);
}
