// The half of pubsub/durability.h that lets segments go, and moves what is kept out of the oldest.
#include <algorithm>

#include "base/log.h"
#include "pubsub/durability.h"
#include "pubsub/topic_set.h"

namespace rivulet {

namespace {

// At least so much is moved by a step.
constexpr std::uint64_t kStepBytes = 256ULL << 10;
// While a full disk refuses what grows the log, a segment is cleaned when that costs no more.
constexpr std::uint64_t kFullDiskBytes = 64ULL << 10;
// After so much was told (less where segments are small), or so long after a change, it is asked
// whether to clean.
constexpr std::uint64_t kAskBytes = 64ULL << 10;
constexpr std::uint64_t kAsksPerSegment = 16;
constexpr Duration kAskEach = std::chrono::milliseconds(50);
constexpr Duration kRetryEach = std::chrono::seconds(1);
constexpr std::uint64_t kKeyBytes = 80;  // in the files, about

}  // namespace

void TopicDurability::StartCleanTimer(Duration delay) {
  clean_soon_ = delay == Duration::zero();
  clean_timer_.Start(delay);
}

void TopicDurability::ScheduleCleaning() {
  // Not started again when it is about to run out: commits may come faster than it does.
  if (clean_soon_ || broken_) return;
  if (cleaning_ == Cleaning::kMoving ||
      told_bytes_ >= std::min(kAskBytes, options_.segment_bytes / kAsksPerSegment)) {
    StartCleanTimer(Duration::zero());
  } else if (!clean_timer_.active()) {
    StartCleanTimer(kAskEach);
  }
}

void TopicDurability::Clean() {
  clean_soon_ = false;
  std::uint64_t budget_bytes = std::max(kStepBytes, 2 * std::exchange(told_bytes_, 0));
  if (const Status status = journal_->Admit(Journal::Work::kShrinks); !status.ok()) {
    if (status.code() == StatusCode::kExhausted) StartCleanTimer(kRetryEach);
    return;
  }
  if (cleaning_ == Cleaning::kWaiting) return;
  if (cleaning_ == Cleaning::kNo && !BeginCleaning()) {
    if (journal_->dropping()) StartCleanTimer(kAskEach);
    return;
  }
  if (!journal_->Admit(Journal::Work::kGrows).ok()) {
    if (round_bytes_ >= kFullDiskBytes) return StartCleanTimer(kRetryEach);
    budget_bytes = kFullDiskBytes - round_bytes_;
  }
  step_bytes_ = 0;
  FlushRun();
  const bool done = MoveSome(budget_bytes) && MoveKeys(budget_bytes);
  round_bytes_ += step_bytes_;
  // What was moved is no reason to move more.
  told_bytes_ = 0;
  if (done) {
    cleaning_ = Cleaning::kWaiting;
    moved_with_ = journal_->last_commit();
    if (pending_.empty()) EndCleaning();
  } else if (step_bytes_ == 0 && !cannot_clean_) {
    StartCleanTimer(Duration::zero());
  }
  // Else the commit of what was moved goes on: at its pace, not faster.
}

bool TopicDurability::BeginCleaning() {
  const std::uint64_t oldest = journal_->oldest_segment();
  if (journal_->dropping() || cannot_clean_ || oldest >= journal_->open_segment()) return false;
  // What is not complete yet may be kept there.
  if (!pending_.empty() && pending_.front().segment <= oldest) return false;
  if (!use_.Uses(oldest) && !KeysLiveIn(oldest)) {
    DropOldest();
    return false;
  }
  if (!journal_->CleaningNeeded(LiveBytes())) return false;
  CollectMoves(oldest);
  cleaned_segment_ = oldest;
  round_bytes_ = 0;
  cleaning_ = Cleaning::kMoving;
  return true;
}

/// In that segment or one before it.
bool TopicDurability::KeysLiveIn(std::uint64_t segment) const {
  const WallTime now = clock_.WallNow();
  const auto end = key_times_.upper_bound(segment);
  return std::any_of(key_times_.begin(), end,
                     [now](const auto& entry) { return entry.second > now; });
}

std::uint64_t TopicDurability::LiveBytes() const {
  const std::uint64_t segments = journal_->open_segment() - journal_->oldest_segment() + 1;
  return use_.total().file_bytes() + kKeyBytes * keys_->size() + begin_bytes_ * segments;
}

void TopicDurability::CollectMoves(std::uint64_t segment) {
  moves_.clear();
  topics_->ForEach([this, segment](const Topic& each) {
    const auto* const past = static_cast<const DiskPast*>(each.past());
    if (past == nullptr) return;
    for (const DiskPast::Stretch& stretch : past->stretches()) {
      if (stretch.place.segment != segment) continue;
      moves_.push_back({topics_->Find(each.name()), stretch.first_offset, stretch.end_offset()});
    }
  });
  std::reverse(moves_.begin(), moves_.end());
}

bool TopicDurability::MoveSome(std::uint64_t budget_bytes) {
  while (!moves_.empty()) {
    if (step_bytes_ >= budget_bytes) return false;
    Move& move = moves_.back();
    if (const Status status = MoveFrom(&move, budget_bytes); !status.ok()) {
      LogError("{}: old files are kept, because what is retained in them cannot be read: {}",
               options_.data_path, status.message());
      cannot_clean_ = true;
      cleaning_ = Cleaning::kNo;
      return false;
    }
    if (move.offset >= move.end_offset) moves_.pop_back();
  }
  return true;
}

Status TopicDurability::MoveFrom(Move* move, std::uint64_t budget_bytes) {
  auto* const past = static_cast<DiskPast*>(move->topic->past());
  PastPlace place{move->offset, {0, 0, 0}};
  while (step_bytes_ < budget_bytes && place.offset < move->end_offset) {
    const auto found = past->NextRun(&place);
    if (!found.ok()) return found.status();
    move->offset = place.offset;
    // What was let go meanwhile is passed over.
    if (*found == nullptr || (*found)->place.segment != cleaned_segment_) break;
    const MessageRun& run = (*found)->run;
    Pending pending;
    pending.kind = Pending::Kind::kMovedRun;
    pending.topic = move->topic;
    pending.run.first_offset = run.first_offset;
    pending.run.messages = place.offset - run.first_offset;
    pending.run.first_sequence = run.first_sequence;
    pending.run.time = run.time;
    std::string_view rest = run.messages;
    std::string_view body;
    while (TakeMessage(&rest, &body)) pending.run.bytes += body.size();
    Introduce(*move->topic);
    Append({}, (*found)->record, pending);
    step_bytes_ += (*found)->record.size();
    ++cleaned_records_;
  }
  return {};
}

bool TopicDurability::MoveKeys(std::uint64_t budget_bytes) {
  const WallTime now = clock_.WallNow();
  WallTime last{};
  const auto end = key_times_.upper_bound(cleaned_segment_);
  for (auto entry = key_times_.begin(); entry != end; ++entry) last = std::max(last, entry->second);
  bool done = true;
  keys_->ForEach([&](std::string_view name, std::string_view key, const PublishedUnderKey& what,
                     std::uint64_t* segment) {
    if (what.until > last) return false;
    if (*segment > cleaned_segment_ || what.until <= now) return true;
    const Topic* const topic = topics_->Find(name);
    if (topic == nullptr || topic->next_offset() == 0) return true;
    done = step_bytes_ < budget_bytes;
    if (!done) return false;
    Introduce(*topic);
    head_.clear();
    EncodePublishKey(&head_, topic->number(), what, key);
    *segment = Append(head_, {}, {});
    WallTime& until = key_times_[*segment];
    until = std::max(until, what.until);
    step_bytes_ += head_.size();
    ++cleaned_records_;
    return true;
  });
  return done;
}

void TopicDurability::EndCleaning() {
  cleaning_ = Cleaning::kNo;
  if (!use_.Uses(cleaned_segment_)) DropOldest();
}

void TopicDurability::DropOldest() {
  const std::uint64_t oldest = journal_->oldest_segment();
  key_times_.erase(key_times_.begin(), key_times_.upper_bound(oldest));
  run_reader_.Forget(oldest);
  journal_->DropOldest();
  StartCleanTimer(kAskEach);
}

}  // namespace rivulet
