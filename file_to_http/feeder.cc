#include "file_to_http/feeder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/print.h"
#include "base/units.h"

namespace rivulet {

namespace {
constexpr Duration kShowEvery = std::chrono::milliseconds(200);
}  // namespace

Feeder::Feeder(EventLoop& loop, const Clock& clock, FeederConfig config,
               std::unique_ptr<DeadLetters> dead_letters)
    : loop_(loop),
      clock_(clock),
      config_(std::move(config)),
      lines_(loop, {config_.files, config_.max_message_bytes, config_.loop}),
      filter_(std::move(config_.filter)),
      log_(config_.max_pending_bytes),
      dead_letters_(std::move(dead_letters)),
      delivery_(loop, clock, config_.delivery, &log_, dead_letters_.get(),
                [this] { OnProgress(); }),
      client_(loop),
      turn_(loop, [this] { Turn(); }),
      drain_(loop, [this] { loop_.Stop(); }),
      stats_(loop, [this] { PrintStats(); }),
      show_(loop, [this] { ShowProgress(); }) {
  if (config_.depth) {
    depth_.emplace(
        loop, clock, client_, *config_.depth, [this] { return delivery_.counts().pending; },
        [this] { ScheduleTurn(); });
  }
}

Feeder::~Feeder() = default;

Result<std::unique_ptr<Feeder>> Feeder::Open(EventLoop& loop, const Clock& clock,
                                             FeederConfig config) {
  std::unique_ptr<DeadLetters> dead_letters;
  if (!config.delivery.dead_letter_path.empty()) {
    auto opened = DeadLetters::Open(config.delivery.dead_letter_path, clock);
    if (!opened.ok()) return opened.status();
    dead_letters = std::move(opened).value();
  }
  auto feeder = std::make_unique<Feeder>(loop, clock, std::move(config), std::move(dead_letters));
  if (Status status = feeder->OpenInput(); !status.ok()) return status;
  return feeder;
}

Status Feeder::OpenInput() {
  if (config_.offset_file.empty()) return lines_.Look(config_.loop, nullptr);
  auto offsets = OffsetFile::Open(config_.offset_file, loop_, clock_, [this] {
    return dead_letters_ ? dead_letters_->Sync() : Status();
  });
  if (!offsets.ok()) return offsets.status();
  offsets_ = std::move(offsets).value();
  auto status = lines_.Look(true, [this](const std::string& path, std::string_view head) {
    return offsets_->Begin(path, head);
  });
  done_ = lines_.place();
  tracker_ = OffsetTracker(done_, log_.end());
  return status;
}

void Feeder::Start() {
  started_ = last_stats_ = clock_.Now();
  if (config_.rate > 0) rate_.emplace(config_.rate, started_);
  if (config_.stats_interval > Duration::zero()) stats_.StartEvery(config_.stats_interval);
  if (terminal_.shown()) show_.StartEvery(kShowEvery);
  ScheduleTurn();
}

void Feeder::Turn() {
  if (draining_ || all_read_ || !TakeLines()) return;
  switch (lines_.Fill()) {
    case FileLines::Filled::kSome:
      return ScheduleTurn();
    case FileLines::Filled::kWait:
      return lines_.WhenReadable([this] { ScheduleTurn(); });
    case FileLines::Filled::kAllRead:
      break;
  }
  all_read_ = true;
  delivery_.NoMore();
  NoteDone();
  StopWhenDone();
}

bool Feeder::NextLine() {
  while (!line_) {
    std::string_view line;
    switch (lines_.Next(&line)) {
      case LineCutter::Found::kNothing:
        return false;
      case LineCutter::Found::kTooLong:
        delivery_.TooLong();
        break;
      case LineCutter::Found::kLine:
        if (filter_.Keeps(line)) line_ = line;
    }
  }
  return true;
}

bool Feeder::TakeLines() {
  // Rate and depth are asked with a line in hand only: the end of the input waits for neither.
  std::optional<std::uint64_t> allowed;
  std::uint64_t taken = 0;
  bool took_all = false;
  waiting_for_room_ = false;
  while (!waiting_for_room_) {
    if (!NextLine()) {
      took_all = true;
      break;
    }
    waiting_for_room_ = delivery_.full();
    if (waiting_for_room_) break;
    if (!allowed) allowed = Allowed();
    if (taken == *allowed) break;
    delivery_.Append(*line_);
    line_.reset();
    if (offsets_) tracker_.Note(lines_.place());
    ++taken;
  }
  Took(taken);
  // What is allowed from now on is asked for by the next turn.
  if (!took_all && !waiting_for_room_ && taken > 0) ScheduleTurn();
  return took_all;
}

std::uint64_t Feeder::Allowed() {
  std::uint64_t allowed = UINT64_MAX;
  if (rate_) {
    const MonoTime now = clock_.Now();
    allowed = rate_->Allowed(now);
    if (allowed == 0) turn_.Start(rate_->NextAt(now) - now);
  }
  if (depth_ && allowed > 0) allowed = std::min(allowed, depth_->Allowed());
  return allowed;
}

void Feeder::Took(std::uint64_t messages) {
  if (rate_) rate_->Take(messages);
  if (depth_) depth_->Take(messages);
}

void Feeder::OnProgress() {
  NoteDone();
  if (waiting_for_room_ && delivery_.has_room()) ScheduleTurn();
  StopWhenDone();
}

void Feeder::NoteDone() {
  if (!offsets_ || config_.delivery.dry_run) return;
  std::uint64_t number = log_.end();
  for (std::size_t i = 0; i < delivery_.destinations(); ++i) {
    number = std::min(number, delivery_.forwarder().oldest(i));
  }
  // Lines that were read and were no messages: the place behind them is as good.
  if (!line_) tracker_.Pass(lines_.place());
  const FilePlace place = tracker_.Done(number);
  if (place == done_) return;
  for (; done_.file < place.file; ++done_.file) {
    offsets_->Set(lines_.path(done_.file), lines_.end_of(done_.file));
  }
  done_ = place;
  offsets_->Set(lines_.path(place.file), place.offset);
}

void Feeder::StopWhenDone() {
  if ((all_read_ || draining_) && delivery_.counts().pending == 0) loop_.Stop();
}

void Feeder::Drain() {
  if (draining_) {
    hurried_ = true;
    return loop_.Stop();
  }
  draining_ = true;
  turn_.Cancel();
  if (depth_) depth_->Stop();
  delivery_.RetryNow();
  drain_.Start(config_.drain_timeout);
  StopWhenDone();
}

void Feeder::ReopenDeadLetters() {
  if (!dead_letters_) return;
  if (Status status = dead_letters_->Reopen(); !status.ok()) LogError("{}", status.message());
}

void Feeder::Finish() {
  terminal_.Clear();
  if (!offsets_) return;
  NoteDone();
  if (Status status = offsets_->Close(); !status.ok()) {
    LogError("--offset-file is behind: {}", status.message());
  }
}

int Feeder::exit_status() const {
  const auto counts = this->counts();
  const bool whole = (all_read_ || config_.loop) && !lines_.failed() && !hurried_;
  return whole && counts.refused == 0 && counts.pending == 0 ? kExitTaken : kExitNotTaken;
}

FeederCounts Feeder::counts() const {
  const auto delivery = delivery_.counts();
  FeederCounts counts;
  counts.read = delivery.received + filter_.dropped();
  counts.delivered = delivery.delivered;
  counts.refused = delivery.refused + delivery.dropped;
  counts.filtered = filter_.dropped();
  counts.empty = lines_.empty_lines();
  counts.pending = delivery.pending;
  return counts;
}

std::string Feeder::Summary() const {
  const auto counts = this->counts();
  const double seconds = std::chrono::duration<double>(clock_.Now() - started_).count();
  std::string text =
      fmt::format("{} read, {} delivered, {} refused, {} filtered, {} empty", counts.read,
                  counts.delivered, counts.refused, counts.filtered, counts.empty);
  if (counts.pending > 0) text += fmt::format(", {} pending", counts.pending);
  return text + fmt::format("; {:.0f}/s in {:.3f} s",
                            static_cast<double>(counts.delivered) / std::max(seconds, 1e-9),
                            seconds);
}

std::uint64_t Feeder::BytesDone() const {
  const auto counts = this->counts();
  const auto read = std::max<std::uint64_t>(counts.read, 1);
  const double share = 1 - static_cast<double>(counts.pending) / static_cast<double>(read);
  return static_cast<std::uint64_t>(static_cast<double>(lines_.bytes_read()) * share);
}

std::string Feeder::WaitingFor() const {
  for (std::size_t i = 0; i < delivery_.destinations(); ++i) {
    const Destination& destination = delivery_.destination(i);
    if (destination.circuit() == Circuit::kClosed) continue;
    return fmt::format("{} fails: {}", destination.endpoint(), destination.stats().last_error);
  }
  if (depth_ && depth_->waiting()) return "waiting for the queue";
  return "";
}

ProgressFigures Feeder::Figures() const {
  const auto counts = this->counts();
  ProgressFigures figures;
  figures.messages = counts.delivered + counts.refused;
  figures.messages_a_second = message_rate_.a_second();
  figures.bytes_a_second = byte_rate_.a_second();
  figures.waiting = WaitingFor();
  const auto all = lines_.bytes_in_all();
  if (!all || *all == 0 || config_.loop) return figures;
  const auto done = std::min(BytesDone(), *all);
  figures.fraction = static_cast<double>(done) / static_cast<double>(*all);
  if (figures.bytes_a_second > 0) {
    const double left = static_cast<double>(*all - done) / figures.bytes_a_second;
    figures.left = std::chrono::seconds(static_cast<std::int64_t>(std::min(left, 1e9)));
  }
  return figures;
}

void Feeder::ShowProgress() {
  const MonoTime now = clock_.Now();
  const auto counts = this->counts();
  message_rate_.Note(counts.delivered + counts.refused, now);
  byte_rate_.Note(BytesDone(), now);
  terminal_.Show(ProgressLine(Figures(), TerminalLine::width()));
}

void Feeder::PrintStats() {
  terminal_.Clear();
  const MonoTime now = clock_.Now();
  const auto counts = this->counts();
  const double seconds = std::chrono::duration<double>(now - last_stats_).count();
  const auto delivered = static_cast<double>(counts.delivered - last_delivered_);
  const std::string waiting = WaitingFor();
  Print(stderr,
        "file_to_http: {} read, {} delivered, {} refused, {} filtered, {} empty, {} pending "
        "({}), {:.0f}/s{}{}\n",
        counts.read, counts.delivered, counts.refused, counts.filtered, counts.empty,
        counts.pending, FormatByteCount(log_.held_bytes()), seconds > 0 ? delivered / seconds : 0.0,
        waiting.empty() ? "" : "; ", waiting);
  last_stats_ = now;
  last_delivered_ = counts.delivered;
}

}  // namespace rivulet
