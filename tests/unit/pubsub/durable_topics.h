// A pubsub without its network: topics, what makes them durable, and a journal in a folder.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "pubsub/durability.h"
#include "pubsub/topic_set.h"
#include "tests/unit/journal/support.h"

namespace rivulet {

struct DurableTopics {
  struct Config {
    Retention retention{1 << 20, {}};
    std::uint64_t segment_bytes = 64 << 10;
    std::string sync = "none";
    bool salvage = false;
    std::size_t max_keys = 1000;
  };

  DurableTopics(const std::string& path, FakeClock* clock_to_use, Config config,
                Disk& disk = Disk::System())
      : clock(clock_to_use),
        keys(config.max_keys, 1),
        durability(std::make_unique<TopicDurability>(
            JournalOptions{path, config.sync, config.segment_bytes, config.salvage},
            config.retention, loop, *clock)),
        topics({1000, {}}) {
    CHECK(InitLog({.program = "", .json = false, .level = LogLevel::kError, .file = ""}).ok());
    opened = durability->OpenWith(
        [&](JournalConfig journal, JournalOwner* owner, const RecordVisitor& visit,
            RecoveryReport* report) {
          return Journal::Open(std::move(journal), loop, *clock, owner, visit, report, disk);
        },
        &topics, &keys);
    if (!opened.ok()) return;
    durability->SetHooks({.committed = [this](std::uint64_t commit) { committed = commit; },
                          .failed = [this](const Status& why) { failed = why; },
                          .healed = [this] { healed = true; }});
  }
  DurableTopics(const std::string& path, FakeClock* clock_to_use)
      : DurableTopics(path, clock_to_use, Config{}) {}

  Topic* topic(std::string_view name = "t") {
    const auto found = topics.Get(name);
    REQUIRE(found.ok());
    return *found;
  }
  DiskPast* past(std::string_view name = "t") {
    return static_cast<DiskPast*>(topic(name)->past());
  }
  void Publish(std::string_view name, std::string_view body) {
    topics.Publish(topic(name), body, clock->WallNow());
  }
  // One turn of the loop: with sync=none it commits what was published before.
  void Turn() { loop.RunOnce(Duration()); }
  // Runs the loop until it is so. Nobody waits ten seconds for what works.
  bool RunUntil(const std::function<bool()>& so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!so()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop.RunOnce(std::chrono::milliseconds(10));
    }
    return true;
  }
  // Until all that was published is revealed.
  void Commit() {
    const std::uint64_t commit = durability->last_commit();
    REQUIRE(RunUntil([&] { return committed >= commit; }));
  }
  // Until nothing is left to clean.
  void Settle() {
    Commit();
    std::uint64_t before = 0;
    int quiet = 0;
    while (quiet < 3) {
      const std::uint64_t now = durability->journal().oldest_segment() +
                                durability->cleaned_records() + durability->journal().disk_bytes();
      quiet = now == before && !durability->journal().dropping() ? quiet + 1 : 0;
      before = now;
      loop.RunOnce(std::chrono::milliseconds(60));
    }
  }

  FakeClock* clock;
  EventLoop loop;
  PublishKeys keys;
  std::unique_ptr<TopicDurability> durability;
  TopicSet topics;
  Status opened;
  std::uint64_t committed = 0;
  Status failed;
  bool healed = false;
};

/// What a crash of the process leaves: the files as they are.
inline void CopyFiles(const std::string& from, const std::string& to) {
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.path().extension() != ".journal") continue;
    std::error_code gone;  // the helper may be removing it now
    std::filesystem::copy_file(entry.path(), to + "/" + entry.path().filename().string(), gone);
  }
}

/// "OFFSET:SEQUENCE:BODY " of all that is kept from that offset on.
inline std::string Kept(Past* past, std::uint64_t from = 0) {
  std::string out;
  auto place = past->At(from);
  REQUIRE(place.ok());
  while (true) {
    const auto message = past->Next(&*place);
    if (!message.ok()) return out + message.status().message();
    if (!message->has_value()) return out;
    out += fmt::format("{}:{}:{} ", (*message)->offset, (*message)->sequence, (*message)->body);
  }
}

}  // namespace rivulet
