#include "ps_to_http/bridge.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "base/units.h"

namespace rivulet {

Bridge::Bridge(EventLoop& loop, const Clock& clock, const BridgeConfig& config,
               MessageFilter filter, BridgeFiles* files)
    : loop_(loop),
      clock_(clock),
      files_(*files),
      stats_interval_(config.stats_interval),
      drain_timeout_(config.drain_timeout),
      filter_(std::move(filter)),
      delivery_(loop, clock, config.delivery, files->backlog(), files->dead_letters(),
                [this] { OnProgress(); }),
      client_(loop),
      source_(loop, client_, config.source, *this),
      follow_(loop, [this] { files_.Follow(delivery_.forwarder()); }),
      drain_(loop, [this] { loop_.Stop(); }),
      stats_(loop, [this] { PrintProgress(); }) {
  files_.OnChange([this] {
    WatchSpool();
    OnProgress();
  });
}

void Bridge::Start() {
  last_stats_ = clock_.Now();
  last_counts_ = delivery_.counts();
  if (stats_interval_ > Duration::zero()) stats_.StartEvery(stats_interval_);
  if (last_counts_.pending > 0) delivery_.Pump();
  source_.Start();
}

void Bridge::OnMessage(std::string_view message, const SourcePosition& after) {
  if (filter_.Keeps(message)) delivery_.Append(message);
  Note(after);
}

void Bridge::OnTooLong(const SourcePosition& after) {
  delivery_.TooLong();
  if (++too_long_ == 1) LogError("a message longer than --max-message-bytes was refused and lost");
  Note(after);
}

void Bridge::Note(const SourcePosition& position) {
  if (!position.next) return;
  // In the same turn of the loop as its message: the spool keeps both in one commit.
  files_.Note(position);
  // Messages that were filtered away end in no progress.
  follow_.Schedule();
}

void Bridge::OnProgress() {
  files_.Follow(delivery_.forwarder());
  if (source_.paused() && delivery_.has_room()) source_.Resume();
  if (ending_) StopWhenDone();
}

void Bridge::WatchSpool() {
  const Spool* spool = files_.spool();
  // A full disk heals; the source waits meanwhile, because the spool says that it is full.
  if (spool == nullptr || spool->health().ok() || !spool_failure_.ok()) return;
  if (spool->health().code() == StatusCode::kExhausted) return;
  spool_failure_ = spool->health();
  LogError("{}: the source is not read any more, and what is there is delivered",
           spool_failure_.message());
  ending_ = true;
  holding_ = false;
  source_.Stop();
  StopWhenDone();
}

void Bridge::OnSilence() {
  LogError("no message within --max-silence from {}", source_.shown_url());
  silent_ = true;
  BeginDrain(false);
}

void Bridge::Stop() {
  if (told_to_stop_) {
    hurried_ = true;
    loop_.Stop();
    return;
  }
  told_to_stop_ = true;
  BeginDrain(files_.keeps_backlog());
}

void Bridge::BeginDrain(bool hold) {
  ending_ = true;
  holding_ = hold;
  source_.Stop();
  if (hold) {
    delivery_.Hold();
  } else {
    delivery_.RetryNow();
  }
  drain_.Start(drain_timeout_);
  StopWhenDone();
}

bool Bridge::Answered() const {
  for (std::size_t i = 0; i < delivery_.destinations(); ++i) {
    if (delivery_.forwarder().window(i).in_flight() > 0) return false;
  }
  return true;
}

void Bridge::StopWhenDone() {
  if (delivery_.counts().pending == 0 || (holding_ && Answered())) loop_.Stop();
}

int Bridge::Finish() {
  source_.Stop();
  const bool keeps = files_.keeps_backlog();
  const Status closed = files_.Close(delivery_.forwarder());
  if (!closed.ok()) LogError("{}", closed.message());
  const std::uint64_t pending = delivery_.counts().pending;
  const bool kept = keeps && closed.ok();
  if (pending > 0 && kept) LogInfo("{} messages wait in the spool", pending);
  Print(stderr, "ps_to_http: {}\n", Summary());
  if (hurried_ || !spool_failure_.ok() || !closed.ok()) return kExitPending;
  if (silent_) return kExitSilence;
  return pending == 0 || kept ? kExitDelivered : kExitPending;
}

StatusServer::Hooks Bridge::StatusHooks() const {
  StatusServer::Hooks hooks;
  hooks.health = [this] {
    return files_.spool() != nullptr ? files_.spool()->health() : Status::Ok();
  };
  hooks.stats_text = [this] { return BridgeStatsText(parts()); };
  hooks.stats_json = [this] { return BridgeStatsJson(parts()); };
  hooks.write_metrics = [this](std::string* out) { WriteBridgeMetrics(out, parts()); };
  return hooks;
}

std::string Bridge::Summary() const {
  const auto counts = delivery_.counts();
  std::string text = fmt::format("{} received, {} delivered, {} refused", counts.received,
                                 counts.delivered, counts.refused);
  const auto add = [&text](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  add(counts.dropped, "dropped");
  add(filter_.dropped(), "filtered");
  add(source_.missed(), "missed");
  text += fmt::format(", {} pending", counts.pending);
  return text;
}

void Bridge::PrintProgress() {
  const MonoTime now = clock_.Now();
  const auto counts = delivery_.counts();
  const double seconds = std::chrono::duration<double>(now - last_stats_).count();
  const auto delivered = static_cast<double>(counts.delivered - last_counts_.delivered);
  Print(stderr, "ps_to_http: {} ({}), {:.0f}/s\n", Summary(),
        FormatByteCount(delivery_.backlog().held_bytes()), seconds > 0 ? delivered / seconds : 0.0);
  last_stats_ = now;
  last_counts_ = counts;
}

}  // namespace rivulet
