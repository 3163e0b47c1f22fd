#include "journal/journal.h"

#include <unistd.h>

#include "tests/unit/journal/support.h"

using namespace rivulet;
using namespace rivulet::journal_test;
using namespace std::chrono_literals;
using Call = FaultyDisk::Call;

TEST_CASE("journal: what was committed comes back in order, with every policy") {
  for (const char* sync : {"always", "5ms", "none"}) {
    CAPTURE(sync);
    Fixture f(sync);
    REQUIRE(f.Open().ok());
    CHECK(f.records.empty());
    f.journal->Append("one");
    f.journal->Append("tw", "o");
    f.journal->Append("");
    CHECK(f.owner.committed == 0);
    REQUIRE(f.Settle());
    f.Commit("four");
    CHECK(f.journal->Close().ok());
    REQUIRE(f.Open().ok());
    CHECK(f.records == std::vector<std::string>{"one", "two", "", "four"});
    CHECK(f.report.cut_bytes == 0);
    // Two commits, and one batch that says where the log ended.
    CHECK(f.report.batches == 3);
    f.Commit("five");
    REQUIRE(f.journal->Close().ok());
    REQUIRE(f.Open().ok());
    CHECK(f.records.back() == "five");
    CHECK(f.records.size() == 5);
  }
}

TEST_CASE("journal: what is appended in one turn is one commit and one sync") {
  Fixture f;
  REQUIRE(f.Open().ok());
  f.Commit("first");
  const int syncs = f.disk.calls(Call::kSync);
  const int writes = f.disk.calls(Call::kWrite);
  for (int i = 0; i < 1000; ++i) f.journal->Append("record");
  CHECK(f.journal->last_commit() == 2);
  REQUIRE(f.Settle());
  CHECK(f.disk.calls(Call::kSync) == syncs + 1);
  CHECK(f.disk.calls(Call::kWrite) == writes + 1);
  CHECK(f.journal->stats().last_group == 1000);
  CHECK(f.journal->stats().records == 1001);
  CHECK(f.journal->stats().commits == 2);
  CHECK(f.journal->sync_latency().count() == 2);
}

TEST_CASE("journal: while one batch is synced the next one gathers") {
  Fixture f;
  REQUIRE(f.Open().ok());
  f.Commit("first");
  {
    const auto hold = f.disk.HoldSyncs();
    f.journal->Append("second");
    f.loop.RunOnce(0ms);
    for (int i = 0; i < 10; ++i) {
      f.journal->Append("third");
      f.loop.RunOnce(0ms);
    }
    CHECK(f.journal->last_commit() == 3);
    CHECK(f.owner.committed == 1);
  }
  REQUIRE(f.Settle());
  CHECK(f.journal->stats().last_group == 10);
}
