#include "ps_to_file/archiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "base/replace_file.h"
#include "base/units.h"
#include "bridge/source_url.h"
#include "ps_to_file/file_name.h"
#include "ps_to_file/part_files.h"
#include "ps_to_file/recovery.h"

namespace rivulet {

namespace {

constexpr Duration kTick = std::chrono::seconds(1);
// How soon a reader of a part file sees what came.
constexpr Duration kFlushDelay = std::chrono::milliseconds(100);
// So small that it is still in the processor's cache when it is written.
constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::size_t kSyncedChunkBytes = std::size_t{1} << 20;
// A frame begins without a memory of what was before: longer ones are smaller.
constexpr std::size_t kCompressedChunkBytes = std::size_t{4} << 20;

std::int64_t SecondsOf(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

SourceConfig SourceFrom(const ArchiverConfig& config, const ArchiveState& state) {
  SourceConfig source = config.source;
  source.begin_at.assign(source.urls.size(), std::nullopt);
  for (std::size_t i = 0; i < source.urls.size(); ++i) {
    const std::string key = SourceKey(source.urls[i]);
    for (const auto& [known, position] : state.positions) {
      if (known != key) continue;
      source.begin_at[i] = position;
      // Others may have other messages.
      if (known == state.positions.front().first) source.first = i;
    }
    if (state.positions.empty() || source.begin_at[i]) continue;
    LogWarning("{}: knows other sources, but not {} as it is asked for here: it begins anew",
               config.writing.state_path, key.substr(0, key.find('?')));
  }
  return source;
}

GathererConfig GatheringOf(const ArchiverConfig& config) {
  GathererConfig gathering = config.gathering;
  gathering.compressed = config.writing.compression != Compression::kNone;
  const std::size_t chunk = gathering.compressed                       ? kCompressedChunkBytes
                            : config.writing.sync == FileSync::kAlways ? kSyncedChunkBytes
                                                                       : kChunkBytes;
  gathering.chunk_bytes =
      static_cast<std::size_t>(std::clamp<std::uint64_t>(config.max_pending_bytes / 8, 1, chunk));
  return gathering;
}

std::string MadeAs(const ArchiverConfig& config) {
  constexpr std::string_view kNames[] = {"none", "gzip", "zstd"};
  return fmt::format("{} {}", kNames[static_cast<std::size_t>(config.writing.compression)],
                     config.gathering.framed ? "framed" : "lines");
}

}  // namespace

Result<std::unique_ptr<Archiver>> Archiver::Open(EventLoop& loop, const Clock& clock,
                                                 ArchiverConfig config) {
  auto filter = MessageFilter::Make(config.filter);
  if (!filter.ok()) return filter.status();
  auto format =
      FileNameFormat::Parse(config.filename_format, CompressionSuffix(config.writing.compression));
  if (!format.ok()) return format.status();
  format->SetTime(SecondsOf(clock.WallNow()));
  std::string& path = config.writing.state_path;
  if (path.empty()) path = format->fixed_folder() + "/.ps_to_file.state";
  if (Status status = MakeFoldersOf(path); !status.ok()) return status;
  auto lock = FileLock::Acquire(path + ".lock", "--state-file=" + path);
  if (!lock.ok()) return lock.status();
  auto state = ReadArchiveState(path);
  if (!state.ok()) return state.status();
  // What has positions has one in the state before anything of it is in a file.
  const bool comes_again = !state->positions.empty();
  state = Recover(std::move(state).value(), MadeAs(config), format->time_key(), Disk::System(),
                  comes_again);
  if (!state.ok()) return state.status();
  // What is wrong with the place is known at once.
  if (Status status = ReplaceFile(path, FormatArchiveState(*state)); !status.ok()) return status;
  config.writing.urls = SourceKeys(config.source.urls);
  return std::unique_ptr<Archiver>(
      new Archiver(loop, clock, std::move(config),
                   {std::move(lock).value(), std::move(state).value(), std::move(format).value(),
                    std::move(filter).value()}));
}

Archiver::Archiver(EventLoop& loop, const Clock& clock, ArchiverConfig config, Beginning beginning)
    : loop_(loop),
      clock_(clock),
      config_(std::move(config)),
      lock_(std::move(beginning.lock)),
      filter_(std::move(beginning.filter)),
      gatherer_(std::move(beginning.format), GatheringOf(config_)),
      writer_(config_.writing, beginning.state),
      positions_(config_.source.urls.size()),
      client_(loop),
      source_(loop, client_, SourceFrom(config_, beginning.state), *this),
      pump_(loop, [this] { HandOver(); }),
      tick_(loop, [this] { Tick(); }),
      flush_(loop,
             [this] {
               if (gatherer_.bytes() > 0) Send(gatherer_.TakeAll());
             }),
      checkpoint_(loop,
                  [this] {
                    checkpoint_wanted_ = checkpoint_wanted_ || moved_;
                    HandOver();
                  }),
      drain_(loop, [this] { writer_.GiveUp(); }),
      stats_(loop, [this] { PrintProgress(); }),
      helper_(loop, clock) {
  for (auto& part : beginning.state.parts) {
    const auto id = gatherer_.Adopt(part.base, part.bytes);
    writer_.Adopt(id, std::move(part));
  }
}

Archiver::~Archiver() = default;

void Archiver::Start() {
  last_stats_ = clock_.Now();
  if (config_.stats_interval > Duration::zero()) stats_.StartEvery(config_.stats_interval);
  tick_.StartEvery(kTick);
  checkpoint_.StartEvery(config_.checkpoint_interval);
  source_.Start();
}

void Archiver::MoveTo(const SourcePosition& position) {
  // The number alone: a copy of the whole waits for the stores that made it a moment ago.
  auto& next = positions_[position.url];
  if (position.next) {
    next = *position.next;
  } else {
    next.reset();
  }
  url_ = position.url;
  moved_ = true;
}

void Archiver::ReadTime() {
  // Once for all that one round of the loop brings.
  if (time_known_) return;
  time_known_ = true;
  gatherer_.SetTime(SecondsOf(clock_.WallNow()));
  pump_.Schedule();
}

void Archiver::OnMessage(std::string_view message, const SourcePosition& after) {
  ++received_;
  if (after.next && !positions_[after.url]) OnPosition({after.url, *after.next - 1});
  if (filter_.Keeps(message)) {
    ReadTime();
    gatherer_.Append(message);
  }
  MoveTo(after);
}

void Archiver::OnTooLong(const SourcePosition& after) {
  ++received_;
  if (++too_long_ == 1) LogError("a message longer than --max-message-bytes was refused and lost");
  MoveTo(after);
}

void Archiver::OnPosition(const SourcePosition& position) {
  const bool first = position.next && !positions_[position.url];
  MoveTo(position);
  // Before its first message is in a file: a start after a crash asks from here, not from now on.
  if (!first || draining_) return;
  checkpoint_wanted_ = true;
  if (!checkpoint_running_) SendCheckpoint();
}

void Archiver::OnGap(std::optional<std::uint64_t> missed) { missed_ += missed.value_or(0); }

bool Archiver::full() const { return held_bytes() >= config_.max_pending_bytes; }

void Archiver::OnSilence() {
  LogError("no message within --max-silence from {}", source_.shown_url());
  silent_ = true;
  BeginDrain();
}

void Archiver::Tick() {
  ReadTime();
  HandOver();
}

void Archiver::Roll() {
  gatherer_.CompleteAll();
  HandOver();
}

void Archiver::HandOver() {
  time_known_ = false;
  if (gatherer_.has_complete()) checkpoint_wanted_ = true;
  if (checkpoint_wanted_ && !checkpoint_running_) return SendCheckpoint();
  if (gatherer_.has_full()) Send(gatherer_.TakeFull());
  if (gatherer_.bytes() >= config_.max_pending_bytes / 2) Send(gatherer_.TakeAll());
  // Compressed files wait for the checkpoint: small frames are large.
  const bool soon = config_.writing.compression == Compression::kNone && gatherer_.bytes() > 0;
  if (soon && !flush_.active()) flush_.Start(kFlushDelay);
}

void Archiver::SendCheckpoint() {
  checkpoint_wanted_ = false;
  checkpoint_running_ = true;
  moved_ = false;
  last_sent_ = draining_;
  WriteBatch batch = gatherer_.TakeAll();
  batch.checkpoint = true;
  batch.positions = positions_;
  batch.url = url_;
  Send(std::move(batch));
}

void Archiver::Send(WriteBatch batch) {
  pending_bytes_ += batch.bytes;
  auto shared = std::make_shared<WriteBatch>(std::move(batch));
  helper_.Do(
      [this, shared] { return writer_.Write(shared.get()); },
      [this, shared](const Status& status, Duration) { OnWritten(status, std::move(*shared)); });
}

void Archiver::OnWritten(const Status& status, WriteBatch batch) {
  pending_bytes_ -= batch.bytes;
  if (!status.ok()) {
    if (!failed_) LogError("{}", status.message());
    failed_ = true;
    source_.Stop();
    return loop_.Stop();
  }
  const bool checkpoint = batch.checkpoint;
  gatherer_.OnWritten(std::move(batch));
  if (checkpoint) {
    checkpoint_running_ = false;
    if (last_sent_) return loop_.Stop();
    if (checkpoint_wanted_) pump_.Schedule();
  }
  if (source_.paused() && held_bytes() <= config_.max_pending_bytes / 2) source_.Resume();
}

void Archiver::Drain() {
  if (draining_) return writer_.GiveUp();
  BeginDrain();
}

void Archiver::BeginDrain() {
  draining_ = true;
  source_.Stop();
  tick_.Cancel();
  checkpoint_.Cancel();
  flush_.Cancel();
  drain_.Start(config_.drain_timeout);
  checkpoint_wanted_ = true;
  pump_.Schedule();
}

int Archiver::exit_status() const {
  if (failed_ || !last_sent_) return kExitFailed;
  return silent_ ? kExitSilence : kExitWritten;
}

std::string Archiver::Summary() const {
  const auto progress = writer_.progress();
  std::string text =
      fmt::format("{} received, {} written, {} filtered, {} files completed", received_,
                  progress.written, filter_.dropped(), progress.completed);
  if (too_long_ > 0) text += fmt::format(", {} refused as too long", too_long_);
  if (missed_ > 0) text += fmt::format(", {} missed", missed_);
  return text;
}

void Archiver::PrintProgress() {
  const MonoTime now = clock_.Now();
  const double seconds = std::chrono::duration<double>(now - last_stats_).count();
  const auto written = writer_.progress().written;
  Print(stderr, "ps_to_file: {}, {} pending, {:.0f}/s\n", Summary(), FormatByteCount(held_bytes()),
        seconds > 0 ? static_cast<double>(written - last_written_) / seconds : 0.0);
  last_stats_ = now;
  last_written_ = written;
}

}  // namespace rivulet
