#include "journal/recovery.h"

#include <fmt/core.h>

#include "tests/unit/journal/support.h"

using namespace rivulet;
using namespace rivulet::journal_test;

namespace {

/// Three segments of two records each, all of it synced.
struct ThreeSegments {
  ThreeSegments() {
    for (SegmentBuilder* segment : {&one, &two, &three}) {
      const auto n = segment->header().number;
      offsets.push_back(segment->Add(fmt::format("{}a", n), segment->position()));
      segment->Add(fmt::format("{}b", n), segment->position());
      if (n == 1) two = SegmentBuilder(2, one.position());
      if (n == 2) three = SegmentBuilder(3, two.position());
    }
    Write();
  }
  void Write() const {
    for (const SegmentBuilder* segment : {&one, &two, &three}) segment->Write(folder);
  }
  TempFolder folder;
  SegmentBuilder one{1}, two{2}, three{3};
  std::vector<std::size_t> offsets;
};

using Records = std::vector<std::string>;

}  // namespace

TEST_CASE("recovery: segments come back in order, with where each ends") {
  ThreeSegments f;
  const Recovered got = RecoverFrom(f.folder.path());
  REQUIRE(got.status.ok());
  CHECK(got.records == Records{"1a", "1b", "2a", "2b", "3a", "3b"});
  REQUIRE(got.segments.size() == 3);
  CHECK(got.segments[1].header.number == 2);
  CHECK(got.segments[1].used_bytes == 64 + 2 * 19);
  CHECK(got.report.segments == 3);
  CHECK(got.report.batches == 6);
  CHECK(got.report.records == 6);
  CHECK(got.report.bytes == 6 * 19);
}

TEST_CASE("recovery: a folder without segments is an empty journal, no folder is an error") {
  TempFolder folder;
  const Recovered got = RecoverFrom(folder.path());
  CHECK(got.status.ok());
  CHECK(got.segments.empty());
  CHECK(RecoverFrom(folder.File("none")).status.code() == StatusCode::kIoError);
}

TEST_CASE("recovery: a journal of another owner is refused by name") {
  ThreeSegments f;
  RecoveryOptions options;
  options.path = f.folder.path();
  options.owner = "simplequeue";
  RecoveryReport report;
  const auto got = Recover(
      options, [](std::string_view, const RecordPlace&) { return Status::Ok(); }, &report);
  REQUIRE(!got.ok());
  CHECK(got.status().code() == StatusCode::kInvalidArgument);
  CHECK(got.status().message().ends_with("the journal of \"test\", not of \"simplequeue\""));
}

TEST_CASE("recovery: a segment that was never begun goes away, and only bytes count as cut") {
  const std::string zeros(4096, '\0');
  for (const std::string& bytes : {std::string(), std::string(10, '\0'), zeros, "x" + zeros}) {
    ThreeSegments f;
    WriteFile(f.folder.Segment(4), bytes);
    const Recovered got = RecoverFrom(f.folder.path());
    REQUIRE(got.status.ok());
    CHECK(got.records.size() == 6);
    CHECK(f.folder.Segments() == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(got.report.cut_bytes == (bytes.starts_with("x") ? 1 : 0));
  }
}

TEST_CASE("recovery: what lies at or behind the next segment's start is void") {
  ThreeSegments f;
  f.one.Add("taken back", f.one.position());
  f.one.Write(f.folder);
  const Recovered got = RecoverFrom(f.folder.path());
  REQUIRE(got.status.ok());
  CHECK(got.records == Records{"1a", "1b", "2a", "2b", "3a", "3b"});
}

TEST_CASE("recovery: leftovers of a removal are removed, and a missing first segment was removed") {
  ThreeSegments f;
  SegmentBuilder three(3, f.two.position(), 2);
  three.Add("3a", three.position());
  three.Write(f.folder);
  CHECK(RecoverFrom(f.folder.path()).records == Records{"2a", "2b", "3a"});
  CHECK(f.folder.Segments() == std::vector<std::uint64_t>{2, 3});
  std::filesystem::remove(f.folder.Segment(2));
  CHECK(RecoverFrom(f.folder.path()).records == Records{"3a"});
}

TEST_CASE("recovery: damage stops it at FILE:OFFSET and changes nothing") {
  ThreeSegments f;
  f.two.Ruin(f.offsets[1] + 16, 2);
  f.Write();
  const Recovered got = RecoverFrom(f.folder.path());
  CHECK(got.status.code() == StatusCode::kCorrupt);
  CHECK(got.status.message() ==
        fmt::format("{}:{}: the batch is bad", f.folder.Segment(2), f.offsets[1]));
  CHECK(f.folder.Segments().size() == 3);
  CHECK(ReadFile(f.folder.Segment(2)) == f.two.bytes());
}

TEST_CASE("recovery: salvage sets damage aside, and the next start finds the journal whole") {
  ThreeSegments f;
  const std::string before = f.two.bytes().substr(f.offsets[1], 19);
  f.two.Ruin(f.offsets[1], 19);
  f.Write();
  const Recovered got = RecoverFrom(f.folder.path(), true);
  REQUIRE_MESSAGE(got.status.ok(), got.status.message());
  CHECK(got.records == Records{"1a", "1b", "2b", "3a", "3b"});
  CHECK(got.report.bad_bytes == 19);
  CHECK(got.report.bad_places == 1);
  std::string aside = ReadFile(f.folder.Segment(2) + ".bad");
  CHECK(aside.starts_with(
      fmt::format("rivulet-journal: 19 bytes of {}:{}\n", SegmentName(2), f.offsets[1])));
  aside.erase(0, aside.find('\n') + 1);
  CHECK(aside == f.two.bytes().substr(f.offsets[1], 19));
  CHECK(aside != before);
  const Recovered again = RecoverFrom(f.folder.path());
  REQUIRE_MESSAGE(again.status.ok(), again.status.message());
  CHECK(again.records == got.records);
}

TEST_CASE("recovery: salvage goes on behind a bad header, a missing segment and a bad end") {
  enum What { kHeader, kMissing, kEnd, kFirstHeader, kLastHeader };
  for (const What what : {kHeader, kMissing, kEnd, kFirstHeader, kLastHeader}) {
    CAPTURE(static_cast<int>(what));
    ThreeSegments f;
    Records expected{"1a", "1b", "3a", "3b"};
    if (what == kHeader) f.two.Ruin(20, 1);
    if (what == kFirstHeader) {
      f.one.Ruin(20, 1);
      expected = {"2a", "2b", "3a", "3b"};
    }
    if (what == kLastHeader) {
      f.three.Ruin(20, 1);
      expected = {"1a", "1b", "2a", "2b"};
    }
    if (what == kEnd) {
      f.two.bytes().resize(f.two.bytes().size() - 1);
      expected = {"1a", "1b", "2a", "3a", "3b"};
    }
    f.Write();
    if (what == kMissing) std::filesystem::remove(f.folder.Segment(2));
    CHECK(RecoverFrom(f.folder.path()).status.code() == StatusCode::kCorrupt);
    // A look alone sees the same records, and repairs nothing.
    CHECK(RecoverFrom(f.folder.path(), true, true).records == expected);
    CHECK(RecoverFrom(f.folder.path()).status.code() == StatusCode::kCorrupt);
    const Recovered got = RecoverFrom(f.folder.path(), true);
    REQUIRE_MESSAGE(got.status.ok(), got.status.message());
    CHECK(got.records == expected);
    CHECK(got.report.bad_places == 1);
    const Recovered again = RecoverFrom(f.folder.path());
    REQUIRE_MESSAGE(again.status.ok(), again.status.message());
    CHECK(again.records == expected);
  }
}

TEST_CASE("recovery: a record that its owner refuses is damage at its batch") {
  ThreeSegments f;
  RecoveryOptions options;
  options.path = f.folder.path();
  Records seen;
  const RecordVisitor visit = [&](std::string_view record, const RecordPlace& place) {
    if (record == "2a") return Status(StatusCode::kCorrupt, "no such queue");
    CHECK(record.substr(0, 1) == std::to_string(place.segment));
    seen.emplace_back(record);
    return Status::Ok();
  };
  RecoveryReport report;
  const auto refused = Recover(options, visit, &report);
  REQUIRE(!refused.ok());
  CHECK(refused.status().message() == f.folder.Segment(2) + ":64: no such queue");
  seen.clear();
  options.salvage = true;
  CHECK(Recover(options, visit, &report).ok());
  CHECK(seen == Records{"1a", "1b", "2b", "3a", "3b"});
  CHECK(report.bad_bytes == 19);
  CHECK(RecoverFrom(f.folder.path()).records == seen);
}

TEST_CASE("recovery: a look alone repairs nothing") {
  SegmentBuilder one(1);
  one.Add("good", 0);
  one.bytes() += "torn";
  TempFolder folder;
  one.Write(folder);
  WriteFile(folder.Segment(2), "");
  const Recovered got = RecoverFrom(folder.path(), false, true);
  CHECK(got.records == Records{"good"});
  CHECK(got.report.cut_bytes == 4);
  CHECK(ReadFile(folder.Segment(1)) == one.bytes());
  CHECK(folder.Segments().size() == 2);
}

TEST_CASE("recovery: messages that look like batches do not make a search endless") {
  // 4 MiB of headers with a mark, each of which claims half a megabyte: hashing them all would
  // read 128 GiB.
  SegmentBuilder segment(1);
  segment.Add("good", 0);
  const std::size_t bad = segment.Add("bad", segment.position());
  std::string fakes;
  while (fakes.size() < 4 << 20) fakes += std::string("\0\0\0\0\0\0\x08\0\0\0\0\0\0\0rJ", 16);
  segment.Add(fakes, segment.position());
  segment.Ruin(bad);
  TempFolder folder;
  segment.Write(folder);
  // Given up, and what is not known is not thrown away.
  CHECK(RecoverFrom(folder.path()).status.code() == StatusCode::kCorrupt);
}

TEST_CASE("recovery: progress is told up to the whole") {
  ThreeSegments f;
  RecoveryOptions options;
  options.path = f.folder.path();
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  options.progress = [&](std::uint64_t d, std::uint64_t t) {
    done = d;
    total = t;
  };
  RecoveryReport report;
  REQUIRE(Recover(
              options, [](auto...) { return Status::Ok(); }, &report)
              .ok());
  CHECK(done == f.folder.SegmentBytes());
  CHECK(total == done);
}
