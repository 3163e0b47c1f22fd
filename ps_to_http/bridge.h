// A running ps_to_http: source, forwarder and destinations on one loop, and how it ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "bridge/source.h"
#include "http/client.h"
#include "ps_to_http/config.h"
#include "bridge/destination.h"
#include "bridge/forwarder.h"

namespace rivulet {

/// Thread: the loop's. Must be destroyed before its loop.
class Bridge final : private PubsubSource::Sink {
 public:
  static constexpr int kExitDelivered = 0;
  static constexpr int kExitPending = 1;
  static constexpr int kExitSilence = 3;

  Bridge(EventLoop& loop, const Clock& clock, const BridgeConfig& config);

  /// Follows the source until Drain() or silence; the loop must run.
  void Start();
  /// Reads no more, delivers what is pending within the drain timeout, then stops the loop. A
  /// second call stops it at once.
  void Drain();

  /// Once the loop has stopped: 0 when nothing is left, 1 when something is or when it was told
  /// twice, 3 after silence.
  int exit_status() const;
  /// "N received, N delivered, N refused, N pending".
  std::string Summary() const;

 private:
  void OnMessage(std::string_view message, const SourcePosition& after) override;
  void OnTooLong(const SourcePosition& after) override;
  bool full() const override { return forwarder_.full(); }
  void OnSilence() override;

  void OnProgress();
  void Pump();
  void BeginDrain();
  void StopWhenDrained();
  void PrintProgress();

  EventLoop& loop_;
  const Clock& clock_;
  Duration stats_interval_;
  Duration drain_timeout_;
  Forwarder forwarder_;
  Client client_;
  PubsubSource source_;
  std::vector<std::unique_ptr<Destination>> destinations_;
  Deferred pump_;
  Timer drain_;
  Timer stats_;
  MonoTime last_stats_{};
  ForwarderCounts last_counts_;
  std::uint64_t too_long_ = 0;
  bool draining_ = false;
  bool hurried_ = false;  // told to end twice
  bool silent_ = false;
};

}  // namespace rivulet
