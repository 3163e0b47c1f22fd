// What pubsub can be told on its command line beside what all daemons share, the log
// (pubsub/durability.h) and republishing (pubsub/republish.h).
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/options.h"
#include "base/status.h"
#include "pubsub/past.h"

namespace rivulet {

struct PubsubOptions {
  static constexpr std::uint64_t kNotGiven = UINT64_MAX;

  std::uint64_t max_pending_bytes = 50ULL << 20;
  std::uint64_t max_topics = 1000;
  std::uint64_t max_filters = 256;
  std::uint64_t retain_bytes = kNotGiven;
  Duration retain_time{};
  Duration dedupe_window = std::chrono::minutes(10);
  std::uint64_t max_keys = 1'000'000;
  std::uint64_t max_body_bytes = 64ULL << 20;  // --max-body-size of the daemon
};

void AddPubsubOptions(Options* options, PubsubOptions* pubsub);
/// Checks over several options.
Status CheckPubsubOptions(const PubsubOptions& pubsub);
/// --retain-bytes and --retain-time, with their defaults.
Retention RetentionOf(const PubsubOptions& pubsub, bool with_data_path);

}  // namespace rivulet
