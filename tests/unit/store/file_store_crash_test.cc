// The file store's promise: after a kill -9, a cut, or a flipped bit, what was answered is there
// whole, or the start is refused.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "journal/format.h"
#include "store/file_store.h"
#include "tests/unit/scaled.h"
#include "tests/unit/store/file_store_support.h"

namespace rivulet {
namespace {

using namespace file_store_test;

/// The run number `i`: four things that must always agree.
StoreBatch RunNumber(int i) {
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.Increment("a", 1);
  batch.Set("last", std::to_string(i));
  batch.Increment("b", 1);
  return batch;
}

/// How many runs the store holds; -1: a part of one.
int RunsIn(FileStore& store) {
  const auto number = [&](const char* key) { return store.Get(key).value().value_or("0"); };
  const std::string a = number("a");
  return a == number("b") && a == number("last") ? std::stoi(a) : -1;
}

/// Runs until it is killed, and tells each one that was answered.
[[noreturn]] void RunAndTell(const FileStoreOptions& options, int from, int to_parent) {
  const auto store = FileStore::Open(options);
  if (!store.ok()) _exit(1);
  for (int i = from;; ++i) {
    if (!(*store)->Run(RunNumber(i)).ok()) _exit(2);
    if (write(to_parent, &i, sizeof i) != sizeof i) _exit(3);
  }
}

TEST_CASE("file store: a kill -9 at any moment loses nothing that was answered") {
  Folder folder;
  folder.options.least_journal_bytes = 3000;
  folder.options.segment_bytes = 1500;
  std::mt19937 random(7);
  int answered = 0;
  const int rounds = Scaled(50);
  for (int round = 0; round < rounds; ++round) {
    folder.options.sync = round % 2 == 0 ? FileStoreSync::kAlways : FileStoreSync::kNone;
    int told[2];
    REQUIRE(pipe(told) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) RunAndTell(folder.options, answered + 1, told[1]);
    close(told[1]);
    // Dead at some moment after so many answers; then what it told before that.
    const int until = answered + 1 + static_cast<int>(random() % 100);
    int last = answered;
    bool killed = false;
    while (read(told[0], &last, sizeof last) == sizeof last) {
      answered = last;
      if (answered >= until && !std::exchange(killed, true)) REQUIRE(kill(child, SIGKILL) == 0);
    }
    close(told[0]);
    int how = 0;
    REQUIRE(waitpid(child, &how, 0) == child);
    REQUIRE(WIFSIGNALED(how));
    folder.Open();
    const int runs = RunsIn(*folder.store);
    INFO("round ", round, ", answered ", answered);
    REQUIRE(runs >= answered);
    // One more may have been written and not told.
    REQUIRE(runs <= answered + 1);
    REQUIRE(folder.Bytes() < 20'000);
    answered = runs;
    folder.store.reset();
  }
  CHECK(answered > rounds);
}

/// A folder of some runs, and where each of them ends in its one segment by journal/format.h.
struct Written {
  explicit Written(bool closed, int runs) {
    folder.disk.IgnoreSyncs();
    Folder writer;
    writer.disk.IgnoreSyncs();
    writer.Open();
    ends.push_back(kSegmentHeaderBytes);
    for (int i = 1; i <= runs; ++i) {
      const StoreBatch batch = RunNumber(i);
      REQUIRE(writer.store->Run(batch).ok());
      const std::size_t record = 9 + batch.bytes().size();
      ends.push_back(ends.back() + kBatchHeaderBytes + (record < 128 ? 1 : 2) + record);
    }
    if (closed) writer.store.reset();
    bytes = ReadFile(writer.folder.Segment(1));
    if (!closed) bytes.resize(ends.back());  // without the room made ahead
  }
  /// As many runs as are whole before that place.
  int WholeBefore(std::size_t offset) const {
    int runs = -1;
    for (const std::size_t end : ends) runs += end <= offset ? 1 : 0;
    return std::max(runs, 0);
  }
  Status OpenWith(std::string_view changed) {
    folder.store.reset();
    folder.Replace(SegmentName(1), changed);
    return folder.TryOpen();
  }

  Folder folder;
  std::string bytes;
  std::vector<std::size_t> ends;
};

TEST_CASE("file store: a journal cut at any byte holds the runs that are whole before it") {
  Written written(false, 8);
  for (std::size_t cut = 0; cut <= written.bytes.size(); ++cut) {
    for (const bool zeros : {false, true}) {
      std::string bytes = written.bytes.substr(0, cut);
      if (zeros) bytes.resize(written.bytes.size() + 100, '\0');
      INFO("cut at ", cut, zeros ? ", then zeros" : "");
      const Status status = written.OpenWith(bytes);
      // Within the header there is no telling it from another: refused where anything lies behind.
      INFO(status.message());
      REQUIRE(status.ok());
      const int runs = RunsIn(*written.folder.store);
      // A cut within zeros that were written is none.
      const bool same = zeros && bytes.substr(0, written.bytes.size()) == written.bytes;
      REQUIRE(runs >= written.WholeBefore(cut));
      if (!zeros || same) REQUIRE(runs == written.WholeBefore(same ? bytes.size() : cut));
      REQUIRE(runs <= written.WholeBefore(cut) + 1);
      // And it goes on.
      if (cut % 10 == 0) {
        REQUIRE(written.folder.store->Run(RunNumber(runs + 1)).ok());
        written.folder.Open();
        REQUIRE(RunsIn(*written.folder.store) == runs + 1);
      }
    }
  }
}

TEST_CASE("file store: a flipped bit of the journal refuses the start, or cuts the last run") {
  constexpr int kRuns = 4;
  for (const bool closed : {false, true}) {
    Written written(closed, kRuns);
    int refused = 0, cut = 0;
    const std::size_t bits = 8 * written.bytes.size();
    for (std::size_t bit = closed; bit < bits; bit += Scaled(20) == 2 ? 20 : 2) {
      std::string bytes = written.bytes;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      INFO("bit ", bit);
      if (const Status status = written.OpenWith(bytes); !status.ok()) {
        REQUIRE(status.code() == StatusCode::kCorrupt);
        REQUIRE(status.message().find(".journal:") != std::string::npos);
        ++refused;
        continue;
      }
      const int runs = RunsIn(*written.folder.store);
      // What was synced is never cut: each run says that the one before was, the end that all were.
      REQUIRE(bit / 8 >= written.ends[closed ? kRuns : kRuns - 1]);
      REQUIRE(runs == (closed ? kRuns : kRuns - 1));
      ++cut;
    }
    CHECK(refused > 0);
    CHECK(cut > 0);
  }
}

TEST_CASE("file store: a flipped bit or a missing byte of the snapshot refuses the start") {
  Folder folder;
  folder.options.least_journal_bytes = 500;
  folder.disk.IgnoreSyncs();
  folder.Open();
  for (int i = 1; i <= 10; ++i) REQUIRE(folder.store->Run(RunNumber(i)).ok());
  REQUIRE(folder.store->snapshots() > 0);
  const std::string good = ReadFile(folder.folder.File("snapshot"));
  for (std::size_t bit = 0; bit < 8 * good.size(); bit += Scaled(10) == 1 ? 7 : 1) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    folder.Replace("snapshot", bytes);
    const Status status = folder.TryOpen();
    INFO("bit ", bit, ": ", status.message());
    const bool version = bit / 8 >= 8 && bit / 8 < 12;
    REQUIRE(status.code() == (version ? StatusCode::kInvalidArgument : StatusCode::kCorrupt));
    REQUIRE(status.message().find(folder.folder.File("snapshot")) == 0);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    folder.Replace("snapshot", good.substr(0, size));
    REQUIRE(folder.TryOpen().code() == StatusCode::kCorrupt);
  }
  folder.Replace("snapshot", good);
  folder.Open();
  CHECK(RunsIn(*folder.store) == 10);
}

TEST_CASE("file store: a crash between a snapshot and the removal of what it covers") {
  Folder folder;
  folder.options.least_journal_bytes = 1500;
  folder.options.segment_bytes = 700;
  folder.Open();
  int runs = 0;
  // Segments as they were before the snapshot, beside it.
  Folder crashed;
  while (folder.store->snapshots() == 0) {
    folder.CopyTo(&crashed);
    REQUIRE(folder.store->Run(RunNumber(++runs)).ok());
    REQUIRE(runs < 100);
  }
  std::filesystem::copy_file(folder.folder.File("snapshot"), crashed.folder.File("snapshot"));
  CHECK(crashed.folder.Segments().size() > 1);
  crashed.options.read_only = true;
  crashed.Open();
  CHECK(RunsIn(*crashed.store) == runs);
  crashed.options.read_only = false;
  crashed.Open();
  CHECK(RunsIn(*crashed.store) == runs);
  CHECK(crashed.folder.Segments().empty());
  REQUIRE(crashed.store->Run(RunNumber(runs + 1)).ok());
  crashed.Open();
  CHECK(RunsIn(*crashed.store) == runs + 1);
}

}  // namespace
}  // namespace rivulet
