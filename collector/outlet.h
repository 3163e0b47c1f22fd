// Where the collector's messages go: a backlog in memory or a spool on disk, and from there to a
// /pub, a /put or an /mput, again and again until it takes them.
//
//   if (outlet->full()) …503…
//   const std::uint64_t mark = outlet->Take(message);     // safe once safe() >= mark
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "bridge/delivery.h"
#include "bridge/report.h"
#include "bridge/spool.h"

namespace rivulet {

struct OutletConfig {
  DeliveryConfig delivery;
  std::uint64_t max_pending_bytes = std::uint64_t{32} << 20;  // without a spool
  std::optional<SpoolConfig> spool;
};

class Outlet {
 public:
  /// `on_safe` is called from the loop when safe() has moved or health() has changed. Locks and
  /// recovers the spool. `loop` and `clock` must outlive it.
  static Result<std::unique_ptr<Outlet>> Open(EventLoop& loop, const Clock& clock,
                                              OutletConfig config, std::function<void()> on_safe);
  ~Outlet();
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  /// No newline in `message`. The number of messages taken with it.
  std::uint64_t Take(std::string_view message);
  /// The same, of what was taken last.
  std::uint64_t end() const;
  /// Messages before this number are as safe as they get: in the spool as its --spool-sync says,
  /// without a spool at once.
  std::uint64_t safe() const;
  /// True for good once health() is broken.
  bool full() const;
  /// Not OK: the spool's disk has failed, or has no room; nothing more is taken while it is so.
  Status health() const;

  ForwarderCounts counts() const;
  std::uint64_t spool_bytes() const;  // on disk; 0 without a spool
  /// What /stats and /metrics tell. Valid as long as it is.
  BridgeParts parts() const;

  /// SIGHUP: the file of the dead letters again.
  Status Reopen();
  /// Delivers what is pending, or with a spool only what is in flight, then calls `done`, perhaps
  /// at once.
  void Drain(std::function<void()> done);
  /// After the loop: makes the spool safe. False, with a log line, when something was lost.
  bool Close();

 private:
  struct Impl;
  explicit Outlet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
