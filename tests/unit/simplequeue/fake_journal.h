// A journal in memory, for tests of who stands on one: nothing blocks, and the test says when a
// commit is complete.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "journal/journal.h"

namespace rivulet {

/// What is on the disk: survives the journal.
struct FakeDisk {
  struct Segment {
    std::uint64_t number = 0;
    std::vector<std::string> records;
    std::uint64_t bytes = 0;
  };
  std::deque<Segment> segments;
  std::uint64_t dropped = 0;

  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const Segment& segment : segments) sum += segment.bytes;
    return sum;
  }
};

class FakeJournal final : public Journal {
 public:
  FakeJournal(FakeDisk* disk, JournalOwner* owner, std::uint64_t segment_bytes)
      : disk_(disk), owner_(owner), segment_bytes_(segment_bytes) {}

  /// An opener of such a journal, which it also leaves in `*journal`.
  static auto Opener(FakeDisk* disk, FakeJournal** journal) {
    return [disk, journal](const JournalConfig& config, JournalOwner* owner,
                           const RecordVisitor& visit,
                           RecoveryReport* report) -> Result<std::unique_ptr<Journal>> {
      for (const FakeDisk::Segment& segment : disk->segments) {
        ++report->segments;
        report->bytes += segment.bytes;
        for (const std::string& record : segment.records) {
          ++report->records;
          const RecordPlace place{segment.number};
          if (Status status = visit(record, place); !status.ok()) return status;
        }
      }
      auto made = std::make_unique<FakeJournal>(disk, owner, config.segment_bytes);
      *journal = made.get();
      return Result<std::unique_ptr<Journal>>(std::move(made));
    };
  }

  /// What was appended is safe now.
  void Commit() {
    committed_ = last_commit_;
    if (std::exchange(drop_, false)) {
      disk_->segments.pop_front();
      ++disk_->dropped;
    }
    owner_->OnCommitted(committed_);
  }
  void Fail(Status why) {
    admit_ = std::move(why);
    owner_->OnFailed(admit_);
  }
  void Heal() {
    admit_ = {};
    owner_->OnHealed();
  }
  void RefuseGrowth(Status why) { admit_growth_ = std::move(why); }

  std::uint64_t Append(std::string_view head, std::string_view body) override {
    auto& segments = disk_->segments;
    if (segments.empty() || segments.back().bytes >= segment_bytes_) {
      const std::uint64_t number = segments.empty() ? 1 : segments.back().number + 1;
      segments.push_back({number, {}, 0});
      owner_->OnSegmentBegun();
    }
    segments.back().records.push_back(std::string(head) + std::string(body));
    segments.back().bytes += head.size() + body.size() + 2;
    ++stats_.records;
    last_commit_ = committed_ + 1;
    return segments.back().number;
  }
  std::uint64_t last_commit() const override { return last_commit_; }
  Status Admit(Work work) const override {
    return admit_.ok() && work == Work::kGrows ? admit_growth_ : admit_;
  }
  bool CleaningNeeded(std::uint64_t live_bytes) const override {
    last_live_bytes_ = live_bytes;
    return disk_->bytes() > 2 * live_bytes + segment_bytes_;
  }
  std::uint64_t oldest_segment() const override {
    return disk_->segments.empty() ? 1 : disk_->segments.front().number;
  }
  std::uint64_t open_segment() const override {
    return disk_->segments.empty() ? 1 : disk_->segments.back().number;
  }
  void DropOldest() override { drop_ = true; }
  bool dropping() const override { return drop_; }
  const Stats& stats() const override { return stats_; }
  const LatencyHistogram& sync_latency() const override { return latency_; }
  std::uint64_t disk_bytes() const override { return disk_->bytes(); }
  Status Close() override { return {}; }

  std::uint64_t last_live_bytes() const { return last_live_bytes_; }
  bool uncommitted() const { return last_commit_ > committed_ || drop_; }

 private:
  FakeDisk* disk_;
  JournalOwner* owner_;
  std::uint64_t segment_bytes_;
  std::uint64_t committed_ = 0;
  std::uint64_t last_commit_ = 0;
  bool drop_ = false;
  Status admit_;
  Status admit_growth_;
  Stats stats_;
  LatencyHistogram latency_;
  mutable std::uint64_t last_live_bytes_ = 0;
};

}  // namespace rivulet
