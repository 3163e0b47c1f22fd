// T3 and T4: a journal cut at every byte, and one with every bit flipped. What must come back is
// counted by hand: a batch of one short record has 16 + 1 + its bytes, and the first stands at 64.
#include <fmt/core.h>

#include "tests/unit/journal/support.h"

using namespace rivulet;
using namespace rivulet::journal_test;

namespace {

// One thread, thousands of mapped files: what ThreadSanitizer is slowest at and finds nothing in.
#ifdef __SANITIZE_THREAD__
constexpr std::size_t kStride = 61;
#elif defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStride = 7;  // some bit of every byte
#else
constexpr std::size_t kStride = 1;
#endif

std::string Record(int i, char fill = '*') {
  return fmt::format("{:02}{}", i, std::string(static_cast<std::size_t>(1 + i % 7 * 5), fill));
}
std::size_t BatchBytes(int i) { return 16 + 1 + 2 + static_cast<std::size_t>(1 + i % 7 * 5); }

/// The bytes of a segment with so many records, each a commit of its own, as they are while the
/// journal is open.
std::string OpenJournal(int records, char fill = '*') {
  Fixture f("always", 4096);
  f.disk.IgnoreSyncs();
  REQUIRE(f.Open().ok());
  for (int i = 0; i < records; ++i) f.Commit(Record(i, fill));
  return ReadFile(f.folder.Segment(1));
}

std::size_t EndOf(int records) {
  std::size_t end = 64;
  for (int i = 0; i < records; ++i) end += BatchBytes(i);
  return end;
}

int WholeBefore(std::size_t cut, int records) {
  int whole = 0;
  while (whole < records && EndOf(whole + 1) <= cut) ++whole;
  return whole;
}

void Patch(const std::string& path, std::size_t offset, char byte) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

bool AreFirst(const std::vector<std::string>& records, int count) {
  static std::vector<std::string> expected;
  while (static_cast<int>(expected.size()) < count) {
    expected.push_back(Record(static_cast<int>(expected.size())));
  }
  return std::equal(records.begin(), records.end(), expected.begin(), expected.begin() + count);
}

}  // namespace

TEST_CASE("journal: cut at every byte, the whole records before the cut come back (T3)") {
  constexpr int kRecords = 40;
  const std::string whole = OpenJournal(kRecords);
  const std::size_t end = EndOf(kRecords);
  REQUIRE(whole.size() == 4096);
  REQUIRE(whole[end - 1] != '\0');
  REQUIRE(whole.find_first_not_of('\0', end) == std::string::npos);
  TempFolder folder;
  for (std::size_t cut = 0; cut <= end; cut += kStride) {
    CAPTURE(cut);
    const std::string kept = whole.substr(0, cut);
    const int expected = WholeBefore(cut, kRecords);
    for (const std::string& bytes : {kept, kept + std::string(whole.size() - cut, '\0')}) {
      WriteFile(folder.Segment(1), bytes);
      const Recovered first = RecoverFrom(folder.path());
      REQUIRE_MESSAGE(first.status.ok(), first.status.message());
      REQUIRE(AreFirst(first.records, expected));
      // What was cut is counted once, and is gone then.
      const Recovered second = RecoverFrom(folder.path());
      REQUIRE(AreFirst(second.records, expected));
      REQUIRE(second.report.cut_bytes == 0);
    }
  }
}

TEST_CASE("journal: behind the cut stand bytes of an earlier journal, and none comes back (T3)") {
  constexpr int kRecords = 40;
  const std::string whole = OpenJournal(kRecords);
  const std::string old = OpenJournal(kRecords, '#');  // another salt, the same places
  TempFolder folder;
  // Up to 48 the header is the old one's, or no one's.
  for (std::size_t cut = 13; cut < EndOf(kRecords); cut += kStride) {
    CAPTURE(cut);
    const std::string mixed = whole.substr(0, cut) + old.substr(cut);
    // Of two salts and checks some bytes may be the same.
    const std::string header = mixed.substr(0, kSegmentHeaderBytes);
    if (cut < 48 && (whole.starts_with(header) || old.starts_with(header))) continue;
    WriteFile(folder.Segment(1), mixed);
    const Recovered got = RecoverFrom(folder.path());
    if (cut < 48) {
      REQUIRE(got.status.code() == StatusCode::kCorrupt);
      continue;
    }
    REQUIRE_MESSAGE(got.status.ok(), got.status.message());
    REQUIRE(AreFirst(got.records, WholeBefore(cut, kRecords)));
    if (cut >= 64) REQUIRE(got.report.cut_bytes == EndOf(kRecords) - EndOf(WholeBefore(cut, 40)));
  }
}

TEST_CASE("journal: control of T3: with this segment's salt old bytes would come back") {
  SegmentBuilder now(1);
  now.Add("now-1", 0);
  SegmentBuilder before(1);
  before.Add("old-1", 0);
  before.Add("old-2", before.position());
  TempFolder folder;
  WriteFile(folder.Segment(1), now.bytes() + before.bytes().substr(now.bytes().size()));
  CHECK(RecoverFrom(folder.path()).records == std::vector<std::string>{"now-1", "old-2"});
}

TEST_CASE("journal: every bit flipped: refused or cut, never a wrong record (T4)") {
  constexpr int kRecords = 100;
  const std::string whole = OpenJournal(kRecords);
  REQUIRE(EndOf(kRecords) < 4096);
  REQUIRE(EndOf(kRecords) > 3000);
  const std::size_t end = EndOf(kRecords);
  const std::size_t last = EndOf(kRecords - 1);
  TempFolder folder;
  WriteFile(folder.Segment(1), whole);
  for (std::size_t bit = 0; bit < whole.size() * 8; bit += kStride) {
    const std::size_t at = bit / 8;
    Patch(folder.Segment(1), at, static_cast<char>(whole[at] ^ (1 << bit % 8)));
    // With repairs now and then: they cost most of the time.
    const bool repair = bit % 16 == 5;
    const Recovered got = RecoverFrom(folder.path(), false, !repair);
    if (repair) WriteFile(folder.Segment(1), whole);
    if (!repair) Patch(folder.Segment(1), at, whole[at]);
    CAPTURE(bit);
    if (at < last) {
      // A header, or a batch that the next one says had been synced: damage.
      REQUIRE(got.status.code() == StatusCode::kCorrupt);
      if (bit % 8 > 0) continue;
      const std::size_t offset = at < 64 ? 0 : EndOf(WholeBefore(at, kRecords));
      REQUIRE(got.status.message().starts_with(fmt::format("{}:{}:", folder.Segment(1), offset)));
    } else {
      // The last batch, of which nothing says that it was synced, or the room behind it: a tail.
      REQUIRE_MESSAGE(got.status.ok(), got.status.message());
      REQUIRE(got.report.cut_bytes > 0);
      REQUIRE(AreFirst(got.records, at < end ? kRecords - 1 : kRecords));
    }
  }
}

TEST_CASE("journal: once it was closed, a flip in its last record is damage too") {
  Fixture f("none", 4096);
  REQUIRE(f.Open().ok());
  f.Commit("first");
  f.Commit("last");
  REQUIRE(f.journal->Close().ok());
  std::string bytes = ReadFile(f.folder.Segment(1));
  bytes[64 + 16 + 6 + 16 + 2] = '?';
  WriteFile(f.folder.Segment(1), bytes);
  CHECK(f.Open().code() == StatusCode::kCorrupt);
}

TEST_CASE("journal: a hole in what was never synced is a torn tail, in what was it is damage") {
  // Sectors of one unsynced stretch reach the disk in any order: the third batch is there, the
  // second is not. Only what the third says of the log tells which it is.
  for (const bool synced : {false, true}) {
    CAPTURE(synced);
    SegmentBuilder segment(1);
    segment.Add("first", 0);
    const std::uint64_t second_at = segment.position();
    const std::size_t second = segment.Add("second", second_at);
    segment.Add("third", synced ? segment.position() : second_at);
    segment.Ruin(second);
    TempFolder folder;
    segment.Write(folder);
    const Recovered got = RecoverFrom(folder.path());
    if (synced) {
      CHECK(got.status.code() == StatusCode::kCorrupt);
      CHECK(got.status.message() ==
            fmt::format("{}:{}: the batch is bad", folder.Segment(1), second));
      CHECK(ReadFile(folder.Segment(1)) == segment.bytes());
    } else {
      CHECK(got.records == std::vector<std::string>{"first"});
      CHECK(got.report.cut_at == fmt::format("{}:{}", folder.Segment(1), second));
      CHECK(got.report.cut_bytes == segment.bytes().size() - second);
      CHECK(std::filesystem::file_size(folder.Segment(1)) == second);
    }
  }
}

TEST_CASE("journal: the same hole at the end of one segment, told by the next one") {
  for (const bool synced : {false, true}) {
    CAPTURE(synced);
    SegmentBuilder one(1);
    one.Add("first", 0);
    const std::uint64_t lost_at = one.position();
    const std::size_t lost = one.Add("lost", lost_at);
    SegmentBuilder two(2, one.position());
    two.Add("second", synced ? two.position() : lost_at);
    one.bytes().resize(lost);
    TempFolder folder;
    one.Write(folder);
    two.Write(folder);
    const Recovered got = RecoverFrom(folder.path());
    if (synced) {
      CHECK(got.status.code() == StatusCode::kCorrupt);
    } else {
      CHECK(got.records == std::vector<std::string>{"first"});
      CHECK(folder.Segments() == std::vector<std::uint64_t>{1});
    }
  }
}

TEST_CASE("journal: a segment whose first sector is lost ends the log, unless it had been synced") {
  for (const bool synced : {false, true}) {
    CAPTURE(synced);
    SegmentBuilder one(1);
    one.Add("first", 0);
    SegmentBuilder two(2, one.position());
    const std::uint64_t two_at = two.position();
    two.Add("second", two_at);
    SegmentBuilder three(3, two.position());
    three.Add("third", synced ? three.position() : two_at);
    std::fill_n(two.bytes().begin(), 64, '\0');
    TempFolder folder;
    one.Write(folder);
    two.Write(folder);
    three.Write(folder);
    const Recovered got = RecoverFrom(folder.path());
    if (synced) {
      CHECK(got.status.code() == StatusCode::kCorrupt);
      CHECK(got.status.message().starts_with(folder.Segment(2) + ":0:"));
    } else {
      CHECK(got.records == std::vector<std::string>{"first"});
      CHECK(folder.Segments() == std::vector<std::uint64_t>{1});
      CHECK(got.report.cut_bytes == two.bytes().size() + three.bytes().size());
    }
  }
}
