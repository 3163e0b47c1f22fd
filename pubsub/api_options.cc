#include "pubsub/api_options.h"

#include <fmt/format.h>

#include "base/units.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kRetainedWithTime = 64ULL << 20;
constexpr std::uint64_t kRetainedOnDisk = 1ULL << 30;
constexpr Duration kLongestTime = std::chrono::hours(24 * 3650);

Status CheckTime(const char* name, Duration value) {
  if (value <= kLongestTime) return Status::Ok();
  return InvalidArgument(fmt::format("{}={}: must be at most {}", name, FormatDuration(value),
                                     FormatDuration(kLongestTime)));
}

}  // namespace

void AddPubsubOptions(Options* options, PubsubOptions* pubsub) {
  options->Section("Topics");
  options->Uint("max-topics", &pubsub->max_topics, "most topics at a time")
      .Metavar("N")
      .Range(1, 1'000'000);
  options
      ->Bytes("retain-bytes", &pubsub->retain_bytes,
              "messages of a topic that are kept for since=, by their bytes; 0: none")
      .Metavar("SIZE")
      .Range(0, 1ULL << 50)
      .DefaultText("0; 64MiB with --retain-time; 1GiB with --data-path");
  options
      ->Time("retain-time", &pubsub->retain_time,
             "messages older than this are not kept; 0: however old")
      .Metavar("TIME");
  options
      ->Time("dedupe-window", &pubsub->dedupe_window,
             "time in which a second publish with the same Idempotency-Key does nothing; 0: the "
             "header is refused")
      .Metavar("TIME");
  options
      ->Uint("max-keys", &pubsub->max_keys,
             "Idempotency-Keys that are remembered at a time; the oldest are forgotten first")
      .Metavar("N")
      .Range(1, 1e9);
  options->Section("Subscribers");
  options
      ->Bytes("max-pending", &pubsub->max_pending_bytes,
              "a subscriber that is further behind is kicked, or with slow=skip taken to now")
      .Metavar("SIZE")
      .Range(1, 1ULL << 50);
  options->Uint("max-filters", &pubsub->max_filters, "most different filters at a time")
      .Metavar("N")
      .Range(1, 1'000'000);
}

Status CheckPubsubOptions(const PubsubOptions& pubsub) {
  if (Status s = CheckTime("--retain-time", pubsub.retain_time); !s.ok()) return s;
  if (Status s = CheckTime("--dedupe-window", pubsub.dedupe_window); !s.ok()) return s;
  if (pubsub.retain_bytes == 0 && pubsub.retain_time > Duration::zero()) {
    return InvalidArgument(
        fmt::format("--retain-time={}: must come without --retain-bytes=0, which keeps nothing",
                    FormatDuration(pubsub.retain_time)));
  }
  return Status::Ok();
}

Retention RetentionOf(const PubsubOptions& pubsub, bool with_data_path) {
  Retention retention;
  retention.time = pubsub.retain_time;
  if (pubsub.retain_bytes != PubsubOptions::kNotGiven) {
    retention.bytes = pubsub.retain_bytes;
  } else if (with_data_path) {
    retention.bytes = kRetainedOnDisk;
  } else if (pubsub.retain_time > Duration::zero()) {
    retention.bytes = kRetainedWithTime;
  }
  return retention;
}

}  // namespace rivulet
