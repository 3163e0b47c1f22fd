// Promise P2: what the journal says and does when the disk does not do what it is asked.
#include <fmt/core.h>

#include "journal/reader.h"
#include "tests/unit/journal/support.h"

using namespace rivulet;
using namespace rivulet::journal_test;
using namespace std::chrono_literals;
using Call = FaultyDisk::Call;
using Records = std::vector<std::string>;

namespace {

bool IsRefused(const Journal& journal, Journal::Work work, StatusCode code) {
  return journal.Admit(work).code() == code;
}

bool BothRefused(const Journal& journal, StatusCode code) {
  return IsRefused(journal, Journal::Work::kGrows, code) &&
         IsRefused(journal, Journal::Work::kShrinks, code);
}

/// The records of each commit, as its place tells.
std::vector<Records> ReadPlaces(const Fixture& f) {
  std::vector<Records> commits;
  JournalReader reader({f.folder.path()});
  for (const CommitPlace& commit : f.owner.places) {
    commits.emplace_back();
    RecordPlace place{commit.segment, commit.begin};
    while (true) {
      const auto record = reader.Next(&place, commit.end);
      REQUIRE(record.ok());
      if (!*record) break;
      commits.back().emplace_back(**record);
    }
  }
  return commits;
}

}  // namespace

TEST_CASE("journal: a full disk takes the commit back, and writes it when there is room again") {
  struct Case {
    const char* sync;
    Call call;
  };
  // Together, because each waits for the second after which a new segment is tried.
  const Case cases[] = {{"always", Call::kWrite},
                        {"always", Call::kSync},
                        {"none", Call::kWrite},
                        {"1h", Call::kWrite}};
  std::vector<std::unique_ptr<Fixture>> fixtures;
  for (const Case& c : cases) {
    CAPTURE(c.sync);
    fixtures.push_back(std::make_unique<Fixture>(c.sync, 4096));
    Fixture& f = *fixtures.back();
    f.owner.on_segment_begun = [&f] { f.journal->Append("names"); };
    REQUIRE(f.Open().ok());
    f.Commit("before");
    f.disk.Fail(Call::kCreate, StatusCode::kExhausted);
    f.disk.Fail(c.call, StatusCode::kExhausted, 0, 1);
    const auto told = f.journal->Append("taken back");
    CHECK(told == 1);
    REQUIRE(f.RunUntil([&] { return !f.owner.failures.empty(); }));
    CHECK(f.owner.failures.size() == 1);
    CHECK(f.owner.failures[0].code() == StatusCode::kExhausted);
    CHECK(f.owner.failures[0].message().find(f.folder.Segment(1)) != std::string::npos);
    CHECK(f.owner.committed == 1);
    CHECK(BothRefused(*f.journal, StatusCode::kExhausted));
    // A time-out is told all the same.
    CHECK(f.journal->Append("later") == 2);
    CHECK(f.owner.healed == 0);
  }
  for (const auto& f : fixtures) f->disk.Heal();
  for (const auto& fixture : fixtures) {
    Fixture& f = *fixture;
    CAPTURE(f.folder.path());
    REQUIRE(f.RunUntil([&] { return f.owner.healed == 1; }));
    CHECK(f.owner.committed == f.journal->last_commit());
    CHECK(f.journal->Admit(Journal::Work::kGrows).ok());
    f.Commit("after");
    CHECK(f.owner.failures.size() == 1);
    CHECK(f.disk.syncs_after_failure() == 0);
    CHECK(f.journal->disk_bytes() == f.folder.SegmentBytes());
    const Records expected{"names", "before", "names", "taken back", "later", "after"};
    CHECK(ReadPlaces(f) ==
          std::vector<Records>{{"names", "before"}, {"names", "taken back", "later"}, {"after"}});
    TempFolder copy;
    f.CopyTo(copy);
    CHECK(RecoverFrom(copy.path()).records == expected);
    CHECK(f.journal->Close().ok());
    REQUIRE(f.Open().ok());
    CHECK(f.records == expected);
  }
}

TEST_CASE("journal: the batch that begins a segment is taken back and the segment made anew") {
  Fixture f("always", 1024);
  REQUIRE(f.Open().ok());
  f.Commit(std::string(900, 'a'));
  REQUIRE(f.RunUntil([&] { return f.folder.Segments().size() == 2; }));
  f.disk.Fail(Call::kWrite, StatusCode::kExhausted, 0, 1);
  const std::string first(300, 'b');
  CHECK(f.journal->Append(first) == 2);
  f.loop.RunOnce(0ms);
  CHECK(f.journal->Append("c") == 2);
  REQUIRE(f.RunUntil([&] { return f.owner.healed == 1; }));
  CHECK(f.owner.failures.size() == 1);
  CHECK(ReadPlaces(f) == std::vector<Records>{{std::string(900, 'a')}, {first, "c"}});
  CHECK(f.folder.Segments() == std::vector<std::uint64_t>{1, 2});
  CHECK(f.journal->disk_bytes() == f.folder.SegmentBytes());
  REQUIRE(f.journal->Close().ok());
  REQUIRE(f.Open().ok());
  CHECK(f.records == Records{std::string(900, 'a'), first, "c"});
}

TEST_CASE("journal: a batch on its way does not seem to heal the one that waits for a segment") {
  Fixture f("always", 1024);
  REQUIRE(f.Open().ok());
  {
    const auto hold = f.disk.HoldCreates();  // the helper stands at the next segment
    f.Commit(std::string(720, 'a'));
    f.journal->Append(std::string(100, 'b'));
    f.loop.RunOnce(0ms);  // is to be written behind it
    f.journal->Append(std::string(900, 'c'));
    f.disk.Fail(Call::kCreate, StatusCode::kExhausted);
  }
  REQUIRE(f.RunUntil([&] { return !f.owner.failures.empty(); }));
  CHECK(f.owner.committed == 2);
  CHECK(f.owner.healed == 0);
  for (int i = 0; i < 3; ++i) f.loop.RunOnce(1ms);
  CHECK(f.owner.failures.size() == 1);
  CHECK(f.owner.healed == 0);
}

TEST_CASE("journal: a disk found full ahead refuses what grows and lets what shrinks go on") {
  Fixture f("always", 4096);
  REQUIRE(f.Open().ok());
  f.Commit("oldest");
  f.Commit(std::string(2900, 'x'));
  f.disk.Fail(Call::kAllocate, StatusCode::kExhausted);
  f.Commit(std::string(400, 'y'));
  REQUIRE(f.RunUntil([&] { return !f.journal->Admit(Journal::Work::kGrows).ok(); }));
  CHECK(IsRefused(*f.journal, Journal::Work::kGrows, StatusCode::kExhausted));
  CHECK(f.journal->Admit(Journal::Work::kShrinks).ok());
  CHECK(f.owner.failures.empty());
  // What had been reserved for the segment that could not be made is given back.
  CHECK(f.folder.Segments() == std::vector<std::uint64_t>{1});
  f.Commit("a finish");
  // Until the room is used up.
  f.journal->Append(std::string(1000, 'z'));
  REQUIRE(f.RunUntil([&] { return !f.owner.failures.empty(); }));
  CHECK(f.owner.failures[0].code() == StatusCode::kExhausted);
  CHECK(BothRefused(*f.journal, StatusCode::kExhausted));
  f.disk.Heal();
  REQUIRE(f.RunUntil([&] { return f.owner.healed == 1; }));
  REQUIRE(f.journal->Close().ok());
  REQUIRE(f.Open().ok());
  CHECK(f.records.size() == 5);
  CHECK(f.records.back() == std::string(1000, 'z'));
}

TEST_CASE("journal: a dropped segment makes room at once") {
  // Not by the retry of each second; a machine that stands still for so long is asked again.
  bool at_once = false;
  for (int attempt = 0; attempt < 5 && !at_once; ++attempt) {
    Fixture f("always", 1024);
    REQUIRE(f.Open().ok());
    f.Commit(std::string(900, 'a'));
    f.Commit(std::string(500, 'b'));
    CHECK(f.journal->open_segment() == 2);
    f.disk.Fail(Call::kCreate, StatusCode::kExhausted);
    f.Commit(std::string(300, 'c'));
    REQUIRE(f.RunUntil([&] { return !f.journal->Admit(Journal::Work::kGrows).ok(); }));
    const auto begin = std::chrono::steady_clock::now();
    f.disk.Heal();
    f.journal->DropOldest();
    REQUIRE(f.RunUntil([&] { return f.journal->Admit(Journal::Work::kGrows).ok(); }));
    at_once = std::chrono::steady_clock::now() - begin < 900ms;
    CHECK(f.owner.failures.empty());
  }
  CHECK(at_once);
}

TEST_CASE("journal: any other failure is for ever, and says which file and why") {
  struct Case {
    const char* sync;
    Call call;
    StatusCode code;
  };
  const Case cases[] = {{"always", Call::kWrite, StatusCode::kIoError},
                        {"always", Call::kSync, StatusCode::kIoError},
                        {"1ms", Call::kWrite, StatusCode::kIoError},
                        {"1ms", Call::kSync, StatusCode::kIoError},
                        // Its bytes were acknowledged: whatever the reason, they may be gone.
                        {"1ms", Call::kSync, StatusCode::kExhausted},
                        {"none", Call::kWrite, StatusCode::kIoError}};
  for (const Case& c : cases) {
    CAPTURE(c.sync);
    CAPTURE(static_cast<int>(c.call));
    Fixture f(c.sync);
    REQUIRE(f.Open().ok());
    f.Commit("before");
    // None of the helper's is left to come.
    const bool syncs = std::string(c.sync) != "none";
    REQUIRE(f.RunUntil([&] { return !syncs || f.disk.calls(Call::kSync) > 1; }));
    f.disk.Fail(c.call, c.code, 0, 1);
    f.journal->Append("lost");
    REQUIRE(f.RunUntil([&] { return !f.owner.failures.empty(); }));
    f.disk.Heal();
    CHECK(BothRefused(*f.journal, StatusCode::kIoError));
    CHECK(f.owner.failures.size() == 1);
    CHECK(f.owner.failures[0].message() ==
          "told to fail: " + f.folder.Segment(1) + "; nothing is written until a restart");
    const int calls = f.disk.calls(Call::kWrite) + f.disk.calls(Call::kSync);
    const auto committed = f.owner.committed;
    CHECK(f.journal->Append("refused") == 1);
    for (int i = 0; i < 5; ++i) f.loop.RunOnce(1ms);
    CHECK(f.owner.committed == committed);
    CHECK(f.journal->Close().code() == StatusCode::kIoError);
    CHECK(f.disk.calls(Call::kWrite) + f.disk.calls(Call::kSync) == calls);
    CHECK(f.disk.syncs_after_failure() == 0);
    // A restart reads what is there, and goes on.
    REQUIRE(f.Open().ok());
    CHECK(f.records.front() == "before");
    f.Commit("again");
  }
}

TEST_CASE("journal: a file whose sync failed is not synced again at its end") {
  Fixture f("1ms", 1024);
  REQUIRE(f.Open().ok());
  f.Commit(std::string(800, 'a'));
  REQUIRE(
      f.RunUntil([&] { return f.folder.Segments().size() == 2 && f.journal->stats().syncs > 0; }));
  {
    const auto hold = f.disk.HoldSyncs();
    f.Commit("b");
    const auto until = std::chrono::steady_clock::now() + 20ms;
    while (std::chrono::steady_clock::now() < until) f.loop.RunOnce(5ms);
    // The sync of the first segment waits; behind it the segment is finished, which syncs it too.
    f.Commit(std::string(800, 'c'));
    CHECK(f.journal->open_segment() == 2);
    f.disk.Fail(Call::kSync, StatusCode::kIoError, 0, 1);
  }
  REQUIRE(f.RunUntil([&] { return !f.owner.failures.empty(); }));
  REQUIRE(f.RunUntil([&] { return f.disk.calls(Call::kTruncate) == 1; }));
  CHECK(f.journal->Close().code() == StatusCode::kIoError);
  CHECK(f.disk.syncs_after_failure() == 0);
}

TEST_CASE("journal: a segment that cannot be made, cut or removed is a failure for ever") {
  for (const Call call : {Call::kCreate, Call::kTruncate, Call::kRemove, Call::kSyncDirectory}) {
    CAPTURE(static_cast<int>(call));
    Fixture f("always", 1024);
    REQUIRE(f.Open().ok());
    f.Commit(std::string(900, 'a'));
    if (call != Call::kCreate) REQUIRE(f.RunUntil([&] { return f.folder.Segments().size() == 2; }));
    if (call == Call::kRemove || call == Call::kSyncDirectory) f.Commit(std::string(300, 'b'));
    f.disk.Fail(call, StatusCode::kIoError);
    f.journal->Append(std::string(300, 'c'));
    f.journal->DropOldest();
    if (call == Call::kCreate) f.journal->Append(std::string(900, 'd'));
    REQUIRE(f.RunUntil([&] { return !f.owner.failures.empty(); }));
    CHECK(BothRefused(*f.journal, StatusCode::kIoError));
  }
}

TEST_CASE("journal: what could not be told before Close is told to nobody after it") {
  Fixture f;
  REQUIRE(f.Open().ok());
  {
    const auto hold = f.disk.HoldSyncs();
    f.journal->Append("one");
    f.loop.RunOnce(0ms);
  }
  f.journal->Append("two");
  CHECK(f.journal->Close().ok());
  CHECK(f.owner.committed == 0);
  CHECK(f.journal->Close().ok());
  f.journal.reset();
  f.loop.RunOnce(1ms);
  CHECK(f.owner.committed == 0);
  REQUIRE(f.Open().ok());
  CHECK(f.records == Records{"one", "two"});
}
