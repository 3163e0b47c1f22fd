#include "simplequeue/durability.h"

#include <fmt/format.h>

#include <random>

#include "base/log.h"
#include "base/units.h"
#include "journal/journal_report.h"
#include "simplequeue/identity.h"
#include "simplequeue/queue.h"
#include "simplequeue/queue_set.h"

namespace rivulet {

namespace {

constexpr char kOwner[] = "simplequeue";

std::string QueueRecord(const Queue& queue) {
  std::string record;
  EncodeQueue(&record, queue.number(), queue.name(), queue.next_id(), queue.paused());
  return record;
}

void LogRecovery(const std::string& path, const RestoredCounts& counts,
                 const RecoveryReport& report, Duration took) {
  LogRepairs(path, report);
  LogInfo(
      "recovered {} messages ({} ready, {} deferred, {} dead; {} had been in flight) in {} from {} "
      "in {} in {} ms",
      counts.messages, counts.ready, counts.deferred, counts.dead, counts.had_been_in_flight,
      Counted(counts.queues, "queue"), Megabytes(report.bytes), Counted(report.segments, "segment"),
      std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

}  // namespace

void AddDurabilityOptions(Options* options, JournalOptions* durability) {
  AddJournalOptions(
      options, durability,
      {.data_path =
           "keep messages in this folder, so that they survive a restart and a crash; made when "
           "there is none",
       .sync =
           "when an answer is given: always, after its fdatasync; none, once the system has it; "
           "a time like 100ms, so too, with an fdatasync that often",
       .segment_bytes =
           "size of a file of the journal; disk use is at most twice the messages' bytes and two "
           "of these"});
}

Durability::Durability(JournalOptions options, EventLoop& loop, const Clock& clock)
    : options_(std::move(options)),
      loop_(loop),
      clock_(clock),
      clean_timer_(loop, [this] { Clean(); }) {}

Durability::~Durability() = default;

Status Durability::Open(QueueSet* queues) {
  Status status = OpenWith(
      [this](JournalConfig config, JournalOwner* owner, const RecordVisitor& visit,
             RecoveryReport* report) {
        return Journal::Open(std::move(config), loop_, clock_, owner, visit, report);
      },
      queues);
  return status.ok() ? TakeIdentity() : status;
}

Status Durability::OpenWith(const Opener& opener, QueueSet* queues) {
  queues_ = queues;
  Result<JournalConfig> config = JournalConfigFrom(options_, kOwner);
  if (!config.ok()) return config.status();
  config->progress = RecoveryProgressLog(options_.data_path, clock_);

  const MonoTime start = clock_.Now();
  QueueRestorer restorer(queues, WallTimes(clock_), options_.salvage);
  const RecordVisitor visit = [&](std::string_view bytes, const RecordPlace& place) -> Status {
    if (Status status = restorer.Visit(bytes); !status.ok()) return status;
    const DecodedRecord& record = restorer.record();
    if (record.type == RecordType::kPut) {
      contents_.Add(place.segment, record.queue, record.message.id);
    } else if (record.type == RecordType::kKey) {
      contents_.Add(place.segment, record.queue, record.id);
    }
    return {};
  };
  RecoveryReport report;
  Result<std::unique_ptr<Journal>> journal = opener(std::move(*config), this, visit, &report);
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  restored_ = restorer.End(clock_.Now());
  // Each queue is introduced again before its first change: a segment that was begun before the
  // queue was made may go on now.
  for (const auto& [name, queue] : queues->all()) MarkChanged(queue->number());
  ScheduleCleaning();
  fresh_ = report.segments == 0;
  LogRecovery(options_.data_path, restored_, report, clock_.Now() - start);
  return {};
}

Status Durability::TakeIdentity() {
  std::random_device random;
  const std::uint64_t drawn = (std::uint64_t{random()} << 32) | random() | std::uint64_t{1} << 63;
  const auto identity = KeepIdentity(options_.data_path, fresh_, drawn);
  if (identity.ok()) identity_ = *identity;
  return identity.status();
}

Status Durability::Close() {
  clean_timer_.Cancel();
  return journal_->Close();
}

std::uint64_t Durability::Append(std::string_view body) {
  told_bytes_ += head_.size() + body.size();
  return journal_->Append(head_, body);
}

const WallTimes& Durability::times() {
  if (!times_are_fresh_) times_ = WallTimes(clock_);
  times_are_fresh_ = true;
  return times_;
}

void Durability::MarkChanged(std::uint32_t number) {
  if (number >= known_.size()) known_.resize(number + 1);
  if (known_[number].changed) return;
  known_[number].changed = true;
  changed_.push_back(number);
}

Durability::Known& Durability::Touch(const Queue& queue) {
  MarkChanged(queue.number());
  if (!known_[queue.number()].introduced) {
    introducing_ = queue.number();
    journal_->Append(QueueRecord(queue));
    introducing_ = 0;
    known_[queue.number()].introduced = true;
  }
  return known_[queue.number()];
}

void Durability::OnPut(const Queue& queue, const MessageInfo& message, std::string_view key) {
  Touch(queue);
  head_.clear();
  EncodePut(&head_, queue.number(), ToStored(message, times()), key);
  contents_.Add(Append(message.body), queue.number(), message.id);
}

void Durability::OnLease(const Queue& queue, std::span<const IdRun> ids) {
  Touch(queue);
  head_.clear();
  EncodeLease(&head_, queue.number(), ids);
  Append();
}

std::uint64_t Durability::OnForget(const Queue& queue, std::span<const IdRun> ids) {
  Known& known = Touch(queue);
  head_.clear();
  EncodeForget(&head_, queue.number(), ids);
  Append();
  return known.last_forget = journal_->last_commit();
}

void Durability::OnReturn(const Queue& queue, std::uint64_t position, bool kicked,
                          std::span<const IdRun> ids) {
  Touch(queue);
  head_.clear();
  EncodeReturn(&head_, queue.number(), position, kicked, ids);
  Append();
}

void Durability::OnDefer(const Queue& queue, MonoTime due, std::span<const IdRun> ids) {
  Touch(queue);
  head_.clear();
  EncodeDefer(&head_, queue.number(), times().Next(due), ids);
  Append();
}

void Durability::OnBury(const Queue& queue, std::uint64_t position, std::span<const IdRun> ids) {
  Touch(queue);
  head_.clear();
  EncodeBury(&head_, queue.number(), position, ids);
  Append();
}

void Durability::OnPause(const Queue& queue) {
  Touch(queue);
  journal_->Append(QueueRecord(queue));
}

void Durability::OnSegmentBegun() {
  // Inside Append(), whose record borrows from head_.
  for (const auto& [name, queue] : queues_->all()) {
    if (queue->number() == introducing_) continue;  // what is appended now
    if (queue->number() >= known_.size()) known_.resize(queue->number() + 1);
    known_[queue->number()].introduced = true;
    journal_->Append(QueueRecord(*queue));
  }
}

void Durability::OnCommitted(std::uint64_t commit) {
  times_are_fresh_ = false;
  committed_ = commit;
  if (hooks_.committed) hooks_.committed(commit);
  ScheduleCleaning();
}

void Durability::OnFailed(const Status& why) {
  LogError("{}: changes are refused: {}", options_.data_path, why.message());
  if (hooks_.failed) hooks_.failed(why);
}

void Durability::OnHealed() {
  LogInfo("{}: there is room again: changes are taken", options_.data_path);
  if (hooks_.healed) hooks_.healed();
}

}  // namespace rivulet
