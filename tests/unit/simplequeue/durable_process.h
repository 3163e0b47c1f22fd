// A simplequeue without its network: queues, what makes them durable, and a journal in memory.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "simplequeue/durability.h"
#include "simplequeue/queue.h"
#include "simplequeue/queue_set.h"
#include "tests/unit/simplequeue/fake_journal.h"

namespace rivulet {

inline QueueLimits DurableLimits() {
  QueueLimits limits;
  limits.dedupe_window = std::chrono::hours(1);
  return limits;
}

// A process with its queues, over a disk that may outlive it.
struct DurableProcess {
  DurableProcess(FakeDisk* disk_to_use, FakeClock* clock_to_use,
                 std::uint64_t segment_bytes = 16 << 20, QueueLimits limits = DurableLimits())
      : disk(disk_to_use),
        clock(clock_to_use),
        durability(Options(segment_bytes), loop, *clock),
        queues(limits, 1000, &durability) {
    CHECK(InitLog({.program = "", .json = false, .level = LogLevel::kError, .file = ""}).ok());
    const Status status = durability.OpenWith(FakeJournal::Opener(disk, &journal), &queues);
    INFO(status.message());
    REQUIRE(status.ok());
    durability.SetHooks({.committed =
                             [this](std::uint64_t commit) {
                               for (const auto& [name, queue] : queues.all()) {
                                 queue->Committed(commit);
                               }
                             },
                         .failed = [this](const Status& why) { failed = why; },
                         .healed = [this] { healed = true; }});
  }
  static JournalOptions Options(std::uint64_t segment_bytes) {
    JournalOptions options;
    options.data_path = "/nowhere";
    options.segment_bytes = segment_bytes;
    return options;
  }

  Queue& queue(std::string_view name = "default") { return **queues.FindOrMake(name); }
  // Commits, and lets cleaning go on, until there is nothing left to do.
  void Settle() {
    // A timer may come late on a busy machine: quiet twice is quiet.
    for (int quiet = 0; quiet < 2; quiet = journal->uncommitted() ? 0 : quiet + 1) {
      journal->Commit();
      loop.RunOnce(std::chrono::milliseconds(60));
    }
  }
  // As many turns of the loop as one of traffic makes.
  void Turn() {
    journal->Commit();
    loop.RunOnce(Duration());
  }

  FakeDisk* disk;
  FakeClock* clock;
  EventLoop loop;
  FakeJournal* journal = nullptr;
  Durability durability;
  QueueSet queues;
  Status failed;
  bool healed = false;
};

// Ids in the order of leaving.
inline std::string Order(const Queue& queue) {
  std::string out;
  Queue::Cursor cursor;
  Queue::Message message;
  while (queue.Next(&cursor, &message)) out += fmt::format("{} ", message.id);
  return out;
}

inline Queue::Holding LeaseOne(Queue& queue, MonoTime now,
                               Duration lease = std::chrono::seconds(30)) {
  std::vector<Queue::Lease> leases;
  REQUIRE(queue.LeaseFront(1, now, lease, &leases) == 1);
  return {leases[0].id, leases[0].number};
}

}  // namespace rivulet
