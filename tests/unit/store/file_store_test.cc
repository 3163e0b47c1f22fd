#include "store/file_store.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/file_snapshot.h"
#include "tests/unit/store/file_store_support.h"

namespace rivulet {
namespace {

using namespace file_store_test;
using Call = FaultyDisk::Call;

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("file store: what was written is there when it is opened again") {
  Folder folder;
  folder.Open();
  CHECK(folder.store->Set("name", "rivulet").ok());
  CHECK(folder.store->Increment("count", 41).value() == 41);
  CHECK(folder.store->Increment("count", 1).value() == 42);
  CHECK(folder.store->Set("gone", "x").ok());
  CHECK(folder.store->Delete("gone").ok());
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.Set("a", "1");
  batch.Set("b", "2");
  CHECK(folder.store->Run(batch).ok());
  folder.Open();
  CHECK(folder.Text("name") == "rivulet");
  CHECK(folder.Text("count") == "42");
  CHECK(folder.Text("gone") == "(none)");
  CHECK(folder.Text("a") == "1");
  CHECK(folder.Text("b") == "2");
  CHECK(folder.store->recovered().records == 6);
}

TEST_CASE("file store: it counts commands and failures as the one in memory") {
  Folder folder;
  folder.Open();
  MemoryStore memory(folder.clock);
  for (Store* store : {static_cast<Store*>(folder.store.get()), static_cast<Store*>(&memory)}) {
    CHECK(store->Set("text", "x").ok());
    CHECK_FALSE(store->Increment("text", 1).ok());
    StoreBatch batch;
    for (int i = 0; i < 50; ++i) batch.Increment("n", 1);
    batch.Increment("text", 1);
    CHECK(store->Run(batch).ok());
    StoreBatch atomic(StoreBatch::Mode::kAtomic);
    atomic.Increment("n", 1);
    atomic.Increment("n", 1);
    CHECK(store->Run(atomic).ok());
    atomic.Increment("text", 1);
    CHECK_FALSE(store->Run(atomic).ok());
    CHECK(store->Keys("", StoreKind::kText, 10).ok());
    CHECK_FALSE(store->Keys("", StoreKind::kText, 1).ok());
  }
  CHECK(folder.store->Report().commands == 1 + 50 + 2 + 1);
  CHECK(folder.store->Report().failed == 1 + 1 + 3 + 1);
  CHECK(memory.Report().commands == folder.store->Report().commands);
  CHECK(memory.Report().failed == folder.store->Report().failed);
}

TEST_CASE("file store: what a refused batch asked for is not remembered, here or after a restart") {
  Folder folder;
  folder.Open();
  CHECK(folder.store->Set("text", "x").ok());
  const auto first = [&](const std::string& id, bool refused) {
    StoreBatch batch(StoreBatch::Mode::kAtomic);
    batch.Once("s", id);
    if (refused) {
      batch.Increment("text", 1);
    } else {
      batch.Increment("n " + id, 1);
    }
    const auto replies = folder.store->Run(batch);
    CHECK(replies.ok() == !refused);
  };
  constexpr std::chrono::hours kDay{24};
  for (const std::string end : {"", "z"}) {  // a bit, and a name
    first("q1" + end, false);
    folder.clock.Advance(5 * kDay);
    first("q2" + end, true);
    folder.clock.Advance(4 * kDay);
    first("q1" + end, false);
    folder.clock.Advance(10 * kDay);
    first("q3" + end, true);
    first("q1" + end, false);
  }
  const std::string bit = folder.Text("n q1");
  const std::string name = folder.Text("n q1z");
  CHECK(bit == "3");   // forgotten after a week
  CHECK(name == "2");  // after one or two
  folder.Open();
  CHECK(folder.Text("n q1") == bit);
  CHECK(folder.Text("n q1z") == name);
}

TEST_CASE("file store: what only reads, or fails, writes nothing") {
  Folder folder;
  folder.Open();
  CHECK(folder.store->Set("word", "one").ok());
  const int writes = folder.disk.calls(Call::kWrite), syncs = folder.disk.calls(Call::kSync);
  CHECK(folder.Text("word") == "one");
  CHECK(folder.store->HashAll("nothing").ok());
  CHECK(folder.store->Keys("", StoreKind::kText, 10).ok());
  CHECK_FALSE(folder.store->Increment("word", 1).ok());
  StoreBatch refused(StoreBatch::Mode::kAtomic);
  refused.Set("x", "1");
  refused.RequireText("word", "two");
  CHECK(folder.store->Run(refused).status().code() == StatusCode::kConflict);
  CHECK(folder.disk.calls(Call::kWrite) == writes);
  CHECK(folder.disk.calls(Call::kSync) == syncs);
  CHECK(folder.store->Report().failed == 3);
}

TEST_CASE("file store: a batch is one write, and one sync where that is asked for") {
  for (const FileStoreSync sync : {FileStoreSync::kAlways, FileStoreSync::kNone}) {
    Folder folder;
    folder.options.sync = sync;
    folder.Open();
    CHECK(folder.store->Set("first", "1").ok());  // makes the segment
    const int writes = folder.disk.calls(Call::kWrite), syncs = folder.disk.calls(Call::kSync);
    StoreBatch batch(StoreBatch::Mode::kAtomic);
    for (int i = 0; i < 500; ++i) batch.Increment("key " + std::to_string(i % 7), i);
    CHECK(folder.store->Run(batch).ok());
    CHECK(folder.disk.calls(Call::kWrite) - writes == 1);
    CHECK(folder.disk.calls(Call::kSync) - syncs == (sync == FileStoreSync::kAlways ? 1 : 0));
  }
}

TEST_CASE("file store: expiry goes on while the store is closed, and by a clock set back") {
  Folder folder;
  folder.Open();
  CHECK(folder.store->Set("short", "1").ok());
  CHECK(folder.store->Expire("short", std::chrono::minutes(1)).ok());
  CHECK(folder.store->Set("long", "1").ok());
  CHECK(folder.store->Expire("long", std::chrono::hours(1)).ok());
  folder.store.reset();
  folder.clock.Advance(std::chrono::minutes(2));
  folder.Open();
  CHECK(folder.Text("short") == "(none)");
  CHECK(folder.Text("long") == "1");
  // It was gone at a later time, so it stays gone; and what is then made at its key is told from it
  // when the journal is read again.
  CHECK(folder.store->Set("other", "1").ok());
  folder.clock.StepWall(-std::chrono::minutes(2));
  CHECK(folder.Text("short") == "(none)");
  CHECK(folder.store->Increment("short", 5).value() == 5);
  folder.Open();
  CHECK(folder.Text("short") == "5");
}

TEST_CASE("file store: one process at a time has it, and the second hears who") {
  Folder folder;
  folder.Open();
  int answers[2];
  REQUIRE(pipe(answers) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto second = FileStore::Open(folder.options);
    const std::string message = second.status().message();
    const bool wrote = write(answers[1], message.data(), message.size()) >= 0;
    _exit(wrote && second.status().code() == StatusCode::kInvalidArgument ? 0 : 1);
  }
  close(answers[1]);
  char text[1024];
  const ssize_t size = read(answers[0], text, sizeof text);
  close(answers[0]);
  int how = 0;
  REQUIRE(waitpid(child, &how, 0) == child);
  CHECK(how == 0);
  CHECK(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))) ==
        "file:" + folder.options.folder + ": in use by process " + std::to_string(getpid()));
}

TEST_CASE("file store: a folder that cannot be made, and a file in its place, are told") {
  Folder folder;
  folder.options.folder = folder.folder.path() + "/no/such";
  CHECK(folder.TryOpen().message() ==
        "file:" + folder.options.folder + ": No such file or directory");
  folder.options.folder = folder.folder.File("file");
  WriteFile(folder.options.folder, "x");
  CHECK_FALSE(folder.TryOpen().ok());
}

TEST_CASE("file store: another format is refused by its name") {
  Folder folder;
  folder.Open();
  CHECK(folder.store->Set("a", "1").ok());
  folder.store.reset();

  SUBCASE("of the journal") {
    std::string bytes = EncodeSegmentHeader({1, 0, 1, 7, "store 2"});
    folder.Replace(SegmentName(1), bytes);
    const Status status = folder.TryOpen();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(Has(status.message(), "the journal of \"store 2\", not of \"store\""));
  }
  SUBCASE("of the snapshot") {
    std::string bytes = EncodeFileSnapshot({});
    bytes[8] = 2;
    folder.Replace("snapshot", bytes);
    const Status status = folder.TryOpen();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(Has(status.message(), "/snapshot: a snapshot of format 2; this program reads format 1"));
  }
}

TEST_CASE("file store: a snapshot or segment that is missing refuses the start") {
  Folder folder;
  folder.options.least_journal_bytes = 2000;
  folder.options.segment_bytes = 1000;
  folder.Open();
  for (int i = 0; i < 60; ++i) CHECK(folder.store->Increment("a", 1).ok());
  REQUIRE(folder.store->snapshots() > 0);
  folder.store.reset();
  const auto segments = folder.folder.Segments();
  REQUIRE(segments.size() > 0);
  const std::string first = folder.folder.Segment(segments.front());
  SUBCASE("snapshot") {
    std::filesystem::remove(folder.folder.File("snapshot"));
    const Status status = folder.TryOpen();
    CHECK(status.code() == StatusCode::kCorrupt);
    CHECK(Has(status.message(), folder.folder.Segment(1) + ":0: the segment is missing"));
  }
  SUBCASE("segment") {
    folder.Open();
    for (int i = 0; i < 40; ++i) CHECK(folder.store->Increment("a", 1).ok());
    folder.store.reset();
    const auto now = folder.folder.Segments();
    REQUIRE(now.size() > 1);
    std::filesystem::remove(folder.folder.Segment(now.front()));
    const Status status = folder.TryOpen();
    CHECK(status.code() == StatusCode::kCorrupt);
    CHECK(Has(status.message(), folder.folder.Segment(now.front()) + ":0: "));
  }
}

TEST_CASE("file store: the folder stays bounded, whatever is written") {
  Folder folder;
  folder.options.sync = FileStoreSync::kNone;
  folder.options.least_journal_bytes = 20'000;
  folder.options.segment_bytes = 8'000;
  folder.Open();
  const std::string value(100, 'v');
  std::uint64_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    REQUIRE(folder.store->Set("key " + std::to_string(i % 300), value).ok());
    if (i % 100 == 0) most = std::max(most, folder.Bytes());
  }
  // 300 keys are about 40 KB: the snapshot, twice as much of journal, and a segment begun.
  CHECK(most < 160'000);
  CHECK(folder.store->snapshots() > 10);
  CHECK(folder.store->Report().disk_bytes < 160'000);
  folder.Open();
  CHECK(folder.store->Report().keys == 300);
}

TEST_CASE("file store: where no snapshot can be made, the journal goes on") {
  Folder folder;
  folder.options.least_journal_bytes = 1000;
  folder.Open();
  std::filesystem::create_directories(folder.folder.File("snapshot.new"));
  for (int i = 0; i < 100; ++i) REQUIRE(folder.store->Increment("a", 1).ok());
  CHECK(folder.store->snapshots() == 0);
  CHECK(Has(folder.store->Report().status.message(), "snapshot.new"));
  folder.Open();
  CHECK(folder.Text("a") == "100");
  std::filesystem::remove(folder.folder.File("snapshot.new"));
  for (int i = 0; i < 100; ++i) REQUIRE(folder.store->Increment("a", 1).ok());
  CHECK(folder.store->snapshots() > 0);
  CHECK(folder.store->Report().status.ok());
  folder.Open();
  CHECK(folder.Text("a") == "200");
}

}  // namespace
}  // namespace rivulet
