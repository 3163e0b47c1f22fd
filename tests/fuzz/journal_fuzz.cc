// The journal's reader, three ways, told by the first byte:
//   raw      the bytes are a segment's file, behind a good header or their own: nothing crashes,
//            offsets only grow, and what is found lies within the file
//   records  the bytes are the records of a good batch: whatever is taken is a part of them
//   folder   the bytes are orders: batches are written to segments and then damaged. What recovery
//            brings back was written, in that order; after a salvage it comes back the same,
//            without another one; and each record is read back at its place
#include <stdlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "journal/format.h"
#include "journal/reader.h"
#include "journal/recovery.h"

namespace {

using namespace rivulet;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "journal_fuzz: %s\n", what);
  std::abort();
}

void ScanAll(std::string_view file, const SegmentHeader& header) {
  SegmentScanner scanner(file, header);
  std::uint64_t before = scanner.offset();
  do {
    while (scanner.Next()) {
      Require(scanner.batch_offset() == before, "a batch that is not where the last one ended");
      Require(scanner.offset() >= before + kBatchHeaderBytes, "an offset that does not grow");
      Require(scanner.offset() <= file.size(), "a batch beyond the file");
      Require(scanner.records().size() == scanner.batch().bytes, "records of another size");
      before = scanner.offset();
    }
    Require(scanner.offset() == before, "a failed Next() that moved");
    if (!scanner.SkipToNextGood()) break;
    Require(scanner.offset() > before, "a search that went back");
    before = scanner.offset();
  } while (true);
}

void Raw(std::string_view bytes, bool with_header) {
  const SegmentHeader header{1, 0, 1, 0, "fuzz"};
  if (with_header) ScanAll(EncodeSegmentHeader(header) + std::string(bytes), header);
  if (const auto decoded = DecodeSegmentHeader(bytes)) ScanAll(bytes, *decoded);
}

void Records(std::string_view bytes) {
  std::string batch(kBatchHeaderBytes, '\0');
  batch += bytes;
  SealBatch(batch.data(), batch.size(), 1, 2, 2);
  Require(CheckBatch(batch, 1, 2).has_value(), "a sealed batch that fails its check");
  std::string_view records = std::string_view(batch).substr(kBatchHeaderBytes);
  while (!records.empty()) {
    const std::string_view before = records;
    const auto record = TakeRecord(&records);
    if (!record) {
      Require(records == before, "a record that was not taken moved the rest");
      break;
    }
    Require(record->size() < before.size() && before.ends_with(records), "a record out of nowhere");
  }
}

struct Segment {
  SegmentHeader header;
  std::string bytes;
};

struct Outcome {
  Status status;
  std::vector<std::string> records;
  std::vector<RecordPlace> places;
  RecoveryReport report;
};

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::exists("/dev/shm") ? "/dev/shm/journal_fuzz.XXXXXX"
                                                              : "/tmp/journal_fuzz.XXXXXX";
    Require(mkdtemp(pattern.data()) != nullptr, "no temporary folder");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void Write(const std::vector<Segment>& segments) {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::filesystem::remove(entry.path());
    }
    for (const Segment& segment : segments) {
      if (segment.header.number == 0) continue;  // removed
      std::ofstream file(path_ + "/" + SegmentName(segment.header.number), std::ios::binary);
      file.write(segment.bytes.data(), static_cast<std::streamsize>(segment.bytes.size()));
    }
  }

  Outcome Read(bool salvage, bool read_only) {
    RecoveryOptions options;
    options.path = path_;
    options.salvage = salvage;
    options.read_only = read_only;
    Outcome outcome;
    const auto visit = [&](std::string_view record, const RecordPlace& place) {
      outcome.records.emplace_back(record);
      outcome.places.push_back(place);
      return Status::Ok();
    };
    outcome.status = Recover(options, visit, &outcome.report).status();
    return outcome;
  }

  /// What recovery saw, in windows of that size.
  void ReadBack(const Outcome& seen, std::size_t window_bytes) const {
    JournalReader reader({path_, window_bytes, 2, 2});
    for (std::size_t i = 0; i < seen.places.size(); ++i) {
      RecordPlace place = seen.places[i];
      const auto record = reader.Next(&place, place.batch_end);
      Require(record.ok() && *record, "a record that recovery saw and the reader does not");
      Require(**record == seen.records[i], "another record where recovery saw one");
    }
  }
  /// What follows the headers of these segments, as far as it goes.
  std::vector<std::string> ReadAlong(const std::vector<Segment>& segments,
                                     std::size_t window_bytes) const {
    JournalReader reader({path_, window_bytes, 2, 2});
    std::vector<std::string> records;
    for (const Segment& segment : segments) {
      RecordPlace place{segment.header.number, kSegmentHeaderBytes};
      while (true) {
        const auto record = reader.Next(&place, segment.bytes.size());
        if (!record.ok() || !*record) break;
        records.emplace_back(**record);
      }
    }
    return records;
  }

 private:
  std::string path_;
};

class Orders {
 public:
  explicit Orders(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return at_ >= bytes_.size(); }
  std::size_t Take() { return done() ? 0 : static_cast<unsigned char>(bytes_[at_++]); }
  std::size_t Below(std::size_t limit) {
    const std::size_t high = Take();
    return limit == 0 ? 0 : (high * 256 + Take()) % limit;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

Segment NewSegment(std::uint64_t number, std::uint64_t start) {
  const SegmentHeader header{number, start, 1, number * 0x9e3779b97f4a7c15, "fuzz"};
  return {header, EncodeSegmentHeader(header)};
}

std::uint64_t EndOf(const Segment& segment) {
  return segment.header.start + segment.bytes.size() - kSegmentHeaderBytes;
}

/// Good segments of numbered records. Each batch tells one of the things it may have known.
std::vector<Segment> Build(Orders* orders, std::vector<std::string>* written) {
  std::vector<Segment> segments{NewSegment(1, 0)};
  std::uint64_t synced = 0;
  for (std::size_t batches = orders->Below(24); batches > 0; --batches) {
    const std::size_t order = orders->Take();
    if (order % 4 == 3) segments.push_back(NewSegment(segments.size() + 1, EndOf(segments.back())));
    Segment& segment = segments.back();
    const std::uint64_t position = EndOf(segment);
    if (order % 8 < 4) synced = position;
    const std::size_t from = segment.bytes.size();
    segment.bytes.append(kBatchHeaderBytes, '\0');
    for (std::size_t records = order / 64; records > 0; --records) {
      written->push_back(std::to_string(written->size()) + std::string(order % 50, 'r'));
      AppendVarint(&segment.bytes, written->back().size());
      segment.bytes += written->back();
    }
    SealBatch(segment.bytes.data() + from, segment.bytes.size() - from, segment.header.salt,
              position, synced);
  }
  segments.back().bytes.append(orders->Take(), '\0');
  return segments;
}

void DamageSome(Orders* orders, std::vector<Segment>* segments) {
  while (!orders->done()) {
    const std::size_t order = orders->Take();
    Segment& segment = (*segments)[orders->Below(segments->size())];
    std::string& bytes = segment.bytes;
    const std::size_t at = orders->Below(bytes.size());
    if (bytes.empty()) continue;
    switch (order % 8) {
      case 0:
        segment.header.number = 0;
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), '\0');
        break;
      case 3:
        bytes.replace(at, std::min<std::size_t>(16, bytes.size() - at), 16, '\0');
        break;
      case 4:
        bytes.append(bytes, 0, at);
        break;
      default:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << order / 8 % 8));
    }
  }
}

bool IsSubsequence(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  auto at = whole.begin();
  for (const std::string& record : part) {
    while (at != whole.end() && *at != record) ++at;
    if (at == whole.end()) return false;
    ++at;
  }
  return true;
}

void InFolder(std::string_view bytes) {
  static Folder folder;
  Orders orders(bytes);
  std::vector<std::string> written;
  std::vector<Segment> segments = Build(&orders, &written);
  const bool untouched = orders.done();
  DamageSome(&orders, &segments);
  folder.Write(segments);

  const Outcome look = folder.Read(false, true);
  Require(IsSubsequence(look.records, written), "a record that was not written, or out of order");
  if (untouched)
    Require(look.status.ok() && look.records == written, "a good journal came back less");
  Require(look.status.ok() || look.status.code() == StatusCode::kCorrupt, "another error");
  const std::size_t window_bytes = 64ULL << bytes.size() % 6;
  folder.ReadBack(look, window_bytes);
  Require(IsSubsequence(folder.ReadAlong(segments, window_bytes), written),
          "a record that was not written, read along");
  const Outcome salvage_look = folder.Read(true, true);
  const Outcome salvaged = folder.Read(true, false);
  Require(salvaged.status.ok() && salvage_look.status.ok(), "a salvage that was refused");
  Require(salvaged.records == salvage_look.records, "a look that sees something else");
  if (look.status.ok()) Require(salvaged.records == look.records, "salvage changed a good journal");
  const Outcome again = folder.Read(false, false);
  if (!again.status.ok()) std::fprintf(stderr, "%s\n", again.status.message().c_str());
  Require(again.status.ok(), "refused after a salvage");
  Require(again.records == salvaged.records, "other records after a salvage");
  folder.ReadBack(again, window_bytes);
  Require(again.report.cut_bytes == 0 && again.report.bad_bytes == 0, "repaired twice");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      Raw(bytes, data[0] % 8 == 0);
      break;
    case 1:
      Records(bytes);
      break;
    default:
      InFolder(bytes);
  }
  return 0;
}
