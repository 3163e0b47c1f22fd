#include "file_to_http/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bridge/source_url.h"

namespace rivulet {

namespace {

constexpr double kMaxMessageBytes = 1 << 30;

void DeclareInput(Options* options, FeederOptions* values) {
  options->Section("Input");
  options->Arguments("FILE", &values->files,
                     "lines to send, plain or compressed by gzip or zstd, one file after the "
                     "other; - or none is standard input");
  options
      ->Text("offset-file", &values->offset_file,
             "remembers up to where each file was taken, and goes on there")
      .Metavar("FILE");
  options->Flag("loop", &values->loop, "start over at the end, until stopped");
  options
      ->Bytes("max-message-bytes", &values->max_message_bytes,
              "longer lines are refused and counted")
      .Range(1, kMaxMessageBytes);
}

void DeclarePace(Options* options, FeederOptions* values) {
  options->Section("Pace");
  options->Real("rate", &values->rate, "messages a second; 0: as fast as they are taken")
      .Metavar("N")
      .Range(0, 1e9);
  options
      ->Uint("max-queue-depth", &values->max_queue_depth,
             "wait while the destination's queue is deeper")
      .Metavar("N")
      .Range(1, 1e18)
      .DefaultText("any depth");
  options
      ->Text("depth-url", &values->depth_url,
             "where the queue says its depth: a JSON object with the field depth")
      .Metavar("URL")
      .Check(CheckHttpUrl)
      .DefaultText("/stats?format=json of the first destination");
}

}  // namespace

void DeclareOptions(Options* options, FeederOptions* values) {
  DeclareInput(options, values);
  DeclarePace(options, values);
  AddMessageFilterOptions(options, &values->filter);
  AddDeliveryOptions(options, &values->delivery);
  AddConnectionOptions(options, &values->connection);
  options->Section("Running");
  options
      ->Time("stats-interval", &values->stats_interval,
             "print progress and rate on standard error that often")
      .DefaultText("never");
  options->Time("drain-timeout", &values->drain_timeout,
                "how long SIGTERM waits for what is pending");
  AddLogOptions(options, &values->log);
  options->Epilog(
      "Examples:\n"
      "  file_to_http --destination-post-url=http://127.0.0.1:8081/mput --batch=500 \\\n"
      "    --offset-file=clicks.offsets clicks-*.jsonl.gz\n"
      "  zcat clicks.gz | file_to_http --rate=1000 \\\n"
      "    --destination-get-url='http://127.0.0.1:8081/put?data=%s'");
}

std::optional<int> CheckOptions(const Options& options, const FeederOptions& values) {
  if (auto code = CheckConnectionOptions(options, values.connection)) return code;
  if (auto code = CheckDeliveryOptions(options, values.delivery)) return code;
  const auto& files = values.files;
  const bool only_files =
      !files.empty() && std::find(files.begin(), files.end(), "-") == files.end();
  if (values.loop && !only_files) {
    return options.Fail("--loop must come with files: standard input cannot be started over");
  }
  if (!values.depth_url.empty() && values.max_queue_depth == 0) {
    return options.Fail("--depth-url must come with --max-queue-depth");
  }
  if (values.offset_file.empty()) return std::nullopt;
  if (!only_files) {
    return options.Fail("--offset-file must come with files: standard input cannot be resumed");
  }
  if (values.loop) return options.Fail("--offset-file must not come with --loop");
  for (auto file = files.begin(); file != files.end(); ++file) {
    if (std::find(files.begin(), file, *file) != file) {
      return options.Fail(fmt::format("{} must be given once with --offset-file", *file));
    }
    if (file->find('\n') != std::string::npos) {
      return options.Fail("--offset-file must not come with a file whose name has a newline");
    }
  }
  return std::nullopt;
}

Result<FeederConfig> MakeConfig(const FeederOptions& values, std::uint64_t seed) {
  FeederConfig config;
  auto filter = MessageFilter::Make(values.filter);
  if (!filter.ok()) return filter.status();
  auto delivery = MakeDeliveryConfig(values.delivery, values.connection, seed);
  if (!delivery.ok()) return delivery.status();
  config.filter = std::move(filter).value();
  config.delivery = std::move(delivery).value();
  config.files = values.files.empty() ? std::vector<std::string>{"-"} : values.files;
  config.loop = values.loop;
  config.max_message_bytes = static_cast<std::size_t>(values.max_message_bytes);
  config.offset_file = values.offset_file;
  config.rate = values.rate;
  config.max_pending_bytes = values.delivery.max_pending_bytes;
  config.stats_interval = values.stats_interval;
  config.drain_timeout = values.drain_timeout;
  if (values.max_queue_depth > 0) {
    const auto& destination = config.delivery.destinations.front();
    DepthGateConfig& depth = config.depth.emplace();
    const auto& urls = values.delivery;
    depth.url = values.depth_url;
    if (depth.url.empty()) {
      depth.url = DepthUrlOf(urls.get_urls.empty() ? urls.post_urls[0] : urls.get_urls[0]);
    }
    depth.max_depth = values.max_queue_depth;
    depth.headers = destination.headers;
    depth.ca_file = destination.ca_file;
    depth.connect_timeout = destination.connect_timeout;
    depth.request_timeout = destination.request_timeout;
  }
  return config;
}

}  // namespace rivulet
