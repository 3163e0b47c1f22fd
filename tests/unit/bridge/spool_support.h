// A spool in a folder, that can be closed, killed and opened again.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "bridge/disk_spool.h"
#include "tests/unit/journal/support.h"

namespace rivulet::spool_test {

using journal_test::FaultyDisk;
using journal_test::TempFolder;

/// Cuts a batch into its messages, as its receiver would.
inline std::vector<std::string> MessagesOf(const MessageBatch& batch) {
  REQUIRE(batch.lines.ends_with('\n'));
  if (!batch.cut_at_newlines) {
    REQUIRE(batch.count == 1);
    return {std::string(batch.message())};
  }
  std::vector<std::string> messages;
  for (std::string_view rest = batch.lines; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    messages.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  REQUIRE(messages.size() == batch.count);
  return messages;
}

inline std::vector<std::string> ReadAll(Backlog* backlog, std::uint64_t from,
                                        std::uint64_t max_messages = 1000) {
  std::vector<std::string> all;
  while (from < backlog->end()) {
    const MessageBatch batch = backlog->Slice(from, max_messages);
    REQUIRE(batch.first == from);
    REQUIRE(batch.count > 0);
    REQUIRE(batch.count <= max_messages);
    for (std::string& message : MessagesOf(batch)) all.push_back(std::move(message));
    from = batch.end();
  }
  return all;
}

struct SpoolFixture {
  explicit SpoolFixture(std::string_view sync = "none") {
    CHECK(InitLog({.program = "", .json = false, .level = LogLevel::kError, .file = "/dev/null"})
              .ok());
    disk.IgnoreSyncs();
    config.path = folder.path();
    config.sync = ParseSyncPolicy(sync).value();
    config.segment_bytes = 256 << 10;  // to be made quickly
    config.readers = {"a"};
  }
  ~SpoolFixture() { spool.reset(); }

  Status TryOpen() {
    spool.reset();
    spool = std::make_unique<DiskSpool>(config, loop, clock, [this] { ++told; });
    Status status = spool->Start(disk);
    if (!status.ok()) spool.reset();
    return status;
  }
  void Open() {
    const Status status = TryOpen();
    REQUIRE_MESSAGE(status.ok(), status.message());
  }

  void Append(std::string_view message) { spool->Append(message); }
  void Turn() { loop.RunOnce(Duration()); }
  /// Runs the loop until it is so. Nobody waits ten seconds for what works.
  bool RunUntil(const std::function<bool()>& so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!so()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop.RunOnce(std::chrono::milliseconds(5));
    }
    return true;
  }
  void Commit() {
    REQUIRE(RunUntil([&] { return spool->committed() == spool->end(); }));
  }
  /// All readers took all before.
  void Done(std::uint64_t number) {
    for (std::size_t i = 0; i < config.readers.size(); ++i) spool->SetDone(i, number);
    spool->DropBefore(number);
  }
  std::vector<std::string> All(std::uint64_t max_messages = 1000) {
    return ReadAll(spool.get(), spool->start(), max_messages);
  }

  TempFolder folder;
  FaultyDisk disk;
  SystemClock clock;
  EventLoop loop;
  SpoolConfig config;
  int told = 0;
  std::unique_ptr<DiskSpool> spool;
};

}  // namespace rivulet::spool_test
