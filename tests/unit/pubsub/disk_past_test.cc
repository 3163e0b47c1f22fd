#include "pubsub/disk_past.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "pubsub/record.h"
#include "tests/unit/journal/support.h"
#include "tests/unit/pubsub/durable_topics.h"

using namespace rivulet;
using journal_test::TempFolder;
using std::chrono::seconds;

namespace {

constexpr WallTime kStart{seconds(1'000'000)};
constexpr std::uint64_t kHeadBytes = kSegmentHeaderBytes + kBatchHeaderBytes;

// Segments of one batch each, made by hand.
class Files {
 public:
  // Runs of messages in a new segment, and where each lies.
  struct Given {
    std::uint32_t topic = 1;
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
    WallTime time{};
    std::vector<std::string> bodies;
  };
  std::vector<PlacedRun> Write(std::uint64_t segment, const std::vector<Given>& runs) {
    const SegmentHeader header{segment, position_, 1, segment * 7, "pubsub"};
    std::string batch(kBatchHeaderBytes, '\0');
    std::vector<PlacedRun> placed;
    for (const Given& given : runs) {
      PlacedRun run{given.offset, given.bodies.size(), given.sequence, given.time, 0, {}, 0};
      run.place = {segment, kSegmentHeaderBytes + batch.size(), 0, kSegmentHeaderBytes};
      std::string record;
      EncodeRunHead(&record, {given.topic, given.offset, given.sequence, given.time, {}});
      for (const std::string& body : given.bodies) {
        AppendMessage(&record, body);
        run.bytes += body.size();
      }
      AppendVarint(&batch, record.size());
      batch += record;
      placed.push_back(run);
    }
    for (PlacedRun& run : placed) {
      run.end = run.place.batch_end = kSegmentHeaderBytes + batch.size();
    }
    SealBatch(batch.data(), batch.size(), header.salt, position_, position_);
    position_ += batch.size();
    journal_test::WriteFile(folder.Segment(segment), EncodeSegmentHeader(header) + batch);
    return placed;
  }
  // One message of each body, `first` and on, each a run.
  static std::vector<Given> Runs(std::uint64_t first, const std::vector<std::string>& bodies,
                                 std::uint32_t topic = 1) {
    std::vector<Given> runs;
    for (const std::string& body : bodies) {
      runs.push_back({topic, first, 10 * first, kStart + seconds(first), {body}});
      ++first;
    }
    return runs;
  }

  TempFolder folder;

 private:
  std::uint64_t position_ = 0;
};

struct PastFixture {
  explicit PastFixture(Retention retention = {1 << 20, {}}) : past(&reader, &use, 1, retention) {}
  void Add(std::uint64_t segment, const std::vector<Files::Given>& runs) {
    for (const PlacedRun& run : files.Write(segment, runs)) past.Add(run);
  }

  Files files;
  JournalReader journal{{.path = files.folder.path()}};
  RunReader reader{&journal};
  SegmentUse use;
  DiskPast past;
};

}  // namespace

TEST_CASE("disk past: empty, it begins and ends where it was told") {
  PastFixture f;
  CHECK(f.past.first_offset() == 0);
  f.past.EndRestore(7, false);
  CHECK(f.past.first_offset() == 7);
  CHECK(f.past.end_offset() == 7);
  CHECK(f.past.retained_bytes() == 0);
  CHECK(f.past.BytesFrom(0) == 0);
  CHECK(f.past.OffsetAtTime(kStart).value() == 7);
  CHECK(f.past.OffsetAtSequence(0).value() == 7);
  CHECK(Kept(&f.past).empty());
  CHECK(f.past.At(3)->offset == 7);
  CHECK(f.past.At(9)->offset == 7);
}

TEST_CASE("disk past: messages are found by offset, sequence and time") {
  PastFixture f;
  f.Add(1, Files::Runs(0, {"a", "b", "c"}));
  f.Add(2,
        {{1, 3, 30, kStart + seconds(3), {"d", "", "f"}}, {1, 6, 60, kStart + seconds(3), {"g"}}});
  CHECK(Kept(&f.past) == "0:0:a 1:10:b 2:20:c 3:30:d 4:31: 5:32:f 6:60:g ");
  CHECK(Kept(&f.past, 4) == "4:31: 5:32:f 6:60:g ");
  CHECK(f.past.retained_bytes() == 6);
  CHECK(f.past.OffsetAtSequence(11).value() == 2);
  CHECK(f.past.OffsetAtSequence(32).value() == 5);
  CHECK(f.past.OffsetAtSequence(33).value() == 6);
  CHECK(f.past.OffsetAtSequence(61).value() == 7);
  CHECK(f.past.OffsetAtTime(kStart - seconds(1)).value() == 0);
  CHECK(f.past.OffsetAtTime(kStart + seconds(2)).value() == 2);
  CHECK(f.past.OffsetAtTime(kStart + seconds(3)).value() == 3);
  CHECK(f.past.OffsetAtTime(kStart + seconds(3) + Duration(1)).value() == 7);
  CHECK(f.past.BytesFrom(0) == 6);
  CHECK(f.past.BytesFrom(3) == 3);
  CHECK(f.past.BytesFrom(7) == 0);
}

TEST_CASE("disk past: one entry tells of some 16 KiB of bodies") {
  PastFixture f({64 << 20, {}});
  f.Add(1, Files::Runs(0, std::vector<std::string>(10'000, std::string(100, 'x'))));
  CHECK(f.past.stretches().size() <= 1'000'000 / (16 * 1024) + 2);
  CHECK(f.past.memory_bytes() <= 1'000'000 / 150);
  CHECK(Kept(&f.past, 9'999) == "9999:99990:" + std::string(100, 'x') + " ");
}

TEST_CASE(
    "disk past: other topics' messages are passed over, and a stretch does not grow for ever") {
  PastFixture f;
  std::vector<Files::Given> runs;
  std::vector<bool> mine;
  for (std::uint64_t i = 0; i < 100; ++i) {
    runs.push_back(Files::Runs(i, {std::string(500, 'm')}).front());
    mine.push_back(true);
    runs.push_back(Files::Runs(i, {std::string(100'000, 'o')}, 2).front());
    mine.push_back(false);
  }
  const auto placed = f.files.Write(1, runs);
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (mine[i]) f.past.Add(placed[i]);
  }
  // 4 KiB are 9 of them.
  CHECK(f.past.stretches().size() == 100 / 9 + 1);
  std::string expected;
  for (int i = 95; i < 100; ++i)
    expected += fmt::format("{}:{}:{} ", i, 10 * i, std::string(500, 'm'));
  CHECK(Kept(&f.past, 95) == expected);
}

TEST_CASE(
    "disk past: what is too much is let go by stretches, and no less is kept than asked for") {
  PastFixture f({8'000, {}});
  f.Add(1, Files::Runs(0, std::vector<std::string>(100, std::string(400, 'x'))));
  CHECK(f.past.retained_bytes() >= 8'000);
  CHECK(f.past.retained_bytes() < 9'000);  // an eighth
  CHECK(f.past.first_offset() == 100 - f.past.retained_bytes() / 400);
  CHECK(f.use.total().bytes == f.past.retained_bytes());
  CHECK(f.past.At(0)->offset == f.past.first_offset());
}

TEST_CASE("disk past: empty messages are let go too") {
  PastFixture f({1'000, {}});
  for (std::uint64_t segment = 1; segment <= 5; ++segment) {
    const std::uint64_t first = (segment - 1) * 4000;
    f.Add(segment, {{1, first, first, kStart, std::vector<std::string>(4000)}});
  }
  CHECK(f.past.first_offset() > 0);
  CHECK(f.past.end_offset() == 20'000);
}

TEST_CASE("disk past: what is too old is let go, the newest with it") {
  PastFixture f({1 << 20, seconds(10)});
  std::vector<Files::Given> runs = Files::Runs(0, std::vector<std::string>(30, "x"));
  for (Files::Given& run : runs) run.time += run.time - kStart;
  // Every two seconds, which is more than an eighth of ten: each message is a stretch. The one of
  // 48 is ten seconds older than the last, and goes when that behind it does.
  f.Add(1, runs);
  CHECK(f.past.first_offset() == 24);
  PastPlace place = f.past.At(25).value();
  REQUIRE(f.past.Next(&place).ok());
  f.past.Trim(kStart + seconds(67));
  CHECK(f.past.first_offset() == 28);
  f.past.Trim(kStart + seconds(68));
  CHECK(f.past.first_offset() == 30);
  CHECK_FALSE(f.use.Uses(1));
  // A place from before goes on at what comes.
  CHECK_FALSE(f.past.Next(&place).value());
  CHECK(place.offset == 30);
  f.Add(2, Files::Runs(30, {"new"}));
  CHECK(f.past.Next(&place).value()->body == "new");
}

TEST_CASE("disk past: a place inside a run that was let go goes on at the first message kept") {
  PastFixture f({2'000, {}});
  const std::vector<std::string> bodies(3, std::string(500, 'a'));
  const auto placed = f.files.Write(1, {{1, 0, 0, kStart, bodies},
                                        {1, 3, 3, kStart, bodies},
                                        {1, 6, 6, kStart, {"last", std::string(1'996, 'z')}}});
  f.past.Add(placed[0]);
  PastPlace place = f.past.At(1).value();
  CHECK(f.past.Next(&place).value()->offset == 1);
  f.past.Add(placed[1]);
  f.past.Add(placed[2]);
  REQUIRE(f.past.first_offset() == 6);
  CHECK(f.past.Next(&place).value()->body == "last");
}

TEST_CASE("disk past: what was moved is read where it lies now") {
  PastFixture f;
  const auto old_runs = Files::Runs(0, {"a", "b", "c"});
  f.Add(1, old_runs);
  f.Add(2, Files::Runs(3, {"d"}));
  PastPlace place = f.past.At(1).value();
  CHECK(f.past.Next(&place).value()->body == "b");
  const auto moved = f.files.Write(3, old_runs);
  const std::string all = "0:0:a 1:10:b 2:20:c 3:30:d ";
  for (const PlacedRun& run : moved) {
    f.past.Move(run);
    CHECK(Kept(&f.past) == all);
    CHECK(f.past.OffsetAtTime(kStart + seconds(1)).value() == 1);
    CHECK(f.past.OffsetAtSequence(11).value() == 2);
    CHECK(f.past.BytesFrom(2) == 2);
  }
  CHECK_FALSE(f.use.Uses(1));
  CHECK(f.use.Uses(3));
  f.reader.Forget(1);
  std::filesystem::remove(f.files.folder.Segment(1));
  CHECK(Kept(&f.past) == all);
  CHECK(f.past.stretches().size() == 2);
  CHECK(f.past.Next(&place).value()->body == "c");
  CHECK(f.past.Next(&place).value()->body == "d");
}

TEST_CASE("disk past: what comes back in the order of files is put in that of offsets") {
  PastFixture f;
  const auto last = f.files.Write(2, Files::Runs(4, {"e", "f"}));
  const auto moved = f.files.Write(3, Files::Runs(0, {"a", "b", "c", "d", "e"}));
  for (const PlacedRun& run : last) f.past.Restore(run);
  for (const PlacedRun& run : moved) f.past.Restore(run);
  f.past.EndRestore(6, false);
  CHECK(Kept(&f.past) == "0:0:a 1:10:b 2:20:c 3:30:d 4:40:e 5:50:f ");
  CHECK(f.past.retained_bytes() == 6);
  CHECK(f.past.BytesFrom(4) == 2);
}

TEST_CASE("disk past: what lies before a hole had been let go, but where damage was set aside") {
  for (const bool salvage : {false, true}) {
    PastFixture f;
    for (const PlacedRun& run : f.files.Write(1, Files::Runs(0, {"a", "b"}))) f.past.Restore(run);
    for (const PlacedRun& run : f.files.Write(2, Files::Runs(5, {"c"}))) f.past.Restore(run);
    f.past.EndRestore(6, salvage);
    CHECK(Kept(&f.past) == (salvage ? "0:0:a 1:10:b 5:50:c " : "5:50:c "));
    CHECK(f.past.At(3)->offset == 5);
    CHECK(f.use.Uses(1) == salvage);
    CHECK(f.past.gone_sequence() == (salvage ? 0 : 50));
    f.Add(3, Files::Runs(6, {"d"}));
    CHECK(Kept(&f.past, 5) == "5:50:c 6:60:d ");
  }
}

TEST_CASE("disk past: where the newest messages are gone nobody knows their sequence") {
  PastFixture f;
  for (const PlacedRun& run : f.files.Write(1, Files::Runs(0, {"a"}))) f.past.Restore(run);
  f.past.EndRestore(4, false);
  CHECK(f.past.first_offset() == 4);
  CHECK(f.past.gone_sequence() == UINT64_MAX);
}

TEST_CASE("disk past: messages missing at the end are passed over once there are others") {
  PastFixture f;
  for (const PlacedRun& run : f.files.Write(1, Files::Runs(0, {"a"}))) f.past.Restore(run);
  f.past.EndRestore(4, true);
  PastPlace place = f.past.At(0).value();
  CHECK(f.past.Next(&place).value()->body == "a");
  CHECK_FALSE(f.past.Next(&place).value());
  CHECK(place.offset == 4);
  f.Add(2, Files::Runs(4, {"e"}));
  CHECK(f.past.Next(&place).value()->body == "e");
}

TEST_CASE("disk past: damage is told, and a wrong message never") {
  PastFixture f;
  f.Add(1, Files::Runs(0, {"aaaa", "bbbb"}));
  std::string bytes = journal_test::ReadFile(f.files.folder.Segment(1));
  bytes[bytes.size() - 1] ^= 1;
  journal_test::WriteFile(f.files.folder.Segment(1), bytes);
  const auto place = f.past.At(1);
  REQUIRE_FALSE(place.ok());
  CHECK(place.status().code() == StatusCode::kCorrupt);
  CHECK(place.status().message().find(SegmentName(1)) != std::string::npos);
}

TEST_CASE("disk past: an index that points elsewhere is told, not believed") {
  PastFixture f;
  auto placed = f.files.Write(1, Files::Runs(0, {"a", "b"}));
  placed[1].first_offset = 0;
  placed[1].place.offset = kHeadBytes + 1000;
  f.past.Add(placed[1]);
  CHECK(f.past.At(0).status().code() == StatusCode::kCorrupt);
}
