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
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/options.h"
#include "base/status.h"
#include "journal/journal.h"
#include "simplequeue/queue_log.h"

namespace rivulet {

class QueueSet;

struct DurabilityOptions {
  std::string data_path;  // empty: queues live in memory alone
  std::string sync = "always";
  std::uint64_t segment_bytes = 16ULL << 20;
  bool salvage = false;
};

/// --data-path, --sync, --segment-bytes, --salvage.
void AddDurabilityOptions(Options* options, DurabilityOptions* durability);
Status CheckDurabilityOptions(const DurabilityOptions& durability);

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
  Durability(DurabilityOptions options, EventLoop& loop, const Clock& clock);
  ~Durability() override;

  /// Opens the journal and makes `queues` again, whose log this is and which must outlive it. Logs
  /// what came back and how long it took, with progress when it takes longer than a second.
  Status Open(QueueSet* queues);
  /// From now on the hooks are called.
  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }
  /// Everything safe, the journal closed. Blocks.
  Status Close();

  /// What an answer to the change made last must wait for.
  std::uint64_t last_commit() const { return journal_->last_commit(); }
  /// OK, or why a change must be refused: kExhausted (507, heals) or kIoError (503).
  Status Admit(Journal::Work work) const { return journal_->Admit(work); }

  const Journal& journal() const { return *journal_; }
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

  DurabilityOptions options_;
  EventLoop& loop_;
  const Clock& clock_;
  QueueSet* queues_ = nullptr;
  Hooks hooks_;
  std::unique_ptr<Journal> journal_;
  std::uint64_t cleaned_messages_ = 0;
  // PLACEHOLDER: the engineer of durability completes this.
};

}  // namespace rivulet
