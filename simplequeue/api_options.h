// What simplequeue can be told on its command line beside what all daemons share.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/options.h"
#include "base/status.h"

namespace rivulet {

struct QueueOptions {
  std::uint64_t max_depth = 0;
  std::uint64_t max_bytes = 0;
  std::uint64_t max_attempts = 0;
  std::uint64_t max_queues = 1000;
  std::uint64_t max_mget = 0;
  std::uint64_t max_keys = 1'000'000;
  Duration max_lease = std::chrono::hours(12);
  Duration max_wait = std::chrono::hours(1);
  Duration dedupe_window{};
  std::string overflow;  // "reject", "log" or empty: log when there is a file for it
  std::string overflow_log;
  std::string mget_item_sep = "\n";
  std::string mput_item_sep = "\n";
  bool enable_exit = false;
};

void AddQueueOptions(Options* options, QueueOptions* queue);
/// Checks over several options.
Status CheckQueueOptions(const QueueOptions& queue);

}  // namespace rivulet
