// Queues that come back: every change that the queues tell goes to the journal, and at the start
// the journal's records make the queues again. Also decides what is moved out of the oldest segment
// so that it can go (journal/journal.h, cleaning).
//
// What a change costs on disk beside a message's body: about 30 bytes for its put (16 of them the
// batch header, shared by all changes of a loop turn), 5 to 10 for its lease, and as much for its
// finish; consecutive ids share theirs.
//
// Times are monotonic in memory and wall time on disk: a clock that is stepped while the process
// runs changes nothing, one that is stepped between two runs moves delays and times to live.
//
// Cleaning: for each segment the ids are kept whose messages were put (or whose keys were told)
// there. To let the oldest go, those still there are put again, as they are now, and the keys of
// those that are not; 256 KiB a commit, or twice what else was told since the step before, so that
// cleaning is always ahead of what makes it necessary, and answers never wait for more than that.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "journal/journal.h"
#include "journal/journal_options.h"
#include "simplequeue/queue_log.h"
#include "simplequeue/restorer.h"
#include "simplequeue/segment_contents.h"
#include "simplequeue/wall_times.h"

namespace rivulet {

class Queue;
class QueueSet;

/// --data-path, --sync, --segment-bytes, --salvage.
void AddDurabilityOptions(Options* options, JournalOptions* durability);

class Durability final : public QueueLog, private JournalOwner {
 public:
  /// What the daemon does when the journal tells something.
  struct Hooks {
    std::function<void(std::uint64_t commit)> committed;
    /// Answers that are held must become errors, and /ping must say why.
    std::function<void(const Status& why)> failed;
    std::function<void()> healed;
  };

  /// `loop` and `clock` must outlive it.
  Durability(JournalOptions options, EventLoop& loop, const Clock& clock);
  ~Durability() override;

  /// Opens the journal and makes `queues` again, whose log this is and which must outlive it. Logs
  /// what came back and how long it took, with progress when it takes longer than a second.
  Status Open(QueueSet* queues);
  /// How a journal is opened, with the arguments of Journal::Open that are not the owner's own.
  using Opener = std::function<Result<std::unique_ptr<Journal>>(
      JournalConfig config, JournalOwner* owner, const RecordVisitor& visit,
      RecoveryReport* report)>;
  /// As Open(), with a journal of another make. For tests.
  Status OpenWith(const Opener& opener, QueueSet* queues);
  /// From now on the hooks are called.
  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }
  /// Everything safe, the journal closed. Blocks.
  Status Close();

  /// What an answer to the change made last must wait for.
  std::uint64_t last_commit() const { return journal_->last_commit(); }
  /// OK, or why a change must be refused: kExhausted (507, heals) or kIoError (503).
  Status Admit(Journal::Work work) const { return journal_->Admit(work); }

  const Journal& journal() const { return *journal_; }
  /// Which data path this is (simplequeue/identity.h); 0 with a journal of another make.
  std::uint64_t identity() const { return identity_; }
  /// What came back at the start.
  const RestoredCounts& restored() const { return restored_; }
  /// Messages and keys that were told again so that a segment could go.
  std::uint64_t cleaned_messages() const { return cleaned_messages_; }

  // QueueLog.
  void OnPut(const Queue& queue, const MessageInfo& message, std::string_view key) override;
  void OnLease(const Queue& queue, std::span<const IdRun> ids) override;
  std::uint64_t OnForget(const Queue& queue, std::span<const IdRun> ids) override;
  void OnReturn(const Queue& queue, std::uint64_t position, bool kicked,
                std::span<const IdRun> ids) override;
  void OnDefer(const Queue& queue, MonoTime due, std::span<const IdRun> ids) override;
  void OnBury(const Queue& queue, std::uint64_t position, std::span<const IdRun> ids) override;
  void OnPause(const Queue& queue) override;

 private:
  // JournalOwner.
  void OnSegmentBegun() override;
  void OnCommitted(std::uint64_t commit) override;
  void OnFailed(const Status& why) override;
  void OnHealed() override;

  Status TakeIdentity();

  // What is known of a queue.
  struct Known {
    bool introduced = false;        // the journal knows its name
    bool changed = false;           // since its live bytes were counted
    std::uint64_t last_forget = 0;  // the commit of it
    std::uint64_t live_bytes = 0;
  };
  struct Move {
    Queue* queue = nullptr;
    IdRun ids;
    std::uint64_t first_id = 0;  // of the range that this is the rest of
  };

  /// Before each record of the queue: tells its name when the journal does not know it yet.
  Known& Touch(const Queue& queue);
  void MarkChanged(std::uint32_t number);
  /// Appends what was encoded into head_. Returns the segment.
  std::uint64_t Append(std::string_view body = {});
  const WallTimes& times();

  // Cleaning (durability_clean.cc).
  void ScheduleCleaning();
  void StartTimer(Duration delay);
  void Clean();
  /// False: nothing is to be cleaned now.
  bool BeginCleaning();
  /// Moves messages until so many bytes were told, or many ids looked at. True when none is left.
  bool MoveSome(std::uint64_t budget_bytes);
  /// As MoveSome, within some hundred ids of one range.
  void MoveFrom(Move* move, std::uint64_t budget_bytes);
  void MoveOne(const Move& move, std::string_view key, std::int64_t key_until_ms);
  std::uint64_t CountLiveBytes();

  JournalOptions options_;
  EventLoop& loop_;
  const Clock& clock_;
  bool fresh_ = false;  // the journal was begun now
  std::uint64_t identity_ = 0;
  QueueSet* queues_ = nullptr;
  Hooks hooks_;
  std::unique_ptr<Journal> journal_;
  RestoredCounts restored_;
  WallTimes times_;
  bool times_are_fresh_ = false;   // read since the last commit
  std::string head_;               // of the record that is encoded
  std::uint32_t introducing_ = 0;  // the queue whose name is told just now
  std::vector<Known> known_;       // by the queue's number
  SegmentContents contents_;

  Timer clean_timer_;
  bool clean_soon_ = false;             // the timer runs out at once
  bool cleaning_ = false;               // a segment's messages are being moved
  std::vector<Move> moves_;             // what is left of it, the next one last
  std::uint64_t told_bytes_ = 0;        // appended since the last step of cleaning
  std::uint64_t step_bytes_ = 0;        // moved by this step
  std::uint64_t round_bytes_ = 0;       // and so far of this segment
  std::vector<std::uint32_t> changed_;  // queues whose live bytes are to be counted
  std::uint64_t live_bytes_ = 0;        // of all queues, as counted last
  std::uint64_t committed_ = 0;
  std::uint64_t cleaned_messages_ = 0;
};

}  // namespace rivulet
