// Records of a live journal, read back by place. The truth is a plain list of what was written.
#include "tests/unit/journal/reader_support.h"

using namespace rivulet;
using namespace rivulet::journal_test;

TEST_CASE("reader: what stands between two places is read in order, void and empty batches not") {
  WrittenSegment written;
  written.Add({"one", "two"});
  written.Add({"void"}, true);
  written.Add({});
  written.Add({"", "four"});
  TempFolder folder;
  written.builder.Write(folder);
  JournalReader reader(ConfigOf(folder, 4096));
  RecordPlace place{1, kSegmentHeaderBytes};
  const Reading all = ReadFrom(&reader, &place, written.end());
  CHECK(all.status.ok());
  CHECK(all.records == Records{"one", "two", "", "four"});
  CHECK(place == RecordPlace{1, written.end()});
  // A record begins before its end or is not read.
  place = {1, written.places[1].offset, written.places[1].batch_end, written.places[1].batch_begin};
  CHECK(ReadFrom(&reader, &place, written.places[1].offset).records.empty());
  CHECK(ReadFrom(&reader, &place, written.places[1].offset + 1).records == Records{"two"});
  CHECK(ReadFrom(&reader, &place, written.batches[3]).records.empty());
  CHECK(ReadFrom(&reader, &place, written.batches[3] + 17).records == Records{""});
}

TEST_CASE("reader: any records in any windows, one after another and at random") {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    WrittenSegment written = RandomSegment(&random, 60, 1 + random() % 400);
    TempFolder folder;
    written.builder.Write(folder);
    // From windows that hold none of the batches to one that holds all.
    const std::size_t window_bytes = 64ULL << (random() % 12);
    JournalReader reader(ConfigOf(folder, window_bytes, 1 + random() % 3));
    RecordPlace place{1, kSegmentHeaderBytes};
    const Reading all = ReadFrom(&reader, &place, written.end());
    REQUIRE(all.status.ok());
    REQUIRE(all.records == written.records);
    for (std::size_t i = 0; i < all.places.size(); ++i) {
      // Between batches the place is a header's.
      if (all.places[i].batch_end != 0) CHECK(all.places[i] == written.places[i]);
    }
    for (int i = 0; i < 200; ++i) {
      const std::size_t at = random() % written.records.size();
      const std::size_t most = 1 + random() % 20;
      place = written.places[at];
      const Reading some = ReadFrom(&reader, &place, written.end(), most);
      REQUIRE(some.status.ok());
      const auto from = written.records.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = std::min(most, written.records.size() - at);
      REQUIRE(some.records == Records(from, from + static_cast<std::ptrdiff_t>(count)));
    }
  }
}

TEST_CASE("reader: a record and a batch that are larger than a window come whole") {
  WrittenSegment written;
  written.Add({"small", std::string(100'000, 'x'), "behind"});
  Records many;
  for (int i = 0; i < 1000; ++i) many.push_back(fmt::format("{} of many", i));
  written.Add(many);
  written.Add({"last"});
  TempFolder folder;
  written.builder.Write(folder);
  JournalReader reader(ConfigOf(folder, 1024, 1));
  RecordPlace place{1, kSegmentHeaderBytes};
  CHECK(ReadFrom(&reader, &place, written.end()).records == written.records);
  place = written.places[1];
  CHECK(ReadFrom(&reader, &place, written.end(), 2).records ==
        Records{std::string(100'000, 'x'), "behind"});
  place = written.places[500];
  CHECK(ReadFrom(&reader, &place, written.end(), 1).records == Records{written.records[500]});
}

TEST_CASE("reader: one read a window, however small the steps, and whoever reads the same") {
  WrittenSegment written;
  const std::size_t window_bytes = 4096;
  // Batches of 64 bytes, so that windows are full: 16, 1, and 47.
  for (int i = 0; i < 64 * 10; ++i) written.Add({std::string(47, static_cast<char>(i))});
  TempFolder folder;
  written.builder.Write(folder);
  JournalReader reader(ConfigOf(folder, window_bytes, 2));
  std::vector<RecordPlace> places(3, {1, kSegmentHeaderBytes});
  for (std::size_t i = 0; i < written.records.size(); ++i) {
    for (RecordPlace& place : places) {
      const auto record = reader.Next(&place, written.end());
      REQUIRE(record.ok());
      REQUIRE(*record == written.records[i]);
    }
  }
  CHECK(reader.reads() == 1 + 10);  // the header, and ten windows
}

TEST_CASE("reader: the writer's last commit is read with one read, and nothing behind it") {
  for (const char* sync : {"none", "always"}) {
    Fixture f(sync);
    REQUIRE(f.Open().ok());
    f.Commit("first");
    JournalReader reader(ConfigOf(f.folder, 4096));
    RecordPlace place{1, f.owner.places[0].begin};
    CHECK(ReadFrom(&reader, &place, f.owner.places[0].end).records == Records{"first"});
    for (int i = 0; i < 20; ++i) {
      f.Commit(fmt::format("{} a", i));
      const std::uint64_t end = f.owner.places.back().end;
      f.Commit(fmt::format("{} b", i));
      const auto before = reader.reads();
      CHECK(ReadFrom(&reader, &place, end).records == Records{fmt::format("{} a", i)});
      CHECK(reader.reads() == before + 1);
      CHECK(place == RecordPlace{1, end});
      CHECK(ReadFrom(&reader, &place, f.owner.places.back().end).records ==
            Records{fmt::format("{} b", i)});
    }
  }
}

TEST_CASE("reader: a removed segment is read on while it is open, and forgotten when told") {
  Fixture f("none", 4096);
  REQUIRE(f.Open().ok());
  for (int i = 0; i < 60; ++i) f.Commit(fmt::format("{} {}", i, std::string(100, 'x')));
  REQUIRE(f.owner.places.back().segment == 2);
  std::uint64_t end = 0;
  Records first;
  for (std::size_t i = 0; i < f.owner.places.size() && f.owner.places[i].segment == 1; ++i) {
    end = f.owner.places[i].end;
    first.push_back(fmt::format("{} {}", i, std::string(100, 'x')));
  }
  JournalReader reader(ConfigOf(f.folder, 512));
  RecordPlace place{1, kSegmentHeaderBytes};
  REQUIRE(ReadFrom(&reader, &place, end, 1).status.ok());
  f.journal->DropOldest();
  REQUIRE(f.RunUntil([&] { return f.journal->oldest_segment() == 2; }));
  CHECK(f.folder.Segments().front() == 2);
  Records rest = ReadFrom(&reader, &place, end).records;
  rest.insert(rest.begin(), first[0]);
  CHECK(rest == first);
  reader.Forget(1);
  place = {1, kSegmentHeaderBytes};
  const auto gone = reader.Next(&place, end);
  CHECK(gone.status().code() == StatusCode::kIoError);
  CHECK(gone.status().message().find(f.folder.Segment(1)) != std::string::npos);
  CHECK(place == RecordPlace{1, kSegmentHeaderBytes});
}

TEST_CASE(
    "reader: a file that is cut short, has another header or cannot be read is told by name") {
  std::mt19937 random(3);
  WrittenSegment written = RandomSegment(&random, 20, 200);
  const std::uint64_t end = written.end();
  TempFolder folder;
  const std::string whole = written.builder.bytes();
  for (const std::size_t window_bytes : {64, 1024, 1 << 20}) {
    written.builder.bytes() = whole.substr(0, end - 1);
    written.builder.Write(folder);
    JournalReader reader(ConfigOf(folder, window_bytes));
    RecordPlace place{1, kSegmentHeaderBytes};
    const Reading cut = ReadFrom(&reader, &place, end);
    CHECK(cut.status.code() == StatusCode::kCorrupt);
    CHECK(cut.status.message().starts_with(
        fmt::format("{}:{}: ", folder.Segment(1), written.batches.back())));
  }
  WriteFile(folder.Segment(2), whole);
  JournalReader reader(ConfigOf(folder, 1024));
  RecordPlace place{2, kSegmentHeaderBytes};
  const auto other = reader.Next(&place, end);
  CHECK(other.status().code() == StatusCode::kCorrupt);
  CHECK(other.status().message() == folder.Segment(2) + ":0: the segment's header is bad");
  // Reading a folder fails as reading a broken disk does.
  std::filesystem::create_directory(folder.Segment(3));
  place = {3, kSegmentHeaderBytes};
  const auto broken = reader.Next(&place, end);
  CHECK(broken.status().code() == StatusCode::kIoError);
  CHECK(broken.status().message() == "read " + folder.Segment(3) + ": Is a directory");
}

TEST_CASE("reader: a record that is longer than its batch is damage where it stands") {
  // The batch passes its check: it was written so.
  for (const std::size_t window_bytes : {64, 4096}) {
    WrittenSegment written;
    written.Add({"good", std::string(100, 'x')});
    std::string& bytes = written.builder.bytes();
    const std::size_t bad = bytes.size();
    std::string records("\x04good\x05four", 10);
    records.insert(0, std::string("\x64") + std::string(100, 'y'));
    bytes += std::string(kBatchHeaderBytes, '\0') + records;
    SealBatch(bytes.data() + bad, bytes.size() - bad, written.builder.header().salt,
              bad - kSegmentHeaderBytes, 0);
    TempFolder folder;
    written.builder.Write(folder);
    JournalReader reader(ConfigOf(folder, window_bytes));
    RecordPlace place{1, kSegmentHeaderBytes};
    const Reading all = ReadFrom(&reader, &place, bytes.size());
    CHECK(all.records == Records{"good", std::string(100, 'x'), std::string(100, 'y'), "good"});
    CHECK(all.status.code() == StatusCode::kCorrupt);
    CHECK(all.status.message() == fmt::format("{}:{}: the record is longer than its batch",
                                              folder.Segment(1), bytes.size() - 5));
  }
}

TEST_CASE("reader: the batch of a place that does not tell its begin is found") {
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    WrittenSegment written = RandomSegment(&random, 60, 1 + random() % 400);
    TempFolder folder;
    written.builder.Write(folder);
    JournalReader reader(ConfigOf(folder, 64ULL << (random() % 12), 1 + random() % 3));
    for (int i = 0; i < 200; ++i) {
      const std::size_t at = random() % written.records.size();
      RecordPlace place = written.places[at];
      place.batch_begin = 0;
      const auto record = reader.Next(&place, written.end());
      REQUIRE(record.ok());
      REQUIRE(*record == written.records[at]);
    }
  }
  WrittenSegment written;
  written.Add({"one"});
  written.Add({"two"});
  TempFolder folder;
  written.builder.Write(folder);
  JournalReader reader(ConfigOf(folder, 1024));
  RecordPlace none{1, written.batches[1] + 3, written.end()};
  CHECK(reader.Next(&none, written.end()).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("reader: what was read before it was committed is read again") {
  WrittenSegment written;
  written.Add({"one"});
  const std::uint64_t end = written.end();
  WrittenSegment more = written;
  more.Add({"two"});
  written.builder.bytes().append(200, '\0');
  TempFolder folder;
  written.builder.Write(folder);
  JournalReader reader(ConfigOf(folder, 4096));
  RecordPlace place{1, kSegmentHeaderBytes};
  // More than what is committed, which must not be said.
  CHECK(ReadFrom(&reader, &place, end + 100, 1).records == Records{"one"});
  more.builder.Write(folder);
  CHECK(ReadFrom(&reader, &place, more.end()).records == Records{"two"});
}
