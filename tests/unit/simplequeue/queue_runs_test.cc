#include "simplequeue/queue_runs.h"

#include <doctest/doctest.h>

#include <vector>

using rivulet::Arena;
using rivulet::FreshPosition;
using rivulet::MessageTable;
using rivulet::QueueRuns;

namespace {

// Runs over a table, with `count` fresh messages.
struct Fixture {
  explicit Fixture(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t id = table.Add({1, 0});
      runs.PushBack(FreshPosition(id), id);
    }
  }
  void Drop(std::uint64_t id) {
    table.Remove(id, 1);
    runs.Dropped(table);
  }
  std::uint64_t Take() {
    const QueueRuns::Run run = runs.PopFront(1, table);
    table.Remove(run.first_id, 1);
    return run.first_id;
  }

  MessageTable table;
  QueueRuns runs;
};

}  // namespace

TEST_CASE("runs: fresh messages are one run, and so are those that return together") {
  Fixture f(100'000);
  CHECK(f.runs.runs() == 1);
  const QueueRuns::Run first = f.runs.PopFront(1'000, f.table);
  CHECK(first.first_id == 1);
  CHECK(first.count == 1'000);
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    f.runs.PushBack(FreshPosition(100'000) + 1 + i, 1 + i);
  }
  CHECK(f.runs.runs() == 2);
  CHECK(f.runs.size() == 100'000);
  // What is taken together lies in one segment of the table.
  CHECK(f.runs.PopFront(UINT64_MAX, f.table).count == 16'384 - 1'001);
}

TEST_CASE("runs: a message pushed before the others joins them where it stood") {
  Fixture f(3);
  f.runs.PopFront(2, f.table);
  f.runs.PushFront(FreshPosition(2), 2);
  f.runs.PushFront(FreshPosition(1), 1);
  CHECK(f.runs.runs() == 1);
  for (std::uint64_t id = 1; id <= 3; ++id) CHECK(f.Take() == id);
  CHECK(f.runs.size() == 0);
}

TEST_CASE("runs: holes are passed over") {
  Fixture f(10);
  for (const std::uint64_t id : {4, 1, 5, 10}) f.Drop(id);
  CHECK(f.runs.size() == 6);
  CHECK(f.runs.front_id() == 2);
  std::uint64_t position = FreshPosition(3) + 1;
  const QueueRuns::Run run = f.runs.Next(&position, 10, f.table);
  CHECK(run.first_id == 6);
  CHECK(run.count == 4);
  CHECK(f.runs.Next(&position, 10, f.table).count == 0);
  for (const std::uint64_t id : {2, 3, 6, 7, 8, 9}) CHECK(f.Take() == id);
  CHECK(f.runs.size() == 0);
}

TEST_CASE("runs: holes behind a message that never leaves do not stay for ever") {
  Fixture f(1);
  // Each is a run of its own, as messages that return alone are.
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const std::uint64_t id = f.table.Add({1, 0});
    f.runs.PushBack(FreshPosition(id) + 1, id);
    f.Drop(id);
  }
  CHECK(f.runs.size() == 1);
  CHECK(f.runs.runs() < 2'000);
  CHECK(f.Take() == 1);
}
