// rivulet-journal: looks into the journal that a daemon keeps under --data-path. See
// rivulet-journal(1).
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/names.h"
#include "base/options.h"
#include "journal/format.h"
#include "journal/recovery.h"
#include "journal/segment_files.h"
#include "simplequeue/queue_set.h"
#include "simplequeue/record.h"
#include "simplequeue/restorer.h"
#include "simplequeue/segment_dump.h"

namespace rivulet {
namespace {

constexpr char kName[] = "rivulet-journal";
constexpr char kEpilog[] = R"(Commands:
  dump    prints one JSON line a record: its segment, its offset in that file,
          its type (queue put lease forget return defer bury key) and its fields
  verify  says whether all of it can be read; else what is torn or damaged at
          FILE:OFFSET and what --salvage would lose. Exit 0 good, 1 damaged
  stats   counts segments, bytes, batches and records by type, and tells which
          messages a start would bring back

Nothing is changed and nothing locked: all three may be used while the daemon
runs. What it writes meanwhile may look like an unfinished end.

Examples:
  rivulet-journal verify /var/lib/simplequeue
  rivulet-journal stats /var/lib/simplequeue
  rivulet-journal dump --queue=jobs /var/lib/simplequeue | grep '"put"' | tail
)";

struct ToolOptions {
  std::string command;
  std::string path;
  std::string queue;
  std::uint64_t max_body_bytes = 100;
};

int Fail(std::string_view message) {
  fmt::print(stderr, "{}: {}\n", kName, message);
  return 1;
}

// Never empty.
Result<std::vector<SegmentFile>> SegmentsOf(const std::string& folder) {
  auto segments = ListSegments(folder);
  if (segments.ok() && segments->empty()) {
    return InvalidArgument(fmt::format(
        "{}: must be the --data-path of a daemon: there is no .journal file in it", folder));
  }
  return segments;
}

// Who holds the lock, without trying to take it: that might make a daemon's start fail.
std::optional<std::string> LockHolder(const std::string& folder) {
  struct stat file {};
  if (stat((folder + "/lock").c_str(), &file) != 0) return std::nullopt;
  const std::string wanted =
      fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
  std::ifstream locks("/proc/locks");
  std::string number;
  std::string kind;
  std::string advice;
  std::string access;
  std::string pid;
  std::string inode;
  std::string rest;
  while (locks >> number >> kind >> advice >> access >> pid >> inode && std::getline(locks, rest)) {
    if (kind == "FLOCK" && inode == wanted) return pid;
  }
  return std::nullopt;
}

// `end` is where the next segment takes over in the log.
int PrintSegment(const SegmentFile& segment, std::string_view bytes, const SegmentHeader& header,
                 std::optional<std::uint64_t> end, SegmentDump* dump) {
  if (end && *end >= header.start) {
    bytes = bytes.substr(0, kSegmentHeaderBytes + (*end - header.start));
  }
  SegmentScanner scanner(bytes, header);
  std::string out;
  while (true) {
    while (scanner.Next()) {
      out.clear();
      dump->AppendBatch(scanner, &out);
      if (std::fwrite(out.data(), 1, out.size(), stdout) < out.size()) {
        return Fail("standard output cannot be written");
      }
    }
    if (scanner.rest_is_zero()) return 0;
    const std::uint64_t from = scanner.offset();
    const bool more = scanner.SkipToNextGood();
    fmt::print(stderr, "{}: {}:{}: nothing that can be read from here to {}\n", kName, segment.path,
               from, more ? fmt::format("offset {}", scanner.offset()) : "the end of the file");
    if (!more) return 0;
  }
}

int RunDump(const ToolOptions& options) {
  const auto segments = SegmentsOf(options.path);
  if (!segments.ok()) return Fail(segments.status().message());
  SegmentDump dump(options.queue, options.max_body_bytes);
  int exit_status = 0;
  for (std::size_t i = 0; i < segments->size(); ++i) {
    const SegmentFile& segment = (*segments)[i];
    const auto bytes = ReadFileBytes(segment.path);
    // A daemon that runs may have removed it meanwhile.
    if (!bytes.ok() && !std::filesystem::exists(segment.path)) continue;
    if (!bytes.ok()) return Fail(bytes.status().message());
    const auto header = DecodeSegmentHeader(*bytes);
    if (!header) {
      // Made ahead for what comes next, a segment is all zeros.
      const bool empty = bytes->find_first_not_of('\0') == std::string::npos;
      if (!empty) exit_status = Fail(segment.path + ":0: the header cannot be read");
      continue;
    }
    std::optional<std::uint64_t> end;
    if (i + 1 < segments->size()) {
      const auto next = ReadFileBytes((*segments)[i + 1].path, kSegmentHeaderBytes);
      const auto next_header = next.ok() ? DecodeSegmentHeader(*next) : std::nullopt;
      if (next_header) end = next_header->start;
    }
    exit_status = std::max(exit_status, PrintSegment(segment, *bytes, *header, end, &dump));
  }
  return std::fflush(stdout) == 0 ? exit_status : Fail("standard output cannot be written");
}

// Whose journal it is: as the first header that can be read says.
std::string FindOwner(const std::vector<SegmentFile>& segments) {
  for (const SegmentFile& segment : segments) {
    const auto bytes = ReadFileBytes(segment.path, kSegmentHeaderBytes);
    const auto header = bytes.ok() ? DecodeSegmentHeader(*bytes) : std::nullopt;
    if (header) return header->owner;
  }
  return "";
}

struct Look {
  Status status;
  RecoveryReport report;
  std::vector<RecoveredSegment> segments;
};

// Reads all of it as a start would, and changes nothing. A daemon that runs may remove a segment
// meanwhile, which then seems to be missing: it is tried again, and `begin` gives the visitor of
// each try.
Look LookAt(const ToolOptions& options, bool salvage, const std::function<RecordVisitor()>& begin) {
  RecoveryOptions recovery;
  recovery.path = options.path;
  recovery.salvage = salvage;
  recovery.read_only = true;
  constexpr int kTries = 5;
  for (int tries = 1;; ++tries) {
    Look look;
    auto segments = Recover(recovery, begin(), &look.report);
    look.status = segments.status();
    if (segments.ok()) look.segments = std::move(*segments);
    const bool good = look.status.ok() && look.report.bad_places == 0;
    if (good || tries == kTries || !LockHolder(options.path)) return look;
  }
}

// The same, and what --salvage would make of it when it is damaged.
Look LookOrSalvage(const ToolOptions& options, const std::function<RecordVisitor()>& begin) {
  Look look = LookAt(options, false, begin);
  return look.status.code() == StatusCode::kCorrupt ? LookAt(options, true, begin) : look;
}

std::string BadPlaces(const RecoveryReport& report) {
  return fmt::format("{} bytes in {} place{}", report.bad_bytes, report.bad_places,
                     report.bad_places == 1 ? "" : "s");
}

void PrintInUse(const std::string& path) {
  const auto pid = LockHolder(path);
  if (!pid) return;
  fmt::print(stderr,
             "{}: {} is in use by process {}: what it writes meanwhile may look like an unfinished "
             "end\n",
             kName, path, *pid);
}

void PrintCut(const RecoveryReport& report) {
  if (report.cut_at.empty()) return;
  fmt::print("{}: an unfinished end of {} bytes, which the next start cuts\n", report.cut_at,
             report.cut_bytes);
}

int RunVerify(const ToolOptions& options) {
  const auto segments = SegmentsOf(options.path);
  if (!segments.ok()) return Fail(segments.status().message());
  PrintInUse(options.path);
  const bool known_owner = FindOwner(*segments) == kSimplequeueOwner;
  DecodedRecord decoded;
  const auto begin = [&]() -> RecordVisitor {
    return [&](std::string_view record, std::uint64_t) {
      return known_owner ? DecodeRecord(record, &decoded) : Status();
    };
  };
  const Look look = LookAt(options, false, begin);
  if (look.status.ok()) {
    PrintCut(look.report);
    fmt::print("good: {} records in {} batches, {} bytes in {} segments\n", look.report.records,
               look.report.batches, look.report.bytes, look.report.segments);
    return 0;
  }
  fmt::print("{}\n", look.status.message());
  if (look.status.code() != StatusCode::kCorrupt) return 1;
  const Look salvaged = LookAt(options, true, begin);
  if (!salvaged.status.ok()) {
    fmt::print("nothing to be salvaged: {}\n", salvaged.status.message());
    return 1;
  }
  PrintCut(salvaged.report);
  fmt::print("damaged: --salvage would lose {} and bring back {} records\n",
             BadPlaces(salvaged.report), salvaged.report.records);
  return 1;
}

// The records of a journal made into queues, in memory.
class Replay {
 public:
  Status Visit(std::string_view record) {
    if (Status status = restorer_.Visit(record); !status.ok()) return status;
    ++by_type_[static_cast<std::size_t>(restorer_.record().type)];
    return {};
  }
  void PrintTypes() const;
  void PrintQueues();

 private:
  // Keys are remembered as long as a daemon may be told to.
  static QueueLimits Limits() {
    QueueLimits limits;
    limits.dedupe_window = std::chrono::hours(24 * 365);
    return limits;
  }

  SystemClock clock_;
  QueueSet queues_{Limits(), SIZE_MAX};
  QueueRestorer restorer_{&queues_, WallTimes(clock_), true};
  std::array<std::uint64_t, kRecordTypes> by_type_{};
};

void Replay::PrintTypes() const {
  for (std::size_t type = 1; type < kRecordTypes; ++type) {
    fmt::print("  {:<8}{}\n", RecordTypeName(static_cast<RecordType>(type)), by_type_[type]);
  }
}

void Replay::PrintQueues() {
  std::map<std::string, std::uint64_t> in_flight;
  for (const auto& [name, queue] : queues_.all()) in_flight[name] = queue->in_flight();
  restorer_.End(clock_.Now());
  fmt::print("\nmessages that a start would bring back (leased ones are ready then)\n");
  constexpr auto kRow = "{:<20} {:>9} {:>9} {:>9} {:>7} {:>13} {:>6}{}\n";
  fmt::print(kRow, "queue", "ready", "(leased)", "deferred", "dead", "bytes", "keys", "");
  for (const auto& [name, queue] : queues_.all()) {
    fmt::print(kRow, name, queue->depth(), in_flight[name], queue->deferred(), queue->dead(),
               queue->held_bytes(), queue->keys(), queue->paused() ? "  paused" : "");
  }
}

int RunStats(const ToolOptions& options) {
  const auto files = SegmentsOf(options.path);
  if (!files.ok()) return Fail(files.status().message());
  PrintInUse(options.path);
  const bool known_owner = FindOwner(*files) == kSimplequeueOwner;
  std::unique_ptr<Replay> replay;
  const Look look = LookOrSalvage(options, [&]() -> RecordVisitor {
    replay = std::make_unique<Replay>();
    return [&](std::string_view record, std::uint64_t) {
      return known_owner ? replay->Visit(record) : Status();
    };
  });
  if (!look.status.ok()) return Fail(look.status.message());
  std::uint64_t disk_bytes = 0;
  for (const RecoveredSegment& segment : look.segments) disk_bytes += segment.disk_bytes;
  fmt::print("segments  {} ({} bytes on disk)\n", look.report.segments, disk_bytes);
  fmt::print("batches   {} ({} bytes)\n", look.report.batches, look.report.bytes);
  fmt::print("records   {}\n", look.report.records);
  if (known_owner) replay->PrintTypes();
  PrintCut(look.report);
  if (look.report.bad_places > 0) {
    fmt::print("damaged   {}, not counted above\n", BadPlaces(look.report));
  }
  if (known_owner) replay->PrintQueues();
  return look.report.bad_places > 0 ? 1 : 0;
}

}  // namespace
}  // namespace rivulet

int main(int argc, char** argv) {
  using namespace rivulet;
  ToolOptions tool;
  Options options(kName, "looks into the journal that a daemon keeps under --data-path");
  options.Argument("COMMAND", &tool.command, "what to do, see below")
      .OneOf({"dump", "verify", "stats"});
  options.Argument("DIR", &tool.path, "the daemon's --data-path");
  options.Text("queue", &tool.queue, "dump: only the records of this queue")
      .Metavar("NAME")
      .Check([](const std::string& name) {
        return IsName(name) ? Status() : InvalidArgument(std::string(kNameRule));
      });
  options
      .Bytes("max-body", &tool.max_body_bytes,
             "dump: bytes of a message that are shown; more are cut")
      .Range(0, 1ULL << 40);
  options.Epilog(kEpilog);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (tool.command == "dump") return RunDump(tool);
  return tool.command == "verify" ? RunVerify(tool) : RunStats(tool);
}
