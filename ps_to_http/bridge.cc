#include "ps_to_http/bridge.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/log.h"
#include "base/units.h"

namespace rivulet {

namespace {
ClientOptions ClientOptionsFor(const BridgeConfig& config) {
  ClientOptions options;
  options.max_idle_connections = 1;
  for (const auto& window : config.forwarder.destinations) {
    options.max_idle_connections += static_cast<std::size_t>(window.max_in_flight);
  }
  return options;
}
}  // namespace

Bridge::Bridge(EventLoop& loop, const Clock& clock, const BridgeConfig& config)
    : loop_(loop),
      clock_(clock),
      stats_interval_(config.stats_interval),
      drain_timeout_(config.drain_timeout),
      forwarder_(config.forwarder),
      client_(loop, ClientOptionsFor(config)),
      source_(loop, client_, config.source, *this),
      pump_(loop, [this] { Pump(); }),
      drain_(loop, [this] { loop_.Stop(); }),
      stats_(loop, [this] { PrintProgress(); }) {
  for (std::size_t i = 0; i < config.destinations.size(); ++i) {
    destinations_.push_back(std::make_unique<Destination>(
        loop, clock, client_, forwarder_, i, config.destinations[i], [this] { OnProgress(); }));
  }
}

void Bridge::Start() {
  last_stats_ = clock_.Now();
  if (stats_interval_ > Duration::zero()) stats_.StartEvery(stats_interval_);
  source_.Start();
}

void Bridge::OnMessage(std::string_view message, const SourcePosition& /*after*/) {
  forwarder_.Append(message);
  // Sent once the whole read has been cut up, so that batches fill.
  pump_.Schedule();
}

void Bridge::OnTooLong(const SourcePosition& /*after*/) {
  forwarder_.TooLong();
  if (++too_long_ == 1) LogError("a message longer than --max-message-bytes was refused and lost");
}

void Bridge::OnProgress() {
  pump_.Schedule();
  if (source_.paused() && forwarder_.has_room()) source_.Resume();
  if (draining_) StopWhenDrained();
}

void Bridge::Pump() {
  for (auto& destination : destinations_) destination->Pump();
}

void Bridge::OnSilence() {
  LogError("no message within --max-silence from {}",
           source_.url().substr(0, source_.url().find('?')));
  silent_ = true;
  BeginDrain();
}

void Bridge::Drain() {
  if (draining_) {
    hurried_ = true;
    loop_.Stop();
    return;
  }
  BeginDrain();
}

void Bridge::BeginDrain() {
  draining_ = true;
  source_.Stop();
  forwarder_.RetryNow();
  pump_.Schedule();
  drain_.Start(drain_timeout_);
  StopWhenDrained();
}

void Bridge::StopWhenDrained() {
  if (forwarder_.counts().pending == 0) loop_.Stop();
}

int Bridge::exit_status() const {
  if (hurried_) return kExitPending;
  if (silent_) return kExitSilence;
  return forwarder_.counts().pending == 0 ? kExitDelivered : kExitPending;
}

std::string Bridge::Summary() const {
  const auto counts = forwarder_.counts();
  return fmt::format("{} received, {} delivered, {} refused, {} pending", counts.received,
                     counts.delivered, counts.refused, counts.pending);
}

void Bridge::PrintProgress() {
  const MonoTime now = clock_.Now();
  const auto counts = forwarder_.counts();
  const double seconds = std::chrono::duration<double>(now - last_stats_).count();
  const auto delivered = static_cast<double>(counts.delivered - last_counts_.delivered);
  fmt::print(stderr, "ps_to_http: {} ({}), {:.0f}/s\n", Summary(),
             FormatByteCount(forwarder_.pending_bytes()), seconds > 0 ? delivered / seconds : 0.0);
  last_stats_ = now;
  last_counts_ = counts;
}

}  // namespace rivulet
