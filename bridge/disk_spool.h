// The spool (bridge/spool.h) over a journal. Its records are told in bridge/spool_record.h.
//
// What one turn of the loop brought is written at its end: the messages in runs, and behind them
// how far the sources were read, in one commit, so that a position and its messages come back
// together. How far readers have come is written several times a second.
//
// Segments leave when all of their messages are done with, or were let go. That the readers' last
// marks may leave with them, or be lost, does no harm: a reader is never before the oldest message.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "bridge/message_log.h"
#include "bridge/spool.h"
#include "bridge/spool_index.h"
#include "bridge/spool_read_back.h"
#include "bridge/spool_restorer.h"
#include "journal/journal.h"

namespace rivulet {

class DiskSpool final : public Spool, private JournalOwner {
 public:
  /// Of Spool::Open(), which then calls Start().
  DiskSpool(SpoolConfig config, EventLoop& loop, const Clock& clock,
            std::function<void()> on_commit);
  ~DiskSpool() override;

  /// Recovers. Once, before anything else.
  Status Start(Disk& disk);

  void Append(std::string_view message) override;
  std::uint64_t start() const override { return start_; }
  std::uint64_t end() const override { return tail_->end(); }
  MessageBatch Slice(std::uint64_t first, std::uint64_t max_messages) override;
  void DropBefore(std::uint64_t first) override;
  bool full() const override { return !HasRoom(limit_bytes_, max_unsafe_bytes_); }
  bool has_room() const override;
  std::uint64_t held_bytes() const override;

  const std::vector<std::uint64_t>& begin_at() const override { return begin_at_; }
  std::optional<std::uint64_t> source_position(std::string_view url) const override;
  std::size_t sources() const override { return sources_.size(); }
  void SetDone(std::size_t reader, std::uint64_t number) override;
  void SetSource(std::string_view url, std::uint64_t position) override;
  std::uint64_t committed() const override { return committed_; }
  Status health() const override {
    return closed_ ? close_status_ : journal_->Admit(Journal::Work::kGrows);
  }
  std::uint64_t dropped() const override { return dropped_; }
  std::uint64_t disk_bytes() const override { return journal_->disk_bytes(); }
  const LatencyHistogram& sync_latency() const override { return journal_->sync_latency(); }
  Status Close() override;

  /// Bytes of messages that are kept in memory to be read, and of the index. For tests.
  std::uint64_t memory_bytes() const;
  const SpoolIndex& index() const { return index_; }

 private:
  struct Reader {
    std::string name;
    std::uint64_t done = 0;
    std::uint64_t told = 0;  // in the journal
  };
  struct Source {
    std::string url;
    std::uint64_t position = 0;
    std::optional<std::uint64_t> told;       // appended to the journal
    std::optional<std::uint64_t> committed;  // and safe
  };
  // What will be so with a commit.
  struct Pending {
    std::uint64_t commit = 0;
    std::uint64_t next = 0;
    std::uint64_t bytes = 0;
    std::vector<std::pair<std::size_t, std::uint64_t>> sources;
  };

  void Restore(RestoredSpool restored);

  // Writing.
  void CloseRun();
  void WriteTurn();
  void AppendRun(std::string_view run, std::uint64_t next);
  void AppendSources(Pending* pending);
  void AppendDone();
  std::string StateRecord(std::uint64_t next, std::optional<std::uint64_t> Source::*position) const;
  void Wait(Pending pending);
  void Tell();
  bool Untold() const;

  // JournalOwner.
  void OnPlaced(const CommitPlace& place) override;
  void OnSegmentBegun() override;
  void OnCommitted(std::uint64_t commit) override;
  void OnFailed(const Status& why) override;
  void OnHealed() override;

  // Room.
  bool HasRoom(std::uint64_t limit_bytes, std::uint64_t unsafe_bytes) const;
  std::uint64_t unsafe_bytes() const { return bytes_ - committed_bytes_; }
  void TrimMemory();
  void LetGo();
  void MoveStart(std::uint64_t first);
  bool Clean();
  void CleanLater();
  void Poll();

  SpoolConfig config_;
  const Clock& clock_;
  EventLoop& loop_;
  std::function<void()> on_commit_;
  std::uint64_t limit_bytes_ = 0;       // full() when so much is used
  std::uint64_t max_unsafe_bytes_ = 0;  // or waits to be committed

  std::vector<std::uint64_t> begin_at_;
  std::vector<Reader> readers_;
  std::vector<Source> sources_;  // those of which something is told come first
  std::size_t last_source_ = 0;

  std::uint64_t start_ = 0;
  std::uint64_t bytes_ = 0;     // of all messages ever appended, each with a newline
  std::uint64_t appended_ = 0;  // messages before it are in the journal, or on their way
  std::uint64_t committed_ = 0;
  std::uint64_t committed_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::deque<Pending> pending_;
  SpoolIndex index_;
  std::unique_ptr<MessageLog> tail_;  // the newest messages; at least those not committed
  std::unique_ptr<SpoolReadBack> read_back_;
  bool read_failed_ = false;  // and was logged

  std::string run_;  // that gathers
  // That are closed and not appended, and the number behind each.
  std::vector<std::pair<std::string, std::uint64_t>> runs_;
  std::string record_;
  bool appending_ = false;
  bool state_due_ = false;
  bool done_due_ = false;
  bool broken_ = false;
  bool closed_ = false;
  Status close_status_;

  Deferred turn_;
  Timer tell_timer_;
  Timer clean_timer_;
  Timer poll_timer_;
  std::unique_ptr<Journal> journal_;  // last: gone first
};

}  // namespace rivulet
