// The half of simplequeue/durability.h that moves live messages out of the oldest segment.
#include <algorithm>

#include "simplequeue/durability.h"
#include "simplequeue/queue.h"
#include "simplequeue/queue_set.h"

namespace rivulet {

namespace {

// At least so much is moved by a step.
constexpr std::uint64_t kStepBytes = 256ULL << 10;
// So many ids are looked at by a step at most: about a millisecond.
constexpr std::uint64_t kStepIds = 64ULL << 10;
constexpr std::uint64_t kIdsAtOnce = 256;
// While a full disk refuses what grows the log, a segment is cleaned when that costs no more: the
// room that is left is for finishes.
constexpr std::uint64_t kFullDiskBytes = 64ULL << 10;
// After so much was told (less where segments are small), or so long after a change, it is asked
// whether to clean.
constexpr std::uint64_t kAskBytes = 64ULL << 10;
constexpr std::uint64_t kAsksPerSegment = 16;
constexpr Duration kAskEach = std::chrono::milliseconds(50);
constexpr Duration kRetryEach = std::chrono::seconds(1);
// Beside its body or key, as the journal counts.
constexpr std::uint64_t kRecordBytes = 20;
constexpr std::uint64_t kKeyBytes = 40;

}  // namespace

void Durability::StartTimer(Duration delay) {
  clean_soon_ = delay == Duration::zero();
  clean_timer_.Start(delay);
}

void Durability::ScheduleCleaning() {
  // Not started again when it is about to run out: commits may come faster than it does.
  if (clean_soon_) return;
  if (cleaning_ || told_bytes_ >= std::min(kAskBytes, options_.segment_bytes / kAsksPerSegment)) {
    StartTimer(Duration::zero());
  } else if (!clean_timer_.active()) {
    StartTimer(kAskEach);
  }
}

void Durability::Clean() {
  clean_soon_ = false;
  std::uint64_t budget_bytes = std::max(kStepBytes, 2 * std::exchange(told_bytes_, 0));
  if (const Status status = journal_->Admit(Journal::Work::kShrinks); !status.ok()) {
    if (status.code() == StatusCode::kExhausted) StartTimer(kRetryEach);
    return;
  }
  if (!cleaning_ && !BeginCleaning()) {
    if (journal_->dropping()) StartTimer(kAskEach);
    return;
  }
  if (!journal_->Admit(Journal::Work::kGrows).ok()) {
    if (round_bytes_ >= kFullDiskBytes) return StartTimer(kRetryEach);
    budget_bytes = kFullDiskBytes - round_bytes_;
  }
  step_bytes_ = 0;
  const bool done = MoveSome(budget_bytes);
  round_bytes_ += step_bytes_;
  // What was moved is no reason to move more.
  told_bytes_ = 0;
  if (done) {
    cleaning_ = false;
    journal_->DropOldest();
    StartTimer(kAskEach);
  } else if (step_bytes_ == 0) {
    StartTimer(Duration::zero());
  }
  // Else the commit of what was moved goes on: at its pace, not faster.
}

bool Durability::BeginCleaning() {
  const std::uint64_t oldest = journal_->oldest_segment();
  if (journal_->dropping() || oldest >= journal_->open_segment()) return false;
  if (!journal_->CleaningNeeded(CountLiveBytes())) return false;
  moves_.clear();
  for (const SegmentContents::Part& part : contents_.Take(oldest)) {
    Queue* const queue = queues_->FindByNumber(part.queue);
    if (queue != nullptr) moves_.push_back({queue, part.ids, part.ids.first_id});
  }
  std::reverse(moves_.begin(), moves_.end());
  round_bytes_ = 0;
  cleaning_ = true;
  return true;
}

std::uint64_t Durability::CountLiveBytes() {
  std::erase_if(changed_, [this](std::uint32_t number) {
    Known& known = known_[number];
    const Queue* const queue = queues_->FindByNumber(number);
    const std::uint64_t bytes =
        queue == nullptr
            ? 0
            : queue->held_bytes() + kRecordBytes * queue->held() + kKeyBytes * queue->keys();
    live_bytes_ += bytes - known.live_bytes;
    known.live_bytes = bytes;
    // What was taken is held until its commit, which changes the queue once more.
    known.changed = known.last_forget > committed_;
    return !known.changed;
  });
  return live_bytes_;
}

bool Durability::MoveSome(std::uint64_t budget_bytes) {
  std::uint64_t ids = 0;
  while (!moves_.empty()) {
    if (step_bytes_ >= budget_bytes || ids >= kStepIds) return false;
    Move& move = moves_.back();
    const std::uint64_t before = move.ids.count;
    MoveFrom(&move, budget_bytes);
    ids += before - move.ids.count;
    if (move.ids.count == 0) moves_.pop_back();
  }
  return true;
}

void Durability::MoveFrom(Move* move, std::uint64_t budget_bytes) {
  IdRun& ids = move->ids;
  const std::uint64_t end = ids.first_id + std::min(ids.count, kIdsAtOnce);
  std::vector<Queue::KeyInfo> keys;
  if (move->queue->keys() > 0) {
    move->queue->ForEachKey(ids.first_id, end - 1,
                            [&keys](const Queue::KeyInfo& key) { keys.push_back(key); });
    std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  }
  auto key = keys.begin();
  while (ids.first_id < end && step_bytes_ < budget_bytes) {
    while (key != keys.end() && key->id < ids.first_id) ++key;
    if (key != keys.end() && key->id == ids.first_id) {
      MoveOne(*move, key->key, times().Next(key->until));
      ++key;
    } else {
      MoveOne(*move, {}, 0);
    }
    ++ids.first_id;
    --ids.count;
  }
}

void Durability::MoveOne(const Move& move, std::string_view key, std::int64_t key_until_ms) {
  const std::uint64_t id = move.ids.first_id;
  const std::uint32_t queue = move.queue->number();
  MessageInfo message;
  head_.clear();
  if (move.queue->Find(id, &message)) {
    EncodePut(&head_, queue, ToStored(message, times()), key);
  } else if (!key.empty()) {
    EncodeKey(&head_, queue, id, key_until_ms, key);
  } else {
    return;
  }
  contents_.AddMoved(Append(message.body), queue, id, move.first_id);
  step_bytes_ += head_.size() + message.body.size();
  ++cleaned_messages_;
}

}  // namespace rivulet
