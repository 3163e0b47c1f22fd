// Damage, and a journal that is written and read by several at once: whatever happens, what is read
// is what was written. The truth is a plain list.
#include "tests/unit/journal/reader_support.h"

using namespace rivulet;
using namespace rivulet::journal_test;

TEST_CASE("reader: a changed byte is damage at its batch, and no wrong record is ever given") {
  std::mt19937 random(11);
  WrittenSegment written = RandomSegment(&random, 40, 60);
  TempFolder folder;
  for (int round = 0; round < 3000; ++round) {
    const std::size_t bad = kSegmentHeaderBytes + random() % (written.end() - kSegmentHeaderBytes);
    const char was = written.builder.bytes()[bad];
    written.builder.bytes()[bad] = static_cast<char>(was ^ (1 << random() % 8));
    written.builder.Write(folder);
    const auto behind =
        std::upper_bound(written.batches.begin(), written.batches.end(), std::uint64_t{bad});
    const std::uint64_t batch = *std::prev(behind);
    CAPTURE(bad);
    CAPTURE(batch);
    // Small windows, too, for which these batches are large.
    JournalReader reader(ConfigOf(folder, 64ULL << (random() % 8)));
    RecordPlace place{1, kSegmentHeaderBytes};
    const Reading all = ReadFrom(&reader, &place, written.end());
    REQUIRE(all.status.code() == StatusCode::kCorrupt);
    REQUIRE(all.status.message() ==
            fmt::format("{}:{}: {}", folder.Segment(1), batch,
                        all.status.message().substr(all.status.message().rfind(": ") + 2)));
    const auto good = static_cast<std::ptrdiff_t>(
        std::count_if(written.places.begin(), written.places.end(),
                      [&](const RecordPlace& record) { return record.batch_begin < batch; }));
    REQUIRE(all.records == Records(written.records.begin(), written.records.begin() + good));
    for (int i = 0; i < 10; ++i) {
      const std::size_t at = random() % written.records.size();
      place = written.places[at];
      const auto record = reader.Next(&place, written.end());
      if (written.places[at].batch_begin == batch) {
        REQUIRE(record.status().code() == StatusCode::kCorrupt);
      } else {
        REQUIRE(record.ok());
        REQUIRE(*record == written.records[at]);
      }
    }
    written.builder.bytes()[bad] = was;
  }
}

namespace {

/// A journal that is written, closed, opened and read by several at once, and all that it was told.
struct World {
  explicit World(std::uint32_t seed)
      : random(seed), f(seed % 2 == 0 ? "none" : "always", 1024 << seed % 4) {
    f.disk.IgnoreSyncs();
    f.owner.on_segment_begun = [this] { Append(fmt::format("begun {}", appended.size())); };
    Reopen();
  }

  void Append(const std::string& record) {
    appended.push_back(record);
    f.journal->Append(record);
  }
  /// Some records, in commits that may begin while another is being written.
  void Write() {
    for (std::uint32_t i = 0; i < 1 + random() % 6; ++i) {
      for (std::uint32_t r = 0; r < 1 + random() % 5; ++r) {
        Put(random() % 20 == 0 ? 3000 : random() % 200);
      }
      f.loop.RunOnce(std::chrono::milliseconds(0));
    }
    REQUIRE(f.Settle());
    for (; placed < f.owner.places.size(); ++placed) CheckPlace(f.owner.places[placed]);
    REQUIRE(read == appended);
  }
  void Put(std::size_t bytes) {
    std::string record = fmt::format("{} ", ++puts);
    record.append(bytes, 'x');
    f.journal->Append(record);  // which may have OnSegmentBegun() append before
    appended.push_back(std::move(record));
  }
  void CheckPlace(const CommitPlace& place) {
    REQUIRE(place.end > place.begin);
    // One behind the other, as the segments come.
    if (!ends.empty() && place.segment == ends.rbegin()->first) {
      REQUIRE(place.begin == ends.rbegin()->second);
    } else {
      REQUIRE(place.begin == kSegmentHeaderBytes);
    }
    ends[place.segment] = place.end;
    RecordPlace at{place.segment, place.begin};
    const Reading reading = ReadFrom(reader.get(), &at, place.end);
    REQUIRE(reading.status.ok());
    REQUIRE(at == RecordPlace{place.segment, place.end});
    read.insert(read.end(), reading.records.begin(), reading.records.end());
  }
  void Reopen() {
    if (f.journal) REQUIRE(f.journal->Close().ok());
    REQUIRE(f.Open().ok());
    placed = 0;
    REQUIRE(f.records == appended);
    reader = std::make_unique<JournalReader>(
        ConfigOf(f.folder, 64ULL << random() % 8, 1 + random() % 4, 1 + random() % 3));
    for (std::size_t i = 0; i < f.records.size(); ++i) {
      RecordPlace place = f.record_places[i];
      const auto record = reader->Next(&place, place.batch_end);
      REQUIRE(record.ok());
      REQUIRE(*record == f.records[i]);
      if (place.batch_end != 0) REQUIRE(place == f.record_places[i + 1]);
      // A batch without records may say that all is synced.
      ends[place.segment] = std::max(ends[place.segment], place.offset);
    }
    SeeEnds();
  }
  /// Behind what Close() wrote, which has no place.
  void SeeEnds() {
    if (!ends.empty()) {
      const std::uint64_t number = ends.rbegin()->first;
      const auto recovered = RecoverFrom(f.folder.path(), false, true);
      REQUIRE(recovered.segments.back().header.number == number);
      ends.rbegin()->second = recovered.segments.back().used_bytes;
    }
  }
  /// One of the followers, a few records on.
  void Follow() {
    Follower& who = followers[random() % followers.size()];
    for (std::uint32_t i = 0; i < random() % 30; ++i) {
      const auto end = ends.find(who.place.segment);
      if (end == ends.end()) return;  // nothing is written yet
      const auto record = reader->Next(&who.place, end->second);
      REQUIRE(record.ok());
      if (*record) {
        REQUIRE(who.next < appended.size());
        REQUIRE(**record == appended[who.next++]);
      } else if (ends.contains(who.place.segment + 1)) {
        who.place = {who.place.segment + 1, kSegmentHeaderBytes};
      } else {
        REQUIRE(who.next == appended.size());
      }
    }
  }

  struct Follower {
    RecordPlace place{1, kSegmentHeaderBytes};
    std::size_t next = 0;
  };
  std::mt19937 random;
  Fixture f;
  std::unique_ptr<JournalReader> reader;
  Records appended;  // in the order of the log
  Records read;      // by the places of commits
  int puts = 0;
  std::size_t placed = 0;
  std::map<std::uint64_t, std::uint64_t> ends;  // by segment, of what is committed
  std::vector<Follower> followers{3};
};

}  // namespace

TEST_CASE("reader: places of commits and of recovery agree with what was written, and all follow") {
  for (std::uint32_t seed = 0; seed < 24; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (int step = 0; step < 120; ++step) {
      const auto what = world.random() % 20;
      if (what == 0) world.Reopen();
      if (what >= 1 && what < 8) world.Write();
      if (what >= 8) world.Follow();
    }
  }
}
