// Delivers messages to HTTP destinations: a backlog, the forwarder, a destination each, and a
// client for all of them. What ps_to_http and file_to_http have in common.
//
//   HttpDelivery delivery(loop, clock, config, backlog.get(), [&] { …more room, or done?… });
//   delivery.Append(message);                   // sent when the loop comes to it
//   if (delivery.full()) …stop reading…         // until has_room()
//   delivery.counts().pending == 0              // all done
//
// Thread: the loop's. Must be destroyed before its loop and its backlog.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "bridge/backlog.h"
#include "bridge/dead_letters.h"
#include "bridge/destination.h"
#include "bridge/forwarder.h"
#include "http/client.h"

namespace rivulet {

struct DeliveryConfig {
  std::vector<DestinationConfig> destinations;  // at least one
  ForwarderConfig forwarder;
  std::string dead_letter_path;  // empty: refused messages are lost, and counted
  /// Requests are printed on standard output, none is sent; all count as delivered.
  bool dry_run = false;
};

class HttpDelivery {
 public:
  /// `on_progress` is called from the loop after messages were done with, and now and then though
  /// none were. `dead_letters` may be nullptr: then refused messages are lost, and counted.
  HttpDelivery(EventLoop& loop, const Clock& clock, DeliveryConfig config, Backlog* backlog,
               DeadLetters* dead_letters, std::function<void()> on_progress);
  ~HttpDelivery();

  void Append(std::string_view message);
  void TooLong() { forwarder_.TooLong(); }
  bool full() const { return backlog_->full(); }
  bool has_room() const { return backlog_->has_room(); }
  /// What is there is sent, though nothing was appended: after a restart.
  void Pump() { pump_.Schedule(); }
  /// Forgets the backoffs: for the end.
  void RetryNow();
  /// Nothing more comes: no batch waits to be filled any more.
  void NoMore();
  /// Sends nothing new from now on; what is in flight is still answered: for an end where the
  /// backlog keeps the rest.
  void Hold() { held_ = true; }

  const Forwarder& forwarder() const { return forwarder_; }
  ForwarderCounts counts() const { return forwarder_.counts(); }
  const Backlog& backlog() const { return *backlog_; }
  std::size_t destinations() const { return destinations_.size(); }
  const Destination& destination(std::size_t i) const { return *destinations_[i]; }
  const DeadLetters* dead_letters() const { return dead_letters_; }

 private:
  void PumpAll();

  Backlog* backlog_;
  DeadLetters* dead_letters_;
  Forwarder forwarder_;
  Client client_;
  std::vector<std::unique_ptr<Destination>> destinations_;
  Deferred pump_;
  bool held_ = false;
  std::function<void()> on_progress_;
};

}  // namespace rivulet
