// What a spool does when the disk is full, or fails, or gives back something else.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/unit/bridge/spool_support.h"

using namespace rivulet;
using namespace rivulet::spool_test;

using Strings = std::vector<std::string>;

namespace {

/// A disk of so many bytes. Any thread.
class SmallDisk final : public Disk {
 public:
  explicit SmallDisk(std::uint64_t bytes) : free_bytes_(static_cast<std::int64_t>(bytes)) {}

  Result<std::unique_ptr<DiskFile>> Create(const std::string& path) override {
    return Wrap(System().Create(path));
  }
  Result<std::unique_ptr<DiskFile>> Open(const std::string& path) override {
    return Wrap(System().Open(path));
  }
  Status Remove(const std::string& path) override {
    Status status = System().Remove(path);
    if (status.ok()) static_cast<void>(Resize(path, 0));
    return status;
  }
  Status SyncDirectory(const std::string& /*path*/) override { return {}; }

 private:
  class File final : public DiskFile {
   public:
    File(SmallDisk* disk, std::unique_ptr<DiskFile> file) : disk_(disk), file_(std::move(file)) {}
    Status WriteAt(std::uint64_t offset, std::string_view bytes) override {
      if (Status s = disk_->Grow(path(), offset + bytes.size()); !s.ok()) return s;
      return file_->WriteAt(offset, bytes);
    }
    Status Sync() override { return {}; }
    Status Allocate(std::uint64_t bytes) override {
      if (Status s = disk_->Grow(path(), bytes); !s.ok()) return s;
      return file_->Allocate(bytes);
    }
    Status Truncate(std::uint64_t bytes) override {
      if (Status s = disk_->Resize(path(), bytes); !s.ok()) return s;
      return file_->Truncate(bytes);
    }
    const std::string& path() const override { return file_->path(); }

   private:
    SmallDisk* const disk_;
    std::unique_ptr<DiskFile> file_;
  };

  Status Grow(const std::string& path, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    return bytes <= sizes_[path] ? Status() : SetSize(path, bytes);
  }
  Status Resize(const std::string& path, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    return SetSize(path, bytes);
  }
  Status SetSize(const std::string& path, std::uint64_t bytes) {
    const std::int64_t more = static_cast<std::int64_t>(bytes - sizes_[path]);
    if (more > free_bytes_) return {StatusCode::kExhausted, path + ": the small disk is full"};
    free_bytes_ -= more;
    sizes_[path] = bytes;
    return {};
  }
  Result<std::unique_ptr<DiskFile>> Wrap(Result<std::unique_ptr<DiskFile>> file) {
    if (!file.ok()) return file.status();
    return std::unique_ptr<DiskFile>(std::make_unique<File>(this, std::move(*file)));
  }

  std::mutex mutex_;
  std::int64_t free_bytes_;
  std::map<std::string, std::uint64_t> sizes_;
};

Strings Numbered(std::uint64_t from, std::uint64_t to) {
  Strings messages;
  for (; from < to; ++from) messages.push_back(fmt::format("{:0>200}", from));
  return messages;
}

/// Of how many messages a turn.
void FillDisk(SpoolFixture* f, int at_once) {
  REQUIRE(f->RunUntil([&] {
    for (int i = 0; i < at_once && !f->spool->full(); ++i) {
      f->Append(Numbered(f->spool->end(), f->spool->end() + 1)[0]);
    }
    return f->spool->full() && !f->spool->health().ok();
  }));
}

}  // namespace

TEST_CASE("spool: on a full disk all is delivered, which makes room again") {
  SmallDisk disk(400 << 10);
  SpoolFixture f;
  int at_once = 1;
  SUBCASE("a message a turn") {}
  SUBCASE("many a turn") { at_once = 200; }
  SUBCASE("more than a segment a turn") { at_once = 2000; }
  SUBCASE("synced always") {
    f.config.sync = ParseSyncPolicy("always").value();
    at_once = 200;
  }
  f.config.segment_bytes = 64 << 10;
  f.config.memory_bytes = 10'000;
  f.spool = std::make_unique<DiskSpool>(f.config, f.loop, f.clock, [] {});
  REQUIRE(f.spool->Start(disk).ok());
  FillDisk(&f, at_once);
  CHECK(f.spool->health().code() == StatusCode::kExhausted);

  const std::uint64_t end = f.spool->end();
  CHECK((f.All() == Numbered(0, end)));
  f.Done(end);
  REQUIRE(f.RunUntil([&] { return f.spool->has_room() && f.spool->committed() == end; }));
  f.Append(Numbered(end, end + 1)[0]);
  f.Commit();
  REQUIRE(f.spool->Close().ok());
  f.Open();
  CHECK(f.spool->begin_at()[0] == end);
  CHECK((f.All() == Numbered(end, end + 1)));
}

TEST_CASE("spool: what a full disk took back is written when there is room again") {
  SpoolFixture f;
  f.Open();
  f.Append("safe");
  f.spool->SetSource("http://source/", 1);
  f.Commit();
  f.disk.Fail(FaultyDisk::Call::kWrite, StatusCode::kExhausted);
  f.disk.Fail(FaultyDisk::Call::kAllocate, StatusCode::kExhausted);
  f.Append("taken back");
  f.spool->SetSource("http://source/", 2);
  REQUIRE(f.RunUntil([&] { return !f.spool->health().ok(); }));
  CHECK(f.spool->full());
  CHECK_FALSE(f.spool->has_room());
  CHECK(f.spool->committed() == 1);
  CHECK(f.All() == Strings{"safe", "taken back"});

  SUBCASE("a crash before that: the position is that of what is there") {
    SpoolFixture other;
    for (const std::uint64_t number : f.folder.Segments()) {
      std::filesystem::copy_file(f.folder.Segment(number), other.folder.Segment(number));
    }
    other.Open();
    CHECK(other.All() == Strings{"safe"});
    CHECK(other.spool->source_position("http://source/") == 1);
  }
  SUBCASE("it heals") {
    f.disk.Heal();
    f.spool->SetDone(0, 2);
    f.Commit();
    CHECK(f.spool->health().ok());
    CHECK(f.spool->has_room());
    REQUIRE(f.spool->Close().ok());
    f.Open();
    CHECK(f.All() == Strings{});
    CHECK(f.spool->end() == 2);
    CHECK(f.spool->source_position("http://source/") == 2);
  }
}

TEST_CASE("spool: a disk that fails is told, and what is in memory is delivered on") {
  SpoolFixture f("always");
  f.Open();
  f.Append("safe");
  f.Commit();
  const int told = f.told;
  f.disk.Fail(FaultyDisk::Call::kSync, StatusCode::kIoError);
  f.Append("never safe");
  REQUIRE(f.RunUntil([&] { return !f.spool->health().ok(); }));
  CHECK(f.told > told);
  CHECK(f.spool->health().code() == StatusCode::kIoError);
  CHECK(f.spool->full());
  CHECK(f.spool->committed() == 1);
  f.disk.Heal();
  f.Append("nor is this");
  for (int i = 0; i < 20; ++i) f.Turn();
  CHECK(f.spool->committed() == 1);
  CHECK(f.All() == Strings{"safe", "never safe", "nor is this"});
  CHECK_FALSE(f.spool->Close().ok());
}

TEST_CASE("spool: what cannot be read back now is asked for again later") {
  SpoolFixture f;
  f.Open();
  for (int i = 0; i < 10; ++i) f.Append(fmt::to_string(i));
  f.Commit();
  f.Open();
  const std::string segment = f.folder.Segment(1);
  std::filesystem::rename(segment, segment + ".away");
  const MessageBatch none = f.spool->Slice(3, 10);
  CHECK(none.first == 3);
  CHECK(none.count == 0);
  std::filesystem::rename(segment + ".away", segment);
  CHECK(f.spool->Slice(3, 10).count == 7);
}

TEST_CASE("spool: a torn tail is cut, and the source goes on before it") {
  SpoolFixture f;
  f.Open();
  for (int i = 0; i < 5; ++i) {
    f.Append(fmt::to_string(i));
    f.spool->SetSource("http://source/", 100 + static_cast<std::uint64_t>(i));
    f.Commit();
  }
  const std::uint64_t used = f.spool->index().used_bytes();
  for (std::uint64_t cut = 1; cut < 40; cut += 6) {
    SpoolFixture other;
    std::string bytes = journal_test::ReadFile(f.folder.Segment(1));
    bytes.resize(used - cut);
    journal_test::WriteFile(other.folder.Segment(1), bytes);
    other.Open();
    const std::uint64_t there = other.spool->end();
    CHECK(there < 5);
    CHECK(there >= 3);
    CHECK(other.spool->source_position("http://source/") == 99 + there);
    CHECK(other.All().size() == there);
  }
}

TEST_CASE("spool: damage is refused, and its place is told") {
  SpoolFixture f;
  f.Open();
  for (int i = 0; i < 5; ++i) {
    f.Append(fmt::to_string(i));
    f.Commit();
  }
  REQUIRE(f.spool->Close().ok());
  f.spool.reset();
  std::string bytes = journal_test::ReadFile(f.folder.Segment(1));
  bytes[kSegmentHeaderBytes + kBatchHeaderBytes + 3] ^= 1;
  journal_test::WriteFile(f.folder.Segment(1), bytes);
  const Status status = f.TryOpen();
  CHECK(status.code() == StatusCode::kCorrupt);
  CHECK(status.message().find(f.folder.Segment(1) + ":64") != std::string::npos);
}
