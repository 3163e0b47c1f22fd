#include "ps_to_file/config.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/units.h"
#include "ps_to_file/compressor.h"
#include "ps_to_file/file_name.h"

namespace rivulet {

namespace {

constexpr double kMaxBytes = std::uint64_t{1} << 50;
constexpr double kMinPendingBytes = 64 * 1024;
constexpr double kMaxPendingBytes = std::uint64_t{1} << 40;

Compression CompressionOf(std::string_view name) {
  if (name == "gzip") return Compression::kGzip;
  return name == "zstd" ? Compression::kZstd : Compression::kNone;
}

FileSync SyncOf(std::string_view name) {
  if (name == "none") return FileSync::kNone;
  return name == "always" ? FileSync::kAlways : FileSync::kCheckpoint;
}

void AddFileOptions(Options* options, ArchiverOptions* values) {
  options->Section("Files");
  options
      ->Text("filename-format", &values->filename_format,
             "strftime's %X in UTC, {FIELD} of the message, {n} the number: "
             "clicks/%Y-%m-%d/%H-{country}.jsonl")
      .Metavar("FORMAT")
      .Required()
      .Check([](const std::string& text) { return FileNameFormat::Parse(text, "").status(); });
  options
      ->Text("format", &values->format,
             "lines: a newline after each message; framed: its length and a newline before, too")
      .OneOf({"lines", "framed"});
  options->Text("compress", &values->compress, "how files are compressed; adds .gz or .zst")
      .OneOf({"none", "gzip", "zstd"});
  options->Uint("compress-level", &values->compress_level, "1 to 9 for gzip, 1 to 19 for zstd")
      .Range(1, 19)
      .Metavar("N")
      .DefaultText("6 for gzip, 3 for zstd");
  options
      ->Bytes("max-file-size", &values->max_file_size,
              "begins the next file of the name, {n} or .N, before one gets longer")
      .Range(1, kMaxBytes)
      .DefaultText("any");
  options
      ->Uint("max-open-files", &values->max_open_files,
             "files held open; the others are opened again when something is written to them")
      .Range(1, 1e6)
      .Metavar("N");
  options
      ->Text("state-file", &values->state_file, "what a restart goes on from, one for each archive")
      .Metavar("FILE")
      .DefaultText(".ps_to_file.state in the folder that FORMAT begins with");
  options->Time("checkpoint-interval", &values->checkpoint_interval,
                "how often the state is written");
  options
      ->Text("sync", &values->sync,
             "when files are made safe from a power cut: after each write, by checkpoints, never")
      .OneOf({"always", "checkpoint", "none"});
  options
      ->Bytes("max-pending-bytes", &values->max_pending_bytes,
              "messages held in memory for the disk; when full, the source is not read")
      .Range(kMinPendingBytes, kMaxPendingBytes);
}

}  // namespace

void AddArchiverOptions(Options* options, ArchiverOptions* values) {
  AddSourceOptions(options, &values->source, false);
  AddFileOptions(options, values);
  AddMessageFilterOptions(options, &values->filter);
  AddConnectionOptions(options, &values->connection);
  AddStatusServerOptions(options, &values->status);
  options->Section("Running");
  options
      ->Time("stats-interval", &values->stats_interval,
             "print progress and rate on standard error that often")
      .DefaultText("never");
  options->Time("drain-timeout", &values->drain_timeout,
                "how long SIGTERM waits for a disk that fails");
  AddLogOptions(options, &values->log);
  options->Epilog(
      "Examples:\n"
      "  ps_to_file --pubsub-url=http://127.0.0.1:8080 --filename-format='clicks/%Y-%m-%d_%H.log'\n"
      "  ps_to_file --pubsub-url='http://127.0.0.1:8080/sub?topic=clicks' --compress=zstd \\\n"
      "    --filename-format='clicks/%Y-%m-%d/%H-{country}.jsonl' --max-file-size=1GiB");
}

std::optional<int> CheckArchiverOptions(const Options& options, const ArchiverOptions& values) {
  if (const auto code = CheckSourceOptions(options, values.source)) return code;
  if (const auto code = CheckConnectionOptions(options, values.connection)) return code;
  const Compression kind = CompressionOf(values.compress);
  if (options.given("compress-level")) {
    if (kind == Compression::kNone) {
      return options.Fail("--compress-level must come with --compress=gzip or zstd");
    }
    if (values.compress_level > static_cast<std::uint64_t>(Compressor::MaxLevel(kind))) {
      return options.Fail(fmt::format("--compress-level={}: must be 1 to {} for {}",
                                      values.compress_level, Compressor::MaxLevel(kind),
                                      values.compress));
    }
  }
  if (values.checkpoint_interval < std::chrono::milliseconds(1)) {
    return options.Fail(fmt::format("--checkpoint-interval={}: must be at least 1ms",
                                    FormatDuration(values.checkpoint_interval)));
  }
  if (const auto filter = MessageFilter::Make(values.filter); !filter.ok()) {
    return options.Fail(filter.status().message());
  }
  if (Status status = CheckStatusServerOptions(values.status); !status.ok()) {
    return options.Fail(status.message());
  }
  return std::nullopt;
}

Result<ArchiverConfig> MakeArchiverConfig(const ArchiverOptions& values, std::uint64_t seed) {
  auto source = MakeSourceConfig(values.source, values.connection, seed);
  if (!source.ok()) return source.status();
  ArchiverConfig config;
  config.source = std::move(source).value();
  config.filter = values.filter;
  config.filename_format = values.filename_format;
  config.gathering.max_file_bytes = values.max_file_size;
  config.gathering.framed = values.format == "framed";
  config.writing.state_path = values.state_file;
  config.writing.compression = CompressionOf(values.compress);
  config.writing.compress_level = values.compress_level > 0
                                      ? static_cast<int>(values.compress_level)
                                      : Compressor::DefaultLevel(config.writing.compression);
  config.writing.max_open_files = static_cast<std::size_t>(values.max_open_files);
  config.writing.sync = SyncOf(values.sync);
  config.checkpoint_interval = values.checkpoint_interval;
  config.max_pending_bytes = values.max_pending_bytes;
  config.stats_interval = values.stats_interval;
  config.drain_timeout = values.drain_timeout;
  return config;
}

}  // namespace rivulet
