#include "ps_to_http/files.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "bridge/message_log.h"
#include "bridge/source_url.h"

namespace rivulet {

namespace {
constexpr Duration kSyncLettersEvery = std::chrono::seconds(1);
}  // namespace

BridgeFiles::BridgeFiles(EventLoop& loop, const Clock& clock, const BridgeConfig& config)
    : loop_(loop),
      clock_(clock),
      keys_(SourceKeys(config.source.urls)),
      sync_letters_(loop, [this] {
        if (SyncLetters()) Changed();
      }) {}

BridgeFiles::~BridgeFiles() = default;

Result<std::unique_ptr<BridgeFiles>> BridgeFiles::Open(BridgeConfig* config, EventLoop& loop,
                                                       const Clock& clock) {
  auto files = std::make_unique<BridgeFiles>(loop, clock, *config);
  if (!config->delivery.dead_letter_path.empty()) {
    auto letters = DeadLetters::Open(config->delivery.dead_letter_path, clock);
    if (!letters.ok()) return letters.status();
    files->dead_letters_ = std::move(letters).value();
  }
  // What the spool says of a source counts more than the file, which came to disk apart from it.
  if (Status status = files->OpenPositions(config, clock); !status.ok()) return status;
  if (Status status = files->OpenSpool(config, clock); !status.ok()) return status;
  return files;
}

Status BridgeFiles::OpenPositions(BridgeConfig* config, const Clock& clock) {
  if (config->offset_file.empty()) return Status::Ok();
  auto positions = PositionFile::Open(config->offset_file, config->source.urls, loop_, clock);
  if (!positions.ok()) return positions.status();
  // Two that write one file would lose each other's positions.
  auto lock =
      FileLock::Acquire(config->offset_file + ".lock", "--offset-file=" + config->offset_file);
  if (!lock.ok()) return lock.status();
  offset_lock_ = std::move(lock).value();
  positions_ = std::move(positions).value();
  config->source.begin_at = positions_->positions();
  config->source.first = positions_->latest().value_or(config->source.first);
  return Status::Ok();
}

Status BridgeFiles::OpenSpool(BridgeConfig* config, const Clock& clock) {
  if (!config->spool) {
    backlog_ = std::make_unique<MessageLog>(config->max_pending_bytes);
    return Status::Ok();
  }
  auto spool = Spool::Open(*config->spool, loop_, clock, [this] { Changed(); });
  if (!spool.ok()) return spool.status();
  readers_ = config->spool->readers.size();
  spool_ = spool->get();
  backlog_ = std::move(spool).value();
  config->delivery.forwarder.begin_at = spool_->begin_at();
  ContinueFromSpool(config);
  return Status::Ok();
}

void BridgeFiles::ContinueFromSpool(BridgeConfig* config) {
  auto& begin_at = config->source.begin_at;
  begin_at.resize(keys_.size());
  bool chosen = positions_ != nullptr && positions_->latest().has_value();
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const auto position = spool_->source_position(keys_[i]);
    if (position) {
      begin_at[i] = position;
      // Whoever was followed is followed on: another one would begin with what comes now.
      if (!chosen) config->source.first = i;
      chosen = true;
    } else if (spool_->sources() > 0 && !begin_at[i]) {
      LogWarning(
          "spool {}: knows other sources, but not {} as it is asked for here: it begins anew",
          config->spool->path, keys_[i].substr(0, keys_[i].find('?')));
    }
  }
}

void BridgeFiles::Changed() {
  if (on_change_) on_change_();
}

bool BridgeFiles::SyncLetters() {
  if (dead_letters_ == nullptr) return true;
  const std::uint64_t written = dead_letters_->written();
  if (written == safe_letters_) return true;
  next_sync_ = clock_.Now() + kSyncLettersEvery;
  if (Status status = dead_letters_->Sync(); !status.ok()) {
    LogError("{}", status.message());
    sync_letters_.Start(kSyncLettersEvery);
    return false;
  }
  safe_letters_ = written;
  return true;
}

void BridgeFiles::Follow(const Forwarder& forwarder) {
  if (spool_ == nullptr && positions_ == nullptr) return;
  if (dead_letters_ != nullptr && dead_letters_->written() != safe_letters_) {
    // At once after a second of quiet: who is killed more often than that gets on, too.
    if (!sync_letters_.active()) {
      sync_letters_.Start(std::max(Duration::zero(), next_sync_ - clock_.Now()));
    }
    return;
  }
  Move(forwarder);
}

void BridgeFiles::Move(const Forwarder& forwarder) {
  std::uint64_t done = UINT64_MAX;
  for (std::size_t i = 0; i < forwarder.destinations(); ++i) {
    done = std::min(done, forwarder.oldest(i));
    if (spool_ != nullptr && i < readers_) spool_->SetDone(i, forwarder.oldest(i));
  }
  if (positions_ == nullptr) return;
  if (spool_ != nullptr) done = spool_->committed();
  tracker_.Done(done, [this](const SourcePosition& position) {
    positions_->Set(position.url, *position.next);
  });
}

Status BridgeFiles::Reopen() {
  return dead_letters_ != nullptr ? dead_letters_->Reopen() : Status::Ok();
}

Status BridgeFiles::Close(const Forwarder& forwarder) {
  Status first;
  const auto keep = [&first](Status status) {
    if (first.ok()) first = std::move(status);
  };
  sync_letters_.Cancel();
  if (SyncLetters()) {
    Move(forwarder);
  } else {
    sync_letters_.Cancel();
    first = {StatusCode::kIoError, "refused messages may not be safe"};
  }
  if (spool_ != nullptr) {
    keep(spool_->Close());
    if (first.ok()) Move(forwarder);
  }
  if (positions_ != nullptr) keep(positions_->Close());
  return first;
}

}  // namespace rivulet
