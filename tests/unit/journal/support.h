// What the tests of the journal share: a folder that goes away, a disk that fails when told, an
// owner that remembers what it heard, and a loop that runs until something is so.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "journal/disk.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/recovery.h"

namespace rivulet::journal_test {

class TempFolder {
 public:
  TempFolder() {
    // In memory where that is possible: what is tested is not the disk.
    const bool shm = std::filesystem::exists("/dev/shm");
    std::string pattern =
        (shm ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) +
        "/journal.XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string Segment(std::uint64_t number) const { return File(SegmentName(number)); }
  std::vector<std::uint64_t> Segments() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (const auto n = SegmentNumber(entry.path().filename().string())) numbers.push_back(*n);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }
  std::uint64_t SegmentBytes() const {
    std::uint64_t bytes = 0;
    for (const auto number : Segments()) {
      std::error_code gone;  // the helper may be removing it now
      const auto size = std::filesystem::file_size(Segment(number), gone);
      if (!gone) bytes += size;
    }
    return bytes;
  }

 private:
  std::string path_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

/// The system's disk, whose calls can be made to fail. Any thread.
class FaultyDisk final : public Disk {
 public:
  enum class Call { kWrite, kSync, kAllocate, kTruncate, kCreate, kOpen, kRemove, kSyncDirectory };

  /// From now on calls of that kind fail so, but for the first `skip` of them; `times` of them, or
  /// all.
  void Fail(Call call, StatusCode code, int skip = 0, int times = 1 << 30) {
    const std::lock_guard lock(mutex_);
    plans_[call] = {code, skip, times};
  }
  void Heal() {
    const std::lock_guard lock(mutex_);
    plans_.clear();
  }
  int calls(Call call) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    return found == calls_.end() ? 0 : found->second;
  }
  /// How many syncs of that file were asked for after one of it had failed.
  int syncs_after_failure() const {
    const std::lock_guard lock(mutex_);
    return syncs_after_failure_;
  }
  /// Syncs succeed and do nothing, for tests of thousands of recoveries.
  void IgnoreSyncs() { ignore_syncs_ = true; }
  /// While held, every sync waits: what gathers meanwhile is one group.
  std::unique_lock<std::mutex> HoldSyncs() { return std::unique_lock(sync_gate_); }

  std::unique_lock<std::mutex> HoldCreates() { return std::unique_lock(create_gate_); }

  Result<std::unique_ptr<DiskFile>> Create(const std::string& path) override {
    const std::lock_guard gate(create_gate_);
    if (Status s = Pass(Call::kCreate, path); !s.ok()) return s;
    return Wrap(System().Create(path));
  }
  Result<std::unique_ptr<DiskFile>> Open(const std::string& path) override {
    if (Status s = Pass(Call::kOpen, path); !s.ok()) return s;
    return Wrap(System().Open(path));
  }
  Status Remove(const std::string& path) override {
    if (Status s = Pass(Call::kRemove, path); !s.ok()) return s;
    return System().Remove(path);
  }
  Status SyncDirectory(const std::string& path) override {
    if (Status s = Pass(Call::kSyncDirectory, path); !s.ok()) return s;
    return ignore_syncs_ ? Status::Ok() : System().SyncDirectory(path);
  }

 private:
  struct Plan {
    StatusCode code = StatusCode::kOk;
    int skip = 0;
    int times = 0;
  };

  class File final : public DiskFile {
   public:
    File(FaultyDisk* disk, std::unique_ptr<DiskFile> file) : disk_(disk), file_(std::move(file)) {}
    Status WriteAt(std::uint64_t offset, std::string_view bytes) override {
      if (Status s = disk_->Pass(Call::kWrite, path()); !s.ok()) {
        // A full disk takes the half of it.
        static_cast<void>(file_->WriteAt(offset, bytes.substr(0, bytes.size() / 2)));
        return s;
      }
      return file_->WriteAt(offset, bytes);
    }
    Status Sync() override {
      const std::lock_guard gate(disk_->sync_gate_);
      if (failed_) disk_->CountSyncAfterFailure();
      if (Status s = disk_->Pass(Call::kSync, path()); !s.ok()) {
        failed_ = true;
        return s;
      }
      return disk_->ignore_syncs_ ? Status::Ok() : file_->Sync();
    }
    Status Allocate(std::uint64_t bytes) override {
      if (Status s = disk_->Pass(Call::kAllocate, path()); !s.ok()) return s;
      return file_->Allocate(bytes);
    }
    Status Truncate(std::uint64_t bytes) override {
      if (Status s = disk_->Pass(Call::kTruncate, path()); !s.ok()) return s;
      return file_->Truncate(bytes);
    }
    const std::string& path() const override { return file_->path(); }

   private:
    FaultyDisk* const disk_;
    std::unique_ptr<DiskFile> file_;
    bool failed_ = false;
  };

  Status Pass(Call call, const std::string& path) {
    const std::lock_guard lock(mutex_);
    ++calls_[call];
    const auto plan = plans_.find(call);
    if (plan == plans_.end() || plan->second.skip-- > 0) return Status::Ok();
    if (plan->second.times-- <= 0) return Status::Ok();
    return {plan->second.code, "told to fail: " + path};
  }
  void CountSyncAfterFailure() {
    const std::lock_guard lock(mutex_);
    ++syncs_after_failure_;
  }
  Result<std::unique_ptr<DiskFile>> Wrap(Result<std::unique_ptr<DiskFile>> file) {
    if (!file.ok()) return file.status();
    return std::unique_ptr<DiskFile>(std::make_unique<File>(this, std::move(*file)));
  }

  mutable std::mutex mutex_;
  std::mutex sync_gate_;
  std::mutex create_gate_;
  std::map<Call, Plan> plans_;
  std::map<Call, int> calls_;
  int syncs_after_failure_ = 0;
  bool ignore_syncs_ = false;
};

/// Remembers what it is told.
struct Owner : JournalOwner {
  void OnSegmentBegun() override {
    ++segments_begun;
    if (on_segment_begun) on_segment_begun();
  }
  void OnPlaced(const CommitPlace& place) override {
    CHECK(place.commit > committed);
    places.push_back(place);
  }
  void OnCommitted(std::uint64_t commit) override {
    CHECK(commit > committed);
    REQUIRE(!places.empty());
    CHECK(places.back().commit == commit);
    committed = commit;
  }
  void OnFailed(const Status& why) override { failures.push_back(why); }
  void OnHealed() override { ++healed; }

  std::function<void()> on_segment_begun;
  int segments_begun = 0;
  std::uint64_t committed = 0;
  std::vector<CommitPlace> places;
  std::vector<Status> failures;
  int healed = 0;
};

/// A journal in a folder, that can be closed and opened again.
struct Fixture {
  explicit Fixture(std::string_view sync = "always", std::uint64_t segment_bytes = 1 << 20) {
    config.path = folder.path();
    config.owner = "test";
    config.sync = ParseSyncPolicy(sync).value();
    config.segment_bytes = segment_bytes;
  }

  Status Open() {
    records.clear();
    record_places.clear();
    owner.committed = 0;
    owner.places.clear();
    auto opened = Journal::Open(
        config, loop, clock, &owner,
        [this](std::string_view record, const RecordPlace& place) {
          records.emplace_back(record);
          record_places.push_back(place);
          return Status::Ok();
        },
        &report, disk);
    if (!opened.ok()) return opened.status();
    journal = std::move(*opened);
    return Status::Ok();
  }
  /// Runs the loop until it is so. Nobody waits ten seconds for what works.
  bool RunUntil(const std::function<bool()>& so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!so()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop.RunOnce(std::chrono::milliseconds(10));
    }
    return true;
  }
  bool Settle() {
    return RunUntil([&] { return owner.committed == journal->last_commit(); });
  }
  /// Appends and waits for the commit.
  void Commit(std::string_view record) {
    journal->Append(record);
    REQUIRE(Settle());
  }
  /// As after kill -9: what is on the disk now is looked at by another. The journal itself goes on.
  void CopyTo(const TempFolder& other) const { std::filesystem::copy(folder.path(), other.path()); }

  TempFolder folder;
  FaultyDisk disk;
  SystemClock clock;
  EventLoop loop;
  JournalConfig config;
  Owner owner;
  RecoveryReport report;
  std::vector<std::string> records;  // that came back when it was opened
  std::vector<RecordPlace> record_places;
  std::unique_ptr<Journal> journal;
};

struct Recovered {
  Status status;
  std::vector<std::string> records;
  std::vector<RecoveredSegment> segments;
  RecoveryReport report;
};

/// With the real repairs, but without waiting for the disk.
inline Recovered RecoverFrom(const std::string& path, bool salvage = false,
                             bool read_only = false) {
  RecoveryOptions options;
  options.path = path;
  options.salvage = salvage;
  options.read_only = read_only;
  FaultyDisk disk;
  disk.IgnoreSyncs();
  Recovered result;
  auto segments = Recover(
      options,
      [&](std::string_view record, const RecordPlace&) {
        result.records.emplace_back(record);
        return Status::Ok();
      },
      &result.report, disk);
  result.status = segments.status();
  if (segments.ok()) result.segments = std::move(*segments);
  return result;
}

/// A segment written by hand, as journal/format.h tells it.
class SegmentBuilder {
 public:
  explicit SegmentBuilder(std::uint64_t number, std::uint64_t start = 0, std::uint64_t oldest = 1) {
    header_ = {number, start, oldest, 0x1234567890abcdef * number, "test"};
    bytes_ = EncodeSegmentHeader(header_);
  }
  std::uint64_t position() const { return header_.start + bytes_.size() - kSegmentHeaderBytes; }
  /// A batch of one record; returns the offset at which it stands.
  std::size_t Add(std::string_view record, std::uint64_t synced) {
    return AddBatch({std::string(record)}, synced);
  }
  std::size_t AddBatch(const std::vector<std::string>& records, std::uint64_t synced,
                       bool is_void = false) {
    const std::size_t offset = bytes_.size();
    const std::uint64_t at = position();
    bytes_.append(kBatchHeaderBytes, '\0');
    for (const std::string& record : records) {
      AppendVarint(&bytes_, record.size());
      bytes_.append(record);
    }
    SealBatch(bytes_.data() + offset, bytes_.size() - offset, header_.salt, at, synced, is_void);
    return offset;
  }
  /// Damages the batch there so that nothing of it is right.
  void Ruin(std::size_t offset, std::size_t size = kBatchHeaderBytes) {
    for (std::size_t i = offset; i < offset + size; ++i) bytes_[i] = static_cast<char>(~bytes_[i]);
  }
  void Write(const TempFolder& folder) const { WriteFile(folder.Segment(header_.number), bytes_); }
  const SegmentHeader& header() const { return header_; }
  std::string& bytes() { return bytes_; }

 private:
  SegmentHeader header_;
  std::string bytes_;
};

}  // namespace rivulet::journal_test
