// A running ps_to_http: source, filter and delivery on one loop, and how it ends.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "bridge/delivery.h"
#include "bridge/message_filter.h"
#include "bridge/report.h"
#include "bridge/source.h"
#include "http/client.h"
#include "http/status_server.h"
#include "ps_to_http/config.h"
#include "ps_to_http/files.h"

namespace rivulet {

/// Thread: the loop's. Must be destroyed before its loop and its files.
class Bridge final : private PubsubSource::Sink {
 public:
  static constexpr int kExitDelivered = 0;
  static constexpr int kExitPending = 1;
  static constexpr int kExitSilence = 3;

  /// `config` is what BridgeFiles::Open() made of it.
  Bridge(EventLoop& loop, const Clock& clock, const BridgeConfig& config, MessageFilter filter,
         BridgeFiles* files);

  /// Follows the source until Stop(), silence or a broken spool; the loop must run.
  void Start();
  /// Reads no more. What is pending is delivered within the drain timeout, or kept in the spool
  /// once what is in flight was answered; then the loop is stopped. A second call stops it at once.
  void Stop();
  /// Once the loop has stopped: makes safe what is to be kept, prints the summary on standard
  /// error, and returns the status to exit with: 0 when nothing is left or the spool keeps it, 1
  /// when something is, when it was told to stop twice or the disk failed, 3 after silence.
  int Finish();

  /// What is served of it: /ping, /stats, /metrics. Valid as long as it is.
  StatusServer::Hooks StatusHooks() const;

 private:
  void OnMessage(std::string_view message, const SourcePosition& after) override;
  void OnTooLong(const SourcePosition& after) override;
  bool full() const override { return delivery_.full(); }
  void OnSilence() override;
  void OnPosition(const SourcePosition& position) override { Note(position); }

  void Note(const SourcePosition& position);
  void OnProgress();
  void WatchSpool();
  void BeginDrain(bool hold);
  void StopWhenDone();
  bool Answered() const;
  BridgeParts parts() const { return {&source_, &filter_, &delivery_, files_.spool()}; }
  /// "N received, N delivered, N refused, N pending"; before "pending" what was dropped, filtered
  /// and missed, where there was such.
  std::string Summary() const;
  void PrintProgress();

  EventLoop& loop_;
  const Clock& clock_;
  BridgeFiles& files_;
  Duration stats_interval_;
  Duration drain_timeout_;
  MessageFilter filter_;
  HttpDelivery delivery_;
  Client client_;
  PubsubSource source_;
  Deferred follow_;
  Timer drain_;
  Timer stats_;
  MonoTime last_stats_{};
  ForwarderCounts last_counts_;
  std::uint64_t too_long_ = 0;
  bool told_to_stop_ = false;
  bool hurried_ = false;  // told to stop twice
  bool ending_ = false;   // the source is not read any more
  bool holding_ = false;  // what is pending stays in the spool
  bool silent_ = false;
  Status spool_failure_;
};

}  // namespace rivulet
