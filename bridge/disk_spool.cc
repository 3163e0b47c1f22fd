#include "bridge/disk_spool.h"

#include <algorithm>
#include <cassert>

#include "base/log.h"

namespace rivulet {

namespace {

constexpr std::size_t kRunBytes = std::size_t{64} << 10;
constexpr std::size_t kKeptRunBytes = 4 * kRunBytes;
constexpr Duration kTellEach = std::chrono::milliseconds(50);
constexpr Duration kTellAgain = std::chrono::seconds(1);

}  // namespace

DiskSpool::DiskSpool(SpoolConfig config, EventLoop& loop, const Clock& clock,
                     std::function<void()> on_commit)
    : config_(std::move(config)),
      clock_(clock),
      loop_(loop),
      on_commit_(on_commit ? std::move(on_commit) : [] {}),
      tail_(std::make_unique<MessageLog>(config_.memory_bytes)),
      turn_(loop, [this] { WriteTurn(); }),
      tell_timer_(loop, [this] { Tell(); }),
      clean_timer_(loop, [this] { CleanLater(); }),
      poll_timer_(loop, [this] { Poll(); }) {}

DiskSpool::~DiskSpool() {
  if (journal_) static_cast<void>(Close());
}

void DiskSpool::Append(std::string_view message) {
  if (message.size() > kMaxMessageBytes) {
    ++dropped_;
    LogError("spool {}: a message of {} bytes is lost: the most is {}", config_.path,
             message.size(), kMaxMessageBytes);
    return;
  }
  if (run_.empty()) {
    EncodeSpoolRunHead(&run_, end());
    turn_.Schedule();
  }
  AppendSpoolMessage(&run_, message);
  tail_->Append(message);
  bytes_ += message.size() + 1;
  if (run_.size() >= kRunBytes) CloseRun();
}

void DiskSpool::CloseRun() {
  runs_.emplace_back(std::move(run_), end());
  run_ = std::string();
  run_.reserve(kRunBytes + kRunBytes / 8);
}

void DiskSpool::SetDone(std::size_t reader, std::uint64_t number) {
  assert(reader < readers_.size() && number <= end());
  Reader& of = readers_[reader];
  if (number <= of.done) return;
  of.done = number;
  if (!tell_timer_.active() && !closed_) tell_timer_.Start(kTellEach);
}

void DiskSpool::SetSource(std::string_view url, std::uint64_t position) {
  if (last_source_ >= sources_.size() || sources_[last_source_].url != url) {
    const auto found = std::ranges::find(sources_, url, &Source::url);
    last_source_ = static_cast<std::size_t>(found - sources_.begin());
    if (found == sources_.end()) sources_.push_back({std::string(url), position, {}, {}});
  }
  sources_[last_source_].position = position;
  if (!tell_timer_.active() && !closed_) tell_timer_.Start(kTellEach);
}

std::optional<std::uint64_t> DiskSpool::source_position(std::string_view url) const {
  const auto found = std::ranges::find(sources_, url, &Source::url);
  if (found == sources_.end()) return std::nullopt;
  return found->position;
}

// Writing.

void DiskSpool::Tell() {
  if (!Untold()) return;
  if (!journal_->Admit(Journal::Work::kShrinks).ok()) {
    // What waits for room should not grow by what can be told later in one.
    tell_timer_.Start(kTellAgain);
    return;
  }
  done_due_ = true;
  WriteTurn();
}

bool DiskSpool::Untold() const {
  return std::ranges::any_of(readers_, [](const Reader& r) { return r.done > r.told; }) ||
         std::ranges::any_of(sources_, [](const Source& s) { return s.told != s.position; });
}

/// All that came since the last call, in one commit.
void DiskSpool::WriteTurn() {
  if (broken_) {
    runs_.clear();
    run_.clear();
    return;
  }
  appending_ = true;
  for (const auto& [run, next] : runs_) AppendRun(run, next);
  runs_.clear();
  if (!run_.empty()) AppendRun(run_, end());
  run_.clear();
  if (run_.capacity() > kKeptRunBytes) run_.shrink_to_fit();
  Pending pending;
  AppendSources(&pending);
  if (std::exchange(done_due_, false)) AppendDone();
  appending_ = false;
  if (broken_) return;
  pending.commit = journal_->last_commit();
  pending.next = end();
  pending.bytes = bytes_;
  Wait(std::move(pending));
}

void DiskSpool::AppendRun(std::string_view run, std::uint64_t next) {
  journal_->Append(run);
  // Only now: a segment that this begins tells all before it.
  appended_ = next;
}

/// Behind the messages that came from there.
void DiskSpool::AppendSources(Pending* pending) {
  bool state = std::exchange(state_due_, false);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    Source& source = sources_[i];
    if (source.told == source.position) continue;
    state = state || !source.told;
    source.told = source.position;
    pending->sources.emplace_back(i, source.position);
  }
  if (state) {
    record_ = StateRecord(appended_, &Source::told);
    journal_->Append(record_);
    return;
  }
  for (const auto& [i, position] : pending->sources) {
    record_.clear();
    EncodeSpoolSource(&record_, i, position);
    journal_->Append(record_);
  }
}

void DiskSpool::AppendDone() {
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    Reader& reader = readers_[i];
    if (reader.done <= reader.told) continue;
    reader.told = reader.done;
    record_.clear();
    EncodeSpoolDone(&record_, i, reader.done);
    journal_->Append(record_);
  }
}

/// All that is known when the next message is that one.
std::string DiskSpool::StateRecord(std::uint64_t next,
                                   std::optional<std::uint64_t> Source::*position) const {
  std::vector<SpoolMark> readers;
  for (const Reader& reader : readers_) {
    readers.emplace_back(reader.name, std::min(reader.done, next));
  }
  std::vector<SpoolMark> sources;
  for (const Source& source : sources_) {
    if (source.*position) sources.emplace_back(source.url, *(source.*position));
  }
  std::string record;
  EncodeSpoolState(&record, next, readers, sources);
  return record;
}

void DiskSpool::Wait(Pending pending) {
  if (pending_.empty() || pending_.back().commit != pending.commit) {
    pending_.push_back(std::move(pending));
    return;
  }
  Pending& last = pending_.back();
  last.next = pending.next;
  last.bytes = pending.bytes;
  last.sources.insert(last.sources.end(), pending.sources.begin(), pending.sources.end());
}

// JournalOwner.

void DiskSpool::OnSegmentBegun() {
  // Inside of Append(), all before is on its way; else what was taken back is written behind this.
  const std::string state = appending_ ? StateRecord(appended_, &Source::told)
                                       : StateRecord(committed_, &Source::committed);
  journal_->Append(state);
}

void DiskSpool::OnPlaced(const CommitPlace& place) {
  std::uint64_t next = committed_;
  for (const Pending& pending : pending_) {
    if (pending.commit > place.commit) break;
    next = pending.next;
  }
  index_.Add(place.segment, place.begin, place.end, committed_, committed_bytes_,
             next > committed_);
}

void DiskSpool::OnCommitted(std::uint64_t commit) {
  while (!pending_.empty() && pending_.front().commit <= commit) {
    const Pending& done = pending_.front();
    committed_ = done.next;
    committed_bytes_ = done.bytes;
    for (const auto& [i, position] : done.sources) sources_[i].committed = position;
    pending_.pop_front();
  }
  LetGo();
  TrimMemory();
  Clean();
  on_commit_();
}

void DiskSpool::OnFailed(const Status& why) {
  if (why.code() == StatusCode::kExhausted) {
    LogWarning("spool {}: {}: {}", config_.path, config_.meanwhile, why.message());
  } else {
    LogError("spool {}: {}", config_.path, why.message());
    broken_ = true;
    pending_.clear();
  }
  on_commit_();
}

void DiskSpool::OnHealed() {
  LogInfo("spool {}: there is room again", config_.path);
  if (Untold() && !tell_timer_.active()) tell_timer_.Start(kTellEach);
  on_commit_();
}

Status DiskSpool::Close() {
  if (closed_) return close_status_;
  closed_ = true;
  tell_timer_.Cancel();
  clean_timer_.Cancel();
  poll_timer_.Cancel();
  done_due_ = true;
  WriteTurn();
  close_status_ = journal_->Close();
  broken_ = true;
  if (close_status_.ok()) committed_ = end();
  return close_status_;
}

}  // namespace rivulet
