// The file store on a disk that fails, and beside another process.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/file_store.h"
#include "tests/unit/store/file_store_support.h"

namespace rivulet {
namespace {

using namespace file_store_test;
using Call = FaultyDisk::Call;

TEST_CASE("file store: a full disk refuses changes, keeps answering, and goes on") {
  Folder folder;
  folder.options.segment_bytes = 2000;
  folder.Open();
  std::int64_t count = 0;
  while (folder.store->Increment("a", 1).ok()) {
    if (++count == 10) {
      folder.disk.Fail(Call::kAllocate, StatusCode::kExhausted);
      folder.disk.Fail(Call::kCreate, StatusCode::kExhausted);
    }
    REQUIRE(count < 1000);
  }
  const Status status = folder.store->Set("b", "1");
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("told to fail") != std::string::npos);
  CHECK(folder.store->Report().status.code() == StatusCode::kUnavailable);
  CHECK(folder.Text("a") == std::to_string(count));
  CHECK(folder.Text("b") == "(none)");

  folder.disk.Heal();
  CHECK(folder.store->Increment("a", 1).value() == count + 1);
  CHECK(folder.store->Report().status.ok());
  folder.Open();
  CHECK(folder.Text("a") == std::to_string(count + 1));
  CHECK(folder.Text("b") == "(none)");
}

TEST_CASE("file store: a disk that is full in spite of its promise leaves memory as the disk") {
  for (const bool of_a_segment : {false, true}) {
    Folder folder;
    folder.Open();
    if (!of_a_segment) {
      CHECK(folder.store->Set("a", "old").ok());
      CHECK(folder.store->Expire("a", std::chrono::hours(1)).ok());
    }
    const std::string before = of_a_segment ? "(none)" : "old";
    folder.disk.Fail(Call::kWrite, StatusCode::kExhausted);
    for (int i = 0; i < 3; ++i) {
      CHECK(folder.store->Set("a", "new").code() == StatusCode::kUnavailable);
      CHECK(folder.Text("a") == before);
    }
    folder.disk.Heal();
    CHECK(folder.store->Set("b", "1").ok());
    folder.Open();
    CHECK(folder.Text("a") == before);
    CHECK(folder.Text("b") == "1");
  }
}

TEST_CASE("file store: a limit of file sizes is a full disk, and it goes on when it is lifted") {
  Folder folder;
  folder.Open();
  CHECK(folder.store->Set("a", "old").ok());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit full{10, before.rlim_max};  // where room was made already, and for more
  REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
  const Status small = folder.store->Set("a", "new");
  const Status large = folder.store->Set("a", std::string(2 << 20, 'x'));
  const std::string held = folder.Text("a");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, handler);
  INFO(small.message());
  CHECK(small.code() == StatusCode::kUnavailable);
  CHECK(large.code() == StatusCode::kUnavailable);
  CHECK(held == "old");
  CHECK(folder.store->Set("b", "1").ok());
  folder.Open();
  CHECK(folder.Text("a") == "old");
  CHECK(folder.Text("b") == "1");
}

TEST_CASE("file store: damage is told from what another process changes by reading twice") {
  Folder folder;
  folder.Open();
  for (int i = 0; i < 3; ++i) CHECK(folder.store->Set("a", std::string(100, 'x')).ok());
  folder.store.reset();
  const std::string segment = folder.folder.Segment(1);
  std::string bytes = ReadFile(segment);
  bytes[bytes.size() / 3] ^= 1;
  WriteFile(segment, bytes);
  folder.options.read_only = true;
  const int watch = inotify_init1(IN_NONBLOCK);
  REQUIRE(inotify_add_watch(watch, segment.c_str(), IN_OPEN | IN_CLOSE) >= 0);
  CHECK(folder.TryOpen().code() == StatusCode::kCorrupt);
  int opened = 0;
  alignas(inotify_event) char events[16384];
  const ssize_t size = read(watch, events, sizeof events);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(sizeof(inotify_event))) {
    const auto* event = reinterpret_cast<const inotify_event*>(events + at);
    if ((event->mask & IN_OPEN) != 0) ++opened;
  }
  close(watch);
  CHECK(opened > 2);
  CHECK(opened < 30);  // each try opens it some times, to look at its size and to read it
}

TEST_CASE("file store: after a failed write or sync nothing is answered until a restart") {
  for (const Call call : {Call::kWrite, Call::kSync}) {
    Folder folder;
    folder.Open();
    CHECK(folder.store->Set("a", "1").ok());
    folder.disk.Fail(call, StatusCode::kIoError, 0, 1);
    const Status status = folder.store->Set("a", "2");
    CHECK(status.code() == StatusCode::kUnknownOutcome);
    CHECK(status.message() == "file:" + folder.options.folder +
                                  ": told to fail: " + folder.folder.Segment(1) +
                                  "; nothing is read or written until a restart");
    CHECK(folder.store->Set("b", "1").code() == StatusCode::kUnavailable);
    CHECK(folder.store->Get("a").status().code() == StatusCode::kUnavailable);
    CHECK(folder.store->Keys("", StoreKind::kText, 1).status().code() == StatusCode::kUnavailable);
    CHECK(folder.store->Report().unknown == 1);
    CHECK(folder.disk.syncs_after_failure() == 0);
    folder.Open();
    CHECK(folder.Text("b") == "(none)");
    // Half of the record was written in the one case, all of it in the other.
    CHECK(folder.Text("a") == (call == Call::kWrite ? "1" : "2"));
  }
}

TEST_CASE("file store: it is read beside the process that writes to it") {
  Folder folder;
  folder.options.least_journal_bytes = 3000;
  folder.options.segment_bytes = 1000;
  folder.Open();
  FileStoreOptions options = folder.options;
  options.read_only = true;
  int opened = 0;
  for (int i = 1; i <= 300; ++i) {
    REQUIRE(folder.store->Increment("a", 1).ok());
    if (i % 7 != 0) continue;
    auto reader = FileStore::Open(options);
    INFO(reader.status().message());
    REQUIRE(reader.ok());
    REQUIRE((*reader)->Get("a").value() == std::to_string(i));
    ++opened;
    const Status status = (*reader)->Set("a", "0");
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message() ==
          "file:" + options.folder + ": opened to be read, and nothing can be changed");
  }
  CHECK(opened == 42);
  CHECK(folder.store->snapshots() > 2);
  folder.Open();
  CHECK(folder.Text("a") == "300");
}

TEST_CASE("file store: to be read, a folder must be there, and nothing is made in it") {
  Folder folder;
  folder.options.read_only = true;
  folder.Open();
  CHECK(folder.Text("a") == "(none)");
  CHECK(std::filesystem::is_empty(folder.folder.path()));
  folder.options.folder += "/none";
  CHECK(folder.TryOpen().message() ==
        "file:" + folder.options.folder + ": No such file or directory");
}

}  // namespace
}  // namespace rivulet
