// Forwarders over a log in memory, for tests.
#pragma once

#include <optional>
#include <string>

#include "bridge/forwarder.h"
#include "bridge/message_log.h"

namespace rivulet::test {

inline ForwarderConfig Config(std::size_t destinations, WindowConfig window = {}) {
  ForwarderConfig config;
  config.destinations.assign(destinations, window);
  config.seed = 1;
  return config;
}

inline ForwarderConfig RoundRobin(std::size_t destinations, WindowConfig window = {}) {
  auto config = Config(destinations, window);
  config.round_robin = true;
  return config;
}

// Over a log in memory, and all the test's to see.
struct Heart : MessageLog, Forwarder {
  explicit Heart(const ForwarderConfig& config, std::uint64_t max_bytes = 1'000'000)
      : MessageLog(max_bytes), Forwarder(config, static_cast<MessageLog*>(this)) {}
  using Forwarder::Append;
};

inline WindowConfig Batches(std::uint64_t batch, std::uint64_t in_flight = 1) {
  WindowConfig window;
  window.batch = batch;
  window.max_in_flight = in_flight;
  return window;
}

inline std::string Lines(const std::optional<MessageBatch>& batch) {
  return batch ? std::string(batch->lines) : "nothing";
}

inline void AppendNumbers(Heart* forwarder, int from, int to) {
  for (int i = from; i <= to; ++i) forwarder->Append(std::to_string(i));
}

}  // namespace rivulet::test
