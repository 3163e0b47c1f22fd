// rivulet-journal: looks into the journal that a daemon keeps under --data-path or --spool-path.
// See rivulet-journal(1).
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/names.h"
#include "base/options.h"
#include "bridge/spool_record.h"
#include "bridge/spool_record_summary.h"
#include "journal/format.h"
#include "journal/look.h"
#include "journal/record_lines.h"
#include "journal/record_summary.h"
#include "journal/recovery.h"
#include "journal/segment_files.h"
#include "pubsub/record.h"
#include "pubsub/record_summary.h"
#include "simplequeue/record.h"
#include "simplequeue/record_describer.h"
#include "simplequeue/record_summary.h"

namespace rivulet {
namespace {

constexpr char kName[] = "rivulet-journal";
constexpr char kEpilog[] = R"(Commands:
  dump    prints one JSON line a record: its segment, its offset in that file,
          its type and its fields. Types of simplequeue: queue put lease forget
          return defer bury key; of pubsub: topic messages key sequence; of a
          spool: run done source state
  verify  says whether all of it can be read; else what is torn or damaged at
          FILE:OFFSET and what --salvage would lose. Exit 0 good, 1 damaged
  stats   counts segments, bytes, batches and records by type, and tells which
          messages a start would bring back; of pubsub and of a spool, which
          ones are there

Nothing is changed and nothing locked: all three may be used while the daemon
runs. What it writes meanwhile may look like an unfinished end.

Examples:
  rivulet-journal verify /var/lib/simplequeue
  rivulet-journal stats /var/lib/simplequeue
  rivulet-journal dump --queue=jobs /var/lib/simplequeue | grep '"put"' | tail
  rivulet-journal dump --topic=clicks /var/lib/pubsub
  rivulet-journal stats /var/spool/ps_to_http
)";

struct ToolOptions {
  std::string command;
  std::string path;
  std::string queue;
  std::string topic;
  std::uint64_t max_body_bytes = 100;
};

int Fail(std::string_view message) {
  fmt::print(stderr, "{}: {}\n", kName, message);
  return 1;
}

// `end` is where the next segment takes over in the log.
int PrintSegment(const SegmentFile& segment, std::string_view bytes, const SegmentHeader& header,
                 std::optional<std::uint64_t> end, const RecordDescriber& describe) {
  if (end && *end >= header.start) {
    bytes = bytes.substr(0, kSegmentHeaderBytes + (*end - header.start));
  }
  SegmentScanner scanner(bytes, header);
  std::string out;
  while (true) {
    while (scanner.Next()) {
      out.clear();
      AppendRecordLines(scanner, describe, &out);
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

// Of the owner's records, as the options choose them.
Result<RecordDescriber> DescriberOf(const std::string& owner, const ToolOptions& options) {
  if (!options.queue.empty() && owner != kSimplequeueOwner) {
    return InvalidArgument(
        fmt::format("--queue={}: {} is the journal of \"{}\", and must be one of simplequeue",
                    options.queue, options.path, owner));
  }
  if (!options.topic.empty() && owner != kPubsubOwner) {
    return InvalidArgument(
        fmt::format("--topic={}: {} is the journal of \"{}\", and must be one of pubsub",
                    options.topic, options.path, owner));
  }
  const std::size_t max_bytes = options.max_body_bytes;
  if (owner == kSimplequeueOwner) {
    return RecordDescriber([describer = QueueRecordDescriber(options.queue, max_bytes)](
                               std::string_view record, std::string* out) mutable {
      return describer.AppendMembers(record, out);
    });
  }
  if (owner == kPubsubOwner) {
    return RecordDescriber([describer = TopicRecordDescriber(options.topic, max_bytes)](
                               std::string_view record, std::string* out) mutable {
      return describer.AppendMembers(record, out);
    });
  }
  if (owner == kSpoolOwner) {
    return RecordDescriber([describer = SpoolRecordDescriber(max_bytes)](std::string_view record,
                                                                         std::string* out) mutable {
      describer.AppendMembers(record, out);
      return true;
    });
  }
  return RecordDescriber([why = fmt::format("of an owner that is not known: {}", owner), max_bytes](
                             std::string_view record, std::string* out) {
    AppendUnknownRecord(out, record, why, max_bytes);
    return true;
  });
}

int RunDump(const ToolOptions& options) {
  const auto segments = SegmentsOf(options.path);
  if (!segments.ok()) return Fail(segments.status().message());
  const auto describe = DescriberOf(OwnerOf(*segments), options);
  if (!describe.ok()) return Fail(describe.status().message());
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
    exit_status = std::max(exit_status, PrintSegment(segment, *bytes, *header, end, *describe));
  }
  return std::fflush(stdout) == 0 ? exit_status : Fail("standard output cannot be written");
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
  const std::string owner = OwnerOf(*segments);
  DecodedRecord queue_record;
  TopicRecord topic_record;
  SpoolRecord spool_record;
  const auto begin = [&]() -> RecordVisitor {
    return [&](std::string_view record, const RecordPlace&) {
      if (owner == kSimplequeueOwner) return DecodeRecord(record, &queue_record);
      if (owner == kSpoolOwner) return DecodeSpoolRecord(record, &spool_record);
      return owner == kPubsubOwner ? DecodeTopicRecord(record, &topic_record) : Status();
    };
  };
  const Look look = LookAt(options.path, false, begin);
  if (look.status.ok()) {
    PrintCut(look.report);
    fmt::print("good: {} records in {} batches, {} bytes in {} segments\n", look.report.records,
               look.report.batches, look.report.bytes, look.report.segments);
    return 0;
  }
  fmt::print("{}\n", look.status.message());
  if (look.status.code() != StatusCode::kCorrupt) return 1;
  const Look salvaged = LookAt(options.path, true, begin);
  if (!salvaged.status.ok()) {
    fmt::print("nothing to be salvaged: {}\n", salvaged.status.message());
    return 1;
  }
  PrintCut(salvaged.report);
  fmt::print("damaged: --salvage would lose {} and bring back {} records\n",
             BadPlaces(salvaged.report), salvaged.report.records);
  return 1;
}

// Nothing for an owner that is not known.
std::unique_ptr<RecordSummary> SummaryOf(const std::string& owner, const Clock& clock) {
  if (owner == kSimplequeueOwner) return std::make_unique<QueueRecordSummary>(clock);
  if (owner == kPubsubOwner) return std::make_unique<TopicRecordSummary>();
  if (owner == kSpoolOwner) return std::make_unique<SpoolRecordSummary>();
  return nullptr;
}

int RunStats(const ToolOptions& options) {
  const auto files = SegmentsOf(options.path);
  if (!files.ok()) return Fail(files.status().message());
  PrintInUse(options.path);
  const std::string owner = OwnerOf(*files);
  const SystemClock clock;
  std::unique_ptr<RecordSummary> summary;
  const Look look = LookOrSalvage(options.path, [&]() -> RecordVisitor {
    summary = SummaryOf(owner, clock);
    return [&](std::string_view record, const RecordPlace&) {
      return summary ? summary->Visit(record) : Status();
    };
  });
  if (!look.status.ok()) return Fail(look.status.message());
  std::uint64_t disk_bytes = 0;
  for (const RecoveredSegment& segment : look.segments) disk_bytes += segment.disk_bytes;
  fmt::print("segments  {} ({} bytes on disk)\n", look.report.segments, disk_bytes);
  fmt::print("batches   {} ({} bytes)\n", look.report.batches, look.report.bytes);
  fmt::print("records   {}\n", look.report.records);
  if (summary) fmt::print("{}", summary->Types());
  PrintCut(look.report);
  if (look.report.bad_places > 0) {
    fmt::print("damaged   {}, not counted above\n", BadPlaces(look.report));
  }
  if (summary) fmt::print("\n{}", summary->Table());
  return look.report.bad_places > 0 ? 1 : 0;
}

}  // namespace
}  // namespace rivulet

int main(int argc, char** argv) {
  using namespace rivulet;
  ToolOptions tool;
  Options options(kName,
                  "looks into the journal that a daemon keeps under --data-path or --spool-path");
  options.Argument("COMMAND", &tool.command, "what to do, see below")
      .OneOf({"dump", "verify", "stats"});
  options.Argument("DIR", &tool.path, "the daemon's --data-path, or a bridge's --spool-path");
  options.Text("queue", &tool.queue, "dump: only the records of this queue")
      .Metavar("NAME")
      .Check([](const std::string& name) {
        return IsName(name) ? Status() : InvalidArgument(std::string(kNameRule));
      });
  options.Text("topic", &tool.topic, "dump: only the records of this topic")
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
