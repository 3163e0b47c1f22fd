// What the backlog does of itself, and what was in it before.
#include "bridge/forwarder.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/bridge/forwarder_support.h"

namespace rivulet {
namespace {

using namespace rivulet::test;
using std::chrono::seconds;

// A spool that was there before: some of its messages are in it, and it may let go of them.
struct OldBacklog : MessageLog {
  OldBacklog(std::uint64_t first, int messages) : MessageLog(1'000'000, first) {
    for (int i = 0; i < messages; ++i) Append(std::to_string(first + static_cast<unsigned>(i)));
  }
  MessageBatch Slice(std::uint64_t first, std::uint64_t max_messages) override {
    return readable ? MessageLog::Slice(first, max_messages) : MessageBatch{};
  }
  bool readable = true;
};

TEST_CASE("forwarder: after a restart each destination goes on where it stopped") {
  OldBacklog backlog(100, 10);
  auto config = Config(3, Batches(100));
  config.begin_at = {105, 102, 1000};
  Forwarder forwarder(config, &backlog);
  const FakeClock clock;
  CHECK(backlog.start() == 102);
  CHECK(forwarder.counts().received == 8);  // the others were done before
  CHECK(forwarder.counts().pending == 8);
  CHECK(forwarder.oldest(0) == 105);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "105\n106\n107\n108\n109\n");
  CHECK(Lines(forwarder.Next(2, clock.Now())) == "nothing");
  forwarder.Delivered(1, *forwarder.Next(1, clock.Now()));
  CHECK(forwarder.counts().delivered == 3);
  CHECK(forwarder.counts().pending == 5);
}

TEST_CASE("forwarder: messages that the backlog let go of count as dropped, once") {
  OldBacklog backlog(0, 10);
  Forwarder forwarder(Config(2, Batches(2)), &backlog);
  const FakeClock clock;
  const auto held = forwarder.Next(0, clock.Now());                                     // 0 and 1
  for (int i = 0; i < 2; ++i) forwarder.Delivered(1, *forwarder.Next(1, clock.Now()));  // 0 to 3
  backlog.DropBefore(7);
  CHECK(Lines(forwarder.Next(1, clock.Now())) == "7\n8\n");
  CHECK(Lines(held) == "0\n1\n");
  CHECK(forwarder.oldest(0) == 0);
  SUBCASE("what was in flight is delivered") {
    forwarder.Delivered(0, *held);
    CHECK(forwarder.counts().delivered == 2);
    CHECK(forwarder.counts().dropped == 5);
  }
  SUBCASE("what was in flight fails") {
    CHECK_FALSE(forwarder.Failed(0, *held, clock.Now()));
    CHECK(forwarder.counts().delivered == 0);
    CHECK(forwarder.counts().dropped == 7);
  }
  CHECK(forwarder.counts().pending == 3);
  CHECK(forwarder.oldest(0) == 7);
}

TEST_CASE("forwarder: a backlog that cannot be read is asked again after a second") {
  OldBacklog backlog(0, 1);
  Forwarder forwarder(Config(1), &backlog);
  FakeClock clock;
  backlog.readable = false;
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  CHECK(forwarder.WakeAt(0) == clock.Now() + seconds(1));
  backlog.readable = true;
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  clock.Advance(seconds(1));
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "0\n");
}

TEST_CASE("forwarder: one message that is refused here and dropped there counts as refused") {
  OldBacklog backlog(0, 4);
  Forwarder forwarder(Config(2, Batches(2)), &backlog);
  const FakeClock clock;
  forwarder.Refused(0, *forwarder.Next(0, clock.Now()), false);
  backlog.DropBefore(4);
  CHECK(Lines(forwarder.Next(0, clock.Now())) == "nothing");
  CHECK(forwarder.counts().refused == 2);
  CHECK(forwarder.counts().dropped == 2);
  CHECK(forwarder.counts().pending == 0);
}

}  // namespace
}  // namespace rivulet
