// Segments that are begun, cleaned and dropped, and the folder they stand in.
#include <fmt/core.h>
#include <unistd.h>

#include <random>

#include "tests/unit/journal/support.h"

using namespace rivulet;
using namespace rivulet::journal_test;
using namespace std::chrono_literals;
using Call = FaultyDisk::Call;
using Records = std::vector<std::string>;

namespace {

/// A map of live records that follows the journal's advice, as a queue does. "P7 xxx" puts record
/// 7, "F7" finishes it.
struct Toy {
  explicit Toy(Fixture* fixture) : f(*fixture) {}

  void Put(int key, std::size_t bytes) {
    const std::string record = fmt::format("P{} {}", key, std::string(bytes, 'x'));
    live[key] = {f.journal->Append(record), record};
    live_bytes += record.size() + 20;
  }
  void Finish(int key) {
    const auto found = live.find(key);
    live_bytes -= found->second.record.size() + 20;
    live.erase(found);
    f.journal->Append(fmt::format("F{}", key));
  }
  void Clean() {
    if (!f.journal->CleaningNeeded(live_bytes)) return;
    const std::uint64_t oldest = f.journal->oldest_segment();
    for (auto& [key, message] : live) {
      if (message.segment != oldest) continue;
      message.segment = f.journal->Append(message.record);
      ++rewritten;
    }
    f.journal->DropOldest();
  }
  std::map<int, std::string> Bodies() const {
    std::map<int, std::string> bodies;
    for (const auto& [key, message] : live) bodies[key] = message.record;
    return bodies;
  }
  static std::map<int, std::string> Replay(const Records& records) {
    std::map<int, std::string> bodies;
    for (const std::string& record : records) {
      const int key = std::stoi(record.substr(1));
      if (record[0] == 'P') bodies[key] = record;
      if (record[0] == 'F') bodies.erase(key);
    }
    return bodies;
  }

  struct Message {
    std::uint64_t segment = 0;
    std::string record;
  };
  Fixture& f;
  std::map<int, Message> live;
  std::uint64_t live_bytes = 0;
  int rewritten = 0;
};

}  // namespace

TEST_CASE("journal: a full segment is followed by the next, which begins as its owner says") {
  for (const char* sync : {"always", "none"}) {
    Fixture f(sync, 1024);
    f.owner.on_segment_begun = [&] { f.journal->Append("names"); };
    REQUIRE(f.Open().ok());
    CHECK(f.journal->open_segment() == 1);
    const std::string body(600, 'a');
    CHECK(f.journal->Append(body) == 1);
    REQUIRE(f.Settle());
    CHECK(f.journal->Append(body) == 2);
    CHECK(f.journal->open_segment() == 2);
    CHECK(f.journal->oldest_segment() == 1);
    REQUIRE(f.Settle());
    CHECK(f.owner.segments_begun == 2);
    REQUIRE(f.journal->Close().ok());
    // What a segment does not use is given back.
    CHECK(std::filesystem::file_size(f.folder.Segment(1)) ==
          64 + 16 + 1 + 5 + 2 + 600);  // headers, "names", the body with its size of two bytes
    REQUIRE(f.Open().ok());
    CHECK(f.records == Records{"names", body, "names", body});
    CHECK(f.journal->Append("x") == 2);
    CHECK(f.owner.segments_begun == 2);
    REQUIRE(f.Settle());
  }
}

TEST_CASE("journal: a segment whose first batch was torn begins again as its owner says") {
  Fixture f("none", 1024);
  f.owner.on_segment_begun = [&] { f.journal->Append("names"); };
  REQUIRE(f.Open().ok());
  f.Commit(std::string(900, 'a'));
  f.Commit(std::string(900, 'b'));
  TempFolder copy;
  f.CopyTo(copy);
  const std::string bytes = ReadFile(copy.Segment(2));
  WriteFile(copy.Segment(2), bytes.substr(0, 200) + std::string(bytes.size() - 200, '\0'));
  REQUIRE(f.journal->Close().ok());
  f.config.path = copy.path();
  REQUIRE(f.Open().ok());
  CHECK(f.records.size() == 2);
  CHECK(f.journal->Append("c") == 2);
  REQUIRE(f.Settle());
  std::filesystem::remove(copy.Segment(1));
  CHECK(RecoverFrom(copy.path()).records == Records{"names", "c"});
}

TEST_CASE("journal: a record larger than a segment has one to itself") {
  Fixture f("always", 1024);
  REQUIRE(f.Open().ok());
  const std::string large(5000, 'l');
  for (const std::string& record : {std::string("small"), large, std::string("small")}) {
    f.Commit(record);
  }
  CHECK(f.journal->open_segment() == 3);
  CHECK(f.journal->disk_bytes() == f.folder.SegmentBytes());
  REQUIRE(f.journal->Close().ok());
  REQUIRE(f.Open().ok());
  CHECK(f.records == Records{"small", large, "small"});
}

TEST_CASE("journal: a batch waits for its segment without holding the loop up") {
  Fixture f("none", 1024);
  REQUIRE(f.Open().ok());
  {
    const auto hold = f.disk.HoldSyncs();  // the helper stands at the new segment's
    f.Commit(std::string(700, 'a'));
    for (int i = 0; i < 5; ++i) {
      CHECK(f.journal->Append(std::string(400, 'b')) == 2);
      f.loop.RunOnce(0ms);
    }
    CHECK(f.owner.committed == 1);
    CHECK(f.journal->last_commit() == 2);
  }
  REQUIRE(f.Settle());
  CHECK(f.journal->stats().last_group == 5);
}

TEST_CASE("journal: the disk stays below twice the live bytes and two segments (one never ends)") {
  for (const char* sync : {"always", "2ms", "none"}) {
    for (const std::size_t most_live : {0, 20, 200}) {
      CAPTURE(sync);
      CAPTURE(most_live);
      constexpr std::uint64_t kSegment = 8192;
      Fixture f(sync, kSegment);
      f.disk.IgnoreSyncs();
      REQUIRE(f.Open().ok());
      std::mt19937 random(7);
      Toy toy(&f);
      toy.Put(0, 100);  // the old one
      REQUIRE(f.Settle());
      std::uint64_t worst = 0;
      int puts = 1;
      for (; puts < 3000; ++puts) {
        toy.Put(puts, random() % 150);
        if (toy.live.size() > most_live + 1) {
          const auto skip = 1 + random() % (toy.live.size() - 1);
          toy.Finish(std::next(toy.live.begin(), static_cast<std::ptrdiff_t>(skip))->first);
        }
        toy.Clean();
        REQUIRE(f.Settle());
        const std::uint64_t limit = 2 * toy.live_bytes + 2 * kSegment;
        worst = std::max(worst, f.journal->disk_bytes() * 100 / limit);
        if (puts % 100 == 0) {
          REQUIRE(f.RunUntil([&] { return f.journal->disk_bytes() == f.folder.SegmentBytes(); }));
        }
      }
      CAPTURE(toy.rewritten);
      CHECK(worst < 100);
      CHECK(toy.rewritten < 2 * puts);
      CHECK(f.folder.Segments().front() > 1);
      TempFolder copy;
      f.CopyTo(copy);
      CHECK(Toy::Replay(RecoverFrom(copy.path()).records) == toy.Bodies());
      REQUIRE(f.journal->Close().ok());
      REQUIRE(f.Open().ok());
      CHECK(Toy::Replay(f.records) == toy.Bodies());
    }
  }
}

TEST_CASE("journal: control of the disk bound: without cleaning it is passed") {
  Fixture f("none", 8192);
  f.disk.IgnoreSyncs();
  REQUIRE(f.Open().ok());
  Toy toy(&f);
  for (int i = 0; i < 1000; ++i) {
    toy.Put(i, 100);
    toy.Finish(i);
    REQUIRE(f.Settle());
  }
  CHECK(f.journal->CleaningNeeded(toy.live_bytes));
  CHECK(f.journal->disk_bytes() > 2 * toy.live_bytes + 2 * 8192);
}

TEST_CASE(
    "journal: a segment is dropped once what was appended before is safe, and one at a time") {
  Fixture f("1h", 1024);
  REQUIRE(f.Open().ok());
  f.Commit(std::string(900, 'a'));
  f.journal->DropOldest();  // never the open one
  CHECK(!f.journal->dropping());
  f.Commit(std::string(900, 'b'));
  f.Commit(std::string(900, 'c'));
  REQUIRE(f.RunUntil([&] { return f.folder.Segments().size() == 4; }));
  f.journal->Append("moved");
  const int syncs = f.disk.calls(Call::kSync);
  f.journal->DropOldest();
  f.journal->DropOldest();
  CHECK(f.journal->dropping());
  CHECK(!f.journal->CleaningNeeded(0));
  CHECK(f.journal->oldest_segment() == 1);
  CHECK(std::filesystem::exists(f.folder.Segment(1)));
  REQUIRE(f.RunUntil([&] { return !f.journal->dropping(); }));
  CHECK(f.disk.calls(Call::kSync) > syncs);
  CHECK(f.journal->oldest_segment() == 2);
  CHECK(!std::filesystem::exists(f.folder.Segment(1)));
  CHECK(std::filesystem::exists(f.folder.Segment(2)));
  CHECK(f.journal->CleaningNeeded(0));
  CHECK(!f.journal->CleaningNeeded(1 << 20));
}

TEST_CASE("journal: a folder has one owner at a time, who is named to the second") {
  Fixture f;
  REQUIRE(f.Open().ok());
  f.Commit("mine");
  EventLoop loop;
  Owner other;
  RecoveryReport report;
  const auto second = Journal::Open(
      f.config, loop, f.clock, &other, [](auto...) { return Status::Ok(); }, &report);
  REQUIRE(!second.ok());
  CHECK(second.status().code() == StatusCode::kInvalidArgument);
  CHECK(second.status().message() ==
        fmt::format("--data-path={}: in use by process {}", f.folder.path(), getpid()));
  REQUIRE(f.journal->Close().ok());
  CHECK(Journal::Open(
            f.config, loop, f.clock, &other, [](auto...) { return Status::Ok(); }, &report)
            .ok());
}

TEST_CASE("journal: the folder is made, one level of it, for its owner and group") {
  Fixture f;
  f.config.path = f.folder.File("data");
  REQUIRE(f.Open().ok());
  f.Commit("x");
  struct stat found {};
  REQUIRE(stat(f.config.path.c_str(), &found) == 0);
  CHECK((found.st_mode & 0027) == 0);
  REQUIRE(stat((f.config.path + "/" + SegmentName(1)).c_str(), &found) == 0);
  CHECK((found.st_mode & 0137) == 0);
  REQUIRE(f.journal->Close().ok());
  f.config.path = f.folder.File("no/data");
  CHECK(f.Open().code() == StatusCode::kIoError);
}

TEST_CASE("journal: wrong policies, owners and segment sizes are refused by name") {
  CHECK(ParseSyncPolicy("100ms")->interval == 100ms);
  CHECK(ParseSyncPolicy("none")->kind == SyncPolicy::Kind::kNone);
  for (const char* text : {"", "sometimes", "0", "0s", "-1s"}) CHECK(!ParseSyncPolicy(text).ok());
  CHECK(ParseSyncPolicy("often").status().message() ==
        "'often' must be always, none, or a duration like 100ms");
  Fixture f;
  f.config.segment_bytes = 100;
  CHECK(f.Open().code() == StatusCode::kInvalidArgument);
  f.config.segment_bytes = 4096;
  f.config.owner = "an owner of too many bytes";
  CHECK(f.Open().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("journal: an interval syncs once while there is something to sync, and then no more") {
  Fixture f("5ms");
  REQUIRE(f.Open().ok());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) f.Commit("x");
  const auto took = std::chrono::steady_clock::now() - begin;
  REQUIRE(f.RunUntil([&] { return f.journal->stats().syncs > 0; }));
  // However late the last of them comes.
  int before = -1;
  for (int round = 0; round < 20 && f.disk.calls(Call::kSync) != before; ++round) {
    before = f.disk.calls(Call::kSync);
    const auto until = std::chrono::steady_clock::now() + 30ms;
    while (std::chrono::steady_clock::now() < until) f.loop.RunOnce(5ms);
  }
  CHECK(f.disk.calls(Call::kSync) == before);
  CHECK(f.journal->stats().syncs <= 1 + static_cast<std::uint64_t>(took / 5ms));
}
