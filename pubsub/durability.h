// Topics that come back: every message goes to the journal before a subscriber sees it, and at the
// start the journal makes the topics, their offsets and their pasts again. The records are told in
// pubsub/record.h.
//
// A message is revealed (TopicSet::Reveal) when its commit is complete, so that no subscriber ever
// holds an offset that a crash could give to another message. Until then its body is kept here,
// once. What is published behind each other to one topic at one time is one record, of some 16 KiB.
//
// Retention. A segment goes as soon as no topic keeps a message in it. So that a quiet topic's few
// messages do not keep the files of a busy one: when the journal says so (CleaningNeeded) what is
// kept in the oldest segment is appended again, as the same records, some 256 KiB a commit, and the
// segment goes. Keys that are remembered are moved too. Each segment begins with where the topics
// and the sequence are, so that they go on even when every message was let go.
//
// A full disk: publishing is refused (507); what was accepted and taken back is revealed once the
// disk heals. Any other failure: everything is refused until restart, and what was not safe is
// never revealed.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "journal/journal.h"
#include "journal/journal_options.h"
#include "journal/reader.h"
#include "pubsub/disk_past.h"
#include "pubsub/past.h"
#include "pubsub/pending_bytes.h"
#include "pubsub/publish_keys.h"
#include "pubsub/run_reader.h"
#include "pubsub/segment_use.h"
#include "pubsub/topic_log.h"
#include "pubsub/topic_restorer.h"

namespace rivulet {

class TopicSet;

/// --data-path, --sync, --segment-bytes, --salvage.
void AddTopicDurabilityOptions(Options* options, JournalOptions* durability);

class TopicDurability final : public TopicLog, private JournalOwner {
 public:
  /// What the daemon does when the journal tells something.
  struct Hooks {
    /// Called after the messages of that commit were revealed.
    std::function<void(std::uint64_t commit)> committed;
    /// Answers that are held must become errors, and /ping must say why.
    std::function<void(const Status& why)> failed;
    std::function<void()> healed;
  };

  /// `loop` and `clock` must outlive it.
  TopicDurability(JournalOptions options, Retention retention, EventLoop& loop, const Clock& clock);
  ~TopicDurability() override;

  /// Opens the journal and makes the topics and the keys again; both must outlive it. Gives
  /// `topics` this log and its pasts. Logs what came back and how long it took, with progress when
  /// it takes longer than a second.
  Status Open(TopicSet* topics, PublishKeys* keys);
  /// How a journal is opened, with the arguments of Journal::Open that are not the owner's own.
  using Opener = std::function<Result<std::unique_ptr<Journal>>(
      JournalConfig config, JournalOwner* owner, const RecordVisitor& visit,
      RecoveryReport* report)>;
  /// As Open(), with a journal of another make. For tests.
  Status OpenWith(const Opener& opener, TopicSet* topics, PublishKeys* keys);
  /// From now on the hooks are called.
  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }
  /// Everything safe, the journal closed. Blocks.
  Status Close();

  /// Tells a key with what it stands for, in the same commit as the messages published just before
  /// it. After PublishKeys::Add(). A key under which nothing was published is not told.
  void OnKey(const Topic& topic, std::string_view key, const PublishedUnderKey& what);

  /// What an answer to what was published last must wait for.
  std::uint64_t last_commit();
  /// OK, or why publishing must be refused: kExhausted (507, heals) or kIoError (503).
  Status Admit() const { return journal_->Admit(Journal::Work::kGrows); }
  const Journal& journal() const { return *journal_; }
  /// What came back at the start.
  const RestoredTopics& restored() const { return restored_; }
  /// Runs of messages and keys that were appended again so that a segment could go.
  std::uint64_t cleaned_records() const { return cleaned_records_; }
  /// Memory of messages that are not revealed yet, beside the journal's own.
  std::uint64_t pending_bytes() const { return bodies_.memory_bytes() + run_messages_.capacity(); }
  /// Memory of the indices of all pasts. O(topics).
  std::uint64_t index_bytes() const;

  // TopicLog.
  void OnPublish(Topic* topic, const TopicMessage& message) override;

 private:
  // JournalOwner.
  void OnSegmentBegun() override;
  void OnPlaced(const CommitPlace& place) override;
  void OnCommitted(std::uint64_t commit) override;
  void OnFailed(const Status& why) override;
  void OnHealed() override;

  // What was appended and is not complete, in the order of the file.
  struct Pending {
    enum class Kind { kOther, kRun, kMovedRun };
    Kind kind = Kind::kOther;
    std::uint64_t commit = 0;
    std::uint64_t segment = 0;     // it, or one before it
    std::uint64_t file_bytes = 0;  // with what frames it
    Topic* topic = nullptr;
    PlacedRun run;
    std::string_view messages;  // of kRun; in bodies_
  };
  struct Move {
    Topic* topic = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t end_offset = 0;
  };
  enum class Cleaning {
    kNo,
    kMoving,   // a segment's runs and keys
    kWaiting,  // for the commit of the last of them
  };

  // What is published.
  bool Continues(const Topic* topic, const TopicMessage& message) const;
  void BeginRun(Topic* topic, const TopicMessage& message);
  /// Appends the run that gathers.
  void FlushRun();
  void AppendRun(std::string_view messages);
  /// Tells the topic's name when the open segment may not know it.
  void Introduce(const Topic& topic);
  /// Appends a record and what is known of it, `pending` but for its place. Returns the segment.
  std::uint64_t Append(std::string_view head, std::string_view body, Pending pending);
  void Complete(const Pending& pending);
  Status OpenJournal(const Opener& opener);
  void TrimPasts();

  // Cleaning (durability_clean.cc).
  void ScheduleCleaning();
  void StartCleanTimer(Duration delay);
  void Clean();
  /// False: nothing is to be cleaned now.
  bool BeginCleaning();
  bool KeysLiveIn(std::uint64_t segment) const;
  std::uint64_t LiveBytes() const;
  void CollectMoves(std::uint64_t segment);
  /// Moves what is kept until so many bytes were told. True when none is left.
  bool MoveSome(std::uint64_t budget_bytes);
  /// As MoveSome, of one topic. kIoError, kCorrupt: it cannot be read.
  Status MoveFrom(Move* move, std::uint64_t budget_bytes);
  bool MoveKeys(std::uint64_t budget_bytes);
  void EndCleaning();
  void DropOldest();

  JournalOptions options_;
  Retention retention_;
  EventLoop& loop_;
  const Clock& clock_;
  TopicSet* topics_ = nullptr;
  PublishKeys* keys_ = nullptr;
  Hooks hooks_;
  JournalReader reader_;
  RunReader run_reader_;
  SegmentUse use_;
  std::unique_ptr<Journal> journal_;
  RestoredTopics restored_;
  bool broken_ = false;  // nothing is appended any more

  Deferred flush_run_;
  std::string head_;            // of the record that is appended
  MessageRun run_;              // the one that gathers
  Topic* run_topic_ = nullptr;  // of it; nullptr: none gathers
  std::uint64_t run_count_ = 0;
  std::uint64_t run_body_bytes_ = 0;
  std::string run_messages_;
  WallTime last_time_{};             // of a message
  std::uint64_t told_sequence_ = 0;  // of the next message behind those that were appended
  std::deque<Pending> pending_;
  PendingBytes bodies_;
  bool appending_ = false;
  std::vector<bool> introduced_;  // by the topic's number: since the newest segment was begun

  Timer trim_timer_;
  Timer clean_timer_;
  bool clean_soon_ = false;  // the timer runs out at once
  Cleaning cleaning_ = Cleaning::kNo;
  bool cannot_clean_ = false;                    // what is to be moved cannot be read
  std::uint64_t cleaned_segment_ = 0;            // the one that is moved out of
  std::vector<Move> moves_;                      // what is left of it, the next one last
  std::uint64_t moved_with_ = 0;                 // the last commit of it
  std::uint64_t told_bytes_ = 0;                 // appended since the last step of cleaning
  std::uint64_t step_bytes_ = 0;                 // moved by this step
  std::uint64_t round_bytes_ = 0;                // and so far of this segment
  std::map<std::uint64_t, WallTime> key_times_;  // by segment: until when a key there may be needed
  std::uint64_t begin_bytes_ = 0;                // of what the newest segment begins with
  std::uint64_t cleaned_records_ = 0;
};

}  // namespace rivulet
