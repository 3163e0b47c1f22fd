#include "bridge/delivery.h"

#include <cstdio>
#include <utility>

namespace rivulet {

namespace {

ForwarderConfig ForwarderConfigFor(const DeliveryConfig& config) {
  ForwarderConfig forwarder = config.forwarder;
  forwarder.destinations.resize(config.destinations.size());
  for (std::size_t i = 0; i < config.destinations.size(); ++i) {
    // Only a batched POST can carry more than one.
    if (!config.destinations[i].post || !config.destinations[i].batched) {
      forwarder.destinations[i].batch = 1;
    }
  }
  return forwarder;
}

ClientOptions ClientOptionsFor(const DeliveryConfig& config) {
  ClientOptions options;
  options.max_idle_connections = 1;
  for (const auto& window : config.forwarder.destinations) {
    options.max_idle_connections += static_cast<std::size_t>(window.max_in_flight);
  }
  return options;
}

}  // namespace

HttpDelivery::HttpDelivery(EventLoop& loop, const Clock& clock, DeliveryConfig config,
                           Backlog* backlog, DeadLetters* dead_letters,
                           std::function<void()> on_progress)
    : backlog_(backlog),
      dead_letters_(dead_letters),
      forwarder_(ForwarderConfigFor(config), backlog),
      client_(loop, ClientOptionsFor(config)),
      pump_(loop, [this] { PumpAll(); }),
      on_progress_(std::move(on_progress)) {
  for (std::size_t i = 0; i < config.destinations.size(); ++i) {
    DestinationConfig& destination = config.destinations[i];
    destination.dry_run |= config.dry_run;
    destinations_.push_back(std::make_unique<Destination>(
        loop, clock, client_, forwarder_, i, std::move(destination), dead_letters, [this] {
          pump_.Schedule();
          on_progress_();
        }));
  }
}

HttpDelivery::~HttpDelivery() = default;

void HttpDelivery::Append(std::string_view message) {
  forwarder_.Append(message);
  // Sent once the whole read has been cut up, so that batches fill.
  pump_.Schedule();
}

void HttpDelivery::RetryNow() {
  forwarder_.RetryNow();
  pump_.Schedule();
}

void HttpDelivery::NoMore() {
  forwarder_.NoMore();
  pump_.Schedule();
}

void HttpDelivery::PumpAll() {
  if (held_) return;
  // In round robin one that sends may make it the turn of another that was asked before.
  bool sent = true;
  while (sent) {
    sent = false;
    for (auto& destination : destinations_) sent |= destination->Pump();
  }
  std::fflush(stdout);  // of a dry run
}

}  // namespace rivulet
