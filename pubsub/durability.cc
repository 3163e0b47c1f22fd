#include "pubsub/durability.h"

#include <fmt/format.h>

#include <cassert>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "journal/journal_report.h"
#include "pubsub/topic_set.h"

namespace rivulet {

namespace {

// A run that gathers is appended when it has so many bytes.
constexpr std::size_t kRunBytes = DiskPast::kStretchBytes;
constexpr Duration kTrimEach = std::chrono::seconds(1);

// Of a record in its batch.
std::uint64_t FramedBytes(std::uint64_t bytes) {
  std::uint64_t framed = bytes + 1;
  for (std::uint64_t rest = bytes >> 7; rest != 0; rest >>= 7) ++framed;
  return framed;
}

void LogRecovery(const std::string& path, const RestoredTopics& restored,
                 const RecoveryReport& report, Duration took) {
  LogRepairs(path, report);
  LogInfo("recovered {} ({}) and {} in {} from {} in {} in {} ms",
          Counted(restored.messages, "message"), Megabytes(restored.bytes),
          Counted(restored.keys, "key"), Counted(restored.topics, "topic"), Megabytes(report.bytes),
          Counted(report.segments, "segment"),
          std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

}  // namespace

void AddTopicDurabilityOptions(Options* options, JournalOptions* durability) {
  AddJournalOptions(
      options, durability,
      {.data_path =
           "keep topics and what is retained of them in this folder, so that they survive a "
           "restart and a crash; made when there is none",
       .sync =
           "when a message is sent to subscribers and its publisher answered: always, after its "
           "fdatasync; none, once the system has it; a time like 100ms, so too, with an "
           "fdatasync that often",
       .segment_bytes =
           "size of a file of the journal; disk use is at most twice what is retained and two "
           "of these"});
}

TopicDurability::TopicDurability(JournalOptions options, Retention retention, EventLoop& loop,
                                 const Clock& clock)
    : options_(std::move(options)),
      retention_(retention),
      loop_(loop),
      clock_(clock),
      reader_({.path = options_.data_path}),
      run_reader_(&reader_),
      flush_run_(loop, [this] { FlushRun(); }),
      trim_timer_(loop, [this] { TrimPasts(); }),
      clean_timer_(loop, [this] { Clean(); }) {}

TopicDurability::~TopicDurability() = default;

Status TopicDurability::Open(TopicSet* topics, PublishKeys* keys) {
  return OpenWith(
      [this](JournalConfig config, JournalOwner* owner, const RecordVisitor& visit,
             RecoveryReport* report) {
        return Journal::Open(std::move(config), loop_, clock_, owner, visit, report);
      },
      topics, keys);
}

Status TopicDurability::OpenWith(const Opener& opener, TopicSet* topics, PublishKeys* keys) {
  topics_ = topics;
  keys_ = keys;
  topics->SetLog(this, [this](const Topic* topic) -> std::unique_ptr<Past> {
    if (retention_.bytes == 0) return nullptr;
    return std::make_unique<DiskPast>(&run_reader_, &use_, topic->number(), retention_);
  });
  if (Status status = OpenJournal(opener); !status.ok()) return status;
  last_time_ = restored_.last_time;
  told_sequence_ = restored_.next_sequence;
  keys->ForEach([this](std::string_view, std::string_view, const PublishedUnderKey& what,
                       const std::uint64_t* segment) {
    WallTime& until = key_times_[*segment];
    until = std::max(until, what.until);
    return true;
  });
  trim_timer_.StartEvery(kTrimEach);
  ScheduleCleaning();
  return {};
}

Status TopicDurability::OpenJournal(const Opener& opener) {
  Result<JournalConfig> config = JournalConfigFrom(options_, kPubsubOwner);
  if (!config.ok()) return config.status();
  config->progress = RecoveryProgressLog(options_.data_path, clock_);

  const MonoTime start = clock_.Now();
  TopicRestorer restorer(topics_, keys_, options_.salvage);
  RecoveryReport report;
  Result<std::unique_ptr<Journal>> journal = opener(
      std::move(*config), this,
      [&restorer](std::string_view record, const RecordPlace& place) {
        return restorer.Visit(record, place);
      },
      &report);
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  restored_ = restorer.End(clock_.WallNow());
  LogRecovery(options_.data_path, restored_, report, clock_.Now() - start);
  return {};
}

Status TopicDurability::Close() {
  trim_timer_.Cancel();
  clean_timer_.Cancel();
  FlushRun();
  return journal_->Close();
}

std::uint64_t TopicDurability::index_bytes() const {
  std::uint64_t bytes = 0;
  topics_->ForEach([&bytes](const Topic& topic) {
    if (const auto* past = static_cast<const DiskPast*>(topic.past()))
      bytes += past->memory_bytes();
  });
  return bytes;
}

std::uint64_t TopicDurability::last_commit() {
  FlushRun();
  return journal_->last_commit();
}

bool TopicDurability::Continues(const Topic* topic, const TopicMessage& message) const {
  return run_topic_ == topic && message.time == run_.time &&
         message.sequence == run_.first_sequence + run_count_;
}

void TopicDurability::BeginRun(Topic* topic, const TopicMessage& message) {
  run_topic_ = topic;
  run_ = {topic->number(), message.offset, message.sequence, message.time, {}};
  run_count_ = 0;
  run_body_bytes_ = 0;
}

void TopicDurability::OnPublish(Topic* topic, const TopicMessage& message) {
  if (broken_) return;
  if (!Continues(topic, message)) {
    FlushRun();
    BeginRun(topic, message);
    flush_run_.Schedule();
  }
  ++run_count_;
  run_body_bytes_ += message.body.size();
  AppendMessage(&run_messages_, message.body);
  if (run_messages_.size() >= kRunBytes) FlushRun();
}

void TopicDurability::FlushRun() {
  if (run_topic_ == nullptr) return;
  AppendRun(run_messages_);
  run_topic_ = nullptr;
  run_messages_.clear();
  if (run_messages_.capacity() > 4 * kRunBytes) run_messages_.shrink_to_fit();
}

void TopicDurability::AppendRun(std::string_view messages) {
  Introduce(*run_topic_);
  head_.clear();
  EncodeRunHead(&head_, run_);
  Pending pending;
  pending.kind = Pending::Kind::kRun;
  pending.topic = run_topic_;
  pending.run = {
      run_.first_offset, run_count_, run_.first_sequence, run_.time, run_body_bytes_, {}, 0};
  pending.messages = bodies_.Add(messages);
  last_time_ = run_.time;
  Append(head_, messages, pending);
  told_sequence_ = run_.first_sequence + run_count_;
}

void TopicDurability::Introduce(const Topic& topic) {
  const std::uint32_t number = topic.number();
  if (number < introduced_.size() && introduced_[number]) return;
  // As far as it is appended; what follows tells of itself.
  std::string record;
  EncodeTopic(&record, number, run_topic_ == &topic ? run_.first_offset : topic.next_offset(),
              topic.name());
  Append(record, {}, {});
  if (number >= introduced_.size()) introduced_.resize(number + 1);
  introduced_[number] = true;
}

std::uint64_t TopicDurability::Append(std::string_view head, std::string_view body,
                                      Pending pending) {
  const std::uint64_t bytes = head.size() + body.size();
  const bool nested = std::exchange(appending_, true);
  pending.segment = journal_->Append(head, body);
  appending_ = nested;
  pending.commit = journal_->last_commit();
  pending.file_bytes = FramedBytes(bytes);
  told_bytes_ += bytes;
  const std::uint64_t segment = pending.segment;
  if (pending.kind == Pending::Kind::kOther && !pending_.empty() &&
      pending_.back().kind == Pending::Kind::kOther && pending_.back().commit == pending.commit) {
    pending_.back().file_bytes += pending.file_bytes;
  } else {
    pending_.push_back(pending);
  }
  return segment;
}

void TopicDurability::OnKey(const Topic& topic, std::string_view key,
                            const PublishedUnderKey& what) {
  // A topic to which nothing was published may be forgotten, and then made with another number.
  if (broken_ || topic.next_offset() == 0) return;
  FlushRun();
  Introduce(topic);
  head_.clear();
  EncodePublishKey(&head_, topic.number(), what, key);
  const std::uint64_t segment = Append(head_, {}, {});
  keys_->SetPlace(topic.name(), key, segment);
  WallTime& until = key_times_[segment];
  until = std::max(until, what.until);
}

void TopicDurability::OnSegmentBegun() {
  // Inside Append(), whose record may borrow from head_; or when records were taken back, before
  // which these will be written.
  introduced_.clear();
  std::vector<std::string> records(1);
  EncodeSequence(&records.front(), told_sequence_, last_time_);
  topics_->ForEach([&](const Topic& topic) {
    // What gathers is not appended yet, and goes behind this or to a later commit.
    const std::uint64_t next_offset =
        run_topic_ == &topic ? run_.first_offset : topic.next_offset();
    if (next_offset == 0) return;
    EncodeTopic(&records.emplace_back(), topic.number(), next_offset, topic.name());
    if (topic.number() >= introduced_.size()) introduced_.resize(topic.number() + 1);
    introduced_[topic.number()] = true;
  });
  Pending begin;
  for (const std::string& record : records) {
    begin.segment = journal_->Append(record);
    begin.file_bytes += FramedBytes(record.size());
  }
  begin_bytes_ = begin.file_bytes;
  begin.commit = journal_->last_commit();
  if (appending_ || pending_.empty()) {
    pending_.push_back(begin);
  } else {
    begin.segment = pending_.front().segment;
    pending_.push_front(begin);
  }
}

void TopicDurability::OnPlaced(const CommitPlace& place) {
  std::uint64_t bytes = kBatchHeaderBytes;
  auto end = pending_.begin();
  for (; end != pending_.end() && end->commit <= place.commit; ++end) bytes += end->file_bytes;
  // Where a commit is several batches only its begin is known.
  const bool is_one_batch = bytes == place.end - place.begin;
  std::uint64_t offset = place.begin + kBatchHeaderBytes;
  for (auto pending = pending_.begin(); pending != end; ++pending) {
    pending->run.place = is_one_batch ? RecordPlace{place.segment, offset, place.end, place.begin}
                                      : RecordPlace{place.segment, place.begin, 0, 0};
    pending->run.end = place.end;
    offset += pending->file_bytes;
  }
}

void TopicDurability::OnCommitted(std::uint64_t commit) {
  while (!pending_.empty() && pending_.front().commit <= commit) {
    Complete(pending_.front());
    if (pending_.front().kind == Pending::Kind::kRun) bodies_.PopFront();
    pending_.pop_front();
  }
  if (hooks_.committed) hooks_.committed(commit);
  if (cleaning_ == Cleaning::kWaiting && commit >= moved_with_) EndCleaning();
  ScheduleCleaning();
}

void TopicDurability::Complete(const Pending& pending) {
  if (pending.kind == Pending::Kind::kOther) return;
  auto* const past = static_cast<DiskPast*>(pending.topic->past());
  if (pending.kind == Pending::Kind::kMovedRun) return past->Move(pending.run);
  if (past != nullptr) past->Add(pending.run);
  TopicMessage message;
  message.topic = pending.topic->name();
  message.offset = pending.run.first_offset;
  message.sequence = pending.run.first_sequence;
  message.time = pending.run.time;
  std::string_view rest = pending.messages;
  while (TakeMessage(&rest, &message.body)) {
    topics_->Reveal(pending.topic, message);
    ++message.offset;
    ++message.sequence;
  }
}

void TopicDurability::OnFailed(const Status& why) {
  LogError("{}: publishing is refused: {}", options_.data_path, why.message());
  if (why.code() != StatusCode::kExhausted) {
    broken_ = true;
    run_topic_ = nullptr;
    run_messages_.clear();
    pending_.clear();
    bodies_.Clear();
    clean_timer_.Cancel();
  }
  if (hooks_.failed) hooks_.failed(why);
}

void TopicDurability::OnHealed() {
  LogInfo("{}: there is room again: messages are taken", options_.data_path);
  if (hooks_.healed) hooks_.healed();
}

void TopicDurability::TrimPasts() {
  const WallTime now = clock_.WallNow();
  topics_->ForEach([now](const Topic& topic) {
    if (auto* past = static_cast<DiskPast*>(topic.past())) past->Trim(now);
  });
  ScheduleCleaning();
}

}  // namespace rivulet
